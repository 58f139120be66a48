"""What the tests of workout share: an athlete's strap, sessions, and files handed in."""

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from contexts.workout import tasks
from tests.conftest import Api, Person, agree, encode

SESSIONS = "/api/v1/workout/sessions"
IMPORTS = "/api/v1/workout/imports"


@dataclass
class Strap:
    """A chest strap whose bridge signs what it posts."""

    device_id: str
    secret: bytes

    def send(self, beats: Iterable[tuple[datetime, float]], stream: str = "heart_rate") -> dict[str, Any]:
        """Post (moment, value) pairs; the same pair sent twice is the same reading."""
        readings = [
            {"stream": stream, "time": at.astimezone(UTC).isoformat(), "sequence": 0, "value": value}
            for at, value in beats
        ]
        path, body = "/api/v1/health/readings", encode({"readings": readings})
        stamp, nonce = str(int(time.time())), secrets.token_urlsafe(16)
        digest = hashlib.sha256(body.encode()).hexdigest()
        signed = hmac.new(self.secret, "\n".join(["POST", path, digest, stamp, nonce]).encode(), hashlib.sha256)
        signature = base64.urlsafe_b64encode(signed.digest()).rstrip(b"=").decode()
        header = f"Device {self.device_id}:{stamp}:{nonce}:{signature}"
        answer = Api().post(path, data=body, content_type="application/json", headers={"Authorization": header})
        assert answer.status_code == 200, answer.content
        return answer.json()


def wear(person: Person, kind: str = "chest_strap") -> Strap:
    """Connect a strap, or another device, for this person, who agrees to it."""
    agree(person)
    answer = person.api.post("/api/v1/health/devices", {"name": "Strap", "kind": kind})
    assert answer.status_code == 201, answer.content
    made = answer.json()
    padded = made["secret"] + "=" * (-len(made["secret"]) % 4)
    return Strap(device_id=made["device_id"], secret=base64.urlsafe_b64decode(padded))


def start(person: Person, sport: str = "running", **more: Any) -> dict[str, Any]:
    """Start a session."""
    answer = person.api.post(SESSIONS, {"sport": sport} | more)
    assert answer.status_code == 201, answer.content
    return answer.json()


def move(person: Person, session: dict[str, Any], step: str) -> dict[str, Any]:
    """`pause`, `resume` or `complete` a session."""
    answer = person.api.post(f"{SESSIONS}/{session['id']}/{step}")
    assert answer.status_code == 200, answer.content
    return answer.json()


def moment(text: str) -> datetime:
    """An instant from the API."""
    return datetime.fromisoformat(text)


def beats_from(begin: datetime, values: Iterable[float], every_s: float = 0.001) -> list[tuple[datetime, float]]:
    """Values a step apart; the step is short, because a test's session lasts milliseconds."""
    return [(begin + timedelta(seconds=every_s * nth), value) for nth, value in enumerate(values)]


def hand_in(person: Person, data: bytes, name: str = "ride.gpx", **options: Any) -> Any:
    """POST a file to imports."""
    file = SimpleUploadedFile(name, data, content_type="application/octet-stream")
    return person.api.post(IMPORTS, data={"file": file}, **options)


@pytest.fixture(autouse=True)
def woken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The wake-ups sent to the worker; tests call `work()` when the worker shall see them."""
    sent: list[str] = []
    monkeypatch.setattr(tasks.read_import, "delay", sent.append)
    return sent


@pytest.fixture
def work(woken: list[str]) -> Callable[[], int]:
    """Let the worker do what it was woken for; returns how many wake-ups that were."""

    def run() -> int:
        taken, woken[:] = list(woken), []
        for import_id in taken:
            tasks.read_import(import_id)
        return len(taken)

    return run


def import_of(answer: Any) -> UUID:
    """The import an answer speaks of."""
    return UUID(answer.json()["import_id"])


def progress(person: Person, answer: Any) -> dict[str, Any]:
    """How an import stands now."""
    shown = person.api.get(f"{IMPORTS}/{import_of(answer)}")
    assert shown.status_code == 200
    return shown.json()


def gpx(begin: datetime, points: int = 60, step_s: int = 10, metres: float = 30.0, bpm: int = 140) -> bytes:
    """A run straight north with a heart rate, `metres` every `step_s` seconds."""
    degree_m = 111_195.08
    rows = "".join(
        f'<trkpt lat="{50 + nth * metres / degree_m:.8f}" lon="8"><ele>100</ele>'
        f"<time>{(begin + timedelta(seconds=nth * step_s)).astimezone(UTC).strftime('%Y-%m-%dT%H:%M:%SZ')}</time>"
        '<extensions><gpxtpx:TrackPointExtension xmlns:gpxtpx="http://www.garmin.com/xmlschemas/TrackPointExtension/v1">'
        f"<gpxtpx:hr>{bpm}</gpxtpx:hr></gpxtpx:TrackPointExtension></extensions></trkpt>"
        for nth in range(points)
    )
    return (
        '<?xml version="1.0"?><gpx version="1.1" creator="test" xmlns="http://www.topografix.com/GPX/1/1">'
        f"<trk><type>running</type><trkseg>{rows}</trkseg></trk></gpx>"
    ).encode()
