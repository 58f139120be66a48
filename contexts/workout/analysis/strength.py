"""Strength: how much was lifted, and the one lift that it speaks of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .derived import Derived, Exclusion, declare

MOST_REPETITIONS = 10
"""More repetitions speak of endurance: both formulas lose their footing."""

VOLUME = declare("volume-load@1", unit="kg", formula="Σ repetitions · kg", source="Haff 2010, Strength Cond J 32:102")
EPLEY = declare(
    "epley-1985@1",
    unit="kg",
    formula="w·(1 + r/30), w itself for one repetition",
    source="Epley 1985, Boyd Epley Workout; 1 to 10 repetitions",
    most_repetitions=MOST_REPETITIONS,
)
BRZYCKI = declare(
    "brzycki-1993@1",
    unit="kg",
    formula="w·36/(37 − r)",
    source="Brzycki 1993, J Phys Educ Recreat Dance 64:88; 1 to 10 repetitions",
    most_repetitions=MOST_REPETITIONS,
)


@dataclass(frozen=True, slots=True)
class Lift:
    """One set: a weight in kilograms, lifted so many times."""

    weight_kg: float
    repetitions: int


def volume_load(lifts: Sequence[Lift]) -> Derived:
    """Kilograms lifted altogether."""
    return VOLUME.number(sum(lift.weight_kg * lift.repetitions for lift in lifts), {"sets": len(lifts)})


def epley(lift: Lift) -> Derived | None:
    """The weight that could be lifted once, in kilograms; None outside 1 to 10 repetitions."""
    if not 1 <= lift.repetitions <= MOST_REPETITIONS:
        return None
    more = lift.repetitions / 30 if lift.repetitions > 1 else 0.0
    return EPLEY.number(lift.weight_kg * (1 + more), _inputs(lift))


def brzycki(lift: Lift) -> Derived | None:
    """The weight that could be lifted once, in kilograms; None outside 1 to 10 repetitions."""
    if not 1 <= lift.repetitions <= MOST_REPETITIONS:
        return None
    return BRZYCKI.number(lift.weight_kg * 36 / (37 - lift.repetitions), _inputs(lift))


def best_estimate(lifts: Sequence[Lift]) -> Derived | None:
    """The highest one-repetition maximum by Epley of all sets; None where no set is within its range."""
    estimates = [estimate for lift in lifts if (estimate := epley(lift)) is not None]
    if not estimates:
        return None
    best = max(estimates, key=lambda estimate: estimate.value)
    left_out = len(lifts) - len(estimates)
    reasons = [Exclusion("sets", left_out, "repetitions_out_of_model")] if left_out else []
    return EPLEY.number(best.value, best.inputs, exclusions=reasons)


def _inputs(lift: Lift) -> dict[str, float | str]:
    return {"weight_kg": lift.weight_kg, "repetitions": lift.repetitions}
