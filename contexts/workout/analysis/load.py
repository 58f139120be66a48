"""Training load: what a session asked of the body, and what the days together made of it.

Loads by power, pace and heart rate share a scale: an hour at the threshold is 100.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from . import power, zones
from .derived import Derived, DerivedSeries, declare
from .series import GAP_S, Array, decaying_sum

BANISTER = {"male": (0.64, 1.92), "female": (0.86, 1.67)}
"""a and b of Banister's weight; for an athlete of unspecified sex the mean of both loads is taken."""

FITNESS_DAYS = 42.0
FATIGUE_DAYS = 7.0

LOAD_PER_HOUR_BY_EXERTION = (0.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 100.0, 120.0, 140.0)

IMPULSE = declare(
    "banister-1991@1",
    unit="",
    formula="Σ min·x·a·e^(b·x), x = (HR − rest)/(max − rest) within 0 to 1; men a 0.64, b 1.92; "
    "women a 0.86, b 1.67; else the mean of both",
    source="Morton, Fitz-Clarke & Banister 1990, J Appl Physiol 69:1171; Banister 1991",
    gap_s=GAP_S,
)
EDWARDS = declare(
    "edwards-1993@1",
    unit="",
    formula="Σ minutes in zones 1 to 5 (50, 60, 70, 80, 90 % of the maximum) · 1 to 5",
    source="Edwards 1993, The Heart Rate Monitor Book",
)
LUCIA = declare(
    "lucia-2003@1",
    unit="",
    formula="Σ minutes below the first ventilatory threshold · 1, between both · 2, above the second · 3",
    source="Lucía et al. 2003, Med Sci Sports Exerc 35:872",
    gap_s=GAP_S,
)
BY_HEART_RATE = declare(
    "load-by-heart-rate@1",
    unit="",
    formula="100 · impulse of the session / impulse of an hour at the threshold heart rate (Banister)",
    source="own scaling of Banister 1991",
)
THRESHOLD_PART = 0.88
"""Of the maximum: where zone 4 of five begins, and with it what cannot be kept up for long."""

USUAL_RESTING_BPM = 60.0
"""The lowest of what is normal in adults (60 to 100), about which those lie who train."""

ESTIMATED = declare(
    "load-by-heart-rate-estimated@1",
    unit="",
    formula="100 · impulse of the session / impulse of an hour at the threshold heart rate (Banister); of what the "
    "athlete has not said the maximum is 220 − age, the threshold 88 % of the maximum, and rest the median that "
    "devices measured in the 30 days before, else 60 bpm",
    source="own scaling of Banister 1991; the threshold by Seiler & Tønnessen 2009, Sportscience 13:32; the usual "
    "rest is the lowest of what is normal in adults (60 to 100, American Heart Association)",
    threshold_part=THRESHOLD_PART,
    usual_resting_bpm=USUAL_RESTING_BPM,
)
BY_PACE = declare(
    "load-by-pace@1",
    unit="",
    formula="100 · h · (normalised graded speed / threshold speed)²",
    source="analogous to load by power",
)
SESSION_EXERTION = declare(
    "session-exertion@1",
    unit="",
    formula="RPE (0 to 10) · min",
    source="Foster et al. 2001, J Strength Cond Res 15:109",
)
BY_EXERTION = declare(
    "load-by-exertion@1",
    unit="",
    formula="hours · 20, 30, 40, 50, 60, 70, 80, 100, 120, 140 for RPE 1 to 10, in between by straight lines",
    source="Friel, Estimating Training Stress Score",
)
FITNESS = declare(
    "fitness-42d@1",
    unit="",
    formula="xₙ = xₙ₋₁ + (loadₙ − xₙ₋₁)·(1 − e^(−1/42))",
    source="Banister et al. 1975; Coggan's performance manager",
    days=FITNESS_DAYS,
)
FATIGUE = declare(
    "fatigue-7d@1",
    unit="",
    formula="xₙ = xₙ₋₁ + (loadₙ − xₙ₋₁)·(1 − e^(−1/7))",
    source="Banister et al. 1975; Coggan's performance manager",
    days=FATIGUE_DAYS,
)
FORM = declare(
    "form@1",
    unit="",
    formula="fitness − fatigue, both of the day before",
    source="Coggan's performance manager",
)
MONOTONY = declare(
    "monotony-7d@1",
    unit="",
    formula="mean of the last 7 daily loads / their standard deviation",
    source="Foster 1998, Med Sci Sports Exerc 30:1164",
)
ACUTE_TO_CHRONIC = declare(
    "acute-to-chronic-7-28@1",
    unit="",
    formula="mean load of 7 days / mean load of 28 days",
    source="Hulin et al. 2014, Br J Sports Med 48:708",
)


def impulse(rates: ArrayLike, seconds: ArrayLike, *, resting_bpm: float, maximum_bpm: float, sex: str) -> Derived:
    """Banister's training impulse of heart rates that held for so many seconds each; the maximum is above rest."""
    x = np.clip((np.asarray(rates) - resting_bpm) / (maximum_bpm - resting_bpm), 0.0, 1.0)
    minutes = np.asarray(seconds) / 60
    both = {name: float(minutes @ (x * a * np.exp(b * x))) for name, (a, b) in BANISTER.items()}
    inputs: dict[str, float | str] = {"resting_bpm": resting_bpm, "maximum_bpm": maximum_bpm, "sex": sex}
    return IMPULSE.number(both.get(sex, sum(both.values()) / 2), inputs)


def edwards(zone_seconds: Sequence[float]) -> Derived:
    """Edwards' load from the seconds in five zones by the maximum heart rate."""
    weighted = sum(place * seconds / 60 for place, seconds in enumerate(zone_seconds, start=1))
    return EDWARDS.number(weighted, {"minutes": round(sum(zone_seconds) / 60, 3)})


def lucia(spent: zones.TimeInZones) -> Derived:
    """Lucía's load from the time in three zones by ventilatory thresholds, or by what stands in for them."""
    weighted = sum(place * seconds / 60 for place, seconds in enumerate(spent.seconds, start=1))
    _, first, second = spent.bounds.lower
    inputs: dict[str, float | str] = {"zones": spent.bounds.algorithm, "vt1_bpm": first, "vt2_bpm": second}
    return LUCIA.number(weighted, inputs | {"minutes": round(sum(spent.seconds) / 60, 3)})


def by_heart_rate(
    rates: ArrayLike,
    seconds: ArrayLike,
    *,
    resting_bpm: float,
    maximum_bpm: float,
    threshold_bpm: float,
    sex: str,
) -> Derived:
    """Load by heart rate: an hour at the threshold, which is above rest, is 100."""
    limits = {"resting_bpm": resting_bpm, "maximum_bpm": maximum_bpm}
    whole = impulse(rates, seconds, sex=sex, **limits)
    hour = impulse([threshold_bpm], [3600.0], sex=sex, **limits)
    return BY_HEART_RATE.number(100 * whole.value / hour.value, {**whole.inputs, "threshold_bpm": threshold_bpm})


def estimated(
    rates: ArrayLike,
    seconds: ArrayLike,
    *,
    maximum: Derived,
    resting_bpm: float | None,
    resting_read_bpm: float | None,
    threshold_bpm: float | None,
    sex: str,
) -> Derived | None:
    """Load by heart rate with estimates in place of what the athlete has not said, each named among the inputs.

    `resting_read_bpm` is what their devices measured. None where what is known contradicts itself.
    """
    rest, rest_by = resting_bpm, "athlete"
    if rest is None:
        rest, rest_by = (resting_read_bpm, "devices") if resting_read_bpm else (USUAL_RESTING_BPM, "usual")
    threshold = threshold_bpm or THRESHOLD_PART * maximum.value
    if rest >= min(threshold, maximum.value):
        return None
    limits = {"resting_bpm": rest, "maximum_bpm": maximum.value, "threshold_bpm": threshold}
    whole = by_heart_rate(rates, seconds, sex=sex, **limits)
    said_by = {
        "resting_by": rest_by,
        "maximum_by": maximum.algorithm,
        "threshold_by": "athlete" if threshold_bpm else "maximum",
    }
    return ESTIMATED.number(whole.value, whole.inputs | said_by)


def by_pace(*, normalised_mps: float, seconds: float, threshold_mps: float) -> Derived:
    """Load by pace, from the normalised graded speed: an hour at the threshold is 100."""
    inputs = {"normalised_mps": normalised_mps, "seconds": seconds, "threshold_mps": threshold_mps}
    return BY_PACE.number(100 * seconds / 3600 * (normalised_mps / threshold_mps) ** 2, inputs)


def session_exertion(*, exertion: float, seconds: float) -> Derived:
    """Foster's session load, on a scale of its own: perceived exertion from 0 to 10 times minutes."""
    return SESSION_EXERTION.number(exertion * seconds / 60, {"exertion": exertion, "seconds": seconds})


def by_exertion(*, exertion: float, seconds: float) -> Derived:
    """Load by perceived exertion from 0 to 10, on the scale of the others."""
    an_hour = np.interp(exertion, np.arange(len(LOAD_PER_HOUR_BY_EXERTION)), LOAD_PER_HOUR_BY_EXERTION)
    return BY_EXERTION.number(an_hour * seconds / 3600, {"exertion": exertion, "seconds": seconds})


BELIEVED = {
    power.LOAD.name: "load_by_power",
    BY_PACE.name: "load_by_pace",
    BY_HEART_RATE.name: "load_by_heart_rate",
    BY_EXERTION.name: "load_by_exertion",
    ESTIMATED.name: "load_by_heart_rate_estimated",
}
"""The sources, the best first, and why it is believed: codes of `reasons`."""


@dataclass(frozen=True, slots=True)
class Load:
    """The load that counts, the code of why, and what the other sources say."""

    believed: Derived
    code: str
    others: tuple[Derived, ...]


def best_load(loads: Sequence[Derived | None]) -> Load | None:
    """The load by the best source there is: power, pace, heart rate, perceived exertion, and estimates last."""
    order = list(BELIEVED)
    known = sorted((load for load in loads if load is not None), key=lambda load: order.index(load.algorithm))
    return Load(known[0], BELIEVED[known[0].algorithm], tuple(known[1:])) if known else None


@dataclass(frozen=True, slots=True)
class Performance:
    """Fitness, fatigue and form, day by day."""

    fitness: DerivedSeries
    fatigue: DerivedSeries
    form: DerivedSeries


def performance(daily_loads: ArrayLike, *, fitness_before: float = 0.0, fatigue_before: float = 0.0) -> Performance:
    """Fitness (42 days), fatigue (7 days) and form of successive days; a day without training has the load 0.

    Days are the athlete's own, from midnight to midnight where they were.
    """
    loads = np.asarray(daily_loads, dtype=np.float64)
    days = np.arange(len(loads)).tolist()
    fitness = _fading_mean(loads, FITNESS_DAYS, fitness_before)
    fatigue = _fading_mean(loads, FATIGUE_DAYS, fatigue_before)
    before = np.concatenate(([fitness_before - fatigue_before], fitness - fatigue))[: len(loads)]
    inputs = {"days": len(loads), "fitness_before": fitness_before, "fatigue_before": fatigue_before}
    return Performance(
        FITNESS.series(days, fitness.tolist(), inputs, along_unit="d"),
        FATIGUE.series(days, fatigue.tolist(), inputs, along_unit="d"),
        FORM.series(days, before.tolist(), inputs, along_unit="d"),
    )


def _fading_mean(loads: Array, days: float, before: float) -> Array:
    faded = np.exp(-np.arange(1, len(loads) + 1) / days)
    return -np.expm1(-1 / days) * decaying_sum(loads, days) + before * faded


def monotony(last_loads: Sequence[float]) -> Derived | None:
    """Foster's monotony of seven daily loads; None where they are all the same, or not seven."""
    week = np.asarray(last_loads, dtype=np.float64)[-7:]
    spread = float(week.std(ddof=1)) if len(week) == 7 else 0.0
    return MONOTONY.number(week.mean() / spread, {"days": 7}) if spread > 0 else None


def acute_to_chronic(last_loads: Sequence[float]) -> Derived | None:
    """Mean load of the last week over that of the last four; None without four weeks, or without any load."""
    month = np.asarray(last_loads, dtype=np.float64)[-28:]
    if len(month) < 28 or month.sum() <= 0:
        return None
    return ACUTE_TO_CHRONIC.number(month[-7:].mean() / month.mean(), {"days": 28})
