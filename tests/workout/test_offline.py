"""WO-9: what a phone recorded offline arrives later, once, in any order, in any pieces."""

import os
import random
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.utils.timezone import now
from hypothesis import given
from hypothesis import strategies as st

from contexts.workout import tasks
from contexts.workout.models import Operation, StrengthSet, TrainingSession
from contexts.workout.recording import completing, offline, replaying
from contexts.workout.recording.replaying import replay
from tests.workout.conftest import SESSIONS

SYNC = "/api/v1/workout/sync"
OPERATIONS = int(os.environ.get("SYNC_OPERATIONS", "2000"))
BEGIN = datetime(2026, 5, 1, 6, 0, tzinfo=UTC)

engines = pytest.mark.django_db(databases="__all__", transaction=True)


def told(session_id: Any, at: datetime, kind: str, **more: Any) -> dict[str, Any]:
    """An operation as a phone sends it."""
    operation = {"kind": kind} | more
    return {"operation_id": str(uuid4()), "session_id": str(session_id), "at": at.isoformat(), "operation": operation}


def run_of(session_id: Any, begin: datetime = BEGIN, minutes: int = 10, every_s: int = 5) -> list[dict[str, Any]]:
    """A run north at 3 m/s, a pause of a minute in the middle."""
    degree_m = 111_195.08
    middle, end = begin + timedelta(minutes=minutes // 2), begin + timedelta(minutes=minutes + 1)
    batches = []
    for minute in range(minutes):
        later = begin + timedelta(minutes=minute + (minute >= minutes // 2))
        ms = [int(later.timestamp() * 1_000) + 1_000 * second for second in range(0, 60, every_s)]
        north = [50 + (minute * 60 + second) * 3 / degree_m for second in range(0, 60, every_s)]
        series = [
            {"kind": "latitude", "times_ms": ms, "values": north},
            {"kind": "longitude", "times_ms": ms, "values": [8.0] * len(ms)},
            {"kind": "heart_rate", "times_ms": ms, "values": [140.0 + minute] * len(ms)},
            {
                "kind": "steps",
                "times_ms": ms,
                "values": [7_000.0 + minute * 180 + 3 * s for s in range(0, 60, every_s)],
            },
        ]
        batches.append(told(session_id, later, "samples", series=series))
    return [
        told(session_id, begin, "start", sport="running"),
        *batches,
        told(session_id, middle, "pause"),
        told(session_id, middle + timedelta(minutes=1), "resume"),
        told(session_id, middle + timedelta(minutes=2), "lap"),
        told(session_id, end, "complete"),
    ]


def send(person: Any, operations: list[dict[str, Any]]) -> dict[str, Any]:
    """Hand them in."""
    answer = person.api.post(SYNC, {"operations": operations})
    assert answer.status_code == 200, answer.content
    return answer.json()


def shown(person: Any, session_id: Any) -> dict[str, Any]:
    """A session as its owner sees it, without what tells how often it was revised."""
    answer = person.api.get(f"{SESSIONS}/{session_id}")
    assert answer.status_code == 200, answer.content
    return {name: value for name, value in answer.json().items() if name != "revision"}


@engines
class TestOfflineSessions:
    def test_wo9_a_session_recorded_offline_appears_when_it_is_whole(self, register, deliver):
        anna, session_id = register(), uuid4()
        *all_but_the_end, end = run_of(session_id)
        assert send(anna, all_but_the_end)["sessions"] == [{"session_id": str(session_id), "state": "underway"}]
        assert anna.api.get(f"{SESSIONS}/{session_id}").status_code == 404
        answer = send(anna, [end])
        assert answer["sessions"][0]["state"] == "completed"
        assert answer["outcomes"] == [{"number": 0, "status": "applied", "code": None}]
        session = shown(anna, session_id)
        assert session["distance_m"] == pytest.approx(1_785, rel=0.02)
        assert session["duration_s"] == pytest.approx(600)
        assert session["hr_max"] == 149
        assert session["steps"] == pytest.approx(1_785, abs=15)
        assert session["laps"] == ["2026-05-01T06:07:00Z"]

    def test_wo9_any_order_any_pieces_any_repeats_end_in_the_same_state(self, register):
        anna, boris, dice = register(), register(), random.Random(9)
        session_id, other_id = uuid4(), uuid4()
        straight = run_of(session_id)
        send(anna, straight)
        shuffled = [one | {"session_id": str(other_id)} for one in straight] * 2
        dice.shuffle(shuffled)
        while shuffled:
            piece, shuffled = shuffled[:3], shuffled[3:]
            send(boris, piece)
        one, other = shown(anna, session_id), shown(boris, other_id)
        one["id"] = other["id"]
        assert one == other

    def test_wo9_a_repeat_says_so_and_changes_nothing(self, register):
        anna, session_id = register(), uuid4()
        operations = run_of(session_id)
        send(anna, operations)
        before = TrainingSession.objects.values().get()
        again = send(anna, operations)
        assert {one["status"] for one in again["outcomes"]} == {"repeated"}
        assert TrainingSession.objects.values().get() == before

    def test_wo9_one_bad_operation_spoils_no_other(self, register):
        anna, session_id = register(), uuid4()
        operations = run_of(session_id)
        bad = told(session_id, BEGIN, "fly")
        ahead = told(session_id, now() + timedelta(hours=1), "pause")
        answer = send(anna, [bad, *operations, ahead])
        refused = {one["number"]: one["code"] for one in answer["outcomes"] if one["status"] == "refused"}
        assert refused == {0: "operation_invalid", len(operations) + 1: "in_the_future"}
        assert answer["sessions"][0]["state"] == "completed"

    def test_a_clock_that_is_wrong_makes_no_session_of_years(self, register):
        anna, session_id = register(), uuid4()
        ancient = told(session_id, datetime(1, 1, 1, tzinfo=UTC), "start", sport="running")
        assert send(anna, [ancient])["outcomes"][0]["code"] == "too_early"
        start = told(session_id, datetime(1999, 1, 1, tzinfo=UTC), "start", sport="cycling")
        send(anna, [start, told(session_id, BEGIN, "complete")])
        assert shown(anna, session_id)["ended_at"] == "1999-01-08T00:00:00Z"

    def test_somebody_elses_session_cannot_be_written(self, register):
        anna, boris, session_id = register(), register(), uuid4()
        send(anna, run_of(session_id))
        answer = send(boris, run_of(session_id))
        assert {(one["status"], one["code"]) for one in answer["outcomes"]} == {("refused", "session_taken")}
        assert not Operation.objects.filter(user_id=boris.user_id).exists()

    def test_wo9_a_deleted_session_stays_deleted(self, register):
        anna, session_id = register(), uuid4()
        operations = run_of(session_id)
        gone = told(session_id, BEGIN + timedelta(days=1), "delete")
        send(anna, [gone, *operations[:5]])
        assert send(anna, operations)["sessions"][0]["state"] == "deleted"
        assert anna.api.get(f"{SESSIONS}/{session_id}").status_code == 404

    def test_wo9_what_died_after_keeping_the_operations_heals_when_they_come_again(self, register, monkeypatch):
        anna, session_id = register(), uuid4()
        operations = run_of(session_id)

        def die(**_: Any) -> None:
            raise RuntimeError("killed")

        with monkeypatch.context() as patched:
            patched.setattr(completing, "record_offline", die)
            with pytest.raises(RuntimeError):
                offline.sync(body=_body(operations), by=UUID(str(anna.user_id)), time_zone="UTC", at=now())
        assert Operation.objects.count() == len(operations)
        assert not TrainingSession.objects.exists()
        assert {one["status"] for one in send(anna, operations)["outcomes"]} == {"repeated"}
        assert shown(anna, session_id)["state"] == "completed"

    def test_wo9_notes_and_feelings_are_said_offline_and_the_later_word_counts(self, register):
        anna, session_id = register(), uuid4()
        end = BEGIN + timedelta(minutes=10)
        said = {"title": " Лес ", "notes": "Wet", "effort": 7, "mood": 4, "commute": True, "gear": ["Shoes"]}
        later = told(session_id, end + timedelta(seconds=2), "edit", title="Forest", mood=None)
        send(anna, [later, *run_of(session_id), told(session_id, end + timedelta(seconds=1), "edit", **said)])
        session = shown(anna, session_id)
        wanted = said | {"title": "Forest", "mood": None}
        assert {name: session[name] for name in wanted} == wanted
        assert anna.api.patch(f"{SESSIONS}/{session_id}", {"title": "Home", "effort": None}).status_code == 200
        send(anna, [told(session_id, BEGIN + timedelta(minutes=8), "lap")])
        session, wanted = shown(anna, session_id), wanted | {"title": "Home", "effort": None}
        assert {name: session[name] for name in wanted} == wanted
        for wrong in ({"effort": 11}, {"title": "x" * 201}, {"notes": None}):
            (outcome,) = send(anna, [told(session_id, end, "edit", **wrong)])["outcomes"]
            assert outcome["code"] == "operation_invalid"

    def test_wo9_a_change_over_the_api_outlives_the_next_operation(self, register):
        anna, session_id, set_id = register(), uuid4(), str(uuid4())
        send(anna, [*run_of(session_id), told(session_id, BEGIN, "set", set_id=set_id, exercise="squat", reps=5)])
        changed = anna.api.put(f"{SESSIONS}/{session_id}/sets/{set_id}", {"exercise": "squat", "reps": 8})
        assert changed.status_code == 200, changed.content
        send(anna, [told(session_id, BEGIN + timedelta(minutes=8), "lap")])
        assert StrengthSet.objects.get().reps == 8

    def test_wo1_a_lost_phones_session_ends_with_what_arrived(self, register):
        anna, session_id = register(), uuid4()
        *arrived, end = run_of(session_id)
        send(anna, arrived)
        Operation.objects.update(received_at=now() - timedelta(hours=3))
        assert tasks.end_lost_sessions() == 1
        assert tasks.end_lost_sessions() == 0
        assert shown(anna, session_id)["ended_at"] == "2026-05-01T06:10:55Z"
        send(anna, [end])
        assert shown(anna, session_id)["ended_at"] == "2026-05-01T06:11:00Z"

    @pytest.mark.slow
    def test_wo9_thousands_of_operations_twice_in_shuffled_order_end_in_the_same_state(self, register):
        dice, states = random.Random(9), []
        plan = [(number, BEGIN + timedelta(hours=number)) for number in range(OPERATIONS // 200)]
        for person in (register(), register()):
            operations = []
            for number, begin in plan:
                session_id = UUID(int=person.user_id.int ^ (number + 1))
                operations += run_of(session_id, begin, minutes=194, every_s=60)
            for one in operations:
                one["operation_id"] = str(UUID(int=dice.getrandbits(128)))
            assert len(operations) == 199 * len(plan)
            operations += operations
            if states:
                dice.shuffle(operations)
            for start in range(0, len(operations), offline.MAX_OPERATIONS):
                send(person, operations[start : start + offline.MAX_OPERATIONS])
            rows = TrainingSession.objects.filter(user_id=person.user_id).order_by("started_at")
            states.append(list(rows.values("started_at", "ended_at", "pauses", "laps", "distance_m", "hr_avg")))
        assert len(states[0]) == len(plan)
        assert states[0] == states[1]


def _body(operations: list[dict[str, Any]]) -> bytes:
    import msgspec

    return msgspec.json.encode({"operations": operations})


instants = st.integers(0, 5_000).map(lambda seconds: BEGIN + timedelta(seconds=seconds))
whats = st.one_of(
    st.just(replaying.Start(sport="running")),
    st.just(replaying.Start(sport="cycling", visibility="friends")),
    st.builds(replaying.Pause),
    st.builds(replaying.Resume),
    st.builds(replaying.Lap),
    st.builds(replaying.Complete),
    st.builds(replaying.Lost),
    st.builds(replaying.Edit, sport=st.sampled_from(["rowing", "other", None])),
    st.builds(
        replaying.Set,
        set_id=st.sampled_from([UUID(int=1), UUID(int=2)]),
        exercise=st.just("squat"),
        reps=st.integers(1, 20),
        removed=st.booleans(),
    ),
    st.builds(
        lambda times, value: replaying.Samples(
            series=[replaying.Series(kind="heart_rate", times_ms=times, values=[value] * len(times))]
        ),
        st.lists(st.integers(0, 20), min_size=1, max_size=5),
        st.floats(60, 180),
    ),
)
histories = st.lists(st.builds(replaying.Operation, st.uuids(), instants, whats), max_size=30)


@given(histories, st.randoms())
def test_wo9_a_session_is_a_function_of_the_set_of_its_operations(operations, dice):
    once = replay(operations)
    twice = [*operations, *operations]
    dice.shuffle(twice)
    assert replay(twice) == once


@given(histories)
def test_wo9_a_replayed_session_is_in_order(operations):
    session = replay(operations)
    assert session.marks == sorted(session.marks)
    if session.is_whole:
        assert session.started_at is not None
        assert session.ended_at is not None
        assert len(session.marks) % 2 == 0
        assert all(session.started_at <= at <= session.ended_at for at in [*session.marks, *session.laps])
