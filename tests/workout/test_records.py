"""Personal records: announced when a session beats all before it, and always the best of the sessions."""

from datetime import UTC, datetime, timedelta

import pytest

from contexts.workout import events
from contexts.workout.models import PersonalBest, TrainingSession
from kernel.observability import invariants
from tests.workout.conftest import gpx, hand_in, move, start

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

BEGIN = datetime(2026, 3, 1, 8, tzinfo=UTC)


def run(person, work, day, **course):
    hand_in(person, gpx(BEGIN + timedelta(days=day), **course))
    work()


def bests_of(person):
    return dict(PersonalBest.objects.filter(user_id=person.user_id).values_list("record", "value"))


def test_wo5_a_better_session_is_a_record_and_a_worse_one_is_not(register, work, announced):
    person = register()
    run(person, work, 0, points=61, metres=30)
    first = announced(events.PersonalRecordAchieved)
    assert {(each.record, each.previous) for each in first} == {("longest_distance", None), ("fastest_1k", None)}
    run(person, work, 1, points=51, metres=25)
    assert len(announced(events.PersonalRecordAchieved)) == 2
    run(person, work, 2, points=41, metres=40)
    (faster,) = announced(events.PersonalRecordAchieved)[2:]
    assert (faster.record, faster.value) == ("fastest_1k", pytest.approx(250, abs=0.5))
    assert faster.previous == pytest.approx(333.3, abs=0.5)
    assert bests_of(person)["longest_distance"] == pytest.approx(1800, rel=0.001)


def test_wo5_an_older_session_handed_in_later_counts_like_any_other(register, work, announced):
    person = register()
    run(person, work, 0, points=201, metres=30)
    run(person, work, -100, points=201, metres=35)
    (longest,) = [each for each in announced(events.PersonalRecordAchieved) if each.previous][:1]
    assert longest.occurred_at > BEGIN
    assert set(bests_of(person)) == {"longest_distance", "fastest_1k", "fastest_5k"}
    assert bests_of(person)["fastest_5k"] == pytest.approx(5000 / 3.5, rel=0.001)


def test_wo5_a_session_without_distance_is_no_record(register, announced):
    person = register()
    move(person, start(person), "complete")
    assert announced(events.PersonalRecordAchieved) == []


def test_w4_every_invariant_of_workout_holds_and_each_can_be_broken(register, work):
    person = register()
    run(person, work, 0, points=61, metres=30)
    move(person, start(person), "complete")
    ours = {each.id: each for each in invariants() if each.context == "workout"}
    assert {id: rule.violations() for id, rule in ours.items() if rule.violations()} == {}
    PersonalBest.objects.update(value=1)
    TrainingSession.objects.filter(source="import").update(hr_max=199, part=None, source="live", recording=None)
    assert {id for id, rule in ours.items() if rule.violations()} >= {"W2", "W3", "W4"}
