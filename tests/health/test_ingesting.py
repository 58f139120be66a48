"""Readings come in: once each, none lost, the bad ones named."""

import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connections

from contexts.health import events, services
from contexts.health.models import Batch, Reading
from kernel.observability import invariants
from tests.health.conftest import beats, reading
from tests.identity.conftest import in_parallel

pytestmark = pytest.mark.django_db(databases=["default", "health"], transaction=True)


def assert_invariants_hold() -> None:
    broken = {i.id: i.violations() for i in invariants() if i.context == "health"}
    assert not any(broken.values()), broken


def test_he2_readings_are_stored_and_announced_by_reference(strap, announced):
    worn = strap()
    answer = worn.send(beats(500))
    assert (answer.status_code, answer.json()) == (200, {"accepted": 500, "duplicates": 0, "rejected": []})
    (told,) = announced(events.HealthMetricRecorded)
    assert (told.user_id, told.device_id, told.streams, told.count) == (
        worn.owner.user_id,
        worn.device_id,
        ["heart_rate"],
        500,
    )
    batch = services.get_batch(batch_id=told.batch_id)
    assert [r.value for r in batch] == [60 + n % 40 for n in range(500)]
    assert (batch[0].time, batch[-1].time) == (told.first_at, told.last_at)
    assert_invariants_hold()
