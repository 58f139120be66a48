"""How much was climbed, and how steep it was.

Heights are noisy: a barometer drifts and steps in decimetres, satellites err by metres. Whatever is summed up as it
comes is mostly noise, so a climb counts only between turning points that are a threshold apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from .derived import DEVICE, Derived, Exclusion, declare
from .path import Path
from .series import Array, column, rolling_median, smoothed

MEDIAN_S = 5
MEAN_S = 7
BAROMETER_SWINGS_M = (2.0, 3.0, 4.0)
SATELLITE_SWINGS_M = (4.0, 6.0, 8.0)
"""Heights turn where they move this far the other way. A mean over several is steadier than any one of them."""

STEEPEST = 0.45
"""Grades are clipped here: beyond it Minetti measured nothing."""

GRADE_OVER_M = 30.0

TURNING_POINTS = declare(
    "turning-points@1",
    unit="m",
    formula="heights each second, median of 5, mean of 7; Σ of rises between turning points at least a swing apart; "
    "mean of three swings",
    source="own; against the totals of devices with a barometer: python -m benchmarks.corpus",
    median_s=MEDIAN_S,
    mean_s=MEAN_S,
    swings_m="2, 3, 4",
)
RETIRED_HYSTERESIS = declare(
    "median9-hysteresis1@1",
    unit="m",
    formula="median of nine samples; Σ of rises of at least 1 m over the last level that counted",
    source="own",
    replaced_by=TURNING_POINTS.name,
)


@dataclass(frozen=True, slots=True)
class Climb:
    """Metres climbed and descended by each second; both never decrease."""

    seconds: Array
    heights: Array
    climbed: Array
    descended: Array
    swings_m: tuple[float, ...]

    @classmethod
    def of(cls, times: ArrayLike, altitudes: ArrayLike, *, barometer: bool = True) -> Climb | None:
        """From heights in metres at moments in seconds; None where fewer than two are known."""
        moments, heights = np.asarray(times, dtype=np.float64), column(altitudes)
        known = np.isfinite(heights)
        moments, first = np.unique(moments[known], return_index=True)
        if len(moments) < 2:
            return None
        seconds = np.arange(moments[0], np.ceil(moments[-1]) + 1)
        even = np.interp(seconds, moments, heights[known][first])
        smooth = smoothed(rolling_median(even, MEDIAN_S), MEAN_S)
        swings = BAROMETER_SWINGS_M if barometer else SATELLITE_SWINGS_M
        both = [_climbed(smooth, swing) for swing in swings]
        climbed, descended = (np.mean([each[way] for each in both], axis=0) for way in (0, 1))
        return cls(seconds, smooth, climbed, descended, swings)

    def climbed_by(self, moments: Array) -> Array:
        """Metres climbed by each of the moments."""
        return np.interp(moments, self.seconds, self.climbed)


def turning_points(heights: Array, swing: float) -> list[int]:
    """Rows at which the heights turn: neighbours differ by at least the swing, in alternating directions."""
    steps = np.sign(np.diff(heights))
    moving = np.flatnonzero(steps)
    if not len(moving):
        return []
    turns = moving[1:][steps[moving[1:]] != steps[moving[:-1]]]
    candidates = [0, *turns.tolist(), len(heights) - 1]
    low = high = candidates[0]
    points: list[int] = []
    rising: bool | None = None
    for row in candidates:
        height = heights[row]
        if rising is not False and height > heights[high]:
            high = row
        if rising is not True and height < heights[low]:
            low = row
        if rising is not False and heights[high] - height >= swing:
            points.append(high)
            rising, low = False, row
        elif rising is not True and height - heights[low] >= swing:
            points.append(low)
            rising, high = True, row
    return [*points, high if rising else low] if points else []


def _climbed(heights: Array, swing: float) -> tuple[Array, Array]:
    """Metres climbed and descended by each row."""
    up, down = np.zeros_like(heights), np.zeros_like(heights)
    points = turning_points(heights, swing)
    for start, end in pairwise(points):
        piece = heights[start : end + 1]
        way, way_there = (up, piece) if piece[-1] > piece[0] else (down, -piece)
        reached = np.maximum.accumulate(way_there) - way_there[0]
        way[start + 1 : end + 1] += np.diff(reached)
    return np.cumsum(up), np.cumsum(down)


def ascent(
    altitudes: Array,
    *,
    times: ArrayLike | None = None,
    device_m: float | None = None,
    climb: Climb | None = None,
) -> Derived | None:
    """Metres climbed: what the device counted, else between turning points; None where no heights are known.

    Without times the heights are one second apart. Whoever has the climb already need not have it made again.
    """
    if device_m is not None:
        return DEVICE.number(device_m, unit="m")
    climb = climb or Climb.of(np.arange(len(altitudes)) if times is None else times, altitudes)
    if climb is None:
        return None
    unknown = int(np.isnan(altitudes).sum())
    return TURNING_POINTS.number(
        climb.climbed[-1],
        exclusions=[Exclusion("heights", unknown, "not_recorded")] if unknown else [],
        swings_m=", ".join(f"{swing:g}" for swing in climb.swings_m),
    )


def grades(path: Path, climb: Climb) -> Array:
    """Rise over run at each second of the climb, over 30 m around it, within ±45 %."""
    metres = path.metres_at(climb.seconds)
    ways, first = np.unique(metres, return_index=True)
    ahead = np.minimum(metres + GRADE_OVER_M / 2, ways[-1])
    behind = np.maximum(metres - GRADE_OVER_M / 2, ways[0])
    rise = np.interp(ahead, ways, climb.heights[first]) - np.interp(behind, ways, climb.heights[first])
    run = ahead - behind
    flat = run < GRADE_OVER_M / 2
    return np.clip(np.where(flat, 0.0, rise / np.where(flat, 1.0, run)), -STEEPEST, STEEPEST)
