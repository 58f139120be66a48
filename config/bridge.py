"""Django's WSGI handler inside an ASGI server: a thread works only while there is work for it.

The body is taken in before a thread is asked, so a slow sender holds none. An answer that fits into memory goes
back to the event loop in one hand-over; a longer one goes piece by piece, at the receiver's pace.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from tempfile import SpooledTemporaryFile
from typing import IO, Any

MAX_BODY_BYTES = 32 * 1024 * 1024
"""More than most endpoints take. A body announced as larger is not read: the endpoint refuses it unseen."""
LARGER_BODIES = {"/api/v1/workout/imports/batches": 2_100_000_000}
"""The addresses that take more. Such a body is written to the disk as it comes, like any past `KEPT_IN_MEMORY`."""
KEPT_IN_MEMORY = 1024 * 1024
"""Bytes of a body or an answer; past that a body goes to a file, and an answer on its way."""
PATIENCE_S = 30.0
"""How long a receiver may take over one piece of a long answer."""

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
WsgiApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class WsgiBridge:
    """An ASGI application that answers HTTP with a WSGI application, in a pool of threads."""

    def __init__(self, application: WsgiApplication, *, threads: int) -> None:
        self.application = application
        self.threads = ThreadPoolExecutor(threads, thread_name_prefix="http")

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        loop = asyncio.get_running_loop()
        with SpooledTemporaryFile(max_size=KEPT_IN_MEMORY) as body:
            environ = environ_of(scope) | {"wsgi.input": body}
            if not await _take_in(body, environ, receive):
                return

            def send_piece(message: Message) -> None:
                asyncio.run_coroutine_threadsafe(send(message), loop).result(PATIENCE_S)

            for message in await loop.run_in_executor(self.threads, _answer, self.application, environ, send_piece):
                await send(message)


async def _take_in(body: IO[bytes], environ: dict[str, Any], receive: Receive) -> bool:
    """Write the request's body to `body` and its true length to `environ`; false if the client hung up."""
    announced = environ.get("CONTENT_LENGTH", "")
    most = LARGER_BODIES.get(environ["PATH_INFO"], MAX_BODY_BYTES)
    if announced.isdigit() and int(announced) > most:
        return True
    size, more = 0, True
    while more and size <= most:
        message = await receive()
        if message["type"] == "http.disconnect":
            return False
        size += body.write(message.get("body", b""))
        more = message.get("more_body", False)
    body.seek(0)
    if size:
        environ["CONTENT_LENGTH"] = str(size)
    return True


def _answer(
    application: WsgiApplication, environ: dict[str, Any], send_piece: Callable[[Message], None]
) -> list[Message]:
    """Run the application on this thread; returns the messages still to be sent."""
    unsent: list[Message] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        lines = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        unsent.append({"type": "http.response.start", "status": int(status[:3]), "headers": lines})

    answer = application(environ, start_response)
    try:
        held = bytearray()
        for piece in answer:
            held += piece
            if len(held) > KEPT_IN_MEMORY:
                for message in [*unsent, _piece(held, more=True)]:
                    send_piece(message)
                unsent.clear()
                held = bytearray()
        for head in unsent:
            _say_length(head, held)
        return [*unsent, _piece(held, more=False)]
    finally:
        if hasattr(answer, "close"):
            answer.close()  # Django lets go of its database connections here, on the thread that took them


def _say_length(head: Message, content: bytearray) -> None:
    """Say how long a whole answer is: without it the server sends it in chunks."""
    if head["status"] not in (204, 304) and all(name != b"content-length" for name, _ in head["headers"]):
        head["headers"].append((b"content-length", str(len(content)).encode()))


def _piece(content: bytearray, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": bytes(content), "more_body": more}


def environ_of(scope: dict[str, Any]) -> dict[str, Any]:
    """The WSGI environment of an ASGI HTTP scope."""
    server, client = scope.get("server") or ("localhost", 80), scope.get("client") or ("", 0)
    environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"].encode().decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "REMOTE_ADDR": client[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for raw_name, raw_value in scope["headers"]:
        if b"_" in raw_name:
            continue  # would pass for the header with a dash, which proxies set and remove
        name, value = raw_name.decode("latin-1").upper().replace("-", "_"), raw_value.decode("latin-1")
        key = name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"
        separator = "; " if key == "HTTP_COOKIE" else ","
        environ[key] = f"{environ[key]}{separator}{value}" if key in environ else value
    return environ
