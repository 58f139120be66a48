"""Devices that a bridge connects: each with an identity of its own, and gone with their bridge."""

import asyncio
import base64
import json
import time
from collections import Counter
from typing import Any

import pytest
from django.test import Client

from contexts.health.models import Device, Reading
from contexts.health.rules import MAX_DEVICES
from device_bridge import gatt, running
from device_bridge.credentials import credentials_of, enrolled_devices, keep_credentials
from device_bridge.readings import Notification, Wearing
from tests.conftest import agree
from tests.health.conftest import COMMITTED, HEALTH, Strap, beats

PATH = f"{HEALTH}/bridge-devices"


def ask(bridge: Strap, key: str = "C0:57:00:0A:00:01", kind: str = "chest_strap") -> Any:
    """The bridge asks for a device of its own for what it knows by `key`."""
    body = json.dumps({"key": key, "name": "Strap", "kind": kind}).encode()
    header = {"Authorization": bridge.authorization(body, path=PATH)}
    return Client().post(PATH, data=body, content_type="application/json", headers=header)


def asked(bridge: Strap, **more: Any) -> Strap:
    """The device that comes of it."""
    answer = ask(bridge, **more)
    assert answer.status_code == 201, answer.content
    return Strap(bridge.owner, **answer.json())


def refused(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


@COMMITTED
def test_he1_each_device_of_a_bridge_has_numbers_of_its_own(strap):
    bridge = strap(kind="bridge")
    one, other = asked(bridge), asked(bridge, key="C0:57:00:0A:00:02")
    batch = beats(3)
    assert [each.send(batch).json()["accepted"] for each in (bridge, one, other)] == [3, 3, 3]
    assert Reading.objects.count() == 9
    assert set(Device.objects.values_list("user_id", flat=True)) == {bridge.owner.user_id}
    assert len(bridge.owner.api.get(f"{HEALTH}/devices").json()["items"]) == 3
    assert b"C0:57" not in bytes(Device.objects.get(device_id=one.device_id).bridge_key)


@COMMITTED
def test_he1_a_bridge_whose_answer_was_lost_asks_again_for_the_same_device(strap):
    bridge = strap(kind="bridge")
    lost, found = asked(bridge), asked(bridge)
    assert lost.device_id == found.device_id
    assert refused(lost.send(beats(1))) == (401, "signature_invalid")
    assert found.send(beats(1)).status_code == 200


@COMMITTED
def test_he1_only_a_bridge_connects_others_and_not_more_than_a_person_has(strap, register):
    assert refused(ask(strap())) == (403, "not_a_bridge")
    bridge = strap(register(), kind="bridge")
    companion = asked(bridge, kind="bridge")
    assert refused(ask(companion)) == (403, "not_a_bridge")
    Device.objects.bulk_create(
        Device(user_id=bridge.owner.user_id, kind="watch", sealed_secret=b"", connected_at="2026-01-01T00:00Z")
        for _ in range(MAX_DEVICES - 2)
    )
    assert refused(ask(bridge, key="one more")) == (409, "too_many_devices")
    assert asked(bridge, kind="bridge").device_id == companion.device_id


@COMMITTED
def test_he1_what_a_bridge_connected_goes_with_it(strap):
    """Lost, found and let go together: whoever has the bridge has their secrets. One let go by its owner stays so."""
    bridge = strap(kind="bridge")
    one, gone = asked(bridge), asked(bridge, key="other")
    api, path = bridge.owner.api, f"{HEALTH}/devices/{bridge.device_id}"
    assert api.delete(f"{HEALTH}/devices/{gone.device_id}").status_code == 204
    assert refused(ask(bridge, key="other")) == (409, "device_retired")
    assert api.patch(path, {"lost": True}).status_code == 200
    assert refused(one.send(beats(1))) == (403, "device_lost")
    assert refused(ask(bridge)) == (403, "device_lost")
    assert api.patch(path, {"lost": False}).status_code == 200
    assert one.send(beats(1)).status_code == 200
    assert api.delete(path).status_code == 204
    assert refused(one.send(beats(1))) == (401, "device_unknown")
    assert Device.objects.filter(revoked_at=None).count() == 0


@COMMITTED
def test_h6_a_bridge_handed_on_leaves_its_companions_behind(strap, register):
    bridge, heir = strap(kind="bridge"), register()
    one = asked(bridge)
    agree(heir)
    code = bridge.owner.api.post(f"{HEALTH}/devices/{bridge.device_id}/handover").json()["code"]
    assert heir.api.post(f"{HEALTH}/devices/taken-over", {"code": code, "name": "Bridge"}).status_code == 201
    assert refused(one.send(beats(1))) == (401, "device_unknown")


@COMMITTED
def test_p3_without_consent_a_bridge_connects_nothing(strap):
    bridge = strap(kind="bridge")
    Device.objects.update(suspended_at="2026-01-01T00:00Z")
    assert refused(ask(bridge)) == (403, "consent_required")


class Straps:
    """A source that hears straps, a packet a second each, and ends."""

    def __init__(self, *peripherals: str) -> None:
        self.peripherals = peripherals

    async def run(self, deliver: Any) -> None:
        now_us = time.time_ns() // 1000
        for second in range(3):
            for peripheral in self.peripherals:
                packet = gatt.encode(gatt.HEART_RATE_MEASUREMENT, {"heart_rate": 70 + second})
                at_us = now_us + (second - 5) * 1_000_000
                deliver(Notification(gatt.HEART_RATE_MEASUREMENT, packet, at_us, peripheral))


@COMMITTED
def test_he1_a_bridge_connects_what_it_hears_and_goes_on_with_it(strap, live_server, tmp_path):
    """The program itself, against the API itself. What its owner lets go is not sent, under no identity."""
    bridge, file = strap(kind="bridge"), tmp_path / "bridge.json"
    secret = base64.urlsafe_b64encode(bridge.secret).decode()
    keep_credentials(file, device="", device_id=str(bridge.device_id), secret=secret)

    def hear(*peripherals: str) -> None:
        asyncio.run(
            running.run(
                [Straps(*peripherals)],
                folder=tmp_path / "spool",
                limit=1_000,
                url=live_server.url,
                file=file,
                wearing=Wearing(),
                stop=asyncio.Event(),
                separate=True,
            )
        )

    hear("C0:01", "C0:02")
    hear("C0:01", "C0:02")
    kinds = dict(Device.objects.values_list("number", "kind"))
    assert sorted(kinds.values()) == ["bridge", "heart_rate_strap", "heart_rate_strap"]
    readings = Counter(Reading.objects.values_list("device_number", flat=True))
    assert readings == {number: 6 for number, kind in kinds.items() if kind != "bridge"}
    assert set(enrolled_devices(file)) == {"c0:01", "c0:02"}
    one = credentials_of("c0:01", file=file).device_id
    bridge.owner.api.delete(f"{HEALTH}/devices/{one}")
    file.write_text(json.dumps({"device_id": str(bridge.device_id), "secret": secret}))
    hear("C0:01", "C0:02")
    assert Counter(Reading.objects.values_list("device_number", flat=True)).total() == 15


@pytest.mark.django_db(databases=["default", "health"])
def test_a_request_of_a_bridge_is_looked_at(strap):
    bridge = strap(kind="bridge")
    assert ask(bridge, kind="toaster").status_code == 400
    assert ask(bridge, key="").status_code == 400
    assert Client().post(PATH, data=b"{}", content_type="application/json").status_code == 401
