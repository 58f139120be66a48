"""The live socket: who may follow, the snapshot, and the numbered frames."""

from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async

from tests.workout.conftest import beats_from, moment, move, start, wear

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


def path_of(session):
    return f"/ws/v1/workout/sessions/{session['id']}"


def befriend(one, other):
    asked = one.api.post("/api/v1/social/friend-requests", {"user_id": str(other.user_id)})
    assert asked.status_code == 201, asked.content
    accepted = other.api.post(f"/api/v1/social/friend-requests/{asked.json()['id']}/accept")
    assert accepted.status_code == 200, accepted.content


in_thread = sync_to_async


async def test_wo1_the_athlete_sees_every_change_as_a_numbered_frame(register, deliver, socket):
    person = await in_thread(register)()
    strap, session = await in_thread(wear)(person), await in_thread(start)(person)
    begin = moment(session["started_at"])
    await in_thread(strap.send)([(begin, 120)])
    await in_thread(deliver)()
    async with socket(path_of(session), person.token) as ws:
        snapshot = await ws.next("snapshot")
        assert snapshot["session"]["state"] == "active"
        assert snapshot["samples"]["heart_rate"] == [[0.0, 120.0]]
        await in_thread(strap.send)(beats_from(begin + timedelta(milliseconds=1), [121, 122]))
        await in_thread(deliver)()
        frame = await ws.next()
        assert frame["type"] == "samples"
        assert frame["heart_rate"] == [[0.001, 121.0], [0.002, 122.0]]
        await in_thread(move)(person, session, "pause")
        paused = await ws.next()
        assert (paused["type"], paused["state"]) == ("state", "paused")
        await in_thread(move)(person, session, "resume")
        resumed = await ws.next()
        await in_thread(move)(person, session, "complete")
        completed = await ws.next()
        assert completed["type"] == "completed"
        assert completed["summary"]["hr_max"] == 122
        seen = [each["seq"] for each in (snapshot, frame, paused, resumed, completed)]
        assert seen == list(range(1, 6))


async def test_wo1_who_comes_after_the_end_sees_the_whole(register, deliver, socket):
    person = await in_thread(register)()
    strap, session = await in_thread(wear)(person), await in_thread(start)(person)
    begin = moment(session["started_at"]) - timedelta(seconds=1)
    await in_thread(strap.send)(beats_from(moment(session["started_at"]), [100 + n % 50 for n in range(400)], 0.0001))
    await in_thread(deliver)()
    await in_thread(move)(person, session, "complete")
    async with socket(path_of(session), person.token) as ws:
        snapshot = await ws.next("snapshot")
    assert begin
    assert snapshot["session"]["state"] == "completed"
    assert snapshot["session"]["summary"]["hr_max"] == 149
    assert len(snapshot["samples"]["heart_rate"]) == 300


async def test_friends_follow_a_shared_session_and_nobody_else(register, deliver, socket):
    athlete, friend, stranger = [await in_thread(register)() for _ in range(3)]
    await in_thread(befriend)(athlete, friend)
    await in_thread(deliver)()
    session = await in_thread(start)(athlete, visibility="friends")
    async with socket(path_of(session), friend.token) as ws:
        assert (await ws.next("snapshot"))["session"]["id"] == session["id"]
        await in_thread(move)(athlete, session, "pause")
        assert (await ws.next("state"))["state"] == "paused"
    async with socket(path_of(session), stranger.token) as ws:
        assert await ws.closed_with() == 4404


async def test_a_private_session_is_closed_to_friends(register, deliver, socket):
    athlete, friend = [await in_thread(register)() for _ in range(2)]
    await in_thread(befriend)(athlete, friend)
    await in_thread(deliver)()
    session = await in_thread(start)(athlete, visibility="private")
    async with socket(path_of(session), friend.token) as ws:
        assert await ws.closed_with() == 4404


async def test_nobody_follows_without_signing_in(register, socket):
    person = await in_thread(register)()
    session = await in_thread(start)(person)
    async with socket(path_of(session)) as ws:
        assert await ws.closed_with() == 4401
