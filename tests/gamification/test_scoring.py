"""Awards: once for each cause, never above the cap, on the athlete's own day."""

import os
import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from django.conf import settings
from django.db import DatabaseError, IntegrityError
from django.db.models import Sum

from contexts.gamification import rules, scoring
from contexts.gamification.events import LeaderboardUpdated
from contexts.gamification.models import PointsEntry, UserDay
from kernel.databases import release_connections
from kernel.models import FailedDelivery, uuid7
from kernel.observability import invariants
from kernel.relay import Relay
from tests.gamification.conftest import beaten, completed

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
ANNA, BORIS = UUID(int=1), UUID(int=2)

WORKOUTS = int(os.environ.get("SCORING_WORKOUTS", "150"))
"""Each is told four times; 2,500 are the size at which the rule was shown once."""


def granted(user_id: UUID, day: date | None = None) -> int:
    entries = PointsEntry.objects.filter(user_id=user_id, **({"local_day": day} if day else {}))
    return entries.aggregate(total=Sum("points_granted", default=0))["total"]


def assert_invariants_hold() -> None:
    ours = [invariant for invariant in invariants() if invariant.context == "gamification"]
    assert {invariant.id for invariant in ours} >= {"G1", "G2", "G4"}
    assert {invariant.id: invariant.violations() for invariant in ours if invariant.violations()} == {}


def test_ga1_a_finished_workout_brings_points(announce, deliver):
    announce(completed(ANNA, points=120, ended_at=NOON))
    deliver()
    entry = PointsEntry.objects.get()
    assert (entry.user_id, entry.points_asked, entry.points_granted) == (ANNA, 120, 120)
    assert (entry.local_day, entry.earned_at) == (NOON.date(), NOON)


def test_ga1_one_workout_is_paid_once(announce, deliver):
    workout = completed(ANNA, points=120, ended_at=NOON)
    announce(workout)
    deliver()
    announce(workout)  # told again as a new event: the ledger itself knows the cause
    deliver()
    deliver()
    assert granted(ANNA) == 120
    assert PointsEntry.objects.count() == 1


def test_ga1_what_the_cap_cuts_off_stands_in_the_entry(announce, deliver):
    for _ in range(2):
        announce(completed(ANNA, points=700, ended_at=NOON))
        deliver()
    assert list(PointsEntry.objects.order_by("id").values_list("points_asked", "points_granted")) == [
        (700, 700),
        (700, 300),
    ]
    assert UserDay.objects.get().points == rules.DAILY_CAP


def test_ga1_the_database_itself_refuses_a_1001st_point():
    with pytest.raises(IntegrityError, match="at_most_1000_points_a_day"):
        UserDay.objects.create(user_id=ANNA, local_day=NOON.date(), points=1_001, reached_at=NOON)


def test_ga1_an_entry_never_changes(announce, deliver):
    announce(completed(ANNA, points=10, ended_at=NOON))
    deliver()
    with pytest.raises(DatabaseError, match="never changed"):
        PointsEntry.objects.update(points_granted=0)


def test_ga1_a_beaten_record_brings_a_bonus(announce, deliver):
    workout = completed(ANNA, points=100, ended_at=NOON)
    announce(workout, beaten(workout), beaten(workout, record="longest_distance", previous=None))
    deliver()
    assert granted(ANNA, NOON.date()) == 100 + rules.RECORD_BONUS
    assert PointsEntry.objects.filter(rule="record_fastest_1k").count() == 1


def test_ga1_a_record_waits_for_its_workout(announce, deliver):
    workout = completed(ANNA, points=100, ended_at=NOON - timedelta(days=3))
    announce(beaten(workout, occurred_at=NOON))
    deliver()
    assert granted(ANNA) == 0
    announce(workout)
    deliver()
    FailedDelivery.objects.using("gamification").update(next_attempt_at=NOON - timedelta(days=9))
    deliver()
    assert granted(ANNA, workout.ended_at.date()) == 100 + rules.RECORD_BONUS
    assert granted(ANNA) == 150


@pytest.mark.parametrize(
    ("ends", "zone", "days"),
    [
        (["2026-11-20T20:59:59Z", "2026-11-20T21:00:00Z"], "Europe/Moscow", ["2026-11-20", "2026-11-21"]),
        (["2026-03-28T23:00:00Z", "2026-03-29T21:59:59Z"], "Europe/Berlin", ["2026-03-29", "2026-03-29"]),  # 23 h
        (["2026-10-24T22:00:00Z", "2026-10-25T22:59:59Z"], "Europe/Berlin", ["2026-10-25", "2026-10-25"]),  # 25 h
        (["2026-10-25T22:59:59Z", "2026-10-25T23:00:00Z"], "Europe/Berlin", ["2026-10-25", "2026-10-26"]),
    ],
)
def test_ga1_the_cap_is_for_the_athletes_own_day(announce, deliver, ends, zone, days):
    for end in ends:
        announce(completed(ANNA, points=800, ended_at=datetime.fromisoformat(end), time_zone=zone))
    deliver()
    balances = dict(UserDay.objects.values_list("local_day", "points"))
    expected = dict.fromkeys(map(date.fromisoformat, days), 800) if len(set(days)) > 1 else {}
    assert balances == (expected or {date.fromisoformat(days[0]): 1_000})


def test_ga1_a_traveller_has_one_balance_for_each_day_lived(announce, deliver):
    tokyo_evening = datetime(2026, 11, 20, 12, tzinfo=UTC)  # 21:00 on the 20th in Tokyo
    announce(completed(ANNA, points=800, ended_at=tokyo_evening, time_zone="Asia/Tokyo"))
    honolulu = tokyo_evening + timedelta(hours=20)  # 08:00 UTC on the 21st is 22:00 on the 20th in Honolulu
    announce(completed(ANNA, points=800, ended_at=honolulu, time_zone="Pacific/Honolulu"))
    deliver()
    assert list(UserDay.objects.values_list("local_day", "points")) == [(date(2026, 11, 20), 1_000)]


@pytest.mark.slow
def test_ga1_nobody_earns_more_than_1000_points_a_day(announce):
    """Workouts of a few athletes, told four times each, shuffled, through eight relays at once."""
    athletes = [uuid7() for _ in range(max(WORKOUTS // 100, 3))]
    rng = random.Random(1_000)
    told = [completed(rng.choice(athletes), points=rng.randrange(5, 60), ended_at=NOON) for _ in range(WORKOUTS)]
    asked = {a: sum(int(w.moving_s) // 30 for w in told if w.user_id == a) for a in athletes}
    shuffled = told * 4
    rng.shuffle(shuffled)
    for start in range(0, len(shuffled), 500):
        announce(*shuffled[start : start + 500])
    _relay_in_threads(8)
    assert {a: granted(a) for a in athletes} == {a: min(asked[a], rules.DAILY_CAP) for a in athletes}
    assert {d.user_id: d.points for d in UserDay.objects.all()} == {a: granted(a) for a in athletes}
    assert PointsEntry.objects.count() == WORKOUTS
    assert_invariants_hold()


def test_ga1_nobody_gains_by_parallel_awards_of_one_day():
    """One athlete, 400 awards with duplicates from eight threads: the hottest row there can be."""
    causes = [uuid7() for _ in range(200)]
    calls = causes * 2
    random.Random(7).shuffle(calls)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(_award_seven, calls))
    assert granted(BORIS) == UserDay.objects.get(user_id=BORIS).points == 1_000
    assert PointsEntry.objects.count() == 200
    assert_invariants_hold()


def test_ga3_an_award_announces_the_totals_of_its_boards(announce, deliver, announced):
    announce(completed(ANNA, points=100, ended_at=NOON - timedelta(days=1)))
    announce(completed(ANNA, points=50, ended_at=NOON))
    deliver()
    assert {(e.period, e.period_key, e.points) for e in announced(LeaderboardUpdated)} == {
        ("daily", "2026-11-19", 100),
        ("daily", "2026-11-20", 50),
        ("weekly", "2026-W47", 150),
        ("monthly", "2026-11", 150),
    }


def test_ga3_an_award_that_the_cap_swallows_moves_no_board(announce, deliver, announced):
    for _ in range(2):
        announce(completed(ANNA, points=1_000, ended_at=NOON))
    deliver()
    assert len(announced(LeaderboardUpdated)) == 3


def _award_seven(cause: UUID) -> None:
    award = scoring.Award(
        user_id=BORIS,
        rule=rules.COMPLETED_WORKOUT,
        source_id=cause,
        points=7,
        local_day=NOON.date(),
        earned_at=NOON,
        awarded_at=NOON,
    )
    try:
        scoring.award_points(awards=[award])
    finally:
        release_connections()


def _relay_in_threads(count: int) -> None:
    def drain(_: int) -> None:
        try:
            Relay(contexts=settings.CONTEXTS).drain()
        finally:
            release_connections()

    with ThreadPoolExecutor(count) as threads:
        list(threads.map(drain, range(count)))
    drain(0)
