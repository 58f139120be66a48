"""What a session cost, source by source, and which source is believed.

The device, the power meter, the heart rate and the tables each give an answer of their own; they are kept apart and
checked against each other, and so are the energy of the effort (active) and that of merely living (resting).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from contexts.workout.recordings.recording import Streams

from .compendium import met
from .derived import DEVICE, Derived, declare
from .heart import Physiology, held_rates
from .series import Array, column, each_second

KJ_PER_KCAL = 4.184
KCAL_PER_KJ = 1 / KJ_PER_KCAL

GROSS_EFFICIENCY = 0.239
"""Of a cyclist's energy this part reaches the pedals, so that a kilojoule there costs about a kilocalorie."""

COVERAGE = 0.5
"""A stream decides about the energy when it is known for at least this part of the session."""

POWER_SPORTS = ("cycling", "rowing")
"""Where power is measured as mechanical work; elsewhere it is an estimate of something else."""

AGREES_WITHIN = {"power": 1.35, "heart_rate": 2.5, "met": 2.5}
"""WO-3: a device's energy more than this many times above or below the formula's is flagged; power is the surest."""

KEYTEL = declare(
    "keytel-2005@1",
    unit="kcal",
    formula="men (−55.0969 + 0.6309·HR + 0.1988·kg + 0.2017·age) / 4.184 kcal/min, women (−20.4022 + 0.4472·HR "
    "− 0.1263·kg + 0.0740·age) / 4.184 kcal/min, never below 0; else the mean of both; scaled up to the duration",
    source="Keytel et al. 2005, J Sports Sci 23:289; valid from about 90 bpm",
)
COMPENDIUM = declare(
    "met-compendium-2011@1",
    unit="kcal",
    formula="MET·kg·h, gross",
    source="Ainsworth et al. 2011, Compendium of Physical Activities, Med Sci Sports Exerc 43:1575",
)
BY_WORK = declare(
    "work-by-efficiency@1",
    unit="kcal",
    formula="Σ P·Δt / 1000 / gross efficiency / 4.184; scaled up to the duration",
    source="a kilojoule at the pedals costs about a kilocalorie; trained cyclists reach 18 to 24 %: "
    "Coyle et al. 1992, Med Sci Sports Exerc 24:782",
    gross_efficiency=GROSS_EFFICIENCY,
)
MIFFLIN = declare(
    "mifflin-1990@1",
    unit="kcal",
    formula="(10·kg + 6.25·cm − 5·age + 5) a day, women −161 for +5, else the mean of both; for the duration",
    source="Mifflin et al. 1990, Am J Clin Nutr 51:241",
)
ONE_MET = declare(
    "one-met@1",
    unit="kcal",
    formula="1 kcal·kg⁻¹·h⁻¹: the energy of sitting quietly",
    source="definition of the metabolic equivalent, Ainsworth et al. 2011",
)
ACTIVE = declare("total-less-resting@1", unit="kcal", formula="max(total − resting, 0)", source="own")


def keytel_kcal_per_minute(bpm: ArrayLike, *, body_mass_kg: float, age: int, sex: str) -> Array:
    """Energy from heart rate: Keytel et al. 2005, J Sports Sci 23:289, the equations without fitness.

    Valid from about 90 beats a minute; never below zero. The women's coefficient of mass is negative in the
    paper, too. For an athlete of unspecified sex the mean of both equations is taken.
    """
    rates = np.asarray(bpm, dtype=np.float64)
    male = (-55.0969 + 0.6309 * rates + 0.1988 * body_mass_kg + 0.2017 * age) * KCAL_PER_KJ
    female = (-20.4022 + 0.4472 * rates - 0.1263 * body_mass_kg + 0.0740 * age) * KCAL_PER_KJ
    return np.maximum({"male": male, "female": female}.get(sex, (male + female) / 2), 0.0)


def resting_kcal_per_day(*, body_mass_kg: float, height_cm: float, age: int, sex: str) -> float:
    """Resting energy by Mifflin and St Jeor."""
    by_sex = {"male": 5.0, "female": -161.0}.get(sex, (5.0 - 161.0) / 2)
    return 10 * body_mass_kg + 6.25 * height_cm - 5 * age + by_sex


def by_power(streams: Streams, sport: str, *, duration_s: float) -> Derived | None:
    """Kilocalories from the work at the pedals or the handle, where power is known for most of the session."""
    if sport not in POWER_SPORTS or streams.power_w is None:
        return None
    _, watts = each_second(streams.time, column(streams.power_w))
    known = len(watts)
    if not known or not watts.any() or known < COVERAGE * duration_s:
        return None
    work_kj = float(watts.sum()) / 1000 * max(duration_s / known, 1.0)
    coverage = round(min(known / duration_s, 1.0), 3) if duration_s else 1.0
    return BY_WORK.number(
        work_kj / GROSS_EFFICIENCY * KCAL_PER_KJ, {"work_kj": round(work_kj, 3), "power_known": coverage}
    )


def by_heart_rate(streams: Streams, physiology: Physiology, *, duration_s: float) -> Derived | None:
    """Kilocalories by Keytel's equations, where heart rate is known for most of the session."""
    mass = physiology.body_mass_kg
    rates, seconds = held_rates(streams)
    known = float(seconds.sum())
    if not mass or not known or known < COVERAGE * duration_s:
        return None
    a_minute = keytel_kcal_per_minute(rates, body_mass_kg=mass, age=physiology.age, sex=physiology.sex)
    inputs: dict[str, float | str] = {"body_mass_kg": mass, "age": physiology.age, "sex": physiology.sex}
    inputs["heart_rate_known"] = round(min(known / duration_s, 1.0) if duration_s else 1.0, 3)
    return KEYTEL.number(float(a_minute @ seconds) / 60 * max(duration_s / known, 1.0), inputs)


def by_met(
    sport: str, body_mass_kg: float, *, duration_s: float, moving_s: float, distance_m: float | None
) -> Derived:
    """Kilocalories by the sport's metabolic equivalent, at the average moving speed where the table knows it."""
    speed = distance_m / moving_s if distance_m and moving_s > 0 else None
    equivalent = met(sport, speed)
    seconds = moving_s if speed else duration_s
    return COMPENDIUM.number(
        equivalent * body_mass_kg * seconds / 3600, {"body_mass_kg": body_mass_kg, "met": equivalent}
    )


def resting(physiology: Physiology, *, duration_s: float, height_cm: float | None = None) -> Derived | None:
    """Kilocalories the body would have spent anyway; None without a body mass."""
    mass = physiology.body_mass_kg
    if not mass:
        return None
    if height_cm is None:
        return ONE_MET.number(mass * duration_s / 3600, {"body_mass_kg": mass})
    a_day = resting_kcal_per_day(body_mass_kg=mass, height_cm=height_cm, age=physiology.age, sex=physiology.sex)
    return MIFFLIN.number(
        a_day * duration_s / 86_400,
        {"body_mass_kg": mass, "height_cm": height_cm, "age": physiology.age, "sex": physiology.sex},
    )


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one source says; `active` is what the effort added to living, where that can be told."""

    source: str
    total: Derived
    active: Derived | None


@dataclass(frozen=True, slots=True)
class Energy:
    """What every source says, the first of them being believed, and why: a code of `reasons.BELIEVED`.

    `deviation` is the device's energy over the best formula's, and `agrees` WO-3's verdict; both None where there is
    nothing to compare.
    """

    estimates: tuple[Estimate, ...]
    resting: Derived | None
    code: str
    deviation: float | None
    agrees: bool | None

    @property
    def believed(self) -> Estimate:
        """The estimate that counts."""
        return self.estimates[0]


def formulas(
    streams: Streams,
    sport: str,
    *,
    duration_s: float,
    moving_s: float,
    distance_m: float | None,
    physiology: Physiology | None,
) -> dict[str, Derived]:
    """What our formulas say, the surest first: power, heart rate, metabolic equivalent.

    Without a body mass only power tells anything: a made-up mass would make up the result.
    """
    known = {"power": by_power(streams, sport, duration_s=duration_s)}
    if physiology is not None and physiology.body_mass_kg:
        known["heart_rate"] = by_heart_rate(streams, physiology, duration_s=duration_s)
        known["met"] = by_met(
            sport, physiology.body_mass_kg, duration_s=duration_s, moving_s=moving_s, distance_m=distance_m
        )
    return {source: number for source, number in known.items() if number is not None}


def energy(
    said: dict[str, Derived],
    *,
    device_kcal: float | None = None,
    resting: Derived | None = None,
) -> Energy | None:
    """All sources side by side; `said` is what `formulas` say, the surest first. None where nobody says anything."""
    sources = ({"device": DEVICE.number(device_kcal, unit="kcal")} if device_kcal else {}) | said
    if not sources:
        return None
    best = next(iter(said), None)
    compared = bool(device_kcal) and best is not None and said[best].value > 0
    return Energy(
        estimates=tuple(
            Estimate(source, total, _active(total, resting) if resting else None) for source, total in sources.items()
        ),
        resting=resting,
        code=f"energy_by_{next(iter(sources))}",
        deviation=device_kcal / said[best].value if compared and device_kcal and best else None,
        agrees=agrees(device_kcal, said[best].value, best) if compared and device_kcal and best else None,
    )


def _active(total: Derived, resting: Derived) -> Derived:
    return ACTIVE.number(
        max(total.value - resting.value, 0.0), {"total": total.algorithm, "resting": resting.algorithm}
    )


def agrees(device_kcal: float, formula_kcal: float, source: str) -> bool:
    """WO-3: whether the device's energy is within reason of the formula's."""
    within = AGREES_WITHIN[source]
    return formula_kcal / within <= device_kcal <= formula_kcal * within
