"""A session that counted for a scheduled workout is deleted, or is of another sport (WO-2)."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils.timezone import now

from contexts.workout.models import Exercise
from contexts.workout.plans import exercise_library
from kernel.databases import unit_of_work
from tests.workout.planning import (
    WORKOUT,
    adopt,
    assert_invariants_hold,
    complete,
    day,
    made,
    noon,
    run_of,
    schedule,
    squats,
    today,
    write_plan,
    write_workout,
)
from tests.workout.test_offline import run_of as offline_run
from tests.workout.test_offline import send, told

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


@pytest.fixture
def anna(register):
    return register(display_name="Anna")


def delete_session(person, session_id):
    answer = person.api.delete(f"{WORKOUT}/sessions/{session_id}")
    assert answer.status_code == 204, answer.content


def lasting(row):
    """Seconds of the first step."""
    return row["steps"][0]["length"]["seconds"]


def test_wo2_who_deletes_a_session_has_its_workout_before_them_again(anna, work, deliver):
    workout = write_workout(anna)
    rule = {"workout_id": workout, "changes": "duration", "operation": "multiply", "value": 2}
    adopt(anna, write_plan(anna, workout, days=(1, 4), rules=[rule], weeks=1), today() - timedelta(days=3))
    untouched = schedule(anna)
    early, now_due = run_of(anna, work, noon(-3)), run_of(anna, work, noon(0))
    deliver()
    first, second = schedule(anna)
    assert [row["state"] for row in (first, second)] == ["done", "done"]
    assert (second["steps"], lasting(second)) == (untouched[1]["steps"], 3600)
    delete_session(anna, now_due)
    again = schedule(anna)[1]
    assert [again[name] for name in ("state", "session_id", "compliance", "compliance_parts", "results")] == (
        ["planned", None, None, [], []]
    )
    delete_session(anna, early)
    first, second = schedule(anna)
    assert (first["state"], first["session_id"], first["compliance"]) == ("missed", None, None)
    assert (second["state"], lasting(second)) == ("planned", 1800), "what was missed makes nothing longer"
    run_of(anna, work, noon(0), minutes=31)
    deliver()
    assert schedule(anna)[1]["state"] == "done", "another session counts for it"
    assert_invariants_hold()


def test_wo2_of_two_sessions_the_one_left_counts(anna, work, deliver):
    adopt(anna, write_plan(anna, write_workout(anna), days=(1,)), today() - timedelta(days=1))
    first, second = (run_of(anna, work, noon(-1) + timedelta(hours=hours)) for hours in (0, 3))
    deliver()
    assert schedule(anna)[0]["session_id"] == first
    delete_session(anna, first)
    assert [(row["state"], row["session_id"]) for row in schedule(anna)[:1]] == [("done", second)]
    assert_invariants_hold()


def test_wo2_a_session_of_another_sport_counts_for_another_workout(anna, work, deliver):
    """And for none where there is none of that sport; what it had counted for is before its athlete again."""
    adopt(anna, write_plan(anna, write_workout(anna)))
    ride = write_workout(anna, sport="cycling")
    adopt(anna, write_plan(anna, ride, sport="cycling"))
    session_id = run_of(anna, work, noon(0))
    deliver()

    def counted():
        return {row["sport"]: (row["state"], row["session_id"]) for row in schedule(anna) if row["day"] == day(0)}

    waiting, done = ("planned", None), ("done", session_id)
    assert counted() == {"running": done, "cycling": waiting}
    for sport, expected in (
        ("cycling", {"running": waiting, "cycling": done}),
        ("rowing", {"running": waiting, "cycling": waiting}),
        ("running", {"running": done, "cycling": waiting}),
    ):
        assert anna.api.patch(f"{WORKOUT}/sessions/{session_id}", {"sport": sport}).status_code == 200
        assert counted() == expected
    assert_invariants_hold()


def test_wo2_a_sport_corrected_offline_counts_for_another_workout(anna, deliver):
    adopt(anna, write_plan(anna, write_workout(anna)))
    session_id = uuid4()
    operations = offline_run(session_id, begin=now() - timedelta(hours=1), minutes=30)
    send(anna, operations)
    deliver()
    assert schedule(anna)[0]["session_id"] == str(session_id)
    send(anna, [told(session_id, now(), "edit", sport="cycling")])
    assert (schedule(anna)[0]["state"], schedule(anna)[0]["session_id"]) == ("planned", None)
    send(anna, [told(session_id, now(), "edit", sport="running")])
    assert schedule(anna)[0]["session_id"] == str(session_id)


def test_wo2_what_the_athlete_has_reported_stands_without_its_session(anna, deliver):
    unit_of_work("workout")(exercise_library.plant)(Exercise, using="workout")
    adopt(anna, write_plan(anna, write_workout(anna, squats(), sport="strength"), sport="strength"))
    session_id = made(anna, "sessions", {"sport": "strength"})["id"]
    made(anna, f"sessions/{session_id}/complete")
    deliver()
    complete(anna, schedule(anna)[0], results=[{"step": 0, "reps": [5, 5, 5]}])
    delete_session(anna, session_id)
    kept = schedule(anna)[0]
    assert (kept["state"], kept["session_id"], kept["results"][0]["reps"]) == ("done", None, [5, 5, 5])


def test_wo2_in_a_plan_given_up_a_deleted_session_leaves_nothing_to_come(anna, work, deliver):
    adopted = adopt(anna, write_plan(anna, write_workout(anna), days=(1, 2)), today() - timedelta(days=1))
    sessions = [run_of(anna, work, noon(nth)) for nth in (-1, 0)]
    deliver()
    assert anna.api.delete(f"{WORKOUT}/adopted-plans/{adopted['id']}").status_code == 204
    for session_id in sessions:
        delete_session(anna, session_id)
    assert [(row["day"], row["state"]) for row in schedule(anna)] == [(day(-1), "missed")]
    assert_invariants_hold()
