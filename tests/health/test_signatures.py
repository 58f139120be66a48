"""Who is not the device, or not now, or not for the first time, is told so and stores nothing."""

import json
import time
from typing import Any
from uuid import uuid4

import pytest

from contexts.health import rules
from contexts.health.models import Reading
from kernel.databases import redis_client
from tests.health.conftest import COMMITTED, READINGS, beats
from tests.identity.conftest import in_parallel

pytestmark = pytest.mark.django_db(databases=["default", "health"])


def body_of(readings: list[Any]) -> bytes:
    """A request's body."""
    return json.dumps({"readings": readings}).encode()


ATTACKS = {
    "another secret": ({"secret": b"x" * 32}, "signature_invalid"),
    "another method": ({"method": "PUT"}, "signature_invalid"),
    "another path": ({"path": READINGS + "/"}, "signature_invalid"),
    "too old": ({"seconds": lambda: int(time.time()) - 302}, "signature_expired"),
    "too new": ({"seconds": lambda: int(time.time()) + 302}, "signature_expired"),
    "no number": ({"seconds": "soon"}, "signature_invalid"),
    "negative": ({"seconds": "-1"}, "signature_invalid"),
    "endless number": ({"seconds": "9" * 4_000}, "signature_invalid"),
    "other digits": ({"seconds": "\u0661" * 10}, "signature_invalid"),
    "short nonce": ({"nonce": "a" * 15}, "signature_invalid"),
    "long nonce": ({"nonce": "a" * 65}, "signature_invalid"),
    "strange nonce": ({"nonce": "a" * 15 + "*"}, "signature_invalid"),
    "unknown device": ({"device_id": uuid4()}, "device_unknown"),
    "no device id": ({"device_id": "1"}, "signature_invalid"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_forged_or_stale_signature_is_refused(strap, attack):
    changes, code = ATTACKS[attack]
    worn, body = strap(), body_of(beats(1))
    made = {name: value() if callable(value) else value for name, value in changes.items()}
    answer = worn.post(body, worn.authorization(body, **made))
    assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert Reading.objects.count() == 0


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header[:-1],
        lambda header: header + "=",
        lambda header: header + "A",
        lambda header: header[:-1] + ("B" if header[-1] != "B" else "C"),
        lambda header: header.replace("Device ", "Device  "),
        lambda header: header.rpartition(":")[0] + ":" + "A" * 43,
        lambda header: "Device ",
        lambda header: "Device " + ":" * 3,
    ],
)
def test_a_changed_header_is_refused(strap, change):
    worn, body = strap(), body_of(beats(1))
    answer = worn.post(body, change(worn.authorization(body)))
    assert (answer.status_code, answer.json()["code"]) == (401, "signature_invalid")


def test_a_signature_holds_for_its_body_only(strap):
    worn, body = strap(), body_of(beats(2))
    answer = worn.post(body.replace(b"60", b"61", 1), worn.authorization(body))
    assert answer.json()["code"] == "signature_invalid"


def test_a_signature_holds_for_its_device_only(strap):
    one, other, body = strap(), strap(), body_of(beats(1))
    answer = one.post(body, one.authorization(body, device_id=other.device_id))
    assert answer.json()["code"] == "signature_invalid"


def test_a_clock_may_be_wrong_by_less_than_five_minutes(strap):
    worn = strap()
    for drift in (-295, 295):
        body = body_of(beats(1))
        assert worn.post(body, worn.authorization(body, seconds=int(time.time()) + drift)).status_code == 200


def test_a_nonce_is_good_once(strap):
    worn, body = strap(), body_of(beats(1))
    header = worn.authorization(body)
    assert worn.post(body, header).status_code == 200
    again = worn.post(body, header)
    assert (again.status_code, again.json()["code"]) == (401, "nonce_reused")


@COMMITTED
def test_a_nonce_is_good_once_for_many_hands(strap):
    worn, body = strap(), body_of(beats(5))
    header = worn.authorization(body)
    answers = in_parallel(8, lambda _: worn.post(body, header).status_code)
    assert sorted(answers) == [200] + [401] * 7


def test_a_nonce_is_remembered_longer_than_its_signature_can_live(strap):
    worn, body = strap(), body_of(beats(1))
    worn.post(body)
    (key,) = redis_client().keys("nonce:*")
    assert redis_client().ttl(key) > 2 * rules.SIGNATURE_TOLERANCE.total_seconds()


def test_a_forged_signature_does_not_spend_the_nonce(strap):
    worn, body = strap(), body_of(beats(1))
    header = worn.authorization(body, nonce="n" * 16, secret=b"x" * 32)
    assert worn.post(body, header).json()["code"] == "signature_invalid"
    assert worn.post(body, worn.authorization(body, nonce="n" * 16)).status_code == 200


def test_a_nonce_belongs_to_its_device(strap):
    for worn in (strap(), strap()):
        body = body_of(beats(1))
        assert worn.post(body, worn.authorization(body, nonce="n" * 16)).status_code == 200


def test_without_a_signature_nobody_sends_readings(strap, anonymous):
    worn = strap()
    for client in (anonymous, worn.owner.api):
        answer = client.post(READINGS, {"readings": beats(1)})
        assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")


def test_a_device_can_do_nothing_else(strap, anonymous):
    worn = strap()
    for method, path in (("get", "/api/v1/health/devices"), ("get", "/api/v1/identity/me")):
        header = worn.authorization(b"", method=method.upper(), path=path)
        answer = anonymous.request(method, path, headers={"Authorization": header})
        assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")
