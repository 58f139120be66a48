"""The sets of a session count for the workout that asked for them (WO-2)."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils.timezone import now

from contexts.identity import roles
from contexts.workout.models import Exercise
from contexts.workout.plans import exercise_library
from kernel.databases import unit_of_work
from kernel.observability import invariants
from tests.conftest import sign_in
from tests.workout.planning import SQUAT, WORKOUT, adopt, made, schedule, squats, write_plan, write_workout

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


@pytest.fixture(autouse=True)
def library(transactional_db):
    """What a migration plants once; other tests have emptied the tables since."""
    unit_of_work("workout")(exercise_library.plant)(Exercise, using="workout")


@pytest.fixture
def anna(register):
    return register(display_name="Anna")


@pytest.fixture
def coach(register):
    person = register(display_name="Coach")
    roles.grant_role(user_id=person.user_id, role="coach")
    person.api.token = sign_in(person.email)["access"]
    return person


def test_wo2_the_sets_of_a_session_count_for_the_workout_that_asked_for_them(anna, coach, deliver):
    own = made(coach, "exercises", {"name_en": "Sled push", "muscles": ["quadriceps"]})["id"]
    sled = {"kind": "strength_set", "exercise_id": own, "reps": 8}
    workout = write_workout(coach, squats(), sled, sport="strength")
    rule = {"workout_id": workout, "changes": "weight", "operation": "add", "value": 5, "step": 0}
    plan = write_plan(coach, workout, weeks=3, sport="strength", rules=[rule], visibility="public")
    adopt(anna, plan)
    session = made(anna, "sessions", {"sport": "strength"})["id"]
    sets = f"{WORKOUT}/sessions/{session}/sets"

    def put(set_id, **done):
        answer = anna.api.put(f"{sets}/{set_id}", done)
        assert answer.status_code in (200, 201), answer.content

    def row():
        first, second, _ = schedule(anna)
        told = {part["name"]: (part["planned"], part["done"]) for part in first["compliance_parts"]}
        return first["state"], told, second["steps"][0]["range"]["high"]

    ids = [uuid4() for _ in range(4)]
    for set_id, weight in zip(ids, (100, 100, 97.5 + 1), strict=False):
        put(set_id, exercise="Back Squat", reps=5, weight_kg=weight, rpe=8)
    put(ids[3], exercise_id=own, reps=8)
    made(anna, f"sessions/{session}/complete")
    deliver()
    assert row() == ("done", {"repetitions": (23, 23), "weight": (100, 99.5)}, 105)
    first = schedule(anna)[0]
    assert first["session_id"] == session
    squat, pushed = first["results"]
    assert (squat["step"], squat["reps"], squat["weights_kg"], squat["rpe"]) == (0, [5, 5, 5], [100, 100, 98.5], 8)
    assert (pushed["step"], pushed["reps"], first["compliance"]) == (1, [8], 100)
    put(ids[0], exercise="Back squat", reps=5, weight_kg=90)  # lighter than asked is not done: again next time
    assert row() == ("failed", {"repetitions": (23, 23), "weight": (100, 96.17)}, 100)
    put(ids[0], exercise="Back squat", reps=5, weight_kg=100)
    assert anna.api.delete(f"{sets}/{ids[1]}").status_code == 204
    assert row() == ("failed", {"repetitions": (23, 18), "weight": (100, 99.25)}, 100)
    said = [{"step": 0, "reps": [5, 5, 5]}, {"step": 1, "reps": [8]}]
    assert (
        made(anna, f"schedule/{first['id']}/complete", {"results": said})["state"] == "done"
    )  # the athlete's word goes before
    put(ids[2], exercise="Back squat", reps=1, weight_kg=20)
    assert row() == ("done", {"repetitions": (23, 23)}, 105)
    ours = [each for each in invariants() if each.context == "workout"]
    assert {each.id: each.violations() for each in ours if each.violations()} == {}


def test_wo2_sets_recorded_offline_count_as_well(anna, deliver):
    adopt(anna, write_plan(anna, write_workout(anna, squats(), sport="strength"), sport="strength"))
    session_id, end = uuid4(), now()

    def sync(at, **operation):
        sent = {"operation_id": uuid4(), "session_id": session_id, "at": at, "operation": operation}
        (outcome,) = made(anna, "sync", {"operations": [sent]})["outcomes"]
        assert outcome["status"] == "applied"

    sync(end - timedelta(minutes=20), kind="start", sport="strength")
    for nth in range(2):
        sync(end - timedelta(minutes=9 - nth), kind="set", set_id=uuid4(), exercise="x", exercise_id=SQUAT, reps=5)
    sync(end, kind="complete")
    deliver()
    assert [(row["state"], row["results"][0]["reps"]) for row in schedule(anna)[:1]] == [("failed", [5, 5])]
    sync(end - timedelta(minutes=1), kind="set", set_id=uuid4(), exercise="Back squat", reps=6)
    assert [(row["state"], row["results"][0]["reps"]) for row in schedule(anna)[:1]] == [("done", [5, 5, 6])]
