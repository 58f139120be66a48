"""Best efforts: the fastest of each standard distance, the furthest in each standard time.

Elapsed time counts: who pauses within an effort loses the pause. Between two points the pace is even, so the best
stretch begins or ends at one of them, and trying these is enough.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .derived import Derived, declare
from .path import Path
from .series import Array

MILE_M = 1_609.344
HALF_MARATHON_M = 21_097.5
MARATHON_M = 42_195.0

ON_FOOT: dict[str, float] = {
    "400m": 400,
    "800m": 800,
    "1k": 1_000,
    "1_mile": MILE_M,
    "2_miles": 2 * MILE_M,
    "5k": 5_000,
    "10k": 10_000,
    "15k": 15_000,
    "10_miles": 10 * MILE_M,
    "20k": 20_000,
    "half_marathon": HALF_MARATHON_M,
    "30k": 30_000,
    "marathon": MARATHON_M,
    "50k": 50_000,
}

DISTANCES_M: dict[str, dict[str, float]] = {
    "running": ON_FOOT,
    "walking": ON_FOOT,
    "cycling": {f"{km}k": km * 1_000.0 for km in (5, 10, 20, 30, 40, 50, 80, 90, 100, 160, 180)},
    "swimming": {
        **{f"{metres}m": float(metres) for metres in (50, 100, 200, 400, 750, 800, 1_500, 1_900, 3_000, 3_800)},
        "5k": 5_000,
        "10k": 10_000,
    },
    "rowing": {
        **{f"{metres}m": float(metres) for metres in (100, 500, 1_000, 2_000, 5_000, 6_000, 10_000)},
        "half_marathon": HALF_MARATHON_M,
        "marathon": MARATHON_M,
    },
}
"""The distances people race and compare, by sport."""

DURATIONS_S: dict[str, float] = {
    "1min": 60,
    "4min": 240,
    "5min": 300,
    "10min": 600,
    "12min": 720,
    "20min": 1_200,
    "30min": 1_800,
    "1h": 3_600,
    "2h": 7_200,
}
"""Twelve minutes are Cooper's test, an hour is the hour record."""

FASTEST = declare(
    "two-pointer@1",
    unit="s",
    formula="min over all stretches of the distance of (end − start), elapsed, interpolated between points",
    source="own",
)
FURTHEST = declare(
    "furthest-in-time@1",
    unit="m",
    formula="max over all stretches of the time of the metres covered, interpolated between points",
    source="own",
)


def best_effort(path: Path, metres: float) -> float | None:
    """The fewest elapsed seconds in which `metres` were covered anywhere on the way; None if it is shorter."""
    return _fewest(path.metres, path.times, metres) if path.length >= metres > 0 else None


def _fewest(along: Array, cost: Array, length: float) -> float:
    """The least cost of a stretch of this length, both columns never decreasing."""
    best = cost[-1] - cost[0]
    for forwards in (True, False):
        ways, times = (along, cost) if forwards else (-along[::-1], -cost[::-1])
        ends = ways + length
        reached = np.searchsorted(ways, ends)
        inside = reached < len(ways)
        if not inside.any():
            continue
        after = reached[inside]
        before = after - 1
        part = (ends[inside] - ways[before]) / (ways[after] - ways[before])
        taken = times[before] + part * (times[after] - times[before]) - times[inside]
        best = min(best, taken[taken > 0].min(initial=best))
    return float(best)


def best_distance(path: Path, seconds: float) -> float | None:
    """The most metres covered in so many elapsed seconds anywhere on the way; None if it lasted less."""
    times, metres = path.times, path.metres
    if not 0 < seconds <= times[-1] - times[0]:
        return None
    from_start = _covered(times, metres, times[times + seconds <= times[-1]], seconds)
    to_end = _covered(times, metres, times[times - seconds >= times[0]] - seconds, seconds)
    return float(np.concatenate((from_start, to_end)).max())


def _covered(times: Array, metres: Array, starts: Array, seconds: float) -> NDArray[np.float64]:
    return np.interp(starts + seconds, times, metres) - np.interp(starts, times, metres)


def best_efforts(path: Path | None, sport: str) -> dict[str, Derived]:
    """Seconds of the best effort over each of the sport's distances that the way is long enough for."""
    if path is None:
        return {}
    return efforts_over(path, DISTANCES_M.get(sport, {}))


def efforts_over(path: Path, distances_m: dict[str, float]) -> dict[str, Derived]:
    """Seconds of the best effort over each of these distances, by the name given to it."""
    return {
        name: FASTEST.number(_fewest(path.metres, path.times, metres), distance_m=metres)
        for name, metres in distances_m.items()
        if path.length >= metres
    }


def best_distances(path: Path | None, sport: str) -> dict[str, Derived]:
    """Metres of the furthest stretch in each standard time that the session lasted."""
    if path is None or sport not in DISTANCES_M:
        return {}
    found = {name: best_distance(path, seconds) for name, seconds in DURATIONS_S.items()}
    return {name: FURTHEST.number(metres, duration_s=DURATIONS_S[name]) for name, metres in found.items() if metres}
