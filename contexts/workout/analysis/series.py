"""Streams as arrays: gaps, one-second grids, rolling means and decaying sums, all without a loop over samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

GAP_S = 10.0
"""A value stands for at most this long: whatever the sensor left unsaid for longer is not known."""

FILLED_GAP_S = 5
"""On a one-second grid a shorter silence repeats the last value; a longer one is a pause and is left out."""


def column(values: Sequence[float | None] | ArrayLike | None, length: int | None = None) -> Array:
    """A stream's column as an array, with NaN for what is not known; all NaN where there is no stream."""
    if values is None:
        return np.full(length or 0, np.nan)
    return np.array(values, dtype=np.float64)


def held_seconds(times: ArrayLike) -> Array:
    """The seconds each sample stands for: until the next one, at most `GAP_S`; the last one for none."""
    return np.append(np.minimum(np.diff(np.asarray(times, dtype=np.float64)), GAP_S), 0.0)[: np.size(times)]


def each_second(times: ArrayLike, values: ArrayLike) -> tuple[Array, Array]:
    """Seconds and values on a one-second grid: the mean of each second; silences as `FILLED_GAP_S` says.

    Samples without a value count as silence; zeros are values. The seconds say which moment each value is of.
    """
    moments, known = np.asarray(times, dtype=np.float64), np.asarray(values, dtype=np.float64)
    there = np.isfinite(known)
    if not there.any():
        return np.empty(0), np.empty(0)
    whole, place = np.unique(np.floor(moments[there]), return_inverse=True)
    means = np.bincount(place, weights=known[there]) / np.bincount(place)
    steps = np.diff(whole)
    repeats = np.append(np.where(steps <= FILLED_GAP_S, steps, 1), 1).astype(np.int64)
    starts = np.repeat(np.cumsum(repeats) - repeats, repeats)
    return np.repeat(whole, repeats) + np.arange(repeats.sum()) - starts, np.repeat(means, repeats)


def rolling_mean(values: Array, width: int) -> Array:
    """Means of every full window; `width - 1` fewer than there are values."""
    total = np.concatenate(([0.0], np.cumsum(values)))
    return (total[width:] - total[:-width]) / width


def smoothed(values: Array, width: int) -> Array:
    """Centred means of an odd width, as long as the values; the ends stand still."""
    if width <= 1 or not len(values):
        return values
    return rolling_mean(np.pad(values, width // 2, mode="edge"), width)


def rolling_median(values: Array, width: int) -> Array:
    """Centred medians of an odd width, as long as the values; the ends stand still."""
    if not len(values):
        return values
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(values, width // 2, mode="edge"), width)
    return np.asarray(np.partition(windows, width // 2, axis=1)[:, width // 2])


def fourth_power_mean(values: Array) -> float:
    """The fourth root of the mean fourth power: what comes hard counts more than what comes easy."""
    return float(np.mean(values**4) ** 0.25)


def decaying_sum(values: ArrayLike, time_constant: float) -> Array:
    """At each step the sum of all values so far, each faded by `exp(-steps / time_constant)`.

    Done in blocks of a length over which the exponential stays well inside what a float holds.
    """
    added = np.asarray(values, dtype=np.float64)
    summed = np.empty_like(added)
    block = max(int(20 * time_constant), 1)
    carried = 0.0
    for start in range(0, len(added), block):
        piece = added[start : start + block]
        growth = np.exp(np.arange(1, len(piece) + 1) / time_constant)
        summed[start : start + block] = (carried + np.cumsum(piece * growth)) / growth
        carried = float(summed[start + len(piece) - 1])
    return summed


def runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Start and end (exclusive) of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    return [(int(start), int(end)) for start, end in zip(edges[::2], edges[1::2], strict=True)]
