"""Power: how hard a ride was for the body, what the athlete can hold for how long, and what is left of it.

All on a grid of one second (`series.each_second`): coasting counts as zero, pauses are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .derived import Derived, DerivedSeries, Exclusion, declare
from .series import FILLED_GAP_S, Array, decaying_sum, each_second, fourth_power_mean, rolling_mean

NORMALISED_OVER_S = 30

EVERY_SECOND_TO_S = 120
STEP_BEYOND = 0.01
"""The curve has each second of the first two minutes, then steps of a hundredth: there it moves by less than that."""

FITTED_S = (120, 180, 240, 300, 600, 720, 900, 1_200)
"""Durations from 2 to 20 minutes: shorter ones are sprints, longer ones are seldom all-out."""

STANDARD_S = {
    "1s": 1,
    "5s": 5,
    "15s": 15,
    "30s": 30,
    "1min": 60,
    "2min": 120,
    "5min": 300,
    "10min": 600,
    "20min": 1_200,
    "30min": 1_800,
    "1h": 3_600,
}
"""The durations people compare: from the sprint to the hour."""

AVERAGE = declare("average-power@1", unit="W", formula="Σ P / s, zeros counted, pauses not", source="own")
WORK = declare("work@1", unit="kJ", formula="Σ P·1 s / 1000", source="definition of work")
NORMALISED = declare(
    "normalised-power@1",
    unit="W",
    formula="⁴√ mean((30 s rolling mean of P)⁴) over full windows of a one-second grid",
    source="Allen & Coggan, Training and Racing with a Power Meter",
    window_s=NORMALISED_OVER_S,
    filled_gap_s=FILLED_GAP_S,
)
INTENSITY = declare(
    "intensity@1", unit="", formula="normalised power / threshold power", source="Allen & Coggan, as above"
)
VARIABILITY = declare(
    "variability@1", unit="", formula="normalised power / average power", source="Allen & Coggan, as above"
)
LOAD = declare(
    "load-by-power@1",
    unit="",
    formula="100 · h · (normalised power / threshold power)²",
    source="Allen & Coggan, as above; an hour at the threshold is 100",
)
CURVE = declare(
    "mean-maximal-power@1",
    unit="W",
    formula="for each duration the highest mean power of any stretch; each second to one hour, then steps of 0.1 %",
    source="own, exact at each duration named, by prefix sums",
)
CRITICAL = declare(
    "critical-power@1",
    unit="W",
    formula="least squares of work = CP·t + W′ over the best efforts of 2 to 20 min",
    source="Monod & Scherrer 1965, Ergonomics 8:329; Moritani et al. 1981, Ergonomics 24:339",
)
CAPACITY = declare(
    "work-above-critical-power@1",
    unit="J",
    formula="W′ of least squares of work = CP·t + W′ over the best efforts of 2 to 20 min",
    source="Monod & Scherrer 1965; Moritani et al. 1981",
)
BALANCE = declare(
    "w-balance-skiba-2012@1",
    unit="J",
    formula="W′ − Σ max(P − CP, 0)·e^(−(t−u)/τ), τ = 546·e^(−0.01·(CP − mean of P below CP)) + 316 s",
    source="Skiba et al. 2012, Med Sci Sports Exerc 44:1526",
)
THRESHOLD = declare(
    "threshold-by-20-minutes@1",
    unit="W",
    formula="0.95 · best power of 20 min",
    source="Allen & Coggan, Training and Racing with a Power Meter",
)


@dataclass(frozen=True, slots=True)
class Power:
    """What follows from the power of a session; those that need a threshold are None without one."""

    average: Derived
    work: Derived
    normalised: Derived | None
    variability: Derived | None
    intensity: Derived | None
    load: Derived | None


def power(times: ArrayLike, watts: Sequence[float | None] | Array, *, ftp_w: float | None = None) -> Power | None:
    """Averages, work and load of a session; None where no power is known.

    `ftp_w` is the functional threshold power at the date of the session.
    """
    seconds, even = each_second(times, np.array(watts, dtype=np.float64))
    if not len(even):
        return None
    missing = int(seconds[-1] - seconds[0]) + 1 - len(even)
    left_out = [Exclusion("seconds", missing, "silent_too_long")] if missing else []
    average = AVERAGE.number(even.mean(), {"seconds": len(even)}, exclusions=left_out)
    normalised = normalised_power(even)
    intensity = INTENSITY.number(normalised.value / ftp_w, {"ftp_w": ftp_w}) if normalised and ftp_w else None
    load = None
    if intensity is not None and ftp_w:
        load = LOAD.number(100 * len(even) / 3600 * intensity.value**2, {"ftp_w": ftp_w, "seconds": len(even)})
    varies = VARIABILITY.number(normalised.value / average.value) if normalised and average.value > 0 else None
    return Power(average, WORK.number(even.sum() / 1000), normalised, varies, intensity, load)


def normalised_power(even: Array) -> Derived | None:
    """Watts, from power by the second; None below 30 seconds."""
    if len(even) < NORMALISED_OVER_S:
        return None
    return NORMALISED.number(
        fourth_power_mean(rolling_mean(even, NORMALISED_OVER_S)),
        {"seconds": len(even)},
        exclusions=[Exclusion("seconds", NORMALISED_OVER_S - 1, "window_not_full")],
    )


def curve_durations(seconds: int) -> list[int]:
    """The durations in seconds at which so long a curve is computed; all that are compared are among them."""
    steps = int(np.log(max(seconds / EVERY_SECOND_TO_S, 1)) / np.log1p(STEP_BEYOND)) + 1
    beyond = (EVERY_SECOND_TO_S * (1 + STEP_BEYOND) ** np.arange(1, steps + 1)).astype(np.int64).tolist()
    wanted = {*range(1, EVERY_SECOND_TO_S + 1), *beyond, *STANDARD_S.values(), *FITTED_S, seconds}
    return sorted(each for each in wanted if 0 < each <= seconds)


def power_curve(even: Array, durations_s: Sequence[int] | None = None) -> DerivedSeries:
    """The best mean power in watts for each duration, from power by the second."""
    durations = curve_durations(len(even)) if durations_s is None else [d for d in durations_s if 0 < d <= len(even)]
    total = _prefix_sums(even)
    room = np.empty_like(total)
    best = np.empty(len(durations))
    for row, duration in enumerate(durations):
        stretches = room[: len(total) - duration]
        np.subtract(total[duration:], total[:-duration], out=stretches)
        best[row] = stretches.max()
    watts = best / np.array(durations) if durations else best
    return CURVE.series(durations, watts.tolist(), {"seconds": len(even)})


def best_powers(curve: DerivedSeries) -> dict[str, Derived]:
    """The best mean power in watts for each standard duration that the curve holds."""
    best = dict(zip(curve.along, curve.values, strict=True))
    return {
        name: CURVE.number(best[seconds], curve.inputs, duration_s=seconds)
        for name, seconds in STANDARD_S.items()
        if seconds in best
    }


def _prefix_sums(even: Array) -> NDArray[np.int32] | Array:
    """Sums up to each second. Devices give whole watts, and these fit integers half as wide: twice as fast."""
    total = np.concatenate(([0.0], np.cumsum(even)))
    whole = total[-1] < np.iinfo(np.int32).max and bool(np.all(even == np.rint(even)))
    return total.astype(np.int32) if whole else total


@dataclass(frozen=True, slots=True)
class CriticalPower:
    """The power that could be held long, the work that can be done above it, and how well the efforts agree."""

    critical: Derived
    capacity: Derived
    r_squared: float


def critical_power(best: dict[int, float]) -> CriticalPower | None:
    """From best mean powers in watts by duration in seconds; those outside 2 to 20 min are left out.

    None from fewer than three durations, or where they contradict the model (no power, or no work above it).
    """
    used = {seconds: watts for seconds, watts in sorted(best.items()) if FITTED_S[0] <= seconds <= FITTED_S[-1]}
    if len(used) < 3:
        return None
    seconds = np.array(list(used), dtype=np.float64)
    work = seconds * np.array(list(used.values()))
    slope, intercept = np.polyfit(seconds, work, 1)
    if slope <= 0 or intercept <= 0:
        return None
    unexplained = float(np.sum((work - slope * seconds - intercept) ** 2))
    inputs: dict[str, float | str] = {f"{duration:g}s": watts for duration, watts in used.items()}
    left_out = len(best) - len(used)
    exclusions = [Exclusion("durations", left_out, "duration_out_of_model")] if left_out else []
    return CriticalPower(
        critical=CRITICAL.number(slope, inputs, exclusions=exclusions),
        capacity=CAPACITY.number(intercept, inputs, exclusions=exclusions),
        r_squared=1 - unexplained / float(np.sum((work - work.mean()) ** 2)),
    )


def w_balance(even: Array, *, critical_w: float, capacity_j: float) -> DerivedSeries:
    """Joules of work above the critical power that are left at each second (Skiba)."""
    below = even[even < critical_w]
    recovering_w = critical_w - float(below.mean()) if len(below) else critical_w
    tau = 546 * np.exp(-0.01 * recovering_w) + 316
    left = capacity_j - decaying_sum(np.maximum(even - critical_w, 0.0), float(tau))
    return BALANCE.series(
        np.arange(len(even)).tolist(),
        left.tolist(),
        {"critical_w": critical_w, "capacity_j": capacity_j},
        tau_s=round(float(tau), 1),
    )


def threshold_power(curve: DerivedSeries) -> Derived | None:
    """An estimate of the functional threshold power in watts, where twenty minutes were ridden."""
    best = dict(zip(curve.along, curve.values, strict=True)).get(1_200)
    return THRESHOLD.number(0.95 * best, {"best_20min_w": best}) if best else None
