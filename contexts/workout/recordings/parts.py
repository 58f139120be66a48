"""The parts some activities are made of: lengths of a pool, sets of strength training."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

POOL_UNITS: Final = ("m", "yd")
"""In what a pool is measured by those who swim in it; we store metres all the same."""

MAX_POOL_M: Final = 1_000.0
MAX_LENGTHS: Final = 5_000
MAX_STROKES: Final = 10_000
MAX_SETS: Final = 500

MAX_EXERCISE: Final = 80
MAX_REPS: Final = 10_000
MAX_SET_S: Final = 86_400.0
MAX_WEIGHT_KG: Final = 1_000.0
LEAST_RPE, MOST_RPE = 1.0, 10.0


@dataclass(frozen=True, slots=True)
class Length:
    """One length of a pool, or a rest at its wall; times in seconds after the activity's start."""

    start_s: float
    end_s: float
    active: bool
    stroke: str | None = None
    strokes: int | None = None


@dataclass(frozen=True, slots=True)
class Pool:
    """The pool that was swum in, and its lengths in order of time."""

    length_m: float
    unit: str = "m"
    lengths: list[Length] = field(default_factory=list)

    @property
    def swum_m(self) -> float:
        """Metres: each length swum is as long as the pool."""
        return self.length_m * sum(length.active for length in self.lengths)


@dataclass(frozen=True, slots=True)
class LiftedSet:
    """One set of strength training; `at_s` is when it was done, in seconds after the activity's start."""

    exercise: str
    at_s: float
    reps: int | None = None
    duration_s: float | None = None
    weight_kg: float | None = None
    rpe: float | None = None


def lifted(
    exercise: str,
    at_s: float,
    *,
    reps: int | None,
    duration_s: float | None,
    weight_kg: float | None,
    rpe: float | None = None,
) -> LiftedSet | None:
    """A set as we can keep it: numbers that cannot be are left out; None where no extent is left."""
    kept_reps = reps if reps is not None and 0 <= reps <= MAX_REPS else None
    kept_s = duration_s if duration_s is not None and 0 <= duration_s <= MAX_SET_S else None
    if not exercise or (kept_reps is None and kept_s is None):
        return None
    return LiftedSet(
        exercise=exercise[:MAX_EXERCISE],
        at_s=at_s,
        reps=kept_reps,
        duration_s=kept_s,
        weight_kg=weight_kg if weight_kg is not None and 0 <= weight_kg <= MAX_WEIGHT_KG else None,
        rpe=rpe if rpe is not None and LEAST_RPE <= rpe <= MOST_RPE else None,
    )
