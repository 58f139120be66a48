"""The one gate through which places leave this context: never those inside an athlete's privacy zones (ID-7).

Whatever shows places is made from something `Shown`, which only a `Gate` makes: the fields of the API that write
places refuse anything else. A gate is opened for one viewer; to everybody but their owner it lets pass what lies
outside all of the owner's zones. The athlete themselves sees everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar
from uuid import UUID

import numpy as np

from contexts.identity import services as identity
from contexts.workout.analysis.path import EARTH_RADIUS_M
from contexts.workout.places.geography import Line, Mask, Plane, densified, line_of

Packed = tuple[str, list[float], list[float]]
"""A stream: its kind, seconds since the start, values."""

Circle = tuple[float, float, float]
"""Latitude and longitude in degrees, radius in metres."""

PLACES: Final = ("latitude", "longitude")

STEP_M: Final = 25.0
"""How closely a line that touches a zone is cut."""

T = TypeVar("T")
_SEAL: Final = object()


class Shown(Generic[T]):
    """Places that may be shown to the viewer they were made for. Nobody but this module makes one."""

    __slots__ = ("places",)

    def __init__(self, places: T, *, seal: object) -> None:
        """Raises `TypeError` for anybody without this module's seal."""
        if seal is not _SEAL:
            raise TypeError("places are shown through a gate: see contexts.workout.places.privacy")
        self.places = places


@dataclass(frozen=True)
class Gate:
    """What one viewer may see of the places of these athletes."""

    viewer: UUID
    circles: Mapping[UUID, Sequence[Circle]] = field(repr=False)

    def streams(self, packed: Iterable[Packed], *, of: UUID) -> Shown[list[Packed]]:
        """The streams without the places that are hidden; what else was measured there stays.

        A latitude and a longitude belong together by their moment; one without the other tells half a place and
        goes too.
        """
        streams, circles = list(packed), self._around(of)
        return Shown(streams if circles is None else _outside(streams, circles), seal=_SEAL)

    def line(self, line: Line, *, of: UUID) -> Shown[list[Line]]:
        """The pieces of a line that are not hidden: none of their places, nor a way between two, is in a zone."""
        circles = self._around(of)
        return Shown([line] if not circles else _pieces(line, circles), seal=_SEAL)

    def own(self, places: T, *, of: UUID) -> Shown[T]:
        """What is for its athlete alone, a heat map; raises `PermissionError` for anybody else."""
        if of != self.viewer:
            raise PermissionError("these places are their athlete's alone")
        return Shown(places, seal=_SEAL)

    def hides_ends(self, line: Line, *, of: UUID) -> bool:
        """Whether a line begins or ends where this athlete is hidden from the viewer."""
        circles = self._around(of)
        return bool(circles) and bool(_inside(line.part(np.array([0, -1])), circles or ()).any())

    def _around(self, athlete: UUID) -> Sequence[Circle] | None:
        """The circles to be hidden; None for the athlete themselves. Raises for whom the gate was not opened."""
        return None if athlete == self.viewer else self.circles[athlete]


def gate_for(viewer: UUID, *, athletes: Iterable[UUID]) -> Gate:
    """The gate between these athletes and a viewer. Asks identity, so not for an open unit of work."""
    return Gate(viewer, circles_of(set(athletes) - {viewer}))


def circles_of(athletes: Iterable[UUID]) -> dict[UUID, list[Circle]]:
    """The privacy zones of these athletes. Asks identity, so not for an open unit of work."""
    asked = list(athletes)
    zones = identity.get_privacy_zones(user_ids=asked) if asked else {}
    return {
        athlete: [(zone.latitude, zone.longitude, float(zone.radius_m)) for zone in found]
        for athlete, found in zones.items()
    }


def ends_inside(line: Line, *, circles: Sequence[Circle]) -> bool:
    """Whether a line begins or ends inside any of the circles."""
    return bool(_inside(line.part(np.array([0, -1])), circles).any())


def _outside(streams: list[Packed], circles: Sequence[Circle]) -> list[Packed]:
    by_kind = {kind: dict(zip(offsets, values, strict=True)) for kind, offsets, values in streams if kind in PLACES}
    north, east = by_kind.get("latitude", {}), by_kind.get("longitude", {})
    moments = sorted(north.keys() & east.keys())
    line = line_of([north[at] for at in moments], [east[at] for at in moments])
    hidden = _inside(line, circles).tolist()
    shown = {at for at, is_hidden in zip(moments, hidden, strict=True) if not is_hidden}
    return [stream if stream[0] not in PLACES else _only(stream, shown) for stream in streams]


def _only(stream: Packed, moments: set[float]) -> Packed:
    kind, offsets, values = stream
    kept = [(at, value) for at, value in zip(offsets, values, strict=True) if at in moments]
    return kind, [at for at, _ in kept], [value for _, value in kept]


def _inside(line: Line, circles: Sequence[Circle]) -> Mask:
    """Which places lie within any of the circles, on a sphere (Sinnott 1984)."""
    inside = np.zeros(len(line.latitude), dtype=np.bool_)
    north = np.radians(line.latitude)
    for latitude, longitude, radius in circles:
        turned = (
            np.sin(np.radians(line.longitude - longitude) / 2) ** 2 * np.cos(north) * np.cos(np.radians(latitude))
        )
        chord = np.sin((north - np.radians(latitude)) / 2) ** 2 + turned
        inside |= 2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(np.minimum(chord, 1.0))) <= radius
    return inside


def _touching(line: Line, circles: Sequence[Circle]) -> Mask:
    """Which chords of a line, from each place to the next, come into any of the circles."""
    touching = np.zeros(max(len(line.latitude) - 1, 0), dtype=np.bool_)
    for latitude, longitude, radius in circles:
        path = Plane(latitude, longitude).metres(line)
        starts, ways = path[:-1], np.diff(path, axis=0)
        along = np.clip(-(starts * ways).sum(axis=1) / np.maximum((ways**2).sum(axis=1), 1e-12), 0.0, 1.0)
        nearest = starts + along[:, None] * ways
        touching |= np.hypot(nearest[:, 0], nearest[:, 1]) <= radius
    return touching


def _pieces(line: Line, circles: Sequence[Circle]) -> list[Line]:
    """A line cut where it meets the circles.

    A simplified line may pass through a zone between two places that are outside: such chords are filled with
    places first, so that only what is hidden goes, and then every chord that still touches a zone is left out.
    """
    if not _touching(line, circles).any():
        return [line]
    dense = _filled(line, _touching(line, circles))
    open_places, open_chords = ~_inside(dense, circles), ~_touching(dense, circles)
    joined = open_chords & open_places[:-1] & open_places[1:]
    edges = np.flatnonzero(np.diff(np.concatenate(([False], joined, [False])).astype(np.int8)))
    return [dense.part(slice(int(begin), int(end) + 1)) for begin, end in edges.reshape(-1, 2)]


def _filled(line: Line, chords: Mask) -> Line:
    """The line with places added on the chords chosen."""
    latitude, longitude = [line.latitude[:1]], [line.longitude[:1]]
    for nth, is_chosen in enumerate(chords.tolist()):
        chord = line.part(slice(nth, nth + 2))
        added = densified(chord, step_m=STEP_M) if is_chosen else chord
        latitude.append(added.latitude[1:])
        longitude.append(added.longitude[1:])
    return Line(np.concatenate(latitude), np.concatenate(longitude))
