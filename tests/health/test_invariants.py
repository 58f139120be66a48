"""The invariants find what they are there to find."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connections
from django.utils.timezone import now

from contexts.health.models import Access
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
    at = now()
    Access.objects.create(
        by=uuid4(),
        subject_id=uuid4(),
        stream="heart_rate",
        since=at,
        until=at,
        mfa_at=at - timedelta(hours=1),
        at=at,
        correlation_id="x",
    )
    assert broken() == {"H8"}
