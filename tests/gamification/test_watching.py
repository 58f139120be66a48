"""Boards over a WebSocket: the board first, then what changes, in few frames."""

from time import monotonic
from typing import Any

import pytest
from django.utils.timezone import now

from contexts.gamification import broadcasting
from contexts.gamification.rules import Board
from kernel.models import uuid7
from kernel.observability import correlation, correlation_id
from kernel.realtime import in_thread
from tests.gamification.conftest import completed

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

DAILY = "/ws/v1/gamification/leaderboards/daily"


@pytest.fixture
def happens(announce, deliver) -> Any:
    """`await happens(event, …)`: announced and delivered while sockets are open."""

    def announce_and_deliver(*events: Any) -> None:
        announce(*events)
        deliver()

    async def happen(*events: Any) -> None:
        await in_thread(announce_and_deliver, *events)

    return happen


async def test_ga3_a_watcher_sees_a_finished_workout_move_the_board(register, socket, happens):
    watcher = await in_thread(register, display_name="Watcher", visibility={"display_name": "everyone"})
    async with socket(DAILY, watcher.token) as ws:
        board = await ws.next("board")
        assert (board["top"], board["me"]) == ([], None)
        await happens(completed(watcher.user_id, points=120))
        change = await ws.next("changes")
        (entry,) = change["entries"]
        assert (entry["rank"], entry["display_name"], entry["points"]) == (1, "Watcher", 120)
        assert change["seq"] == board["seq"] + 1
        assert change["period_key"] == board["period_key"]


async def test_ga3_a_later_watcher_finds_the_change_in_the_board(register, socket, happens):
    watcher = await in_thread(register)
    await happens(completed(watcher.user_id, points=80))
    async with socket(DAILY, watcher.token) as ws:
        board = await ws.next("board")
        assert [line["points"] for line in board["top"]] == [80]
        assert board["seq"] >= 1


async def test_id7_frames_do_not_name_private_athletes(register, socket, happens):
    hidden, watcher = await in_thread(register), await in_thread(register)
    async with socket(DAILY, watcher.token) as ws:
        await ws.next("board")
        await happens(completed(hidden.user_id, points=10))
        (entry,) = (await ws.next("changes"))["entries"]
        assert (entry["user_id"], entry["display_name"]) == (None, None)


async def test_ga3_many_changes_travel_in_few_frames(register, socket, happens):
    watcher = await in_thread(register)
    athletes = [uuid7() for _ in range(30)]
    async with socket(DAILY, watcher.token) as ws:
        await ws.next("board")
        began = monotonic()
        for athlete in athletes:
            await happens(completed(athlete, points=20))
        elapsed = monotonic() - began
        seen, frames, last_seq = set(), 0, 0
        while len(seen) < 30:
            frame = await ws.next("changes")
            frames += 1
            assert frame["seq"] == last_seq + 1
            last_seq = frame["seq"]
            seen |= {entry["row"] for entry in frame["entries"]}
        assert frames <= elapsed / broadcasting.INTERVAL_S + 2
        assert frames < 30


def test_ga3_a_frame_belongs_to_the_request_behind_its_last_change(monkeypatch):
    frames = []
    monkeypatch.setattr(broadcasting, "frame_of", lambda board, users: {"type": "changes"})
    monkeypatch.setattr(broadcasting, "push", lambda group, frame: frames.append(correlation_id()))
    ticker = broadcasting.Ticker(Board.of("daily", now().date()))
    for request in ("first", "second", "third"):
        with correlation(request):
            ticker.changed({uuid7()})
    ticker._timer.join()
    assert frames == ["first", "third"]


def test_ga3_a_crowd_is_told_by_its_best_and_asked_to_read_again(announce, deliver):
    workouts = [completed(uuid7(), points=i) for i in range(1, 151)]
    announce(*workouts)
    deliver()
    frame = broadcasting.frame_of(Board.of("daily", now().date()), {workout.user_id for workout in workouts})
    assert [entry["rank"] for entry in frame["entries"]] == list(range(1, broadcasting.MOST_ENTRIES + 1))
    assert frame["more"] is True


async def test_ga3_there_is_no_yearly_board_to_watch(register, socket):
    watcher = await in_thread(register)
    async with socket("/ws/v1/gamification/leaderboards/yearly", watcher.token) as ws:
        assert await ws.closed_with() == 4404


async def test_ga3_only_members_watch(socket):
    async with socket(DAILY) as ws:
        assert await ws.closed_with() == 4401


async def test_ga3_a_watcher_moves_on_to_the_next_board(register, socket, monkeypatch):
    watcher = await in_thread(register)
    real_end = Board.next_opens_for
    ends = iter([lambda board, zone: now(), real_end])
    monkeypatch.setattr(Board, "next_opens_for", lambda board, zone: next(ends, real_end)(board, zone))
    async with socket(DAILY, watcher.token) as ws:
        first = await ws.next("board")
        again = await ws.next("board")
        assert first["period_key"] == again["period_key"]
