"""Personal records: announced when a session beats all before it, and always the best of the sessions."""

from datetime import UTC, datetime, timedelta

import pytest

from contexts.workout import events, tasks
from contexts.workout.models import PersonalBest, TrainingSession
from kernel.observability import invariants
from tests.workout.conftest import SESSIONS, gpx, hand_in, move, start

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


def test_wo5_a_record_whose_activity_goes_and_comes_again_is_announced_once(register, work, announced):
    person = register()

    def heard():
        return [(each.record, each.previous) for each in announced(events.PersonalRecordAchieved)]

    def ran(days_ago, metres):
        run(person, work, -days_ago, points=360, metres=metres)
        tasks.analyse_sessions()
        return TrainingSession.objects.latest("id")

    ran(9, 28.0)
    once = ran(3, 30.0)
    before, bests = heard(), bests_of(person)
    assert {"longest_distance", "fastest_1k", "fastest_10k"} <= {record for record, previous in before if previous}
    assert person.api.delete(f"{SESSIONS}/{once.pk}").status_code == 204
    assert bests_of(person) != bests
    again = ran(3, 30.0)
    assert bests_of(person) == bests
    assert set(PersonalBest.objects.values_list("session_id", flat=True)) == {again.pk}
    assert heard() == before
    ran(1, 31.0)
    assert {"longest_distance", "fastest_1k", "fastest_10k"} <= {record for record, _ in heard()[len(before) :]}


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


class TestRecordsOfEveryDistance:
    def ran(self, person, work, days_ago, metres):
        hand_in(person, gpx(datetime.now(UTC) - timedelta(days=days_ago), points=360, metres=metres))
        work()
        tasks.analyse_sessions()
        return TrainingSession.objects.latest("id")

    def held(self, person):
        return {
            one["record"]: one for one in person.api.get("/api/v1/workout/records?sport=running").json()["records"]
        }

    def test_wo5_records_of_every_standard_distance_and_time(self, register, work, announced):
        anna = register(birth_date="1990-01-01", sex="female")
        slow = self.ran(anna, work, 9, 28.0)
        first = announced(events.PersonalRecordAchieved)
        held = self.held(anna)
        assert {"longest_distance", "fastest_1k", "fastest_400m", "fastest_10k", "longest_20min"} <= held.keys()
        assert {one.record for one in first} == {"longest_distance", "fastest_1k", "fastest_5k"}
        fast = self.ran(anna, work, 3, 30.0)
        beaten = [one for one in announced(events.PersonalRecordAchieved) if one.session_id == fast.pk]
        assert {"fastest_400m", "fastest_10k", "longest_20min"} <= {one.record for one in beaten}
        assert self.held(anna)["fastest_10k"]["session_id"] == str(fast.pk)
        assert anna.api.delete(f"{SESSIONS}/{fast.pk}").status_code == 204
        assert self.held(anna)["fastest_10k"]["session_id"] == str(slow.pk)
        assert [one.id for one in invariants() if one.context == "workout" and one.violations()] == []

    def test_wo5_an_analysis_that_is_repeated_announces_nothing(self, register, work, announced):
        anna = register(birth_date="1990-01-01", sex="female")
        self.ran(anna, work, 9, 28.0)
        self.ran(anna, work, 3, 30.0)
        before = len(announced(events.PersonalRecordAchieved))
        anna.api.put("/api/v1/workout/thresholds", {"valid_from": "2020-01-01", "hr_max": 180, "resting_bpm": 50})
        assert tasks.analyse_sessions() == 2
        assert len(announced(events.PersonalRecordAchieved)) == before
