"""The way covered: places and counters of distance made into metres by moment, and what follows from these."""

from __future__ import annotations

from dataclasses import dataclass
from math import asin, cos, radians, sin, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from contexts.workout.recordings.recording import Streams

from .derived import DEVICE, Derived, declare
from .series import Array

EARTH_RADIUS_M = 6_371_008.8
"""Mean radius R₁ of the earth (IUGG)."""

FASTEST_MPS = {
    "running": 12.5,
    "walking": 6.0,
    "cycling": 35.0,
    "swimming": 3.0,
    "rowing": 8.0,
    "strength": 12.0,
    "other": 60.0,
}
"""A step faster than this is an error of the position, not of the athlete; it adds no distance."""

RECORDED = declare(
    "recorded-distance@1",
    unit="m",
    formula="Σ max(dᵢ − dᵢ₋₁, 0) of the recorded counter, without steps faster than the sport's limit",
    source="own; limits in FASTEST_MPS",
)
HAVERSINE = declare(
    "haversine@1",
    unit="m",
    formula="Σ 2R·asin √(sin²(Δφ/2) + cos φ₁·cos φ₂·sin²(Δλ/2)), without steps faster than the sport's limit",
    source="Sinnott 1984, Sky & Telescope 68:159; R₁ of the IUGG",
    radius_m=EARTH_RADIUS_M,
)


def haversine(from_latitude: float, from_longitude: float, to_latitude: float, to_longitude: float) -> float:
    """Metres between two places in degrees, on a sphere (Sinnott 1984)."""
    north, to_north = radians(from_latitude), radians(to_latitude)
    chord = sin((to_north - north) / 2) ** 2 + cos(north) * cos(to_north) * (
        sin(radians(to_longitude - from_longitude) / 2) ** 2
    )
    return 2 * EARTH_RADIUS_M * asin(sqrt(min(chord, 1.0)))


def haversines(latitude: Array, longitude: Array) -> Array:
    """Metres from each place in degrees to the next: `haversine` of whole columns."""
    north, east = np.radians(latitude), np.radians(longitude)
    chord = np.sin(np.diff(north) / 2) ** 2 + np.cos(north[:-1]) * np.cos(north[1:]) * np.sin(np.diff(east) / 2) ** 2
    return np.asarray(2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(np.minimum(chord, 1.0))))


@dataclass(frozen=True, slots=True)
class Path:
    """Metres covered by each moment; both never decrease. `jumps` counts the steps too fast to be true."""

    times: Array
    metres: Array
    jumps: int
    source: str

    @classmethod
    def of(cls, streams: Streams, sport: str) -> Path | None:
        """The way covered: from the distances recorded, else from the places; None where there is neither."""
        fastest = FASTEST_MPS.get(sport, FASTEST_MPS["other"])
        if streams.distance_m is not None and np.isfinite(streams.distance_m).sum() > 1:
            return cls._joined(*_steps_of_distance(streams.time, streams.distance_m, fastest), fastest, RECORDED.name)
        if streams.latitude is not None and streams.longitude is not None:
            steps = _steps_of_places(streams.time, streams.latitude, streams.longitude)
            return cls._joined(*steps, fastest, HAVERSINE.name)
        return None

    @classmethod
    def _joined(cls, moments: Array, steps: Array, fastest: float, source: str) -> Path | None:
        """From moments that rise and the metres covered since the one before; none before the first."""
        if len(moments) < 2:
            return None
        if (steps[1:] <= fastest * np.diff(moments)).all():
            return cls(moments, np.append(0.0, np.cumsum(steps[1:])), 0, source)
        return cls._believed(moments, steps, fastest, source)

    @classmethod
    def _believed(cls, moments: Array, steps: Array, fastest: float, source: str) -> Path | None:
        """The same where a step is too fast: its metres count only if they were covered since the last ones."""
        times, metres = [float(moments[0])], [0.0]
        jumps, reached = 0, times[0]
        for at, step in zip(moments[1:].tolist(), steps[1:].tolist(), strict=True):
            if fastest * (at - times[-1]) < step <= fastest * (at - reached):
                _forget_standing(times, metres, reached)  # a pool's length, counted only at its end
            true = step <= fastest * (at - times[-1])
            jumps += not true
            reached = at if step > 0 else reached
            times.append(at)
            metres.append(metres[-1] + (step if true else 0.0))
        return cls(np.array(times), np.array(metres), jumps, source) if len(times) > 1 else None

    @property
    def length(self) -> float:
        """Metres covered altogether."""
        return float(self.metres[-1])

    def speeds(self, moments: ArrayLike) -> Array:
        """Metres per second on the step that leads to, or over, each of the moments; NaN outside the way."""
        end = np.searchsorted(self.times, moments)
        inside = (end > 0) & (end < len(self.times))
        speeds = np.diff(self.metres) / np.diff(self.times)
        return np.where(inside, speeds[np.clip(end - 1, 0, len(speeds) - 1)], np.nan)

    def metres_at(self, moments: Array) -> Array:
        """Metres covered by each of the moments; between two points the pace is even."""
        return np.interp(moments, self.times, self.metres)


def _forget_standing(times: list[float], metres: list[float], since: float) -> None:
    """Takes back the points at which the counter only seemed to stand."""
    while times[-1] > since:
        times.pop()
        metres.pop()


def _steps_of_distance(times: Array, counted: Array, fastest: float) -> tuple[Array, Array]:
    """The moments of a counter with the metres since the one before; one that begins anew adds nothing.

    The counter began at zero with the activity, unless it came with the metres of the sport before.
    """
    known = np.flatnonzero(np.isfinite(counted))
    rows = known[_later(times[known])]
    moments, metres = times[rows], counted[rows]
    steps = np.maximum(np.diff(metres, prepend=0.0), 0.0)
    if len(rows) and moments[0] > 0 and metres[0] <= fastest * moments[0]:
        moments, steps = np.append(0.0, moments), np.append(0.0, steps)
    return moments, steps


def _steps_of_places(times: Array, latitude: Array, longitude: Array) -> tuple[Array, Array]:
    known = np.flatnonzero(np.isfinite(latitude) & np.isfinite(longitude))
    rows = known[_later(times[known])]
    return times[rows], np.append(0.0, haversines(latitude[rows], longitude[rows]))[: len(rows)]


def _later(moments: Array) -> NDArray[np.bool_]:
    """Which moments are later than all before them."""
    return moments > np.maximum.accumulate(np.append(-np.inf, moments))[:-1]


def distance(path: Path | None, *, device_m: float | None = None, lengths: Derived | None = None) -> Derived | None:
    """Metres: as the device counted, by the lengths of a pool, or the way covered; None where nobody measured any."""
    if device_m:
        return DEVICE.number(device_m, unit="m")
    if lengths is not None:
        return lengths
    if path is None or path.length <= 0:
        return None
    algorithm = HAVERSINE if path.source == HAVERSINE.name else RECORDED
    return algorithm.number(path.length)
