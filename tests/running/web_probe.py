"""What `test_web.py` has served: a WSGI application that tells what it got, and a socket that floods."""

import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Iterable
from typing import Any

from config.bridge import WsgiBridge

FRAME = "x" * 10_000
FRAMES = 5_000
closed: list[str] = []


class Answer:
    """An iterable with a `close`, as Django's answers are."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.pieces = pieces

    def __iter__(self) -> Any:
        return iter(self.pieces)

    def close(self) -> None:
        closed.append(threading.current_thread().name)


def tell(environ: dict[str, Any], start_response: Any) -> Answer:
    """Answers with what arrived; `/large` with 40 MB, `/closed` with the threads on which answers were closed."""
    path = environ["PATH_INFO"]
    if path == "/large":
        start_response("200 OK", [("Content-Type", "application/octet-stream")])
        return Answer(b"y" * 65_536 for _ in range(640))
    if path == "/slow":
        time.sleep(0.5)
    if path == "/empty":
        start_response("204 No Content", [])
        return Answer([b""])
    body = environ["wsgi.input"].read()
    told = {
        "method": environ["REQUEST_METHOD"],
        "path": path.encode("latin-1").decode(),
        "query": environ["QUERY_STRING"],
        "announced": environ.get("CONTENT_LENGTH"),
        "size": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
        "headers": {name: value for name, value in environ.items() if name.startswith("HTTP_")},
        "address": environ["REMOTE_ADDR"],
        "scheme": environ["wsgi.url_scheme"],
        "closed": closed,
    }
    start_response("200 OK", [("Content-Type", "application/json")])
    return Answer([json.dumps(told).encode()])


async def flood(receive: Any, send: Any) -> None:
    """Send without pause until a send must wait, then say in the last frame how many went through before."""
    await receive()
    await send({"type": "websocket.accept"})
    sent = 0
    while sent < FRAMES:
        sending = send({"type": "websocket.send", "text": FRAME})
        try:
            sending.send(None)
        except StopIteration:
            sent += 1
        else:
            sending.close()
            break
    with contextlib.suppress(RuntimeError):  # the server has closed meanwhile: there is nobody to tell
        await send({"type": "websocket.send", "text": str(sent)})
        await send({"type": "websocket.close", "code": 1000})


async def listen(receive: Any, send: Any) -> None:
    """Hear one frame, thank for it, and end in order; a server that has hung up meanwhile ends it by itself."""
    await receive()
    await send({"type": "websocket.accept"})
    heard = await receive()
    if heard["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": "thanks"})
        await send({"type": "websocket.close", "code": 1000})


_http = WsgiBridge(tell, threads=2)


async def application(scope: Any, receive: Any, send: Any) -> None:
    """The ASGI entry."""
    if scope["type"] == "websocket":
        await (listen if scope["path"] == "/listen" else flood)(receive, send)
    elif scope["type"] == "http":
        await _http(scope, receive, send)
