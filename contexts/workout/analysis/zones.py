"""Time in zones. The caller chooses the bounds that held for the athlete, the sport and the day.

Published bounds are whole percents of a threshold; a zone begins at the lowest percent named as its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from .derived import Algorithm, Derived, declare
from .series import GAP_S, Array, column, held_seconds

HELD = declare(
    "time-in-zones@1",
    unit="s",
    formula="Σ of the seconds each value stands for (until the next sample, at most 10), by the zone it lies in",
    source="own",
    gap_s=GAP_S,
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Lower bounds of the zones, rising, in `unit`; where they come from and what they were computed with."""

    lower: tuple[float, ...]
    unit: str
    algorithm: str
    inputs: dict[str, float | str]

    def __post_init__(self) -> None:
        """Bounds that do not rise would make zones that nothing can lie in."""
        if not self.lower or any(high <= low for low, high in pairwise(self.lower)):
            raise ValueError("the bounds of zones rise")


PERCENT_OF_MAXIMUM = (0.5, 0.6, 0.7, 0.8, 0.9)
PERCENT_OF_THRESHOLD = {
    "running": (0.0, 0.85, 0.90, 0.95, 1.00, 1.03, 1.07),
    "cycling": (0.0, 0.81, 0.90, 0.94, 1.00, 1.03, 1.07),
}
PERCENT_OF_FTP = (0.0, 0.56, 0.76, 0.91, 1.06, 1.21, 1.51)
PERCENT_OF_THRESHOLD_PACE = (1.29, 1.14, 1.06, 1.00, 0.97, 0.90)
"""Paces in seconds a kilometre over the threshold's, at which zones 2 to 5c begin."""


def _zones(name: str, unit: str, formula: str, source: str) -> Algorithm:
    return declare(name, unit=unit, formula=formula, source=source)


BY_MAXIMUM = _zones(
    "zones-of-maximum-heart-rate@1",
    "bpm",
    "50, 60, 70, 80, 90 % of the maximum",
    "Edwards 1993",
)
BY_RESERVE = _zones(
    "zones-of-heart-rate-reserve@1",
    "bpm",
    "rest + p·(maximum − rest) with p of 50, 60, 70, 80, 90 %",
    "Karvonen, Kentala & Mustala 1957, Ann Med Exp Biol Fenn 35:307",
)
BY_THRESHOLD = _zones(
    "zones-of-threshold-heart-rate@1",
    "bpm",
    "running 85, 90, 95, 100, 103, 107 %, cycling 81, 90, 94, 100, 103, 107 % of the threshold; zones 1 to 5c",
    "Friel, The Triathlete's Training Bible",
)
BY_FTP = _zones(
    "zones-of-threshold-power@1",
    "W",
    "56, 76, 91, 106, 121, 151 % of the functional threshold power; zones 1 to 7",
    "Allen & Coggan, Training and Racing with a Power Meter",
)
BY_PACE = _zones(
    "zones-of-threshold-pace@1",
    "m/s",
    "threshold speed over 129, 114, 106, 100, 97, 90 %; zones 1 to 5c",
    "Friel, The Triathlete's Training Bible",
)
BY_VENTILATION = _zones(
    "zones-of-ventilatory-thresholds@1",
    "bpm",
    "below the first ventilatory threshold, between both, above the second; zones 1 to 3",
    "Lucía et al. 2003, Med Sci Sports Exerc 35:872; the athlete's settings",
)
VENTILATION_BY_THRESHOLD = _zones(
    "ventilatory-by-threshold-heart-rate@1",
    "bpm",
    "90 and 100 % of the heart rate at the lactate threshold, in place of ventilatory thresholds nobody measured; "
    "zones 1 to 3",
    "Friel, The Triathlete's Training Bible: zones 3 and 5a begin there",
)
VENTILATION_BY_MAXIMUM = _zones(
    "ventilatory-by-maximum-heart-rate@1",
    "bpm",
    "82 and 88 % of the maximum heart rate, in place of ventilatory thresholds nobody measured; zones 1 to 3",
    "Seiler & Tønnessen 2009, Sportscience 13:32: zones 3 and 4 of five begin there",
)
CUSTOM = _zones("custom-zones", "", "as the athlete has set them", "the athlete's settings")


def of_maximum_heart_rate(maximum_bpm: float) -> Bounds:
    """Five zones by the maximum heart rate."""
    lower = tuple(part * maximum_bpm for part in PERCENT_OF_MAXIMUM)
    return Bounds(lower, "bpm", BY_MAXIMUM.name, {"maximum_bpm": maximum_bpm})


def of_heart_rate_reserve(resting_bpm: float, maximum_bpm: float) -> Bounds:
    """Five zones by the reserve between resting and maximum heart rate (Karvonen)."""
    lower = tuple(resting_bpm + part * (maximum_bpm - resting_bpm) for part in PERCENT_OF_MAXIMUM)
    return Bounds(lower, "bpm", BY_RESERVE.name, {"resting_bpm": resting_bpm, "maximum_bpm": maximum_bpm})


def of_threshold_heart_rate(threshold_bpm: float, sport: str) -> Bounds:
    """Seven zones by the heart rate at the lactate threshold (Friel); sports but cycling as in running."""
    parts = PERCENT_OF_THRESHOLD.get(sport, PERCENT_OF_THRESHOLD["running"])
    lower = tuple(part * threshold_bpm for part in parts)
    return Bounds(lower, "bpm", BY_THRESHOLD.name, {"threshold_bpm": threshold_bpm, "sport": sport})


def of_threshold_power(ftp_w: float) -> Bounds:
    """Seven zones by the functional threshold power (Coggan)."""
    return Bounds(tuple(part * ftp_w for part in PERCENT_OF_FTP), "W", BY_FTP.name, {"ftp_w": ftp_w})


def of_threshold_pace(threshold_mps: float) -> Bounds:
    """Seven zones of speed by the threshold's (Friel's zones of pace)."""
    lower = (0.0, *(threshold_mps / part for part in PERCENT_OF_THRESHOLD_PACE))
    return Bounds(lower, "m/s", BY_PACE.name, {"threshold_mps": threshold_mps})


def of_ventilatory_thresholds(first_bpm: float, second_bpm: float) -> Bounds:
    """Three zones by the heart rates at both ventilatory thresholds, as measured."""
    inputs: dict[str, float | str] = {"vt1_bpm": first_bpm, "vt2_bpm": second_bpm}
    return Bounds((0.0, first_bpm, second_bpm), "bpm", BY_VENTILATION.name, inputs)


def ventilatory_by_threshold(threshold_bpm: float) -> Bounds:
    """The same three zones, guessed from the heart rate at the lactate threshold."""
    lower = (0.0, 0.90 * threshold_bpm, threshold_bpm)
    return Bounds(lower, "bpm", VENTILATION_BY_THRESHOLD.name, {"threshold_bpm": threshold_bpm})


def ventilatory_by_maximum(maximum_bpm: float) -> Bounds:
    """The same three zones, guessed from the maximum heart rate."""
    lower = (0.0, 0.82 * maximum_bpm, 0.88 * maximum_bpm)
    return Bounds(lower, "bpm", VENTILATION_BY_MAXIMUM.name, {"maximum_bpm": maximum_bpm})


def custom(lower: Sequence[float], unit: str) -> Bounds:
    """Zones as the athlete has set them."""
    return Bounds(tuple(lower), unit, CUSTOM.name, {})


@dataclass(frozen=True, slots=True)
class TimeInZones:
    """Seconds below the first zone and in each; together the time for which a value is known."""

    below_s: float
    seconds: tuple[float, ...]
    bounds: Bounds
    known: Derived


def time_in_zones(times: ArrayLike, values: ArrayLike, bounds: Bounds) -> TimeInZones:
    """Seconds in each zone; values that are missing count nowhere."""
    return in_zones(held_seconds(times), column(values), bounds)


def in_zones(seconds: Array, values: Array, bounds: Bounds) -> TimeInZones:
    """Seconds in each zone, of values that stand for so many seconds each."""
    known = np.isfinite(values)
    places = np.searchsorted(np.array(bounds.lower), values[known], side="right")
    spent = np.bincount(places, weights=seconds[known], minlength=len(bounds.lower) + 1)
    return TimeInZones(
        below_s=float(spent[0]),
        seconds=tuple(spent[1:].tolist()),
        bounds=bounds,
        known=HELD.number(spent.sum(), {"samples": int(known.sum()), "bounds": bounds.algorithm}),
    )
