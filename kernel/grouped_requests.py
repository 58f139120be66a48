"""Ordinary small requests to one address, answered many at a time and without Django's way to a view.

Where thousands of devices each send a few bytes, the way through middleware and a transaction of one's own costs
many times what the bytes do. Those of them that are as they should be are answered here, by group commit. Whatever
is not answered here goes Django's way from the beginning: refusals are said in one place, here it is only ever yes
(ADR 0018).

Who comes while others are being served is served with those who came meanwhile; nobody waits for company.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings

from kernel.databases import release_connections
from kernel.observability import CORRELATION_HEADER, correlation, correlation_of, observe

log = logging.getLogger(__name__)

MAX_BODY_BYTES: Final = 8_192
"""Of a request that joins others. Larger ones are worth a transaction of their own."""
SERVED_AT_ONCE: Final = 128
"""Requests of a group."""
GROUPS_AT_ONCE: Final = 2
"""While one group waits for the disk another is read. Each has a database connection of its own, and keeps it."""
WAITING_AT_MOST: Final = 1_024
"""Who comes while so many wait goes Django's way, where back-pressure is."""

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]


@dataclass(slots=True)
class Asked:
    """A small request whose head is ordinary."""

    method: str
    path: str
    headers: dict[bytes, bytes]
    """By their names in small letters."""
    body: bytes
    correlation_id: str


Serve = Callable[[Sequence[Asked]], Sequence[bytes | None]]
"""Answers requests in their order: JSON, or None for one that is not ordinary and has changed nothing."""


@dataclass(frozen=True, kw_only=True)
class GroupedEndpoint:
    """An address, the route by which Django knows it, and what answers its ordinary requests."""

    method: str
    path: str
    route: str
    serve: Serve


class GroupedRequests:
    """An ASGI application before another one: answers what `serve` answers, and passes on the rest as it came.

    If `serve` raises it must have changed nothing, and all that it was asked goes on.
    """

    def __init__(self, endpoint: GroupedEndpoint, *, beyond: Asgi) -> None:
        self._endpoint, self._beyond = endpoint, beyond
        self._waiting: deque[tuple[Asked, asyncio.Future[bytes | None]]] = deque()
        self._serving = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._head = HEADERS + _strict_transport_security()
        self._threads = ThreadPoolExecutor(GROUPS_AT_ONCE, thread_name_prefix="grouped")

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        if not self._may_take(scope, headers):
            return await self._beyond(scope, receive, send)
        began = time.perf_counter()
        message = await receive()
        answer = None
        if message["type"] == "http.request" and not message.get("more_body", False):
            asked = Asked(
                scope["method"],
                scope["path"],
                headers,
                message.get("body", b""),
                correlation_of(headers.get(CORRELATION_BYTES, b"").decode("latin-1")),
            )
            answer = await self._answer(asked)
        if answer is None:
            return await self._beyond(scope, _told_again(message, receive), send)
        lines = [
            *self._head,
            (b"content-length", b"%d" % len(answer)),
            (CORRELATION_BYTES, asked.correlation_id.encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": lines})
        await send({"type": "http.response.body", "body": answer})
        with correlation(asked.correlation_id):
            observe(self._endpoint.method, self._endpoint.route, 200, time.perf_counter() - began)

    def _may_take(self, scope: dict[str, Any], headers: dict[bytes, bytes]) -> bool:
        """Whether this may be an ordinary request, as far as its head says."""
        length = headers.get(b"content-length", b"")
        return (
            scope["method"] == self._endpoint.method
            and length.isdigit()
            and int(length) <= MAX_BODY_BYTES
            and len(headers) == len(scope["headers"])  # one that is said twice is for Django to join
            and len(self._waiting) < WAITING_AT_MOST
            and (_is_secure(scope, headers) or not settings.SECURE_SSL_REDIRECT)
        )

    async def _answer(self, asked: Asked) -> bytes | None:
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[bytes | None] = loop.create_future()
        self._waiting.append((asked, answered))
        if self._serving < GROUPS_AT_ONCE:
            self._serving += 1
            self._tasks.add(task := loop.create_task(self._serve_all()))
            task.add_done_callback(self._tasks.discard)
        return await answered

    async def _serve_all(self) -> None:
        """Serve whoever waits, and then whoever has come meanwhile, until nobody does."""
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                served = [self._waiting.popleft() for _ in range(min(len(self._waiting), SERVED_AT_ONCE))]
                answers = await loop.run_in_executor(self._threads, self._served, [asked for asked, _ in served])
                for (_, answered), answer in zip(served, answers, strict=True):
                    if not answered.done():
                        answered.set_result(answer)
        finally:
            self._serving -= 1

    def _served(self, asked: list[Asked]) -> Sequence[bytes | None]:
        """As many answers as requests, whatever happens: who waits for one must not wait for ever."""
        try:
            answers = self._endpoint.serve(asked)
            if len(answers) != len(asked):
                raise ValueError(f"{len(answers)} answers to {len(asked)} requests")
        except Exception:
            log.warning("a group of requests could not be served; each takes the other way", exc_info=True)
            release_connections()
            return [None] * len(asked)
        return answers


CORRELATION_BYTES: Final = CORRELATION_HEADER.lower().encode()
HEADERS: Final = [
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
]
"""What Django's middleware says of every answer of ours."""


def _strict_transport_security() -> list[tuple[bytes, bytes]]:
    if not settings.SECURE_HSTS_SECONDS:
        return []
    return [(b"strict-transport-security", b"max-age=%d; includeSubDomains; preload" % settings.SECURE_HSTS_SECONDS)]


def _is_secure(scope: dict[str, Any], headers: dict[bytes, bytes]) -> bool:
    """Whether it came over HTTPS, by the proxy's word where there is one (`SECURE_PROXY_SSL_HEADER`)."""
    if settings.SECURE_PROXY_SSL_HEADER:
        return headers.get(b"x-forwarded-proto") == b"https"
    return bool(scope["scheme"] == "https")


def _told_again(message: Message, receive: Receive) -> Receive:
    """What receives this message once more, and then what follows it."""
    told = False

    async def again() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return message

    return again
