"""WO-4: sums over time, goals, and a session beside those before it."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.utils.timezone import now
from hypothesis import given
from hypothesis import strategies as st

from contexts.workout import events
from contexts.workout.models import TrainingSession
from contexts.workout.numbers import progress
from tests.workout.conftest import SESSIONS, gpx, hand_in, move, start

PROGRESS = "/api/v1/workout/progress"
GOALS = "/api/v1/workout/goals"

engines = pytest.mark.django_db(databases="__all__", transaction=True)


def ran(person, work, *, days_ago, metres=1_770, begin=None):
    """A run of this length, read from a file."""
    begin = begin or (now() - timedelta(days=days_ago)).replace(microsecond=0)
    hand_in(person, gpx(begin, metres=metres / 59))
    work()
    return TrainingSession.objects.filter(user_id=person.user_id).latest("id")


@engines
class TestProgress:
    def test_wo4_this_period_beside_those_before(self, register, work):
        anna = register()
        today = now().date()
        ran(anna, work, days_ago=0, metres=2_000)
        ran(anna, work, days_ago=today.weekday() + 1, metres=1_000)
        ran(anna, work, days_ago=today.weekday() + 8, metres=3_000)
        shown = anna.api.get(f"{PROGRESS}?last=2").json()
        assert [week["sessions"] for week in shown["periods"]] == [1, 1, 1]
        assert [week["distance_m"] for week in shown["periods"]] == pytest.approx([2_000, 1_000, 3_000], rel=0.02)
        assert shown["against_mean"]["distance_m"] == pytest.approx(1.0, rel=0.02)

    def test_wo4_a_session_counts_on_its_local_day(self, register, work):
        anna = register(time_zone="Pacific/Auckland")
        late_sunday_utc = datetime(2026, 3, 1, 20, 0, tzinfo=UTC)  # Monday in Auckland
        session = ran(anna, work, days_ago=0, begin=late_sunday_utc)
        assert session.time_zone == "Pacific/Auckland"
        sums = progress.sums_by_period(user_id=anna.user_id, period="week", last=1, sport="", today=date(2026, 3, 3))
        assert [(week["starts_on"], week["sessions"]) for week in sums] == [
            (date(2026, 3, 2), 1),
            (date(2026, 2, 23), 0),
        ]

    def test_wo4_a_session_beside_the_last_of_its_sport(self, register, work):
        anna = register()
        for days, metres in ((9, 1_000), (6, 3_000), (3, 2_000)):
            session = ran(anna, work, days_ago=days, metres=metres)
        shown = anna.api.get(f"{SESSIONS}/{session.pk}/comparison?last=5").json()["measures"]
        distance = next(one for one in shown if one["measure"] == "distance_m")
        assert (distance["rank"], distance["of"]) == (2, 3)
        assert distance["mean"] == pytest.approx(2_000, rel=0.02)
        assert distance["best"] == pytest.approx(3_000, rel=0.02)

    def test_somebody_elses_session_cannot_be_compared(self, register, work):
        anna, boris = register(), register()
        session = ran(anna, work, days_ago=1)
        assert boris.api.get(f"{SESSIONS}/{session.pk}/comparison").status_code == 404

    def test_what_cannot_be_asked_is_refused(self, register):
        anna = register()
        assert anna.api.get(f"{PROGRESS}?period=decade").status_code == 400
        assert anna.api.get(f"{PROGRESS}?last=1000").status_code == 400


@engines
class TestGoals:
    def test_wo4_a_goal_is_reached_once_in_each_period(self, register, work, announced):
        anna = register()
        goal = {"measure": "distance_m", "target": 3_000, "period": "once"}
        days = {"starts_on": str(now().date() - timedelta(days=9)), "ends_on": str(now().date() + timedelta(days=9))}
        made = anna.api.post(GOALS, goal | days)
        assert (made.status_code, made.json()["done"]) == (201, 0)
        for day in (3, 2, 1):
            ran(anna, work, days_ago=day, metres=2_000)
        (reached,) = announced(events.GoalReached)
        assert reached.done == pytest.approx(4_000, rel=0.02)
        (shown,) = anna.api.get(GOALS).json()["goals"]
        assert shown["reached"] is True
        assert shown["part"] == pytest.approx(2.0, rel=0.02)

    def test_wo4_a_goal_counts_its_sport_and_its_days(self, register, announced):
        anna = register()
        goal = {"measure": "sessions", "target": 1, "period": "week", "sport": "rowing"}
        anna.api.post(GOALS, goal | {"starts_on": str(now().date() + timedelta(days=30))})
        anna.api.post(GOALS, goal)
        move(anna, start(anna, "running"), "complete")
        assert announced(events.GoalReached) == []
        move(anna, start(anna, "rowing"), "complete")
        assert len(announced(events.GoalReached)) == 1

    def test_a_goal_that_cannot_be_is_refused(self, register):
        anna = register()
        for body, code in (
            ({"measure": "sessions", "target": 3, "period": "once"}, "end_missing"),
            ({"measure": "sessions", "target": 3, "period": "week", "starts_on": "0001-01-01"}, "too_early"),
            ({"measure": "sessions", "target": 3, "period": "week", "ends_on": "2020-01-01"}, "ends_before_start"),
        ):
            answer = anna.api.post(GOALS, body)
            assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, code)

    def test_a_goal_can_be_dropped_by_its_owner_alone(self, register):
        anna, boris = register(), register()
        goal = anna.api.post(GOALS, {"measure": "sessions", "target": 3, "period": "week"}).json()
        assert boris.api.delete(f"{GOALS}/{goal['id']}").status_code == 404
        assert anna.api.delete(f"{GOALS}/{goal['id']}").status_code == 204
        assert anna.api.get(GOALS).json()["goals"] == []


@given(st.dates(date(1990, 1, 1), date(2100, 1, 1)), st.sampled_from(progress.PERIODS))
def test_wo4_periods_follow_each_other_without_a_gap(day, period):
    first = progress.period_start(day, period)
    before = progress.previous(first, period)
    assert before < first <= day
    assert progress.period_start(first, period) == first
    assert progress.period_start(first - timedelta(days=1), period) == before
