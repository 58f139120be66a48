"""Athletes let coaches see what they want them to see, and take it back."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contexts.identity import roles
from contexts.identity.events import CoachingChanged
from contexts.identity.models import AuditEntry
from contexts.workout import tasks
from contexts.workout.events import WorkoutViewed
from contexts.workout.places.privacy import Gate
from contexts.workout.rules import haversine
from tests.conftest import Api, sign_in
from tests.identity.conftest import IDENTITY
from tests.workout.conftest import gpx, hand_in, progress

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

COACHES = f"{IDENTITY}/coaches"


@pytest.fixture
def coach(register):
    """Somebody who holds the role."""
    person = register(display_name="Carla")
    roles.grant_role(user_id=person.user_id, role="coach")
    person.api = Api(sign_in(person.email)["access"])
    return person


def named(athlete, coach, *scopes):
    return athlete.api.post(COACHES, {"coach_id": str(coach.user_id), "scopes": list(scopes or ["workout:read"])})


def a_session(athlete) -> str:
    started = athlete.api.post("/api/v1/workout/sessions", {"sport": "running"}).json()["id"]
    athlete.api.post(f"/api/v1/workout/sessions/{started}/complete")
    return f"/api/v1/workout/sessions/{started}"


def test_id4_an_athlete_lets_a_coach_see_their_workouts_and_takes_it_back(register, coach, announced):
    anna = register(display_name="Anna")
    session = a_session(anna)
    assert coach.api.get(session).status_code == 404
    assert named(anna, coach).status_code == 201
    assert coach.api.get(session).status_code == coach.api.get(f"{session}/streams").status_code == 200
    assert [item["display_name"] for item in coach.api.get(f"{IDENTITY}/athletes").json()["items"]] == ["Anna"]
    assert anna.api.delete(f"{COACHES}/{coach.user_id}").status_code == 204
    assert coach.api.get(session).status_code == 404
    assert [event.scopes for event in announced(CoachingChanged)] == [["workout:read"], []]


def test_id6_a_coachs_look_is_in_the_audit(register, coach, deliver):
    anna = register()
    session = a_session(anna)
    named(anna, coach)
    coach.api.get(session)
    deliver()
    (entry,) = AuditEntry.objects.filter(action=WorkoutViewed.type)
    assert (entry.actor, entry.subject) == (coach.user_id, anna.user_id)


def test_id4_a_coach_changes_nothing(register, coach):
    anna = register()
    session = anna.api.post("/api/v1/workout/sessions", {"sport": "running"}).json()["id"]
    named(anna, coach)
    assert coach.api.post(f"/api/v1/workout/sessions/{session}/complete").status_code == 404


def test_id4_who_is_no_coach_is_not_found(register):
    assert named(register(), register()).status_code == 404


def test_id4_a_coach_who_is_none_any_more_sees_nothing(register, coach):
    anna = register()
    session = a_session(anna)
    named(anna, coach)
    roles.withdraw_role(user_id=coach.user_id, role="coach")
    assert coach.api.get(session).status_code == 404


def test_id2_letting_a_coach_see_health_data_takes_a_second_factor(register, coach, enrolled):
    assert named(register(), coach, "health:read").json()["code"] == "mfa_required"
    anna, app, _ = enrolled()
    grant = anna.api.post(f"{IDENTITY}/mfa/step-up", {"code": app.code()}).json()
    anna.api.token = grant["access"]
    assert named(anna, coach, "health:read").status_code == 201


def test_only_coaches_have_athletes(register):
    assert register().api.get(f"{IDENTITY}/athletes").status_code == 403


def test_id7_a_coach_is_not_shown_the_privacy_zones(register, coach, monkeypatch):
    anna, woken = register(), []
    monkeypatch.setattr(tasks.read_import, "delay", woken.append)
    handed_in = hand_in(anna, gpx(datetime.now(UTC) - timedelta(days=1)))
    tasks.read_import(*woken)
    (session,) = progress(anna, handed_in)["sessions"]
    named(anna, coach)
    streams = f"/api/v1/workout/sessions/{session}/streams"
    before = places(coach.api.get(streams).json())
    zone = {"name": "home", "latitude": before[0][0], "longitude": before[0][1], "radius_m": 2000}
    assert anna.api.post(f"{IDENTITY}/privacy-zones", zone).status_code == 201
    assert before != []
    assert places(coach.api.get(streams).json()) == []
    assert places(anna.api.get(streams).json()) == before


def places(shown) -> list[tuple[float, float]]:
    values = {stream["kind"]: stream["values"] for stream in shown["streams"]}
    return list(zip(values.get("latitude", []), values.get("longitude", []), strict=True))


NEAR = st.floats(min_value=-0.02, max_value=0.02)


@given(track=st.lists(st.tuples(NEAR, NEAR), max_size=40), centre=st.tuples(NEAR, NEAR), radius=st.floats(50, 2000))
def test_id7_no_place_inside_a_zone_is_ever_shown(track, centre, radius):
    at = [float(second) for second in range(len(track))]
    north, east = [place[0] for place in track], [place[1] for place in track]
    streams = [("latitude", at, north), ("longitude", at, east), ("heart_rate", at, [120.0] * len(at))]
    gate = Gate(viewer=uuid4(), circles={(athlete := uuid4()): [(*centre, radius)]})
    passed = gate.streams(streams, of=athlete).places
    shown = {kind: (offsets, values) for kind, offsets, values in passed}
    kept = list(zip(shown["latitude"][1], shown["longitude"][1], strict=True))
    assert all(haversine(*place, *centre) > radius for place in kept)
    assert kept == [place for place in track if haversine(*place, *centre) > radius]
    assert shown["heart_rate"] == (at, [120.0] * len(at))
