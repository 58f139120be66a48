"""Sockets: one encode, one subscription, slow clients set aside, ended sessions closed."""

import asyncio
import contextlib

import pytest
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.urls import path

from kernel import realtime
from kernel.access import has_role, member
from kernel.databases import redis_client
from kernel.realtime import BACKLOG, Socket, hub, in_thread, push
from tests.kernel.tokens import claims_of, sign, token_of

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


class Room(Socket):
    """Echoes, and listens to one group."""

    access = member

    async def opened(self) -> None:
        await self.join(f"room.{self.scope['url_route']['kwargs']['room']}")
        await self.send_json({"type": "snapshot", "user_id": self.principal.user_id})

    async def received(self, message: dict) -> None:
        await self.send_json({"type": "echo", "message": message})


class Moderators(Socket):
    """For moderators."""

    access = has_role("moderator")


routes = URLRouter([path("room/<str:room>", Room.as_asgi()), path("moderators", Moderators.as_asgi())])


@contextlib.asynccontextmanager
async def connected(where: str = "/room/a", token: str | None = None, headers: list | None = None):
    client = WebsocketCommunicator(
        routes, where, headers=headers, subprotocols=["stayer.v1", *([f"bearer.{token}"] if token else [])]
    )
    accepted, protocol = await client.connect(timeout=10)
    assert accepted
    assert protocol == "stayer.v1"
    try:
        yield client
    finally:
        await client.disconnect()


@pytest.fixture(autouse=True)
async def stop_hub():
    yield
    await hub().stop()
    realtime._hubs.clear()


async def closing_code(client: WebsocketCommunicator) -> int:
    while (message := await client.receive_output(10))["type"] != "websocket.close":
        pass
    return message["code"]


async def test_a_push_reaches_every_socket_of_the_group_and_no_other() -> None:
    token = token_of()
    async with connected(token=token) as one, connected(token=token) as two, connected("/room/b", token) as other:
        for client in (one, two, other):
            assert (await client.receive_json_from(10))["type"] == "snapshot"
        await in_thread(push, "room.a", {"type": "news", "n": 1})
        for client in (one, two):
            frame = await client.receive_json_from(10)
            assert (frame["type"], frame["n"]) == ("news", 1)
            assert frame["correlation_id"]
        assert await other.receive_nothing(0.2)


async def test_a_process_subscribes_once_to_a_group_and_leaves_with_the_last_socket() -> None:
    token = token_of()
    async with connected(token=token) as one, connected(token=token) as two:
        await one.receive_json_from(10)
        await two.receive_json_from(10)
        channel = f"{realtime.CHANNEL}room.a"
        assert redis_client().pubsub_numsub(channel) == [(channel.encode(), 1)]
    assert hub().watchers == {}


async def test_the_token_may_come_in_a_header() -> None:
    async with connected(headers=[(b"authorization", f"Bearer {token_of()}".encode())]) as client:
        assert (await client.receive_json_from(10))["type"] == "snapshot"


@pytest.mark.parametrize("token", [None, "rubbish"])
async def test_who_is_not_signed_in_is_told_by_the_close_code(token: str | None) -> None:
    async with connected(token=token) as client:
        assert await closing_code(client) == 4401


async def test_who_may_not_enter_is_told_by_the_close_code() -> None:
    async with connected("/moderators", token_of()) as client:
        assert await closing_code(client) == 4403
    async with connected("/moderators", token_of(roles=["moderator"])) as client:
        assert await client.receive_nothing(0.1)


@pytest.mark.parametrize("frame", ["{", "[]", '"text"', '{"a": "\\u0000"}', "[" * 100])
async def test_a_bad_frame_closes_with_4400(frame: str) -> None:
    async with connected(token=token_of()) as client:
        await client.send_to(text_data=frame)
        assert await closing_code(client) == 4400


async def test_too_many_messages_close_with_4429() -> None:
    async with connected(token=token_of()) as client:
        for n in range(3 * realtime.MESSAGES_A_SECOND):
            await client.send_json_to({"n": n})
        assert await closing_code(client) == 4429


async def test_i4_an_ended_session_closes_its_sockets_within_five_seconds() -> None:
    claims = claims_of()
    redis_client().set(f"session:{claims['sid']}", b"1")
    async with connected(token=sign(claims)) as client:
        await client.receive_json_from(10)
        redis_client().set(f"session:{claims['sid']}", b"0")
        assert await closing_code(client) == 4401
    assert realtime.SESSION_CHECK_S < 5


class Wire:
    """The sending side of a client that can stop reading."""

    def __init__(self) -> None:
        self.frames: list[str] = []
        self.reading = asyncio.Event()
        self.reading.set()

    async def send(self, message: dict) -> None:
        await self.reading.wait()
        self.frames.append(message["text"])


async def socket_on(wire: Wire) -> Socket:
    socket = Socket()
    socket.base_send = wire.send
    socket._backlog = realtime.deque()
    socket._draining = None
    return socket


async def test_a_client_that_does_not_read_holds_nobody_up_and_gets_all_frames_in_order() -> None:
    wire = Wire()
    socket = await socket_on(wire)
    socket.offer("0")
    wire.reading.clear()
    for n in range(1, 100):
        socket.offer(str(n))
    assert wire.frames == ["0"]
    wire.reading.set()
    while socket._draining is not None:
        await asyncio.sleep(0)
    assert wire.frames == [str(n) for n in range(100)]


async def test_a_backlog_is_bounded_and_ends_in_a_resync() -> None:
    wire = Wire()
    wire.reading.clear()
    socket = await socket_on(wire)
    for n in range(BACKLOG * 3):
        socket.offer(str(n))
    assert len(socket._backlog) <= BACKLOG
    wire.reading.set()
    while socket._draining is not None:
        await asyncio.sleep(0)
    assert realtime.RESYNC in wire.frames


async def test_after_the_hub_lost_redis_everybody_is_told_to_read_again() -> None:
    async with connected(token=token_of()) as client:
        await client.receive_json_from(10)
        await in_thread(redis_client().client_kill_filter, _type="pubsub")
        frame = await client.receive_json_from(15)
        assert frame["type"] == "resync"
        await in_thread(push, "room.a", {"type": "news"})
        assert (await client.receive_json_from(10))["type"] == "news"
