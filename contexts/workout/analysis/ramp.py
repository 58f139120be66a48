"""A ramp test on the bicycle: found in the power of a ride, and what it says of the oxygen an athlete can take up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .derived import Derived, declare
from .series import Array, rolling_mean

RISES_W = (13.0, 17.0)
"""What counts as 15 W a minute."""

SHORTEST_MIN, LONGEST_MIN = 6, 40
STRAIGHT = 0.98
"""How much of the power the straight line must explain, minute by minute."""

ENDED_BELOW = 0.75
"""Whoever rides on at more than this part of the highest power was not exhausted."""

MAXIMAL_FROM = 0.85
"""So much of the maximal heart rate a test to exhaustion reaches, where the heart rate is known."""

AGES = (20, 70)
"""Of the people the equations were fitted to."""

STORER = declare(
    "storer-1990@1",
    unit="ml/kg/min",
    formula="men 10.51·W + 6.35·kg − 10.49·age + 519.3 ml/min, women 9.39·W + 7.7·kg − 5.88·age + 136.7 ml/min, "
    "else the mean of both; over kg; W the best minute of a test of 15 W a minute to exhaustion, age 20 to 70",
    source="Storer, Davis & Caiozzo 1990, Med Sci Sports Exerc 22:704",
    watts_a_minute=15.0,
)


@dataclass(frozen=True, slots=True)
class Ramp:
    """A test of 15 W a minute: the mean power of its last minute, and how long it rose."""

    highest_w: float
    minutes: int


def ramp(even: Array) -> Ramp | None:
    """The test in a ride's power by the second; None where it holds none.

    Its last minute is the best of the ride; power rose to it in a straight line, minute by minute, and fell after.
    """
    if len(even) < SHORTEST_MIN * 60:
        return None
    over_minute = rolling_mean(even, 60)
    end = int(over_minute.argmax()) + 60
    highest = float(over_minute[end - 60])
    after = even[end : end + 60]
    if len(after) and after.mean() > ENDED_BELOW * highest:
        return None
    longest = min(end // 60, LONGEST_MIN)
    minutes = even[end - longest * 60 : end].reshape(longest, 60).mean(axis=1)
    for count in range(longest, SHORTEST_MIN - 1, -1):
        if _rises_straight(minutes[-count:]):
            return Ramp(highest, count)
    return None


def _rises_straight(watts: Array) -> bool:
    at = np.arange(len(watts)) - (len(watts) - 1) / 2
    spread = float(np.sum((watts - watts.mean()) ** 2))
    slope = float(at @ watts / (at @ at))
    return RISES_W[0] <= slope <= RISES_W[1] and slope**2 * float(at @ at) >= STRAIGHT * spread


def vo2max_by_ramp(test: Ramp, *, body_mass_kg: float, age: int, sex: str) -> Derived | None:
    """VO₂max in ml/kg/min by a ramp test (Storer et al.); None outside the ages the equations were fitted to."""
    if not AGES[0] <= age <= AGES[1]:
        return None
    both = {
        "male": 10.51 * test.highest_w + 6.35 * body_mass_kg - 10.49 * age + 519.3,
        "female": 9.39 * test.highest_w + 7.7 * body_mass_kg - 5.88 * age + 136.7,
    }
    inputs: dict[str, float | str] = {"watts": test.highest_w, "minutes": test.minutes, "age": age, "sex": sex}
    inputs["body_mass_kg"] = body_mass_kg
    return STORER.number(both.get(sex, sum(both.values()) / 2) / body_mass_kg, inputs)
