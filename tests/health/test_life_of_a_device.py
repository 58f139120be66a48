"""What is known of a device, its papers, and its life: lost, found, handed on, retired (HE-1, H6)."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib import admin
from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory

from contexts.health import events, rules
from contexts.health.models import Batch, Calibration, Certification, Device, Entry, EntryVersion, Reading
from contexts.health.worn import handing_on
from contexts.identity.models import User
from kernel.observability import invariants
from tests.conftest import agree
from tests.health.conftest import COMMITTED, HEALTH, Strap, beats, reading, step_up
from tests.health.test_calibrations import calibrate

pytestmark = pytest.mark.django_db(databases=["default", "health"])


def test_he1_a_device_says_what_it_is_and_shows_its_signs_of_life(strap, register):
    worn = strap()
    path = f"{HEALTH}/devices/{worn.device_id}"
    fresh = worn.owner.api.get(path).json()
    assert (fresh["status"], fresh["last_seen_at"], fresh["battery"], fresh["model"]) == ("active", None, None, "")
    told = {"maker": "Polar", "model": "H10", "serial": "8A2F", "hardware": "2", "firmware": "3.1.1", "software": "x"}
    assert worn.tell(told).status_code == 200
    at = datetime.now(UTC) - timedelta(minutes=1)
    worn.send([reading(at, 80, stream="battery"), reading(at + timedelta(seconds=9), 79, stream="battery")])
    known = worn.owner.api.get(path).json()
    assert {name: known[name] for name in told} == told
    assert (known["battery"], datetime.fromisoformat(known["battery_at"])) == (79, at + timedelta(seconds=9))
    assert datetime.fromisoformat(known["last_seen_at"]) > at
    changed = worn.owner.api.patch(path, {"name": "Old strap", "firmware": "3.2"}).json()
    assert (changed["name"], changed["firmware"], changed["model"]) == ("Old strap", "3.2", "H10")
    assert register().api.get(path).status_code == 404
    assert register().api.patch(path, {"name": "Mine"}).status_code == 404


@COMMITTED
def test_he1_a_lost_device_sends_nothing_until_it_is_found(strap):
    worn = strap()
    path = f"{HEALTH}/devices/{worn.device_id}"
    assert worn.send(beats(2)).status_code == 200
    assert worn.owner.api.patch(path, {"lost": True}).json()["status"] == "lost"
    refused = worn.send(beats(2))
    assert (refused.status_code, refused.json()["code"]) == (403, "device_lost")
    assert worn.owner.api.patch(path, {"lost": False}).json()["status"] == "active"
    assert worn.send(beats(2)).status_code == 200
    Device.objects.update(lost_at=datetime.now(UTC))  # as another process does it, while this one remembers
    assert worn.send(beats(2)).json()["code"] == "device_lost"
    assert Reading.objects.count() == 4
    worn.owner.api.delete(path)
    assert worn.owner.api.get(path).json()["status"] == "retired"
    assert worn.owner.api.patch(path, {"lost": False}).json()["code"] == "device_retired"


def test_he1_certifications_name_their_standard_number_and_validity(strap, register):
    worn, today = strap(), datetime.now(UTC).date()
    path = f"{HEALTH}/devices/{worn.device_id}/certifications"
    form = {"standard": "ISO 81060-2", "number": "C-77", "valid_from": f"{today - timedelta(days=9)}"}
    api = worn.owner.api
    made = api.post(path, form | {"valid_until": f"{today}", "issued_by": "TÜV"})
    assert (made.status_code, made.json()["is_valid"]) == (201, True)
    expired = api.post(path, form | {"valid_until": f"{today - timedelta(days=1)}"}).json()
    assert expired["is_valid"] is False
    wrong = api.post(path, form | {"valid_until": f"{today - timedelta(days=10)}"})
    assert wrong.json()["errors"][0]["field"] == "valid_until"
    stranger = register().api
    assert (
        stranger.get(path).status_code == stranger.delete(f"{path}/{expired['certification_id']}").status_code == 404
    )
    assert api.delete(f"{path}/{expired['certification_id']}").status_code == 204
    assert api.delete(f"{path}/{expired['certification_id']}").status_code == 404
    assert [item["number"] for item in api.get(path).json()["items"]] == ["C-77"]


@COMMITTED
def test_h6_a_device_handed_on_measures_its_new_owner_and_nothing_from_before(strap, register, announced):
    worn, other = strap(kind="scale"), register()
    assert worn.tell({"model": "S1", "serial": "42"}).status_code == 200
    calibrate(worn, [(50, 51)], datetime.now(UTC) - timedelta(days=9), stream="body_mass")
    before = datetime.now(UTC) - timedelta(hours=1)
    worn.send([reading(before, 70, stream="body_mass")])
    offer = worn.owner.api.post(f"{HEALTH}/devices/{worn.device_id}/handover").json()
    take = {"code": offer["code"], "name": "Second-hand scale"}
    assert worn.send([reading(before, 71, stream="body_mass", sequence=1)]).status_code == 200  # still theirs
    path = f"{HEALTH}/devices/taken-over"
    assert other.api.post(path, take).json()["code"] == "consent_required"
    agree(other)
    assert worn.owner.api.post(path, take).json()["code"] == "handover_code_invalid"
    made = other.api.post(path, take)
    assert made.status_code == 201, made.content
    taken = Strap(other, **made.json())
    assert other.api.post(path, take).json()["code"] == "handover_code_invalid"
    assert worn.send([reading(before, 72, stream="body_mass", sequence=2)]).json()["code"] == "device_unknown"
    after = datetime.now(UTC)
    sent = taken.send([reading(before, 70, stream="body_mass"), reading(after, 90, stream="body_mass")]).json()
    assert (sent["accepted"], sent["rejected"]) == (1, [{"index": 0, "code": "before_device"}])
    span = {"from": (before - timedelta(hours=1)).isoformat(), "to": (after + timedelta(hours=1)).isoformat()}
    shown = [
        step_up(person).get(f"{HEALTH}/metrics/body_mass/readings", data=span).json()["items"]
        for person in (worn.owner, other)
    ]
    assert [[item["value"] for item in items] for items in shown] == [[71, 72], [91]]
    assert other.api.get(f"{HEALTH}/devices/{taken.device_id}").json()["serial"] == "42"
    (told,) = announced(events.DeviceHandedOn)
    assert (told.device_id, told.received_as) == (worn.device_id, taken.device_id)
    h6 = next(each for each in invariants() if (each.context, each.id) == ("health", "H6"))
    assert h6.violations() == []
    Device.objects.filter(device_id=taken.device_id).update(received_at=after + timedelta(seconds=1))
    assert len(h6.violations()) == 1


def test_a_handover_code_is_good_for_a_day_and_voids_the_one_before(strap, register):
    worn, other = strap(), register()
    agree(other)
    at = datetime.now(UTC)
    by = worn.owner.user_id
    first, _ = handing_on.offer(device_id=worn.device_id, by=by, at=at)
    second, until = handing_on.offer(device_id=worn.device_id, by=by, at=at)
    assert until == at + rules.HANDOVER_LASTS
    for code, moment in [(first, at), (second, until)]:
        with pytest.raises(handing_on.HandoverCodeInvalid):
            handing_on.take_over(code=code, name="Strap", by=other.user_id, at=moment)
    made, _ = handing_on.take_over(code=second, name="Strap", by=other.user_id, at=until - timedelta(seconds=1))
    assert made.user_id == other.user_id
    assert register().api.post(f"{HEALTH}/devices/{worn.device_id}/handover").status_code == 404


def test_reviewers_see_devices_and_papers_without_owners_and_nothing_measured():
    request = RequestFactory().get("/")
    request.user = AnonymousUser()
    screen = admin.site._registry[Device]
    assert {"user_id", "serial", "name"}.isdisjoint([*screen.get_fields(request), *screen.get_list_display(request)])
    assert screen.get_search_fields(request) == ("=device_id",)
    request.user = User(is_superuser=True, is_active=True, is_staff=True)
    assert "user_id" in screen.get_list_display(request)
    assert all(admin.site.is_registered(model) for model in (Certification, Calibration))
    assert not any(admin.site.is_registered(model) for model in (Reading, Batch, Entry, EntryVersion))
