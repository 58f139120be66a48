"""Heart rate: what a heart can do, and what it did in a session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from contexts.workout.recordings.recording import Streams

from . import zones
from .derived import MEASURED, Derived, Exclusion, declare
from .series import GAP_S, Array, column, held_seconds

MIN_HEART_RATE = 40
MAX_HEART_RATE = 220
"""WO-3: outside this a value is no heart rate and counts nowhere. Above 220 − age it counts and is flagged."""

FOX = declare(
    "fox-1971@1",
    unit="bpm",
    formula="220 − age",
    source="Fox, Naughton & Haskell 1971, Ann Clin Res 3:404; spread among people about 11 bpm",
)
TANAKA = declare(
    "tanaka-2001@1",
    unit="bpm",
    formula="208 − 0.7·age",
    source="Tanaka, Monahan & Seals 2001, J Am Coll Cardiol 37:153",
)
GULATI = declare(
    "gulati-2010@1",
    unit="bpm",
    formula="206 − 0.88·age, of women",
    source="Gulati et al. 2010, Circulation 122:130",
)
AVERAGE = declare(
    "time-weighted-gap10@1",
    unit="bpm",
    formula="Σ HR·Δt / Σ Δt; a value stands until the next one, at most 10 s; only 40 to 220 bpm",
    source="own",
    gap_s=GAP_S,
)


class Physiology(Protocol):
    """What the formulas need to know of an athlete, at the date of the session."""

    @property
    def age(self) -> int: ...
    @property
    def sex(self) -> str: ...
    @property
    def body_mass_kg(self) -> float | None: ...
    @property
    def hr_max(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Zones:
    """Seconds below zone 1 and in zones 1 to 5; together the time for which a heart rate is known."""

    below_s: float
    seconds: tuple[float, ...]
    hr_max: Derived


@dataclass(frozen=True, slots=True)
class HeartRate:
    """Heart rate of a session in beats per minute; `known_s` is the time it is known for."""

    average: Derived
    maximum: float
    known_s: float
    zones: Zones | None


def is_heart_rate(bpm: ArrayLike) -> NDArray[np.bool_]:
    """WO-3: 40 to 220 beats per minute."""
    rates = np.asarray(bpm, dtype=np.float64)
    return (rates >= MIN_HEART_RATE) & (rates <= MAX_HEART_RATE)


def max_heart_rate(physiology: Physiology, *, formula: str = FOX.name) -> Derived:
    """The measured maximum where known, else by a formula of age: 220 − age unless Tanaka's or Gulati's is named."""
    if physiology.hr_max:
        return MEASURED.number(physiology.hr_max, unit="bpm")
    age = physiology.age
    if formula == TANAKA.name:
        return TANAKA.number(208 - 0.7 * age, {"age": age})
    if formula == GULATI.name:
        return GULATI.number(206 - 0.88 * age, {"age": age})
    return FOX.number(220 - age, {"age": age})


def held_rates(streams: Streams) -> tuple[Array, Array]:
    """Each plausible heart rate with the seconds it stands for."""
    rates = column(streams.heart_rate_bpm, len(streams))
    seconds = held_seconds(streams.time)
    plausible = is_heart_rate(rates)
    return rates[plausible], seconds[plausible]


def heart_rate(streams: Streams, physiology: Physiology | None = None) -> HeartRate | None:
    """Average by time, maximum, and zones where the athlete's maximum is known or can be estimated."""
    rates, seconds = held_rates(streams)
    if not len(rates):
        return None
    known = float(seconds.sum())
    average = float(rates @ seconds) / known if known > 0 else float(rates.mean())
    said = int(np.isfinite(column(streams.heart_rate_bpm)).sum())
    left_out = said - len(rates)
    return HeartRate(
        average=AVERAGE.number(
            np.clip(average, rates.min(), rates.max()),
            exclusions=[Exclusion("samples", left_out, "heart_rate_impossible")] if left_out else [],
        ),
        maximum=float(rates.max()),
        known_s=known,
        zones=_zones(rates, seconds, max_heart_rate(physiology)) if physiology else None,
    )


def _zones(rates: Array, seconds: Array, hr_max: Derived) -> Zones:
    spent = zones.in_zones(seconds, rates, zones.of_maximum_heart_rate(hr_max.value))
    return Zones(below_s=spent.below_s, seconds=spent.seconds, hr_max=hr_max)
