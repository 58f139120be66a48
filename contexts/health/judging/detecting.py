"""What is odd about a series of readings, each finding with the rule, its inputs and its window.

Times are in microseconds, by rising time. Nothing here is a diagnosis: most findings are of sensors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Times = NDArray[np.int64]
Values = NDArray[np.float64]
SECOND = 1_000_000

TO_SIGMA = 1.4826
"""The median absolute deviation of a normal distribution, times this, is its standard deviation."""

FAR = 3.5
"""Robust deviations from which a value is an outlier (Iglewicz, Hoaglin: How to Detect and Handle Outliers, 1993)."""

WINDOW = 31
"""Readings around one that say what is usual there."""

LEAST_READINGS = 9
LEAST_AN_HOUR = 7
"""Readings of an hour of the day, below which nothing is said about it."""

LEAST_DAYS = 3
"""On which that hour was measured."""
DAY = 86_400 * SECOND

FLAT_S = 600
FLAT_READINGS = 10
DROPOUT_STEPS = 10.0
"""A gap is one of so many usual steps."""
DROPOUT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something odd from `begin` to `end`, found in the readings from `window[0]` to `window[1]`."""

    rule: str
    begin: int
    end: int
    window: tuple[int, int]
    inputs: Mapping[str, float]


def outliers(times: Times, values: Values, *, resolution: float) -> list[Finding]:
    """Values far from the median of the readings around them; no deviation is taken as smaller than `resolution`.

    At the ends the window is the first or last whole one.
    """
    count, width = len(values), min(WINDOW, len(values))
    if count < LEAST_READINGS:
        return []
    windows = sliding_window_view(values, width)
    medians = np.median(windows, axis=1)
    spreads = np.median(np.abs(windows - medians[:, None]), axis=1)
    first = np.clip(np.arange(count) - width // 2, 0, count - width)
    usual, sigma = medians[first], np.maximum(TO_SIGMA * spreads[first], resolution)
    scores = np.abs(values - usual) / sigma
    return [
        Finding(
            rule="rolling_mad@1",
            begin=int(times[n]),
            end=int(times[n]),
            window=(int(times[first[n]]), int(times[first[n] + width - 1])),
            inputs={
                "value": _at(values, n),
                "median": _at(usual, n),
                "sigma": _at(sigma, n),
                "score": _at(scores, n),
            },
        )
        for n in np.flatnonzero(scores > FAR).tolist()
    ]


def unseasonable(times: Times, values: Values, hours: NDArray[np.int64], *, resolution: float) -> list[Finding]:
    """Values far from what is usual at their hour of the day, 0 to 23."""
    found = []
    for hour in range(24):
        places = np.flatnonzero(hours == hour)
        if len(places) < LEAST_AN_HOUR or len(np.unique(times[places] // DAY)) < LEAST_DAYS:
            continue
        same = values[places]
        usual = float(np.median(same))
        sigma = max(TO_SIGMA * float(np.median(np.abs(same - usual))), resolution)
        window = int(times[places[0]]), int(times[places[-1]])
        for n in places[np.abs(same - usual) / sigma > FAR].tolist():
            score = abs(float(values[n]) - usual) / sigma
            inputs = {"value": _at(values, n), "median": usual, "sigma": sigma, "score": score, "hour": float(hour)}
            found.append(
                Finding(rule="hour_of_day@1", begin=int(times[n]), end=int(times[n]), window=window, inputs=inputs)
            )
    return sorted(found, key=lambda finding: finding.begin)


def flat_lines(times: Times, values: Values) -> list[Finding]:
    """Stretches of ten minutes and more in which a value does not move at all."""
    if not len(values):
        return []
    edges = np.flatnonzero(np.concatenate(([True], np.diff(values) != 0, [True])))
    found = []
    for first, after in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        begin, end = int(times[first]), int(times[after - 1])
        if after - first >= FLAT_READINGS and end - begin >= FLAT_S * SECOND:
            inputs = {
                "value": _at(values, first),
                "readings": float(after - first),
                "seconds": (end - begin) / SECOND,
            }
            found.append(Finding(rule="flat_line@1", begin=begin, end=end, window=(begin, end), inputs=inputs))
    return found


def dropouts(times: Times) -> list[Finding]:
    """Gaps of more than a minute and ten usual steps."""
    if len(times) < LEAST_READINGS:
        return []
    steps = np.diff(times) / SECOND
    usual = float(np.median(steps))
    longest = max(DROPOUT_STEPS * usual, DROPOUT_S)
    window = int(times[0]), int(times[-1])
    return [
        Finding(
            rule="dropout@1",
            begin=int(times[n]),
            end=int(times[n + 1]),
            window=window,
            inputs={"seconds": float(steps[n]), "usual_s": usual, "longest_s": longest},
        )
        for n in np.flatnonzero(steps > longest).tolist()
    ]


def _at(array: Values, n: int) -> float:
    return round(float(array[n]), 6)
