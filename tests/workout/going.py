"""Makes athletes go somewhere, for tests of places: invented ways on a plane of metres, recorded and handed in."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

from contexts.workout import tasks
from tests.conftest import Person
from tests.workout.conftest import hand_in, progress

HOME = (50.0, 8.0)
DEGREE_M = math.radians(1) * 6_371_008.8
START = datetime(2026, 5, 1, 6, tzinfo=UTC)

Metres = tuple[float, float]


def place(east: float, north: float) -> tuple[float, float]:
    """Latitude and longitude of a point so many metres from `HOME`."""
    return HOME[0] + north / DEGREE_M, HOME[1] + east / DEGREE_M / math.cos(math.radians(HOME[0]))


def along(corners: Iterable[Metres], *, every_m: float = 10.0) -> list[Metres]:
    """Points every so many metres on a way through these corners, its end among them."""
    corners = list(corners)
    points: list[Metres] = []
    for (east, north), (to_east, to_north) in pairwise(corners):
        pieces = max(1, round(math.hypot(to_east - east, to_north - north) / every_m))
        points += [
            (east + (to_east - east) * nth / pieces, north + (to_north - north) * nth / pieces)
            for nth in range(pieces)
        ]
    return [*points, corners[-1]]


def gpx_of(points: Iterable[Metres], *, begin: datetime, step_s: float, sport: str, bpm: int) -> bytes:
    """The points as a recording, a step apart."""
    rows = []
    for nth, point in enumerate(points):
        latitude, longitude = place(*point)
        at = (begin + timedelta(seconds=nth * step_s)).isoformat().replace("+00:00", "Z")
        rows.append(
            f'<trkpt lat="{latitude:.8f}" lon="{longitude:.8f}"><ele>{100 + nth % 7}</ele><time>{at}</time>'
            f"<extensions><x:TrackPointExtension><x:hr>{bpm}</x:hr></x:TrackPointExtension></extensions></trkpt>"
        )
    return (
        '<?xml version="1.0"?><gpx version="1.1" creator="going" xmlns="http://www.topografix.com/GPX/1/1"'
        ' xmlns:x="http://www.garmin.com/xmlschemas/TrackPointExtension/v1">'
        f"<trk><type>{sport}</type><trkseg>{''.join(rows)}</trkseg></trk></gpx>"
    ).encode()


def go(
    person: Person,
    corners: Iterable[Metres],
    *,
    begin: datetime = START,
    step_s: float = 2,
    every_m: float = 10.0,
    sport: str = "running",
    bpm: int = 140,
) -> str:
    """Hand in a session along these corners, `every_m` metres every `step_s` seconds; returns its id."""
    file = gpx_of(along(corners, every_m=every_m), begin=begin, step_s=step_s, sport=sport, bpm=bpm)
    answer = hand_in(person, file)
    assert answer.status_code == 202, answer.content
    tasks.read_import(answer.json()["import_id"])
    (session_id,) = progress(person, answer)["sessions"]
    return str(UUID(session_id))


def zone(person: Person, point: Metres, radius_m: int = 300) -> tuple[float, float, int]:
    """Draw a privacy zone; returns its circle."""
    latitude, longitude = place(*point)
    form = {"name": "home", "latitude": latitude, "longitude": longitude, "radius_m": radius_m}
    answer = person.api.post("/api/v1/identity/privacy-zones", form)
    assert answer.status_code == 201, answer.content
    return latitude, longitude, radius_m


def befriend(one: Person, other: Person, deliver: Callable[[], int]) -> None:
    """Make two people friends, and let everybody know."""
    asked = one.api.post("/api/v1/social/friend-requests", {"user_id": str(other.user_id)})
    accepted = other.api.post(f"/api/v1/social/friend-requests/{asked.json()['id']}/accept")
    assert accepted.status_code == 200, accepted.content
    deliver()


def items(answer: Any) -> list[dict[str, Any]]:
    """What a list answers."""
    assert answer.status_code == 200, answer.content
    found: list[dict[str, Any]] = answer.json()["items"]
    return found
