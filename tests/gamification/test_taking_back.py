"""What a deleted workout had brought is taken back: once, on the boards as well, whatever came first."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from django.utils.timezone import now

from contexts.gamification import broadcasting, leaderboards, rules
from contexts.gamification.events import LeaderboardUpdated
from contexts.gamification.models import PointsEntry, UserDay
from contexts.gamification.rules import Board
from kernel.models import FailedDelivery, uuid7
from kernel.observability import invariants
from tests.conftest import Person
from tests.gamification.conftest import beaten, completed, deleted

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def ledger() -> list[tuple[str, int, int]]:
    return list(PointsEntry.objects.order_by("id").values_list("rule", "points_asked", "points_granted"))


def balances() -> list[tuple[Any, ...]]:
    return list(UserDay.objects.filter(points__gt=0).values_list("user_id", "local_day", "points", "reached_at"))


def assert_boards_follow(day: datetime) -> None:
    for board in rules.boards_of(day.date()):
        leaderboards.rebuild(board)
        assert leaderboards.differences(board) == 0
    ours = [each for each in invariants() if each.context == "gamification"]
    assert {each.id: each.violations() for each in ours if each.violations()} == {}


def test_ga1_a_deleted_workout_gives_its_points_back_once(register, deliver):
    anna, boris = register(display_name="Anna"), register(display_name="Boris")
    first, second = half_an_hour(anna), half_an_hour(anna)
    half_an_hour(boris)
    deliver()
    board = "/api/v1/gamification/leaderboards/daily"
    assert [line["points"] for line in anna.api.get(board).json()["top"]] == [120, 60]
    for _ in range(2):
        anna.api.delete(f"/api/v1/workout/sessions/{first}")
        deliver()
    points = anna.api.get("/api/v1/gamification/points").json()
    taken_back, *_ = points["entries"]["items"]
    assert (points["today"], points["total"], len(points["entries"]["items"])) == (60, 60, 3)
    assert (taken_back["rule"], taken_back["source_id"], taken_back["points_granted"]) == (
        "deleted_workout",
        first,
        -60,
    )
    assert [line["points"] for line in anna.api.get(board).json()["top"]] == [60, 60]
    anna.api.delete(f"/api/v1/workout/sessions/{second}")
    deliver()
    shown = anna.api.get(board).json()
    assert ([line["points"] for line in shown["top"]], shown["me"]) == ([60], None)
    assert_boards_follow(now())


def half_an_hour(person: Person) -> str:
    """A session of today, worth 60 points, recorded offline."""
    session_id, end = uuid7(), now()
    happened = {"start": end - timedelta(minutes=30), "complete": end}
    operations = [
        {
            "operation_id": uuid7(),
            "session_id": session_id,
            "at": at,
            "operation": {"kind": kind} | ({"sport": "strength"} if kind == "start" else {}),
        }
        for kind, at in happened.items()
    ]
    answer = person.api.post("/api/v1/workout/sync", {"operations": operations})
    assert answer.status_code == 200, answer.content
    return str(session_id)


def test_ga1_a_deletion_ends_the_same_before_and_after_its_completion(announce, deliver):
    """In every order of the events of two workouts, of which one is deleted, on a day with a cap."""
    anna, told = uuid7(), None
    for order in permutations(range(3)):
        gone = completed(anna, points=700, ended_at=NOON)
        stays = completed(anna, points=700, ended_at=NOON + timedelta(hours=1), session_id=uuid7())
        events = [gone, stays, deleted(gone)]
        announce(beaten(gone))  # waits for its workout, or for its deletion
        for nth in order:
            announce(events[nth])
            deliver()
        FailedDelivery.objects.using("gamification").update(next_attempt_at=NOON - timedelta(days=9))
        deliver()
        announce(deleted(gone))  # said again as a new event
        deliver()
        assert not FailedDelivery.objects.using("gamification").exists()
        assert balances() == [(anna, NOON.date(), 700, stays.ended_at)], order
        if told is None:
            assert_boards_follow(NOON)
        told = forget(gone, stays)
    assert told


def forget(*workouts: Any) -> int:
    """An athlete begins anew."""
    UserDay.objects.all().delete()
    return PointsEntry.objects.filter(source_id__in=[each.session_id for each in workouts]).delete()[0]


def test_ga1_a_deletion_takes_the_bonus_back_and_lets_others_have_what_the_cap_cut_off(announce, deliver, announced):
    anna = uuid7()
    gone, stays = (completed(anna, points=700, ended_at=NOON + timedelta(hours=nth)) for nth in range(2))
    for event in (gone, stays, beaten(gone)):
        announce(event)
        deliver()
    assert ledger() == [
        ("completed_workout", 700, 700),
        ("completed_workout", 700, 300),
        ("record_fastest_1k", 50, 0),
    ]
    announce(deleted(gone))
    deliver()
    assert ledger()[-1] == ("deleted_workout", -750, -300)
    assert [event.points for event in announced(LeaderboardUpdated)][-3:] == [700, 700, 700]
    announce(completed(anna, points=200, ended_at=NOON))
    deliver()
    assert balances() == [(anna, NOON.date(), 900, stays.ended_at)]
    assert_boards_follow(NOON)


def test_ga3_watchers_hear_who_has_left_the_board(announce, deliver):
    anna, boris = uuid7(), uuid7()
    workouts = [completed(anna, points=100), completed(boris, points=50)]
    announce(*workouts)
    deliver()
    board = Board.of("daily", now().date())
    announce(deleted(workouts[0]))
    deliver()
    frame = broadcasting.frame_of(board, {anna, boris})
    assert [entry["row"] for entry in frame["entries"]] == [leaderboards.row_of(board, boris)]
    assert frame["gone"] == [leaderboards.row_of(board, anna)]
