"""Without consent nothing of a person's health is taken in (P3)."""

import pytest
from django.utils.timezone import now

from contexts.health.models import Batch, Device
from contexts.health.worn import devices
from kernel.observability import invariants
from tests.conftest import agree
from tests.health.conftest import HEALTH, Strap, beats

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


def test_p3_a_device_needs_consent(register):
    person = register()
    form = {"name": "Strap", "kind": "chest_strap"}
    refused = person.api.post(f"{HEALTH}/devices", form)
    assert (refused.status_code, refused.json()["code"]) == (403, "consent_required")
    assert refused.json()["purpose"] == "health_processing"
    agree(person)
    assert person.api.post(f"{HEALTH}/devices", form).status_code == 201


@pytest.fixture
def withdrawn(strap, deliver):
    """A strap that has sent readings, and whose owner has withdrawn since."""
    worn = strap()
    deliver()
    assert worn.send(beats(10)).status_code == 200
    agree(worn.owner, given=False)
    deliver()
    return worn


def test_p3_readings_are_refused_until_consent_is_given_again(withdrawn, deliver):
    refused = withdrawn.send(beats(20))
    assert (refused.status_code, refused.json()["code"]) == (403, "consent_required")
    assert Batch.objects.count() == 1
    agree(withdrawn.owner)
    deliver()
    assert withdrawn.send(beats(20)).status_code == 200


def test_p3_a_device_remembered_as_good_is_looked_at_again_when_it_stores(strap, deliver, monkeypatch):
    """Another process has not heard of the withdrawal yet: the statement that stores has the last word."""
    worn = strap()
    deliver()
    assert worn.send(beats(10)).status_code == 200
    remembered = dict(devices._known)
    assert remembered
    agree(worn.owner, given=False)
    deliver()
    devices._known.update(remembered)
    refused = worn.send(beats(20))
    assert (refused.status_code, refused.json()["code"]) == (403, "consent_required")
    assert Batch.objects.count() == 1


def test_p3_a_device_written_down_just_after_consent_was_withdrawn_is_suspended(withdrawn, deliver):
    """Its owner still agreed when that was asked; the withdrawal had reached every device but this one."""
    owner = withdrawn.owner
    device, secret = devices.add_device(name="Watch", kind="watch", by=owner.user_id, at=now())
    late = Strap(owner, str(device.device_id), secret)
    assert late.send(beats(5)).status_code == 200
    deliver()
    assert late.send(beats(9)).json()["code"] == "consent_required"


def test_p3_the_invariant_finds_a_reading_taken_in_without_consent(withdrawn):
    (p3,) = [each for each in invariants() if (each.context, each.id) == ("health", "P3")]
    assert p3.violations() == []
    Device.objects.update(suspended_at="2020-01-01T00:00:00Z")
    assert len(p3.violations()) == 1


def test_p3_the_purposes_beside_health_do_not_touch_devices(strap, deliver):
    worn = strap()
    agree(worn.owner, "marketing")
    agree(worn.owner, "marketing", given=False)
    deliver()
    assert worn.send(beats(5)).status_code == 200
