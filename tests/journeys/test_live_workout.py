"""The main job, end to end: a strap's heartbeat becomes a live workout, points, a moving board, a feed entry, a chat.

Everything is done as a client outside the code base would: HTTP, WebSockets, and a strap on a virtual radio.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from typing import Any
from uuid import uuid4

import pytest

from config.running.engine import free_port
from tests.journeys.world import Line, Platform, Someone, eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

HALF_A_MINUTE = 31
"""A workout this long earns a point."""
READINGS_OF = "FROM health_reading JOIN health_device ON number = device_number WHERE device_id = %s"


@pytest.fixture
async def ada_and_ben(platform: Platform) -> AsyncIterator[tuple[Someone, Someone]]:
    """Two new people who are friends and show their workouts to friends."""
    suffix = uuid4().hex[:6]
    ada, ben = await Someone(platform, f"Ada{suffix}").register(), await Someone(platform, f"Ben{suffix}").register()
    for person in (ada, ben):
        shown = {"visibility": {"display_name": "everyone", "workouts": "friends"}, "body_mass_kg": 62.0}
        await person.send("PATCH", "identity/me", shown)
    asked = await ada.send("POST", "social/friend-requests", {"user_id": ben.user_id})
    await ben.send("POST", f"social/friend-requests/{asked['id']}/accept")
    yield ada, ben
    await ada.http.aclose()
    await ben.http.aclose()


@contextmanager
def strap_worn(platform: Platform, connected: dict[str, str], seed: int) -> Iterator[None]:
    """A virtual strap on a virtual radio, and a bridge that listens to it."""
    folder = platform.folder / f"bridge-{seed}"
    folder.mkdir()
    (folder / "device.json").write_text(json.dumps(connected))
    (folder / "device.json").chmod(0o600)
    port = free_port()
    listen, radio = f"tcp-server:127.0.0.1:{port}", f"bumble:tcp-client:127.0.0.1:{port}"
    bridge = ["--transport", radio, "--url", platform.url, "--credentials", str(folder / "device.json")]
    with ExitStack() as programs:
        programs.enter_context(
            platform.program("-m", "device_bridge", "strap", "--listen", listen, "--seed", str(seed))
        )
        programs.enter_context(platform.program("-m", "device_bridge", "run", *bridge, "--spool", str(folder)))
        yield


async def until_it_delivers(platform: Platform, device_id: str) -> None:
    """The radio is up, the strap is heard, and its readings arrive."""

    async def arrived() -> bool:
        return bool(platform.rows("health", f"SELECT 1 {READINGS_OF} LIMIT 1", device_id))

    await eventually(arrived)


async def watch(lines: AsyncExitStack, person: Someone, path: str) -> tuple[Line, Any]:
    """Open a socket as soon as this person may; the line and its first frame."""

    async def opened() -> tuple[Line, Any] | None:
        socket = AsyncExitStack()
        line = await socket.enter_async_context(person.watching(path))
        first = json.loads(await line._socket.recv())
        if first["type"] == "refused":
            await socket.aclose()
            return None
        lines.push_async_exit(socket)
        return line, first

    found: tuple[Line, Any] = await eventually(opened)
    return found


async def test_a_heartbeat_becomes_points_a_place_a_feed_entry_and_a_conversation(
    platform: Platform, ada_and_ben: tuple[Someone, Someone]
) -> None:
    ada, ben = ada_and_ben
    await ada.agree("health_processing")
    strap = await ada.send("POST", "health/devices", {"name": "Strap", "kind": "chest_strap"})
    async with AsyncExitStack() as lines:
        with strap_worn(platform, strap, seed=11):
            await until_it_delivers(platform, strap["device_id"])
            begun = f"journey-{uuid4().hex}"
            started = await ada.http.post(
                "workout/sessions", json={"sport": "running"}, headers={"X-Correlation-ID": begun}
            )
            assert (started.status_code, started.headers["X-Correlation-ID"]) == (201, begun)
            session = started.json()
            assert (session["state"], session["visibility"]) == ("active", "friends")

            own, snapshot = await watch(lines, ada, f"workout/sessions/{session['id']}")
            assert (snapshot["type"], snapshot["session"]["state"]) == ("snapshot", "active")
            friends, _ = await watch(lines, ben, f"workout/sessions/{session['id']}")
            board, standing = await watch(lines, ben, "gamification/leaderboards/daily")
            assert standing["type"] == "board"

            seen_by_friend = asyncio.create_task(friends.heart_rates(until_s=HALF_A_MINUTE))
            await talk_and_catch_up(ada, ben)
            seen = await own.heart_rates(until_s=HALF_A_MINUTE)
            assert all(40 <= bpm <= 220 for _, bpm in seen)
            assert len({bpm for _, bpm in seen}) > 1
            assert set(seen) & set(await seen_by_friend)

            ended = f"journey-{uuid4().hex}"
            summary = await ada.send(
                "POST", f"workout/sessions/{session['id']}/complete", headers={"X-Correlation-ID": ended}
            )
            assert summary["duration_s"] >= HALF_A_MINUTE
            assert 40 <= summary["hr_avg"] <= summary["hr_max"] <= 220
            assert summary["energy_kcal"] > 0
            for line in (own, friends):
                assert (await line.next("completed"))["correlation_id"] == ended

        def is_about_ada(frame: Any) -> bool:
            return any(entry["user_id"] == ada.user_id for entry in frame["entries"])

        moved = await board.next("changes", is_about_ada)
        assert moved["correlation_id"] == ended
    await check_what_ada_has_earned(ada)
    await check_what_ben_reads(ben, ada, session["id"])
    assert outbox(platform, session["id"]) == {"workout.started": begun, "workout.completed": ended}


async def talk_and_catch_up(ada: Someone, ben: Someone) -> None:
    """A message with its ack, and the one that was said while Ben was away."""
    room = (await ada.send("POST", "social/rooms", {"kind": "direct", "member_ids": [ben.user_id]}))["id"]
    async with ada.watching("social/chat") as ada_says:
        await ada_says.next("ready")
        async with ben.watching("social/chat") as ben_hears:
            await ben_hears.next("ready", lambda frame: room in [r["room_id"] for r in frame["rooms"]])
            first = {"type": "send", "room_id": room, "client_message_id": "one", "text": "I am out running"}
            await ada_says.say(first)
            assert (await ada_says.next("ack"))["seq"] == 1
            heard = await ben_hears.next("message", lambda frame: frame["room_id"] == room)
            assert (heard["text"], heard["author"]["display_name"]) == ("I am out running", ada.name)
        await ada_says.say({"type": "send", "room_id": room, "client_message_id": "two", "text": "Are you there?"})
        assert (await ada_says.next("ack"))["seq"] == 2
        await ada_says.say(first)  # sent again, as after a lost ack
        assert (await ada_says.next("ack"))["seq"] == 1
    async with ben.watching("social/chat") as ben_is_back:
        ready = await ben_is_back.next("ready")
        assert {"room_id": room, "last_seq": 2} in ready["rooms"]
        await ben_is_back.say({"type": "catch_up", "room_id": room, "after": 1})
        assert (await ben_is_back.next("message"))["text"] == "Are you there?"
        assert (await ben_is_back.next("caught_up"))["last_seq"] == 2


async def check_what_ada_has_earned(ada: Someone) -> None:
    """Points, once, and a place."""
    points = await ada.get("gamification/points")
    assert 0 < points["total"] <= points["cap"]
    assert len(points["entries"]["items"]) == 1
    board = await ada.get("gamification/leaderboards/daily")
    assert board["me"]["points"] == points["today"] == points["total"]


async def check_what_ben_reads(ben: Someone, ada: Someone, session_id: str) -> None:
    """The workout is in his feed, with her name."""

    async def entry() -> Any:
        items = (await ben.get("social/feed"))["items"]
        return next((item for item in items if item["session_id"] == session_id), None)

    assert (await eventually(entry))["author"] == {"user_id": ada.user_id, "display_name": ada.name}


def outbox(platform: Platform, session_id: str) -> dict[str, str]:
    """The announcements about a session, each with the correlation id of the request behind it."""
    query = "SELECT type, correlation_id FROM kernel_outbox WHERE key = %s AND type = ANY(%s)"
    return dict(platform.rows("workout", query, session_id, ["workout.started", "workout.completed"]))
