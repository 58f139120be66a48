"""Connecting devices and letting them go."""

import pytest
from cryptography.exceptions import InvalidTag
from django.contrib import admin
from django.utils.timezone import now

from contexts.health import events, rules, sealing
from contexts.health.models import Access, Batch, Device, Reading
from contexts.health.worn import devices
from tests.conftest import agree
from tests.health.conftest import COMMITTED, HEALTH, beats
from tests.identity.conftest import in_parallel

pytestmark = pytest.mark.django_db(databases=["default", "health"])


def test_he1_a_connected_device_is_announced(strap, announced):
    worn = strap()
    (told,) = announced(events.DeviceConnected)
    assert (told.device_id, told.user_id, told.kind) == (worn.device_id, worn.owner.user_id, "heart_rate_strap")


def test_i7_the_secret_is_shown_once_and_stored_sealed(strap):
    worn = strap()
    assert worn.secret not in bytes(Device.objects.get().sealed_secret)
    (item,) = worn.owner.api.get(f"{HEALTH}/devices").json()["items"]
    assert set(item) == {"device_id", "name", "kind", "connected_at", "status", "revoked_at", "suspended_at"}


def test_i7_a_sealed_secret_opens_for_its_own_device_only(strap):
    one, other = strap(), strap()
    sealed = bytes(Device.objects.get(device_id=one.device_id).sealed_secret)
    assert sealing.unseal(sealed, device_id=one.device_id) == one.secret
    with pytest.raises(InvalidTag):
        sealing.unseal(sealed, device_id=other.device_id)


@COMMITTED
def test_a_revoked_device_sends_nothing_more_and_its_readings_stay(strap):
    worn = strap()
    assert worn.send(beats(5)).status_code == 200
    path = f"{HEALTH}/devices/{worn.device_id}"
    assert worn.owner.api.delete(path).status_code == 204
    assert worn.owner.api.delete(path).status_code == 204
    answer = worn.send(beats(1))
    assert (answer.status_code, answer.json()["code"]) == (401, "device_unknown")
    assert Reading.objects.count() == 5
    assert worn.owner.api.get(f"{HEALTH}/devices").json()["items"][0]["revoked_at"] is not None


def test_a_revocation_reaches_every_process_within_five_seconds(strap):
    worn = strap()
    worn.send(beats(1))
    Device.objects.update(revoked_at=now())  # as if another process had done it
    until, known = devices._known[worn.device_id]
    devices._known[worn.device_id] = until - rules.DEVICE_CACHED.total_seconds(), known
    assert rules.DEVICE_CACHED.total_seconds() <= 5
    assert worn.send(beats(1)).json()["code"] == "device_unknown"


def test_somebody_elses_device_does_not_exist(strap, register):
    worn, other = strap(), register()
    assert other.api.delete(f"{HEALTH}/devices/{worn.device_id}").status_code == 404
    assert other.api.get(f"{HEALTH}/devices").json()["items"] == []
    assert worn.send(beats(1)).status_code == 200


def test_only_members_have_devices(anonymous):
    assert anonymous.get(f"{HEALTH}/devices").status_code == 401
    assert anonymous.post(f"{HEALTH}/devices", {"name": "x", "kind": "watch"}).status_code == 401


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"kind": "watch"}, "name"),
        ({"name": "", "kind": "watch"}, "name"),
        ({"name": "x" * 81, "kind": "watch"}, "name"),
        ({"name": "Watch"}, "kind"),
        ({"name": "Watch", "kind": "Two words"}, "kind"),
    ],
)
def test_a_device_has_a_name_and_a_kind(register, form, field):
    answer = register().api.post(f"{HEALTH}/devices", form)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == field


@COMMITTED
def test_a_person_has_at_most_20_devices_even_with_many_hands(register):
    person = register()
    agree(person)

    def connect(_: int) -> str:
        try:
            devices.connect_device(name="Watch", kind="watch", by=person.user_id, at=now())
        except devices.TooManyDevices:
            return "refused"
        return "connected"

    for _ in range(rules.MAX_DEVICES - 2):
        connect(0)
    assert sorted(in_parallel(4, connect)) == ["connected"] * 2 + ["refused"] * 2
    answer = person.api.post(f"{HEALTH}/devices", {"name": "One more", "kind": "watch"})
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_devices")


def test_moderators_see_devices_without_secrets_and_no_readings():
    shown = admin.site._registry[Device]
    assert "sealed_secret" not in {*shown.fields, *shown.list_display, *shown.search_fields}
    assert "name" not in {*shown.fields, *shown.list_display}
    assert not any(admin.site.is_registered(model) for model in (Reading, Batch, Access))
