"""Steps as a phone counts them: how many a session took, and the cadence where nothing measured one.

The counter goes on from wherever it was, through pauses too; what counts is by how much it rises outside of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contexts.workout.recordings.recording import Streams

from .derived import Derived, declare
from .series import GAP_S, Array, column, held_seconds

ON_FOOT = ("running", "walking")
"""Their cadence is in steps; devices count one leg."""

FASTEST_PER_S = 5.0
"""Sprinters take not quite so many; a counter that rises faster is another counter."""

AT_ONCE = 10.0
"""So many may come together: counters hold the first steps back until they are sure that somebody walks."""

WINDOW_S = 10.0
SILENCE_S = 90.0
"""Phones tell steps every few seconds or minute by minute; across a longer silence nothing is known of the pace."""

COUNTED = declare(
    "steps-by-counter@1",
    unit="",
    formula="Σ max(cᵢ − cᵢ₋₁, 0) of the phone's counter outside of pauses, without rises of more than 10 and 5 a "
    "second",
    source="own",
    fastest_per_s=FASTEST_PER_S,
    at_once=AT_ONCE,
)
BY_STEPS = declare(
    "cadence-by-steps@1",
    unit="1/min",
    formula="steps of the last 10 s or more, at most 90 s, by their minutes; on average over the time with any",
    source="own",
    window_s=WINDOW_S,
    silence_s=SILENCE_S,
)
AVERAGE = declare(
    "cadence-without-zeros@1",
    unit="1/min",
    formula="Σ cadence·Δt / Σ Δt of what is above 0; a value stands until the next one, at most 10 s",
    source="own",
    gap_s=GAP_S,
)


@dataclass(frozen=True, slots=True)
class Steps:
    """When the counter was read outside of pauses; the seconds without pauses, and the steps, by each moment."""

    moments: Array
    clock_s: Array
    taken: Array

    @classmethod
    def of(cls, streams: Streams, pauses: Sequence[tuple[float, float]] = ()) -> Steps | None:
        """Of a recording whose counter was read at least twice; pauses are in order and apart."""
        counter = column(streams.steps, len(streams))
        known = np.isfinite(counter)
        if known.sum() < 2:
            return None
        moments, taken = _risen(streams.time[known], counter[known])
        starts, ends = np.array(pauses, dtype=np.float64).reshape(-1, 2).T
        in_pauses = np.interp(ends, moments, taken) - np.interp(starts, moments, taken)
        over = np.searchsorted(ends, moments, side="right")
        outside = np.searchsorted(starts, moments, side="right") == over
        clock_s = moments - np.append(0.0, np.cumsum(ends - starts))[over]
        taken = taken - np.append(0.0, np.cumsum(in_pauses))[over]
        return cls(moments[outside], clock_s[outside], taken[outside])

    def total(self) -> Derived | None:
        """Whole steps; None where the counter was read in pauses alone."""
        return COUNTED.number(round(float(self.taken[-1]))) if len(self.taken) else None

    def cadence(self) -> tuple[Array, Array]:
        """Moments, and steps per minute up to each of them; without those of which nothing is known."""
        there, rates = self._paced()
        return self.moments[there], rates

    def average(self) -> Derived | None:
        """Steps per minute, over the time in which there were any."""
        there, rates = self._paced()
        walking = rates > 0
        seconds = np.diff(self.clock_s, prepend=self.clock_s[:1])[there][walking]
        known = float(seconds.sum())
        return BY_STEPS.number(float(rates[walking] @ seconds) / known, {"readings": len(there)}) if known else None

    def _paced(self) -> tuple[NDArray[np.intp], Array]:
        """Which readings tell a pace, and that pace."""
        before = np.searchsorted(self.clock_s, self.clock_s - WINDOW_S + 1e-6, side="right") - 1
        there = np.flatnonzero(before >= 0)
        seconds = self.clock_s[there] - self.clock_s[before[there]]
        there, seconds = there[seconds <= SILENCE_S], seconds[seconds <= SILENCE_S]
        return there, 60 * (self.taken[there] - self.taken[before[there]]) / seconds


def _risen(moments: Array, counter: Array) -> tuple[Array, Array]:
    """Moments and the steps by each. The counter began at zero with the session if it may have."""
    if 0 < counter[0] <= FASTEST_PER_S * moments[0]:
        moments, counter = np.append(0.0, moments), np.append(0.0, counter)
    rises = np.diff(counter, prepend=counter[0])
    place = np.arange(len(rises))
    changed = np.maximum.accumulate(np.where(rises != 0, place, 0))
    since_s = moments - moments[np.append(0, changed[:-1])]
    believed = (rises > 0) & (rises <= AT_ONCE + FASTEST_PER_S * since_s)
    return moments, np.cumsum(np.where(believed, rises, 0.0))


def cadence(streams: Streams, sport: str, steps: Steps | None) -> Derived | None:
    """On average while there was any, per minute: as measured, else on foot by the steps."""
    if streams.cadence_rpm is not None:
        return _average(column(streams.cadence_rpm), held_seconds(streams.time))
    return steps.average() if steps and sport in ON_FOOT else None


def _average(cadences: Array, seconds: Array) -> Derived | None:
    turning = np.isfinite(cadences) & (cadences > 0)
    known = float(seconds[turning].sum())
    return AVERAGE.number(float(cadences[turning] @ seconds[turning]) / known) if known else None
