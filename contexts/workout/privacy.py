"""What of a route others are shown: never the places inside an athlete's privacy zones (ID-7)."""

from collections.abc import Sequence, Set

from contexts.workout.rules import haversine

Packed = tuple[str, list[float], list[float]]
"""A stream: its kind, seconds since the start, values."""

Circle = tuple[float, float, float]
"""Latitude and longitude in degrees, radius in metres."""

PLACES = ("latitude", "longitude")


def outside(streams: Sequence[Packed], *, circles: Sequence[Circle]) -> list[Packed]:
    """The streams without the places inside any of the circles; what else was measured there stays.

    A latitude and a longitude belong together by their moment; one without the other tells half a place and goes too.
    """
    by_kind = {kind: dict(zip(offsets, values, strict=True)) for kind, offsets, values in streams if kind in PLACES}
    north, east = by_kind.get("latitude", {}), by_kind.get("longitude", {})
    shown = {at for at in north.keys() & east.keys() if not _is_inside(north[at], east[at], circles)}
    return [stream if stream[0] not in PLACES else _only(stream, shown) for stream in streams]


def _is_inside(latitude: float, longitude: float, circles: Sequence[Circle]) -> bool:
    return any(haversine(latitude, longitude, north, east) <= radius for north, east, radius in circles)


def _only(stream: Packed, moments: Set[float]) -> Packed:
    kind, offsets, values = stream
    kept = [(at, value) for at, value in zip(offsets, values, strict=True) if at in moments]
    return kind, [at for at, _ in kept], [value for _, value in kept]
