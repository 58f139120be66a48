"""A coach sees the plans of athletes who let them, and each look is announced (WO-2, ID-6)."""

import pytest

from contexts.identity import roles
from contexts.identity.models import AuditEntry
from contexts.workout import events
from tests.conftest import sign_in
from tests.workout.planning import WORKOUT, adopt, day, write_plan, write_workout

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


@pytest.fixture
def anna(register):
    return register(display_name="Anna")


@pytest.fixture
def coach(register):
    person = register(display_name="Coach")
    roles.grant_role(user_id=person.user_id, role="coach")
    person.api.token = sign_in(person.email)["access"]
    return person


def test_wo2_a_coach_sees_the_schedule_of_athletes_who_let_them_and_each_look_is_in_the_audit(
    anna, coach, register, deliver, anonymous
):
    adopt(anna, write_plan(anna, write_workout(anna)))
    path, between = f"{WORKOUT}/athletes/{anna.user_id}/schedule", {"from": day(0), "to": day(7)}
    grant = "/api/v1/identity/coaches"

    def looks():
        deliver()
        return [
            (entry.actor, entry.subject, entry.claims)
            for entry in AuditEntry.objects.filter(action=events.ScheduleViewed.type).order_by("pk")
        ]

    assert coach.api.get(path, data=between).status_code == register().api.get(path).status_code == 404
    anna.api.post(grant, {"coach_id": str(coach.user_id), "scopes": ["health:read"]})
    assert coach.api.get(path, data=between).status_code == 404
    anna.api.post(grant, {"coach_id": str(coach.user_id), "scopes": ["workout:read"]})
    assert (anonymous.get(path).status_code, looks()) == (401, [])
    shown = coach.api.get(path, data=between)
    assert shown.json() == anna.api.get(f"{WORKOUT}/schedule", data=between).json()
    assert [row["day"] for row in shown.json()["items"]] == [day(0), day(7)]
    assert coach.api.get(path, data={"from": day(3), "to": day(0)}).status_code == 400
    assert anna.api.get(path, data=between).json() == shown.json()
    assert looks() == [(coach.user_id, anna.user_id, {"from": day(0), "to": day(7)})]
    row = shown.json()["items"][0]["id"]
    assert coach.api.post(f"{WORKOUT}/schedule/{row}/skip").status_code == 404
    anna.api.delete(f"{grant}/{coach.user_id}")
    assert coach.api.get(path, data=between).status_code == 404
