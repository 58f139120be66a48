"""Derived numbers. Pure: days and values in, days and values out."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from statistics import fmean, stdev

import numpy as np
from numpy.typing import NDArray

from contexts.health.rules import Stream
from contexts.health.trends.explaining import Algorithm, DayValue

RESTING_HEART_RATE = Algorithm(
    name="resting_heart_rate",
    version=1,
    inputs=(Stream.heart_rate,),
    unit="/min",
    formula="The lowest mean of 30 minutes of a local day, of minutes' means, where 20 of them were measured.",
    source=(
        "Speed C et al. Measure by measure: resting heart rate across the 24-hour cycle. PLOS Digit Health 2023;2(4):"
        "e0000236: the lowest rate of 24 hours; no definition is agreed on. The 30 minutes are ours."
    ),
    url="https://doi.org/10.1371/journal.pdig.0000236",
    parameters={"window_min": 30, "least_minutes": 20},
)
HRV_BASELINE = Algorithm(
    name="hrv_baseline",
    version=1,
    inputs=(Stream.hrv_rmssd,),
    unit="1",
    formula=(
        "The mean of 7 days' ln(RMSSD in ms), with 3 days at least; usual is the mean of the 60 days before them"
        " ± 0.5 standard deviations, with 14 days at least."
    ),
    source=(
        "Plews DJ et al. Training adaptation and heart rate variability in elite endurance athletes. Sports Med"
        " 2013;43:773–781; Plews DJ et al. Int J Sports Physiol Perform 2014;9:783–790 (3 days a week suffice)."
        " The 60 days are ours."
    ),
    url="https://doi.org/10.1007/s40279-013-0071-8",
    parameters={"window_days": 7, "least_days": 3, "usual_days": 60, "least_usual_days": 14, "usual_sd": 0.5},
)
WEIGHT = Algorithm(
    name="weight",
    version=1,
    inputs=(Stream.body_mass,),
    unit="kg",
    formula="Exponential smoothing of the days' means: each day moves the trend by 10 % of its distance from it.",
    source="Walker J. The Hacker's Diet, 4th ed. 2005, ch. “Signal and Noise” and “Pencil and Paper”.",
    url="https://www.fourmilab.ch/hackdiet/",
    parameters={"smoothing": 0.1, "history_days": 90},
)
SLEEP = Algorithm(
    name="sleep",
    version=1,
    inputs=(Stream.sleep_duration,),
    unit="s",
    formula=(
        "The sum of a night's sleep, from noon to noon, of the device that has seen most; usual is the mean of the 28"
        " nights before ± 1 standard deviation, with 7 at least. That deviation is the irregularity of its duration."
    ),
    source=(
        "Bei B et al. Beyond the mean: a systematic review on the correlates of daily intraindividual variability of"
        " sleep/wake patterns. Sleep Med Rev 2016;28:108–124."
    ),
    url="https://doi.org/10.1016/j.smrv.2015.06.003",
    parameters={"usual_nights": 28, "least_nights": 7},
)
ALGORITHMS = {each.name: each for each in (RESTING_HEART_RATE, HRV_BASELINE, WEIGHT, SLEEP)}


def lowest_half_hour(minutes: NDArray[np.int64], means: NDArray[np.float64]) -> tuple[float, int, int] | None:
    """The lowest mean of 30 minutes: its value, its first minute, how many minutes it has; None where none has 20.

    `minutes` are whole minutes of one day by rising time, `means` the heart rate's mean in each.
    """
    width, least = (int(RESTING_HEART_RATE.parameters[name]) for name in ("window_min", "least_minutes"))
    if minutes.size < least:
        return None
    ends = np.searchsorted(minutes, minutes + width)
    begins = np.arange(minutes.size)
    sums = np.concatenate(([0.0], np.cumsum(means)))
    counts = ends - begins
    found = np.where(counts >= least, (sums[ends] - sums[begins]) / counts, np.inf)
    best = int(np.argmin(found))
    return None if np.isinf(found[best]) else (float(found[best]), int(minutes[best]), int(counts[best]))


def hrv_baseline(daily: Mapping[date, float], days: Iterable[date]) -> list[DayValue]:
    """Of daily means of ln RMSSD. A day without enough of them has no value."""
    wanted = HRV_BASELINE.parameters
    window, usual = int(wanted["window_days"]), int(wanted["usual_days"])
    told = []
    for day in days:
        week = _before(daily, day + timedelta(days=1), window)
        if len(week) < wanted["least_days"]:
            continue
        past = _before(daily, day - timedelta(days=window - 1), usual)
        value, low, high = fmean(week), None, None
        inputs: dict[str, float] = {"days": len(week), "usual_days": len(past)}
        if len(past) >= wanted["least_usual_days"]:
            mean, spread = fmean(past), stdev(past)
            low, high = mean - wanted["usual_sd"] * spread, mean + wanted["usual_sd"] * spread
            inputs |= {"usual_mean": mean, "usual_sd": spread}
        told.append(_beside(day, value, low, high, inputs))
    return told


def smoothed_weight(daily: Mapping[date, float]) -> list[DayValue]:
    """The trend begins with the first day's weight; days without one leave it where it is."""
    told: list[DayValue] = []
    for day in sorted(daily):
        before = told[-1].value if told else daily[day]
        value = before + WEIGHT.parameters["smoothing"] * (daily[day] - before)
        told.append(DayValue(day=day, value=value, inputs={"measured": daily[day], "trend_before": before}))
    return told


def sleep(nights: Mapping[date, float], days: Iterable[date]) -> list[DayValue]:
    """Each night's sleep, named by the day on which it ends, beside what is usual."""
    wanted, told = SLEEP.parameters, []
    for day in days:
        if day not in nights:
            continue
        past = _before(nights, day, int(wanted["usual_nights"]))
        value, low, high, inputs = nights[day], None, None, {"usual_nights": float(len(past))}
        if len(past) >= wanted["least_nights"]:
            mean, spread = fmean(past), stdev(past)
            low, high = mean - spread, mean + spread
            inputs |= {"usual_mean": mean, "irregularity": spread}
        told.append(_beside(day, value, low, high, inputs))
    return told


def _beside(day: date, value: float, low: float | None, high: float | None, inputs: dict[str, float]) -> DayValue:
    standing = ""
    if low is not None and high is not None:
        standing = "below" if value < low else "above" if value > high else "usual"
    return DayValue(day=day, value=value, low=low, high=high, standing=standing, inputs=inputs)


def _before(daily: Mapping[date, float], day: date, count: int) -> list[float]:
    """What is there of the `count` days before a day."""
    wanted = (day - timedelta(days=back) for back in range(count, 0, -1))
    return [daily[each] for each in wanted if each in daily]


def days_between(first: date, last: date) -> list[date]:
    """Every day, both ends included."""
    return [first + timedelta(days=nth) for nth in range((last - first).days + 1)]
