"""Heart rate variability from the intervals between beats, in milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .derived import Algorithm, Derived, Exclusion, declare
from .series import Array, rolling_median

SHORTEST_MS = 300.0
LONGEST_MS = 2_000.0
CHANGE = 0.2
NEIGHBOURS = 5
FEWEST = 20

TASK_FORCE = "Task Force of the ESC and NASPE 1996, Circulation 93:1043"
FILTER = f"; intervals of 300 to 2000 ms within 20 % of the median of {NEIGHBOURS} around them"

RMSSD = declare(
    "rmssd@1", unit="ms", formula="√ mean(differences of successive intervals²)" + FILTER, source=TASK_FORCE
)
LN_RMSSD = declare("ln-rmssd@1", unit="", formula="ln RMSSD" + FILTER, source="Plews et al. 2013, Sports Med 43:773")
SDNN = declare("sdnn@1", unit="ms", formula="standard deviation (n − 1) of the intervals" + FILTER, source=TASK_FORCE)
PNN50 = declare("pnn50@1", unit="%", formula="part of successive differences above 50 ms" + FILTER, source=TASK_FORCE)
RATE = declare("heart-rate-of-intervals@1", unit="bpm", formula="60 000 / mean interval" + FILTER, source=TASK_FORCE)


@dataclass(frozen=True, slots=True)
class Variability:
    """Measures of one recording; `artefacts` is the part of its intervals that were no normal beats."""

    rmssd: Derived
    ln_rmssd: Derived | None
    sdnn: Derived
    pnn50: Derived
    heart_rate: Derived
    artefacts: float


def normal_beats(intervals_ms: Array) -> NDArray[np.bool_]:
    """Which intervals are beats, rather than missed, doubled or premature ones."""
    possible = (intervals_ms >= SHORTEST_MS) & (intervals_ms <= LONGEST_MS)
    around = rolling_median(intervals_ms, NEIGHBOURS)
    return np.asarray(possible & (np.abs(intervals_ms - around) <= CHANGE * around))


def variability(intervals_ms: Sequence[float] | ArrayLike) -> Variability | None:
    """Measures of successive intervals in milliseconds; None from fewer than twenty normal ones.

    A difference counts only between two normal beats that followed each other.
    """
    intervals = np.asarray(intervals_ms, dtype=np.float64)
    normal = normal_beats(intervals)
    kept = intervals[normal]
    differences = np.diff(intervals)[normal[1:] & normal[:-1]]
    if len(kept) < FEWEST or not len(differences):
        return None
    left_out = len(intervals) - len(kept)
    why = [Exclusion("intervals", left_out, "beat_not_normal")] if left_out else []

    def number(algorithm: Algorithm, value: float) -> Derived:
        return algorithm.number(value, {"intervals": len(kept), "differences": len(differences)}, exclusions=why)

    rmssd = float(np.sqrt(np.mean(differences**2)))
    return Variability(
        rmssd=number(RMSSD, rmssd),
        ln_rmssd=number(LN_RMSSD, float(np.log(rmssd))) if rmssd > 0 else None,
        sdnn=number(SDNN, float(kept.std(ddof=1))),
        pnn50=number(PNN50, 100 * float(np.mean(np.abs(differences) > 50))),
        heart_rate=number(RATE, 60_000 / float(kept.mean())),
        artefacts=left_out / len(intervals),
    )
