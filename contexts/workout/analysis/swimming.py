"""Swimming in a pool: what its lengths tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from contexts.workout.recordings.parts import Pool

from .derived import Derived, Exclusion, declare

HUNDRED_M = 100.0

POOL = declare(
    "pool-lengths@1",
    unit="m",
    formula="lengths swum · length of the pool",
    source="own; rests at the wall do not count",
)
LENGTHS = declare("lengths-swum@1", unit="", formula="number of active lengths", source="the recording")
SWUM = declare("swum-time@1", unit="s", formula="Σ time of the active lengths", source="own")
REST = declare("rest-time@1", unit="s", formula="duration − Σ time of the active lengths", source="own")
PACE = declare(
    "pool-pace@1",
    unit="s",
    formula="time swum / (lengths swum · length of the pool) · 100 m",
    source="own; without rests",
)
STROKES = declare(
    "strokes-per-length@1", unit="", formula="mean strokes of the lengths whose strokes were counted", source="own"
)
SWOLF = declare(
    "swolf@1",
    unit="",
    formula="mean of (seconds + strokes) over the lengths whose strokes were counted",
    source="usual among swimmers (swim + golf); comparable in pools of one length only",
)


@dataclass(frozen=True, slots=True)
class Swimming:
    """A pool swim; None where nothing was swum or no strokes were counted."""

    lengths: Derived
    swum: Derived
    rest: Derived
    pace_per_100m: Derived | None
    strokes_per_length: Derived | None
    swolf: Derived | None


def pool_distance(pool: Pool | None) -> Derived | None:
    """Metres swum by the lengths counted; None without any."""
    if pool is None or pool.swum_m <= 0:
        return None
    return POOL.number(pool.swum_m, {"pool_m": pool.length_m, "lengths": sum(each.active for each in pool.lengths)})


def swimming(pool: Pool, *, duration_s: float) -> Swimming | None:
    """What the lengths tell; `duration_s` is that of the whole session. None where the device counted no lengths."""
    active = [length for length in pool.lengths if length.active]
    if not active:
        return None
    swum_s = sum(length.end_s - length.start_s for length in active)
    facts = {"pool_m": pool.length_m, "lengths": len(active)}
    counted = [(length.end_s - length.start_s, length.strokes) for length in active if length.strokes]
    left_out = _uncounted(len(active) - len(counted))
    strokes = swolf = None
    if counted:
        strokes = STROKES.number(_mean([count for _, count in counted]), facts, exclusions=left_out)
        swolf = SWOLF.number(_mean([seconds + count for seconds, count in counted]), facts, exclusions=left_out)
    return Swimming(
        lengths=LENGTHS.number(len(active), {"pool_m": pool.length_m}),
        swum=SWUM.number(swum_s, facts),
        rest=REST.number(max(duration_s - swum_s, 0.0), facts),
        pace_per_100m=PACE.number(swum_s / pool.swum_m * HUNDRED_M, facts) if swum_s > 0 else None,
        strokes_per_length=strokes,
        swolf=swolf,
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _uncounted(lengths: int) -> list[Exclusion]:
    return [Exclusion("lengths", lengths, "strokes_not_counted")] if lengths else []
