"""Telling the shop what has happened, again and again until it has heard."""

import hashlib
import hmac
import http.client
import sys
import threading
import time
from urllib.parse import urlsplit, urlunsplit

from payment_sandbox.books import Books

TIMEOUT_S = 5.0
AFTER_A_FAULT_S = 1.0


class Teller:
    """Sends what is due, in a thread of its own."""

    def __init__(self, books: Books, *, url: str, secret: str) -> None:
        self._books, self._url, self._secret = books, urlsplit(url), secret
        self._speaking = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)

    def start(self) -> None:
        """Begin to speak."""
        self._thread.start()

    def _run(self) -> None:
        while True:
            self._books.something_due.wait(timeout=self._books.next_due_in())
            self._books.something_due.clear()
            try:
                self.tell_now()
            except Exception as fault:  # a thread that ends here would leave the shop without a word for good
                print(f"webhooks: {fault!r}", file=sys.stderr, flush=True)  # noqa: T201
                self._books.something_due.wait(timeout=AFTER_A_FAULT_S)
                self._books.something_due.set()

    def tell_now(self) -> None:
        """Say everything that is due; what is not heard is due again later."""
        with self._speaking:
            for webhook_id, body in self._books.due_webhooks():
                if self._is_heard(body):
                    self._books.note_heard(webhook_id)
                else:
                    self._books.note_unheard(webhook_id)

    def _is_heard(self, body: bytes) -> bool:
        kind = http.client.HTTPSConnection if self._url.scheme == "https" else http.client.HTTPConnection
        connection = kind(self._url.hostname or "", self._url.port, timeout=TIMEOUT_S)
        target = urlunsplit(("", "", self._url.path or "/", self._url.query, ""))
        headers = {"Content-Type": "application/json", "Sandbox-Signature": self._signature(body)}
        try:
            connection.request("POST", target, body, headers)
            return 200 <= connection.getresponse().status < 300
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _signature(self, body: bytes) -> str:
        stamp = str(int(time.time()))
        digest = hmac.new(self._secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        return f"t={stamp},v1={digest}"
