"""The chat's socket: acknowledgements, live frames, refusals, and no gap after a lost connection."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from contexts.social import moderation, rules
from contexts.social.models import Message
from kernel.models import uuid7
from kernel.realtime import in_thread
from tests.conftest import Person
from tests.social.conftest import NOON, broken_invariants, open_direct, open_group, say

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "social"])

CHAT = "/ws/v1/social/chat"
Friends = Callable[..., tuple[Person, ...]]


def line(room_id: str, text: object = "Hello", client_message_id: object = None) -> dict[str, Any]:
    return {
        "type": "send",
        "room_id": room_id,
        "client_message_id": client_message_id or str(uuid7()),
        "text": text,
    }


async def two_friends(friends: Friends) -> tuple[Person, Person, str]:
    ada, bo = await in_thread(friends)
    return ada, bo, await in_thread(open_direct, ada, bo)


async def test_so7_a_message_is_acknowledged_and_reaches_everybody_with_its_number(
    friends: Friends, socket: Any
) -> None:
    ada, bo, room_id = await two_friends(friends)
    async with socket(CHAT, ada.token) as hers, socket(CHAT, bo.token) as his:
        for ws in (hers, his):
            assert (await ws.next("ready"))["rooms"] == [{"room_id": room_id, "last_seq": 0}]
        await hers.send_json_to(line(room_id, "Tomorrow at six?", "a-1"))
        heard = await his.next("message")
        frames = {frame["type"]: frame for frame in [await hers.next(), await hers.next()]}
    assert frames["ack"] | {"type": "ack", "client_message_id": "a-1", "room_id": room_id, "seq": 1} == frames["ack"]
    assert heard["correlation_id"]
    (item,) = (await in_thread(bo.api.get, f"/api/v1/social/rooms/{room_id}/messages")).json()["items"]
    assert {name: heard[name] for name in item} == item
    assert item["author"]["display_name"]


async def test_so7_frames_of_a_room_arrive_in_the_order_of_their_numbers(friends: Friends, socket: Any) -> None:
    people = await in_thread(friends, 4)
    room_id = await in_thread(open_group, people[0], people[1:])
    async with socket(CHAT, people[0].token) as listener:
        await listener.next("ready")

        def talk(person: Person) -> None:
            for number in range(10):
                assert say(person, room_id, f"line {number}").status_code == 201

        await asyncio.gather(*(in_thread(talk, person) for person in people))
        heard = [(await listener.next("message"))["seq"] for _ in range(40)]
    assert heard == list(range(1, 41))


async def test_so7_nothing_is_missed_by_a_client_that_lost_its_connection(friends: Friends, socket: Any) -> None:
    ada, bo, room_id = await two_friends(friends)
    seen: list[int] = []
    async with socket(CHAT, bo.token) as ws:
        await ws.next("ready")
        for _ in range(3):
            await in_thread(say, ada, room_id, "while he listens")
            seen.append((await ws.next("message"))["seq"])
    for _ in range(4):
        await in_thread(say, ada, room_id, "while he is away")
    async with socket(CHAT, bo.token) as ws:
        assert (await ws.next("ready"))["rooms"] == [{"room_id": room_id, "last_seq": 7}]
        await ws.send_json_to({"type": "catch_up", "room_id": room_id, "after": seen[-1]})
        while (frame := await ws.next())["type"] == "message":
            seen.append(frame["seq"])
        assert frame | {"type": "caught_up", "room_id": room_id, "seq": 7, "last_seq": 7} == frame
        await in_thread(say, ada, room_id, "live again")
        seen.append((await ws.next("message"))["seq"])
    assert seen == list(range(1, 9))


async def test_so7_sending_again_after_a_lost_answer_adds_nothing(friends: Friends, socket: Any) -> None:
    ada, _, room_id = await two_friends(friends)
    numbers = []
    for _ in range(3):
        async with socket(CHAT, ada.token) as ws:
            await ws.send_json_to(line(room_id, "Are you there?", "only-once"))
            numbers.append((await ws.next("ack"))["seq"])
    assert numbers == [1, 1, 1]
    assert not await in_thread(broken_invariants)


async def test_so7_a_long_catch_up_comes_in_pages(friends: Friends, socket: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(rules, "MAX_MESSAGES_A_PAGE", 3)
    ada, bo, room_id = await two_friends(friends)
    for _ in range(8):
        await in_thread(say, ada, room_id, "on and on")
    seen, reached = [], 0
    async with socket(CHAT, bo.token) as ws:
        last_seq = (await ws.next("ready"))["rooms"][0]["last_seq"]
        while reached < last_seq:
            await ws.send_json_to({"type": "catch_up", "room_id": room_id, "after": reached})
            while (frame := await ws.next())["type"] == "message":
                seen.append(frame["seq"])
            reached, last_seq = frame["seq"], frame["last_seq"]
    assert seen == list(range(1, 9))


async def test_a_new_room_shows_up_at_once_and_can_be_followed(friends: Friends, socket: Any) -> None:
    ada, bo = await in_thread(friends)
    async with socket(CHAT, bo.token) as ws:
        assert (await ws.next("ready"))["rooms"] == []
        room_id = await in_thread(open_group, ada, [bo], "Hill repeats")
        shown = await ws.next("room")
        assert (shown["room_id"], shown["title"], shown["kind"]) == (room_id, "Hill repeats", "group")
        await in_thread(say, ada, room_id, "said before he follows")
        await ws.send_json_to({"type": "catch_up", "room_id": room_id, "after": 0})
        assert (await ws.next("message"))["seq"] == 1
        assert (await ws.next("caught_up"))["last_seq"] == 1
        await in_thread(say, ada, room_id, "live")
        assert (await ws.next("message"))["seq"] == 2


async def test_so7_a_bad_message_is_refused_and_the_socket_stays(friends: Friends, socket: Any) -> None:
    ada, _, room_id = await two_friends(friends)
    cases = [
        (line(room_id, "", "m1"), "empty"),
        (line(room_id, "x" * 4_001, "m2"), "too_long"),
        (line(room_id, 7, "m3"), "empty"),
        (line(room_id, "Hello", "white space"), "invalid"),
        (line(room_id, "Hello", 7), "invalid"),
        (line("not a room"), "invalid"),
        (line(str(uuid4())), "not_found"),
        ({"type": "send"}, "invalid"),
        ({"type": "catch_up", "room_id": room_id, "after": -1}, "invalid"),
        ({"type": "catch_up", "room_id": room_id, "after": True}, "invalid"),
        ({"type": "catch_up", "room_id": str(uuid4()), "after": 0}, "not_found"),
        ({"type": "read", "room_id": str(uuid4()), "seq": 0}, "not_found"),
        ({"type": "shout"}, "unknown_type"),
        ({"type": ["send"]}, "unknown_type"),
        ({}, "unknown_type"),
    ]
    async with socket(CHAT, ada.token) as ws:
        await ws.next("ready")
        for frame, code in cases:
            await ws.send_json_to(frame)
            refused = await ws.next()
            assert (refused["type"], refused["code"]) == ("refused", code), frame
            if isinstance(frame.get("client_message_id"), str):
                assert refused["client_message_id"] == frame["client_message_id"]
        await ws.send_json_to(line(room_id, "still here"))
        assert (await ws.next("ack"))["seq"] == 1


async def test_so7_who_writes_too_fast_is_asked_to_wait(friends: Friends, socket: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(rules, "MESSAGES_PER_SECOND", 0.0)
    ada, _, room_id = await two_friends(friends)
    async with socket(CHAT, ada.token) as ws:
        await ws.next("ready")
        for _ in range(rules.MESSAGE_BURST + 1):
            await ws.send_json_to(line(room_id, "!"))
        assert (await ws.next("refused"))["code"] == "too_fast"
        assert await in_thread(Message.objects.count) == rules.MESSAGE_BURST


async def test_so7_rooms_of_others_stay_silent(friends: Friends, register: Any, socket: Any) -> None:
    ada, bo, room_id = await two_friends(friends)
    eve = await in_thread(register)
    async with socket(CHAT, eve.token) as ws, socket(CHAT, bo.token) as his:
        assert (await ws.next("ready"))["rooms"] == []
        await his.next("ready")
        await in_thread(say, ada, room_id, "between us")
        await his.next("message")
        assert await ws.receive_nothing(timeout=0.1)


async def test_a_mark_reaches_the_other_sockets_of_the_member(friends: Friends, socket: Any) -> None:
    ada, bo, room_id = await two_friends(friends)
    await in_thread(say, ada, room_id, "one")
    async with socket(CHAT, bo.token) as phone, socket(CHAT, bo.token) as laptop:
        await phone.next("ready")
        await laptop.next("ready")
        await phone.send_json_to({"type": "read", "room_id": room_id, "seq": 9})
        for ws in (phone, laptop):
            assert (await ws.next("read"))["seq"] == 1


async def test_so3_a_message_hidden_by_a_moderator_disappears_live(friends: Friends, socket: Any) -> None:
    ada, bo, room_id = await two_friends(friends)
    message_id = (await in_thread(say, ada, room_id, "rude")).json()["id"]
    async with socket(CHAT, bo.token) as ws:
        await ws.next("ready")
        await in_thread(moderation.hide_message, message_id=message_id, by=uuid4(), at=NOON)
        hidden = await ws.next("hidden")
    assert (hidden["room_id"], hidden["seq"]) == (room_id, 1)


@pytest.mark.parametrize("token", [None, "nonsense"])
async def test_the_chat_is_for_members(socket: Any, token: str | None) -> None:
    ws = socket(CHAT, token)
    await ws.connect(timeout=10)
    assert await ws.closed_with() == 4401
