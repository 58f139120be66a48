"""The HTTP side: an API for the shop, a page for the payer."""

import hmac
import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from payment_sandbox import page
from payment_sandbox.books import CARDS, EARLY, Books, Refusal
from payment_sandbox.webhooks import Teller

MAX_BODY = 65_536
MOST = 10**12
"""No amount and no instant is larger."""
FIELDS: dict[str, type] = {
    "reference": str,
    "amount_minor": int,
    "currency": str,
    "description": str,
    "return_url": str,
    "expires_at": int,
}
POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action *; frame-ancestors 'none'; base-uri 'none'"


class Server(ThreadingHTTPServer):
    """What every request needs."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(
        self, address: tuple[str, int], *, books: Books, teller: Teller, api_key: str, public_url: str
    ) -> None:
        super().__init__(address, Handler)
        self.books, self.teller, self.api_key = books, teller, api_key
        self.public_url = public_url or f"http://{address[0]}:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "payment-sandbox"
    timeout: ClassVar[float] = 30.0

    def do_GET(self) -> None:
        """A payment, the books, or the page."""
        self._answering(self._get)

    def do_POST(self) -> None:
        """Something is to be done."""
        self._answering(self._post)

    def _answering(self, answer: Any) -> None:
        try:
            answer(_parts(self.path))
        except Refusal as refusal:
            self._json(refusal.status, refusal.body)

    def _get(self, parts: list[str]) -> None:
        match parts:
            case ["pay", payment_id]:
                self._html(200, page.pay_page(self.server.books.payment(payment_id)))
            case ["healthz"]:
                self._json(200, "{}")
            case ["v1", "books"]:
                self._ensure_known()
                self._json(200, json.dumps({"payments": self.server.books.all_payments()}))
            case ["v1", "payments", payment_id]:
                self._ensure_known()
                self._json(200, json.dumps(self._shown(self.server.books.payment(payment_id))))
            case _:
                raise Refusal(404, "not_found")

    def _post(self, parts: list[str]) -> None:
        body = self._body()
        if parts[0] == "pay" and len(parts) == 2:
            self._pay(parts[1], body)
            return
        self._ensure_known()
        key, books = self.headers.get("Idempotency-Key", ""), self.server.books
        if not key:
            raise Refusal(400, "idempotency_key_missing")
        wanted = self._wanted(body)
        request = f"{self.path}\n".encode() + body
        match parts:
            case ["v1", "payments"]:
                self._ensure_sound(wanted)
                answer = books.once(key, request, lambda: self._shown(books.open_payment(wanted)))
            case ["v1", "payments", payment_id, "capture"]:
                answer = books.once(key, request, lambda: self._shown(books.capture(payment_id, wanted)))
            case ["v1", "payments", payment_id, "void"]:
                answer = books.once(key, request, lambda: self._shown(books.void(payment_id)))
            case ["v1", "payments", payment_id, "refunds"]:
                self._ensure_sound_refund(wanted)
                if books.fail_refund(payment_id):
                    raise Refusal(500, "refund_failed_for_now")
                answer = books.once(key, request, lambda: self._shown(books.refund(payment_id, wanted)))
            case _:
                raise Refusal(404, "not_found")
        self._json(*answer)

    def _pay(self, payment_id: str, body: bytes) -> None:
        card = parse_qs(body.decode("ascii", "replace")).get("card", [""])[0]
        payment = self.server.books.payment(payment_id)
        if card not in CARDS:
            self._html(400, page.pay_page(payment, fault="Choose one of the cards."))
            return
        status = self.server.books.pay(payment_id, card)
        if status == "declined":
            self._html(402, page.pay_page(payment, fault="The card was declined. Try another one."))
            return
        if card == EARLY:
            self.server.teller.tell_now()
        self.send_response(303)
        self.send_header("Location", payment["return_url"])
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _ensure_known(self) -> None:
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if not self.server.api_key or not hmac.compare_digest(given.encode(), self.server.api_key.encode()):
            raise Refusal(401, "unauthorised")

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding"):  # what is not read here would be read as the next request
            self.close_connection = True
            raise Refusal(411, "length_required")
        length = self.headers.get("Content-Length") or "0"
        if not length.isdecimal() or int(length) > MAX_BODY:
            self.close_connection = True
            raise Refusal(413, "too_large")
        return self.rfile.read(int(length))

    def _wanted(self, body: bytes) -> dict[str, Any]:
        try:
            wanted = json.loads(body or b"{}")
        except ValueError:
            raise Refusal(400, "bad_json") from None
        if not isinstance(wanted, dict):
            raise Refusal(400, "bad_json")
        return wanted

    def _ensure_sound(self, wanted: dict[str, Any]) -> None:
        sound = (
            all(type(wanted.get(name)) is kind for name, kind in FIELDS.items())
            and 1 <= wanted["amount_minor"] <= MOST
            and 0 <= wanted["expires_at"] <= MOST
            and re.fullmatch("[A-Z]{3}", wanted["currency"])
            and _is_text(wanted["reference"])
            and _is_text(wanted["description"])
            and _is_address(wanted["return_url"])
        )
        if not sound:
            raise Refusal(400, "invalid")

    def _ensure_sound_refund(self, wanted: dict[str, Any]) -> None:
        amount = wanted.get("amount_minor")
        if type(amount) is not int or not 1 <= amount <= MOST or not _is_text(wanted.get("reference")):
            raise Refusal(400, "invalid")

    def _shown(self, payment: dict[str, Any]) -> dict[str, Any]:
        hidden = ("card", "return_url", "refund_failures")
        told = {name: value for name, value in payment.items() if name not in hidden}
        return told | {"page_url": f"{self.server.public_url}/pay/{payment['id']}"}

    def _json(self, status: int, body: str) -> None:
        self._send(status, "application/json", body)

    def _html(self, status: int, body: str) -> None:
        self._send(status, "text/html; charset=utf-8", body)

    def _send(self, status: int, kind: str, body: str) -> None:
        content = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *values: Any) -> None:
        """Addresses of people who pay are nobody's business: nothing is logged of a request that went well."""


def _parts(target: str) -> list[str]:
    try:
        return urlsplit(target).path.strip("/").split("/")
    except ValueError:
        raise Refusal(404, "not_found") from None


def _is_text(value: Any) -> bool:
    """Whether it can be written down: JSON may hold halves of characters."""
    return isinstance(value, str) and not re.search("[\ud800-\udfff]", value)


def _is_address(value: str) -> bool:
    """Whether payers can be sent there by a header."""
    try:
        return urlsplit(value).scheme in ("http", "https") and value.isascii() and value.isprintable()
    except ValueError:
        return False
