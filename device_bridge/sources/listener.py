"""Devices that post over the local network (scales, watches, scripts): `POST /<device>/<stream>` with a token.

    curl -H "Authorization: Bearer $STAYER_BRIDGE_TOKEN" -d '{"value": 71.4}' http://bridge:8085/scale/weight

204: on disk. 400: not understood, the body says why. 401: the token. 503: not now, send it again.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import dataclasses
import hmac
import os
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from device_bridge import journal
from device_bridge.sources import Deliver, Heard, NoRadio, UnknownTransport
from device_bridge.sources.payload import MOST_BYTES, NotUnderstood, heard

SHORTEST_TOKEN = 16
KEPT_WITHIN_S = 10.0
HEARD_WITHIN_S = 10.0
MOST_AT_ONCE = 16


class LocalListener:
    """A source: whoever on the local network knows the token."""

    def __init__(self, address: str, *, environment: Mapping[str, str] = os.environ) -> None:
        """HOST:PORT. Raises UnknownTransport without an address or a token in STAYER_BRIDGE_TOKEN."""
        host, _, port = address.rpartition(":")
        self._token = environment.get("STAYER_BRIDGE_TOKEN", "")
        if not host or not port.isdecimal() or int(port) > 65_535:
            raise UnknownTransport(f"--transport http:{address!r} is not http:HOST:PORT")
        if len(self._token) < SHORTEST_TOKEN:
            raise UnknownTransport(
                f"STAYER_BRIDGE_TOKEN holds the listener's token, {SHORTEST_TOKEN} characters or more"
            )
        self._place = host, int(port)

    async def run(self, deliver: Deliver) -> None:
        """Listen until cancelled. Raises NoRadio when the address is not to be had."""
        loop = asyncio.get_running_loop()

        async def keep(said: Heard) -> bool:
            kept = loop.create_future()
            deliver(dataclasses.replace(said, kept=kept))
            return bool(await kept)

        def take(said: Heard) -> bool:
            waiting = asyncio.run_coroutine_threadsafe(keep(said), loop)
            try:
                return waiting.result(KEPT_WITHIN_S)
            except (concurrent.futures.TimeoutError, concurrent.futures.CancelledError):
                waiting.cancel()
                return False

        try:
            server = _Server(self._place, take=take, token=self._token)
        except OSError as error:
            raise NoRadio(f"Cannot listen on {self._place[0]}:{self._place[1]}: {error.strerror}.") from error
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
        journal.note("listening", port=server.server_port)
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.to_thread(server.shutdown)
            server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, place: tuple[str, int], *, take: Any, token: str) -> None:
        self.take, self.token = take, token.encode()
        self.turns = threading.BoundedSemaphore(MOST_AT_ONCE)
        super().__init__(place, _Request)

    def process_request(self, request: Any, client_address: Any) -> None:
        """More at once than this are let go: a home has few scales."""
        if not self.turns.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.turns.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        journal.detail("request_broke_off")


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    timeout = HEARD_WITHIN_S

    def do_POST(self) -> None:  # http.server's name
        status, why = self._answer()
        body = f"{why}\n".encode() if why else b""
        self.close_connection = True
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        if status == 503:
            self.send_header("Retry-After", "30")
        self.end_headers()
        self.wfile.write(body)

    def _answer(self) -> tuple[int, str]:
        given = self.headers.get("Authorization", "").encode("latin-1", "replace")
        if not hmac.compare_digest(given, b"Bearer " + self.server.token):
            return 401, "send Authorization: Bearer and the token"
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            return 411, "send a Content-Length"
        if int(length[:9]) > MOST_BYTES:
            return 413, f"at most {MOST_BYTES} bytes"
        parts = self.path.split("/")
        if len(parts) != 3 or parts[0]:
            return 404, "post to /<device>/<stream>"
        try:
            said = heard(parts[1], parts[2], self.rfile.read(int(length)))
        except NotUnderstood as error:
            return 400, str(error)
        return (204, "") if self.server.take(said) else (503, "not on disk yet: send it again")

    def version_string(self) -> str:
        return "stayer-bridge"

    def log_message(self, *_: object) -> None:
        """Paths name devices: they are in no log."""
