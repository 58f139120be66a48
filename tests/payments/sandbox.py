"""The payment sandbox as a running program, and somebody whom it tells."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

PATIENCE_S = 20.0
NO_AUTHORITIES = False
"""Nothing here is encrypted; to read the authorities we believe would take longer than a payment."""
Hears = Callable[[bytes, dict[str, str]], int]


class Listener:
    """An HTTP server whose answers are what `hears(body, headers)` returns; it counts what it hears."""

    def __init__(self, hears: Hears) -> None:
        self.hears, self.heard = hears, list[bytes]()
        self._changed = threading.Condition()
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status = listener.hears(body, dict(self.headers))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()
                with listener._changed:
                    listener.heard.append(body)
                    listener._changed.notify_all()

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/told"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def wait_for(self, number: int) -> None:
        """Until so many requests have been answered."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.heard) >= number, PATIENCE_S), f"heard {len(self.heard)}"

    def close(self) -> None:
        """Hear no more; whatever is being heard is heard to its end."""
        self._server.shutdown()
        self._server.server_close()


class SandboxProcess:
    """`python -m payment_sandbox`, to be killed and started again on the same books."""

    def __init__(self, folder: Path, *, listener: Listener) -> None:
        self.listener, self._folder, self._port = listener, folder, 0
        self.start()

    def start(self) -> None:
        """Start, and wait until it says where it listens."""
        command = [sys.executable, "-m", "payment_sandbox", "--port", str(self._port), "--slow-s", "0.5"]
        command += ["--database", str(self._folder / "books.sqlite"), "--webhook-url", self.listener.url]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ)
        assert self._process.stdout is not None
        found = re.search(r"port (\d+)", self._process.stdout.readline())
        assert found, "the sandbox did not start"
        self._port = int(found[1])
        self.url = f"http://127.0.0.1:{self._port}"

    def kill(self) -> None:
        """SIGKILL."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def books(self) -> dict[str, Any]:
        """The provider's own books, by the reference of the shop."""
        answer = httpx.get(
            f"{self.url}/v1/books",
            headers={"Authorization": f"Bearer {os.environ['PAYMENT_API_KEY']}"},
            verify=NO_AUTHORITIES,
        )
        return {payment["reference"]: payment for payment in answer.json()["payments"]}


def pay(page_url: str, card: str) -> httpx.Response:
    """What a payer does on the hosted page."""
    return httpx.post(page_url, data={"card": card}, timeout=PATIENCE_S, verify=NO_AUTHORITIES)


@contextmanager
def running_sandbox(folder: Path, hears: Hears) -> Iterator[SandboxProcess]:
    """A sandbox that tells `hears` what happens."""
    listener = Listener(hears)
    sandbox = SandboxProcess(folder, listener=listener)
    try:
        yield sandbox
    finally:
        sandbox.kill()
        listener.close()
