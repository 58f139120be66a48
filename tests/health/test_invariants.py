"""The invariants find what they are there to find."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connections
from django.utils.timezone import now

from contexts.health.models import Access, EmergencyAccess, Grant
from kernel.observability import invariants
from tests.health.conftest import beats

pytestmark = pytest.mark.django_db(databases=["default", "health"])

DAMAGE = {
    "H1": "DELETE FROM health_reading WHERE time = (SELECT min(time) FROM health_reading)",
    "H6": "UPDATE health_batch SET device_number = -1",
    "H7": "UPDATE health_batch SET recorded_at = recorded_at - interval '1 hour'",
}


def broken() -> set[str]:
    """The ids of health's invariants that do not hold."""
    return {each.id for each in invariants() if each.context == "health" and each.violations()}


@pytest.mark.parametrize("id", DAMAGE)
def test_damage_is_found(strap: Any, id: str):
    strap().send(beats(10))
    assert broken() == set()
    with connections["health"].cursor() as cursor:
        cursor.execute(DAMAGE[id])
    assert id in broken()


def test_a_look_without_a_fresh_second_factor_cannot_be_written_nor_hidden():
    with connections["health"].cursor() as cursor:
        cursor.execute("ALTER TABLE health_access DROP CONSTRAINT health_access_had_recent_mfa")
    at, person = now(), uuid4()
    Access.objects.create(
        by=person,
        subject_id=person,
        stream="heart_rate",
        since=at,
        until=at,
        mfa_at=at - timedelta(hours=1),
        at=at,
        correlation_id="x",
    )
    assert broken() == {"H8"}


def test_a_look_beyond_a_grant_is_found():
    at, owner, doctor = now(), uuid4(), uuid4()
    terms = {"role": "doctor", "metrics": ["heart_rate"], "purposes": ["treatment"]}
    times = {"made_at": at - timedelta(days=9), "accepted_at": at - timedelta(days=9)}
    grant = Grant.objects.create(
        owner_id=owner, grantee_id=doctor, expires_at=at + timedelta(days=1), **terms, **times
    )
    look = {
        "since": at,
        "until": at,
        "mfa_at": at,
        "at": at,
        "correlation_id": "x",
        "subject_id": owner,
        "by": doctor,
    }
    Access.objects.create(stream="heart_rate", purpose="treatment", grant_id=grant.pk, **look)
    assert broken() == set()
    for change in (
        {"expires_at": at - timedelta(minutes=1)},
        {"ended_at": at - timedelta(minutes=1), "ended_by": "owner"},
        {"accepted_at": None},
        {"metrics": ["steps"]},
        {"purposes": ["coaching"]},
        {"grantee_id": uuid4()},
        {"since": at + timedelta(hours=1)},
    ):
        before = {name: getattr(grant, name) for name in change}
        Grant.objects.update(**change)
        assert broken() == {"HE-7"}, change
        Grant.objects.update(**before)


def test_a_look_after_an_emergency_is_found():
    at, owner, staff = now(), uuid4(), uuid4()
    opened = EmergencyAccess(subject_id=owner, opened_by=staff, opened_at=at, expires_at=at + timedelta(minutes=60))
    opened.reason = "why"
    opened.save()
    look = {"since": at, "until": at, "mfa_at": at, "at": at, "correlation_id": "x", "subject_id": owner, "by": staff}
    Access.objects.create(stream="steps", purpose="emergency", emergency_id=opened.pk, **look)
    assert broken() == set()
    EmergencyAccess.objects.update(expires_at=at - timedelta(minutes=1))
    assert broken() == {"HE-7"}
