"""A strap that signs what it sends, written from the contract and not from the server's code."""

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.test import Client

from contexts.health.intake import admission
from contexts.health.judging import reviewing
from contexts.health.worn import devices
from tests.conftest import Api, Person, agree
from tests.health.integrating import anna, fitbit, glucometers, no_worker, withings  # noqa: F401  (fixtures)
from tests.identity.conftest import App

HEALTH = "/api/v1/health"
READINGS = f"{HEALTH}/readings"
COLUMNS = "application/vnd.stayer.columns+json"

COMMITTED = pytest.mark.django_db(databases=["default", "health"], transaction=True)
"""For tests in which several threads look at the same rows, or commit hooks run."""


def b64(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Strap:
    """A connected device with its secret."""

    def __init__(self, owner: Person, device_id: str, secret: str) -> None:
        self.owner = owner
        self.device_id = UUID(device_id)
        self.secret = base64.urlsafe_b64decode(secret + "=" * (-len(secret) % 4))

    def authorization(self, body: bytes, **change: Any) -> str:
        """The header for a POST of `body`; `change` replaces parts of what is signed."""
        seconds = str(change.get("seconds", int(time.time())))
        nonce = change.get("nonce", secrets.token_urlsafe(16))
        lines = [
            change.get("method", "POST"),
            change.get("path", READINGS),
            hashlib.sha256(body).hexdigest(),
            seconds,
            nonce,
        ]
        signature = b64(hmac.new(change.get("secret", self.secret), "\n".join(lines).encode(), "sha256").digest())
        return f"Device {change.get('device_id', self.device_id)}:{seconds}:{nonce}:{signature}"

    def post(self, body: bytes, authorization: str | None = None, **options: Any) -> Any:
        """POST these bytes to readings."""
        return Client().post(
            READINGS,
            data=body,
            content_type=options.get("content_type", "application/json"),
            headers={"Authorization": authorization or self.authorization(body)} | options.get("headers", {}),
        )

    def send(self, readings: list[dict[str, Any]], **units: str) -> Any:
        """POST these readings, signed; `units` by stream."""
        return self.post(json.dumps({"readings": readings} | ({"units": units} if units else {})).encode())

    def send_columns(self, *streams: dict[str, Any]) -> Any:
        """POST these streams in the compact form, signed."""
        return self.post(json.dumps(streams).encode(), content_type=COLUMNS)

    def tell(self, information: dict[str, Any]) -> Any:
        """POST what the device says of itself, signed."""
        body, path = json.dumps(information).encode(), f"{HEALTH}/device-information"
        header = {"Authorization": self.authorization(body, path=path)}
        return Client().post(path, data=body, content_type="application/json", headers=header)


def reading(
    time: datetime | str, value: Any = 72, *, stream: str = "heart_rate", sequence: Any = 0
) -> dict[str, Any]:
    """A reading as it travels."""
    told = time if isinstance(time, str) else time.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return {"stream": stream, "time": told, "sequence": sequence, "value": value}


def beats(count: int, *, start: datetime | None = None) -> list[dict[str, Any]]:
    """A heart rate of 60 to 99 each half second, which ended just now."""
    start = start or datetime.now(UTC) - timedelta(seconds=count / 2)
    return [reading(start + timedelta(seconds=n / 2), 60 + n % 40) for n in range(count)]


@pytest.fixture
def strap(register: Callable[..., Person]) -> Callable[..., Strap]:
    """`strap(owner=None) -> Strap`: connect one through the front door."""

    def connect(owner: Person | None = None, name: str = "Chest strap", kind: str = "heart_rate_strap") -> Strap:
        owner = owner or register()
        agree(owner)
        answer = owner.api.post(f"{HEALTH}/devices", {"name": name, "kind": kind})
        assert answer.status_code == 201, answer.content
        return Strap(owner, **answer.json())

    return connect


def step_up(person: Person) -> Api:
    """Enrol a second factor and prove it: a client whose token carries a fresh `mfa_at`."""
    app = App(person.api.post("/api/v1/identity/mfa/totp").json()["secret"])
    assert person.api.post("/api/v1/identity/mfa/totp/confirm", {"code": app.code()}).status_code == 200
    answer = person.api.post("/api/v1/identity/mfa/step-up", {"code": app.code()})
    assert answer.status_code == 200, answer.content
    return Api(answer.json()["access"])


@pytest.fixture(autouse=True)
def forget_devices() -> None:
    """What this process remembers of devices and norms belongs to one test."""
    devices._known.clear()
    reviewing.forget()
    admission._due.clear()
