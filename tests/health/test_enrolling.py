"""Connecting a device by a short code, and changing its key."""

import json
import stat
from collections import Counter
from datetime import timedelta

import pytest
from django.test import Client
from django.utils.timezone import now

from contexts.health import rules
from contexts.health.models import Device, Enrolment
from contexts.health.worn import devices, enrolling
from device_bridge.__main__ import main as bridge
from kernel.databases import redis_client
from tests.conftest import Api, agree
from tests.health.conftest import COMMITTED, HEALTH, Strap, beats, step_up
from tests.identity.conftest import in_parallel

BRIDGE = {"name": "Bridge · attic", "kind": "bridge"}


def redeem(code: str, **form):
    for key in redis_client().keys("limit:Redemption*"):
        redis_client().delete(key)
    return Api().post(f"{HEALTH}/enrolments/redeem", {"code": code, **BRIDGE, **form})


def refusal(answer) -> tuple[int, dict]:
    told = answer.json()
    told.pop("correlation_id", None)
    return answer.status_code, told


@pytest.fixture
def owner(register):
    person = register()
    agree(person)
    return person, step_up(person)


def code_for(api: Api, **form) -> str:
    answer = api.post(f"{HEALTH}/enrolments", form)
    assert answer.status_code == 201, answer.content
    return str(answer.json()["code"])


@COMMITTED
def test_he1_a_code_connects_one_device_once(owner):
    person, api = owner
    code = code_for(api)
    assert len(code) == 8
    assert set(code) <= set(rules.CODE_ALPHABET)
    assert code not in str(Enrolment.objects.values())
    answer = redeem(f" {code[:4].lower()}-{code[4:].lower()}".replace("0", "o").replace("1", "l"))
    assert answer.status_code == 201, answer.content
    device = Device.objects.get()
    assert (device.user_id, device.name, device.kind) == (person.user_id, BRIDGE["name"], "bridge")
    assert Strap(person, **answer.json()).send(beats(2)).status_code == 200
    assert redeem(code).status_code == 404
    named = redeem(code_for(api, name="Attic", kind="phone"))
    assert Device.objects.filter(device_id=named.json()["device_id"], name="Attic", kind="phone").exists()


@COMMITTED
def test_he1_of_many_hands_with_one_code_one_connects(owner):
    code = code_for(owner[1])

    def try_it(_: int) -> str:
        try:
            enrolling.redeem(code=code, **BRIDGE, at=now())
        except enrolling.CodeUnknown:
            return "refused"
        return "connected"

    assert Counter(in_parallel(4, try_it)) == {"connected": 1, "refused": 3}


@COMMITTED
def test_he1_codes_that_are_of_no_use_all_get_one_answer(owner):
    """Wrong, used, replaced, expired, and without consent: nobody learns which."""
    person, api = owner
    replaced, used = code_for(api), code_for(api)
    redeem(used)
    expired = code_for(api)
    Enrolment.objects.update(expires_at=now() - timedelta(seconds=1))
    answers = [refusal(redeem(code)) for code in ("22222222", "x", replaced, used, expired)]
    withdrawn = code_for(api)
    agree(person, given=False)
    answers.append(refusal(redeem(withdrawn)))
    assert answers[0][0] == 404
    assert answers[0][1]["code"] == "code_unknown"
    assert all(answer == answers[0] for answer in answers)
    assert enrolling.forget_codes(at=now() + rules.CODE_LASTS) == 1


@COMMITTED
def test_he1_codes_cannot_be_tried_for_long(owner):
    path, form = f"{HEALTH}/enrolments/redeem", {"code": "22222222", **BRIDGE}
    told = [Api().post(path, form).status_code for _ in range(11)]
    assert told == [404] * 10 + [429]
    assert int(Api().post(path, form).headers["Retry-After"]) > 0


@COMMITTED
def test_p3_he1_a_code_needs_consent_a_second_factor_and_room(register, owner):
    plain = register()
    agree(plain)
    assert plain.api.post(f"{HEALTH}/enrolments", {}).json()["code"] == "mfa_required"
    other = register()
    assert step_up(other).post(f"{HEALTH}/enrolments", {}).json()["code"] == "consent_required"
    person, api = owner
    for _ in range(rules.MAX_DEVICES):
        devices.connect_device(name="Watch", kind="watch", by=person.user_id, at=now())
    assert api.post(f"{HEALTH}/enrolments", {}).json()["code"] == "too_many_devices"


def rotate(worn: Strap, path: str = ""):
    path = path or f"{HEALTH}/devices/{worn.device_id}/rotate"
    header = worn.authorization(b"{}", path=path)
    return Client().post(path, data=b"{}", content_type="application/json", headers={"Authorization": header})


@COMMITTED
def test_he1_a_rotated_key_takes_over_when_it_is_used_first(strap):
    worn = strap()
    renewed = Strap(worn.owner, str(worn.device_id), rotate(worn).json()["secret"])
    assert worn.send(beats(1)).status_code == 200
    assert renewed.send(beats(1)).status_code == 200
    assert (worn.send(beats(1)).json()["code"], renewed.send(beats(1)).status_code) == ("signature_invalid", 200)
    assert renewed.secret not in bytes(Device.objects.get().sealed_secret)


@COMMITTED
def test_he1_a_rotated_key_is_known_to_every_process_at_once(strap):
    worn = strap()
    worn.send(beats(1))
    remembered = dict(devices._known)
    renewed = Strap(worn.owner, str(worn.device_id), rotate(worn).json()["secret"])
    devices._known.update(remembered)  # as another process still knows the device
    assert renewed.send(beats(1)).status_code == 200


@COMMITTED
def test_he1_a_rotated_key_that_nobody_used_lapses_and_the_old_one_stays(strap):
    worn = strap()
    lost = Strap(worn.owner, str(worn.device_id), rotate(worn).json()["secret"])
    renewed = Strap(worn.owner, str(worn.device_id), rotate(worn).json()["secret"])
    assert lost.send(beats(1)).json()["code"] == "signature_invalid"
    Device.objects.update(next_until=now() - timedelta(seconds=1))
    assert renewed.send(beats(1)).json()["code"] == "signature_invalid"
    assert worn.send(beats(1)).status_code == 200


@COMMITTED
def test_he1_a_device_rotates_its_own_key_and_a_revoked_one_none(strap):
    one, other = strap(), strap()
    assert rotate(one, f"{HEALTH}/devices/{other.device_id}/rotate").status_code == 404
    assert one.owner.api.delete(f"{HEALTH}/devices/{one.device_id}").status_code == 204
    assert rotate(one).json()["code"] == "device_unknown"
    assert json.loads(rotate(other).content)["secret"]


@COMMITTED
def test_he1_the_bridge_enrols_and_changes_its_key_over_http(owner, live_server, tmp_path, capsys):
    """The program itself, against the API itself."""
    file = tmp_path / "device.json"
    where = ["--url", live_server.url, "--credentials", str(file)]
    assert bridge(["enrol", "--code", code_for(owner[1]), *where]) == 0
    assert bridge(["enrol", "--code", code_for(owner[1]), "--for", "scale", "--kind", "scale", *where]) == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    first = json.loads(file.read_text())
    assert bridge(["rotate", *where]) == 0
    second = json.loads(file.read_text())
    assert first["secret"] != second["secret"]
    assert first["devices"] == second["devices"]
    assert bridge(["rotate", "--confirm", *where]) == 0
    file.write_text(json.dumps(first))
    assert bridge(["rotate", *where]) == 4
    assert bridge(["enrol", "--code", "22222222", *where]) == 4
    said = capsys.readouterr()
    assert "does not accept this device's secret" in said.err
    assert "does not know this code" in said.err
    assert set(Device.objects.values_list("kind", flat=True)) == {"bridge", "scale"}
    for secret in (first["secret"], second["secret"]):
        assert secret not in said.out + said.err
