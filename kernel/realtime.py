"""Sockets: `push` sends a message to everybody who watches a group, in every process.

A process subscribes once to a group in Redis however many of its sockets watch it, a message is encoded once,
and the hub writes the same text to each of its sockets in a loop. A socket whose client does not read is set
aside with a bounded backlog and never holds the others up. A push is a hint, delivered at most once: whoever
must not miss anything numbers its messages and reads the gap over REST.
"""

import asyncio
import contextvars
import functools
import logging
import time
import types
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, TypeVar
from uuid import uuid4

import redis
import redis.asyncio
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings

from kernel import policy as security_policy
from kernel.access import Anonymous, Policy, Principal, admit_scope, principal_of, session_is_active
from kernel.databases import redis_client, redis_number, release_connections
from kernel.errors import Refused
from kernel.events import home_of
from kernel.http import decode_json, encode_json
from kernel.observability import correlation, correlation_id

log = logging.getLogger(__name__)

R = TypeVar("R")

PROTOCOL = "stayer.v1"
CHANNEL = f"push:{redis_number()}:"
BACKLOG = 256
"""Frames kept for a socket whose client does not read; past that it is told to read again over REST."""
MESSAGES_A_SECOND = 20
SESSION_CHECK_S = 4.0
HEARTBEAT_S = 2.0
RESYNC = encode_json({"type": "resync"}).decode()


def push(group: str, message: dict[str, Any]) -> None:
    """Send a message to every socket that watches `group`; call it after the commit that made it true."""
    push_all({group: message})


def push_all(messages: Mapping[str, dict[str, Any]]) -> None:
    """Send a message to the sockets of each of these groups, in one round trip."""
    ours = {"correlation_id": correlation_id()}
    pipeline = redis_client().pipeline(transaction=False)
    for group, message in messages.items():
        pipeline.publish(CHANNEL + group, encode_json(message | ours))
    try:
        pipeline.execute()
    except redis.RedisError:
        log.warning(
            "push lost: Redis is away", extra={"groups": sorted({group.partition(".")[0] for group in messages})}
        )


_threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="socket")


async def in_thread(function: Callable[..., R], *args: Any, **kwargs: Any) -> R:
    """Run synchronous code (actions, ORM) for a socket without holding up the others."""
    call = functools.partial(contextvars.copy_context().run, function, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(_threads, _then_release, call)


def _then_release(call: Callable[[], R]) -> R:
    try:
        return call()
    finally:
        release_connections()


class Hub:
    """One per process: which local sockets watch which group, and the one Redis subscription behind them."""

    def __init__(self) -> None:
        self.watchers: dict[str, set[Socket]] = {}
        self._confirmed: dict[str, asyncio.Future[None]] = {}
        self._own_channel = f"{CHANNEL}hub.{uuid4()}"
        self._last_heard = 0.0
        self._redis: redis.asyncio.Redis | None = None
        self._subscription: Any = None
        self._tasks: list[asyncio.Task[None]] = []

    async def join(self, group: str, socket: "Socket") -> None:
        """Deliver the group's messages to this socket; they arrive from the moment this returns."""
        self._start()
        watchers = self.watchers.setdefault(CHANNEL + group, set())
        watchers.add(socket)
        await self._subscribed(CHANNEL + group)

    async def leave(self, group: str, socket: "Socket") -> None:
        """Stop delivering the group's messages to this socket."""
        channel = CHANNEL + group
        watchers = self.watchers.get(channel, set())
        watchers.discard(socket)
        if not watchers and self.watchers.pop(channel, None) is not None:
            self._confirmed.pop(channel, None)
            if self._subscription is None:
                return
            try:
                await self._subscription.unsubscribe(channel)
            except (redis.RedisError, OSError):
                log.debug("unsubscribe met a broken connection; the next one starts without the channel")

    def _start(self) -> None:
        if not self._tasks:
            self._tasks = [
                asyncio.create_task(job()) for job in (self._listen, self._heartbeat, self._check_sessions)
            ]

    async def stop(self) -> None:
        """End the hub's tasks and its connection."""
        pending = set(self._tasks)
        while pending:  # redis-py may swallow a cancellation that meets its own time-out
            for task in pending:
                task.cancel()
            _, pending = await asyncio.wait(pending, timeout=0.5)
        self._tasks = []
        if self._redis is not None:
            await self._redis.aclose()

    async def _subscribed(self, channel: str) -> None:
        confirmed = self._confirmed.get(channel)
        if confirmed is None:
            confirmed = self._confirmed[channel] = asyncio.get_running_loop().create_future()
            if self._subscription is not None:
                try:
                    await self._subscription.subscribe(channel)
                except (redis.RedisError, OSError):
                    log.debug("subscribe met a broken connection; the next one takes the channel along")
        await asyncio.wait_for(asyncio.shield(confirmed), timeout=10)

    async def _listen(self) -> None:
        """Read from Redis for ever; after each new connection everybody is told to look for what they missed."""
        first = True
        while True:
            try:
                await self._connect()
                if not first:
                    self._resync()
                first = False
                await self._read_until_silent()
            except (redis.RedisError, OSError, _Silent):
                log.warning("the hub lost Redis and connects again")
                await asyncio.sleep(0.5)

    async def _connect(self) -> None:
        if self._redis is not None:
            await self._redis.aclose()
        self._redis = redis.asyncio.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=5)
        self._subscription = None  # whoever joins meanwhile leaves their channel to the loop below
        subscription, asked = self._redis.pubsub(), set[str]()
        while missing := {self._own_channel, *self._confirmed} - asked:
            await subscription.subscribe(*missing)
            asked |= missing
        self._subscription = subscription
        self._last_heard = time.monotonic()

    async def _read_until_silent(self) -> None:
        while True:
            message = await self._subscription.get_message(timeout=1.0)
            if message is not None:
                self._last_heard = time.monotonic()
                self._take(message)
            elif time.monotonic() - self._last_heard > 3 * HEARTBEAT_S:
                raise _Silent  # redis-py may not notice that a server has gone; our own heartbeat does

    def _take(self, message: dict[str, Any]) -> None:
        channel = message["channel"].decode()
        if message["type"] == "subscribe":
            confirmed = self._confirmed.get(channel)
            if confirmed is not None and not confirmed.done():
                confirmed.set_result(None)
        elif message["type"] == "message" and channel in self.watchers:
            text = message["data"].decode()
            for socket in tuple(self.watchers[channel]):
                socket.offer(text)

    async def _heartbeat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            try:
                if self._redis is not None:
                    await self._redis.publish(self._own_channel, b"")
            except (redis.RedisError, OSError):
                log.debug("heartbeat met a broken connection")

    def _resync(self) -> None:
        for socket in self._sockets():
            socket.offer(RESYNC)

    def _sockets(self) -> set["Socket"]:
        return {socket for watchers in self.watchers.values() for socket in watchers}

    async def _check_sessions(self) -> None:
        """Close the sockets of sessions that have been revoked."""
        while True:
            await asyncio.sleep(SESSION_CHECK_S)
            try:
                await self._close_revoked()
            except Exception:
                log.exception("checking the sessions of open sockets failed")

    async def _close_revoked(self) -> None:
        signed_in = [socket for socket in self._sockets() if isinstance(socket.principal, Principal)]
        sessions = {socket.principal.session_id for socket in signed_in if isinstance(socket.principal, Principal)}
        ended = {sid for sid in sessions if not await in_thread(session_is_active, sid)}
        for socket in signed_in:
            if isinstance(socket.principal, Principal) and socket.principal.session_id in ended:
                await socket.close(4401)


class _Silent(Exception):
    """Nothing, not even our own heartbeat, has come through for too long."""


_hubs: dict[asyncio.AbstractEventLoop, Hub] = {}


def hub() -> Hub:
    """The hub of the running event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        for old in [known for known in _hubs if known.is_closed()]:
            del _hubs[old]
        _hubs[loop] = Hub()
    return _hubs[loop]


class Socket(AsyncWebsocketConsumer):
    """The base of every socket: signs in, admits by policy, joins groups, survives slow and hostile clients.

    The access token comes as a subprotocol (`["stayer.v1", "bearer.<token>"]`), which a browser can set and no log
    records, or as an `Authorization: Bearer` header. It is never ambient, so foreign pages gain nothing.
    Close codes: 4400 bad frame, 4401 not signed in, 4403 forbidden, 4404 not found, 4429 too many messages.
    """

    access: ClassVar[Policy]
    app_scope: ClassVar[str | None] = None
    """What a person must have granted an app to open this socket; `<context>:read` where nothing is said."""
    principal: Any = Anonymous()

    async def opened(self) -> None:
        """Called when the client is admitted. Join first, then read and send the snapshot: nothing is missed."""

    async def received(self, message: dict[str, Any]) -> None:
        """Called with each JSON object the client sends."""

    async def connect(self) -> None:
        """Admit the client or close with the reason: a close code is all a browser shows its page."""
        self._groups: set[str] = set()
        self._backlog: deque[str] = deque()
        self._draining: asyncio.Task[None] | None = None
        self._allowance, self._counted_at = float(MESSAGES_A_SECOND), time.monotonic()
        await self.accept(subprotocol=PROTOCOL if PROTOCOL in self.scope.get("subprotocols", []) else None)
        with correlation(correlation_id()):
            try:
                token = self._token()
                if token is not None:
                    self.principal = await in_thread(principal_of, token)
                context = home_of(type(self).__module__)
                self.access.admit(self.principal)
                admit_scope(self.principal, self.app_scope or f"{context}:read")
                await in_thread(security_policy.admit, f"{context}.{type(self).__name__}", self.principal)
                await self.opened()
            except Refused as refused:
                await self.refuse(refused.code, status=refused.status)

    def _token(self) -> str | None:
        for offered in self.scope.get("subprotocols", []):
            if offered.startswith("bearer."):
                return str(offered.removeprefix("bearer."))
        header = dict(self.scope["headers"]).get(b"authorization", b"").decode("latin-1")
        scheme, _, token = header.partition(" ")
        return token.strip() if scheme.lower() == "bearer" else None

    async def join(self, group: str) -> None:
        """Receive what is pushed to this group."""
        self._groups.add(group)
        await hub().join(group, self)

    async def leave(self, group: str) -> None:
        """Stop receiving what is pushed to this group."""
        self._groups.discard(group)
        await hub().leave(group, self)

    async def send_json(self, message: dict[str, Any]) -> None:
        """Send one frame to this client, in order with what is pushed to it."""
        self.offer(encode_json(message).decode())

    async def refuse(self, code: str, *, status: int = 404) -> None:
        """Say why in a last frame, then close with 4000 + the HTTP status."""
        await self.send_json({"type": "refused", "code": code})
        await self.close(4000 + status)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """One frame from the client: counted, parsed, given to `received`."""
        if not self._within_allowance():
            await self.refuse("too_many_messages", status=429)
            return
        with correlation(correlation_id()):
            try:
                message = decode_json(text_data.encode() if text_data is not None else bytes_data or b"")
            except (Refused, UnicodeEncodeError):
                await self.refuse("bad_frame", status=400)
                return
            if not isinstance(message, dict):
                await self.refuse("bad_frame", status=400)
                return
            await self.received(message)

    def _within_allowance(self) -> bool:
        now = time.monotonic()
        refilled = self._allowance + (now - self._counted_at) * MESSAGES_A_SECOND
        self._allowance, self._counted_at = min(refilled, 2.0 * MESSAGES_A_SECOND) - 1, now
        return self._allowance >= 0

    async def disconnect(self, code: int) -> None:
        """Leave every group."""
        for group in tuple(self._groups):
            await self.leave(group)
        if self._draining is not None:
            self._draining.cancel()

    def offer(self, text: str) -> None:
        """Write a frame now if the client is reading; otherwise keep it, up to `BACKLOG` frames."""
        if self._draining is not None:
            self._backlog.append(text)
            if len(self._backlog) > BACKLOG:
                self._backlog.clear()
                self._backlog.append(RESYNC)
            return
        # A send that need not wait ends in its first step: no task, no queue, 5 µs. Only a client that does not
        # read makes it wait, and then the rest of that send, and what comes after it, moves to a task.
        sending = self.base_send({"type": "websocket.send", "text": text})
        try:
            waits_for = sending.send(None)
        except StopIteration:
            return
        except Exception:
            log.debug("a frame met a closed socket")
            return
        self._draining = asyncio.get_running_loop().create_task(self._drain(sending, waits_for))

    async def _drain(self, sending: Coroutine[Any, Any, None], waits_for: Any) -> None:
        try:
            await _finish(sending, waits_for)
            while self._backlog:
                await self.base_send({"type": "websocket.send", "text": self._backlog.popleft()})
        except Exception:
            log.debug("a frame met a closed socket")
        finally:
            self._draining = None


@types.coroutine
def _finish(started: Coroutine[Any, Any, None], waits_for: Any) -> Generator[Any, None, None]:
    """Await a coroutine that has already been stepped once, from the future it stopped at."""
    while True:
        yield waits_for
        try:
            waits_for = started.send(None)
        except StopIteration:
            return
