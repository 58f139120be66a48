"""How output and heart rate go together: efficiency, and how it wears off within a session."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .derived import Derived, Exclusion, declare
from .heart import MAX_HEART_RATE, MIN_HEART_RATE
from .series import Array, each_second, fourth_power_mean, rolling_mean

SMOOTHED_S = 30
SHORTEST_S = 1_200

EFFICIENCY = declare(
    "efficiency@1",
    unit="per bpm",
    formula="normalised power in W, or normalised graded speed in m/min, over the average heart rate",
    source="Allen & Coggan, Training and Racing with a Power Meter; Friel",
)
DECOUPLING = declare(
    "decoupling@1",
    unit="%",
    formula="100·(E₁ − E₂)/E₁, E the normalised output over the average heart rate of each half by time",
    source="Friel; above 5 % the pace was above the aerobic threshold",
    shortest_s=SHORTEST_S,
)


def efficiency(*, normalised: float, average_bpm: float) -> Derived:
    """Output per heartbeat a minute: watts, or metres a minute, over beats per minute."""
    return EFFICIENCY.number(normalised / average_bpm, {"normalised": normalised, "average_bpm": average_bpm})


def decoupling(times: ArrayLike, output: ArrayLike, heart_times: ArrayLike, heart_rates: ArrayLike) -> Derived | None:
    """How much of the efficiency of the first half was lost in the second, in percent.

    `output` is power in watts or grade-adjusted speed, at its own moments; seconds without a heart rate are left
    out. None below twenty minutes, and where there was no output in the first half.
    """
    seconds, work = each_second(times, output)
    rates = np.asarray(heart_rates, dtype=np.float64)
    there, beats = each_second(
        heart_times, np.where((rates >= MIN_HEART_RATE) & (rates <= MAX_HEART_RATE), rates, np.nan)
    )
    _, in_work, in_beats = np.intersect1d(seconds, there, assume_unique=True, return_indices=True)
    work, beats = work[in_work], beats[in_beats]
    if len(work) < SHORTEST_S:
        return None
    half = len(work) // 2
    first, second = _efficiency(work[:half], beats[:half]), _efficiency(work[half:], beats[half:])
    if first <= 0:
        return None
    left_out = len(seconds) - len(work)
    return DECOUPLING.number(
        100 * (first - second) / first,
        {"seconds": len(work), "first_half": first, "second_half": second},
        exclusions=[Exclusion("seconds", left_out, "heart_rate_unknown")] if left_out else [],
    )


def _efficiency(work: Array, beats: Array) -> float:
    return fourth_power_mean(rolling_mean(work, SMOOTHED_S)) / float(beats.mean())
