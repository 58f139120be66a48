"""Where an athlete stood: what a session with automatic pauses leaves out. Times in seconds since the start."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from contexts.workout.recordings.recording import Streams

from .derived import Derived, declare
from .path import Path
from .series import GAP_S, Array, column, runs
from .times import MAX_GAP_S, MOVING_FROM_MPS

Span = tuple[float, float]

AFTER_S = 15.0
"""A shorter standstill is a step at a kerb, and no pause."""

STANDSTILL = declare(
    "standstill-15s@1",
    unit="s",
    formula="Σ of the stretches of 15 s and more, outside of the athlete's own pauses, in which the speed is below "
    "the sport's threshold; what is silent for over 60 s is not known to stand",
    source="15 s as Strava Engineering 2014, Improving Auto-Pause for Everyone; thresholds in MOVING_FROM_MPS",
    after_s=AFTER_S,
    longest_step_s=MAX_GAP_S,
)


def standstills(streams: Streams, sport: str, *, within: Sequence[Span], but: Sequence[Span] = ()) -> list[Span]:
    """The stretches in which the athlete stood, inside of `within` and outside of `but`; none where no speed tells.

    Both are in order and apart, and so is what is found. In a sport without a threshold nobody stands.
    """
    threshold = MOVING_FROM_MPS.get(sport)
    times, speeds = _known_speeds(streams, sport)
    if threshold is None or len(times) < 2:
        return []
    steps = np.diff(times)
    stood = (steps <= MAX_GAP_S) & (speeds[1:] < threshold)  # an unknown speed is below nothing
    found = [(float(times[first]), float(times[end])) for first, end in runs(stood)]
    pieces = [piece for each in within for piece in _without(each, but)]
    cut = (_common(one, piece) for one in found for piece in pieces)
    return [(start, end) for start, end in cut if end - start >= AFTER_S]


def stood_s(found: Sequence[Span], sport: str) -> Derived:
    """Seconds of standstill altogether."""
    inputs: dict[str, float | str] = {"pauses": len(found), "threshold_mps": MOVING_FROM_MPS.get(sport, 0.0)}
    return STANDSTILL.number(sum(end - start for start, end in found), inputs)


def _known_speeds(streams: Streams, sport: str) -> tuple[Array, Array]:
    """Moments, and at each the speed of the step that led there: as recorded, else by the way covered."""
    path = Path.of(streams, sport)
    recorded = column(streams.speed_mps, len(streams))
    told = np.isfinite(recorded)
    if not told.any():
        return (path.times, path.speeds(path.times)) if path else (np.empty(0), np.empty(0))
    times, speeds = streams.time[told], recorded[told]
    long = np.diff(times, prepend=times[:1]) > GAP_S  # the speed at its end tells nothing of a long step
    if path is None:
        return times, np.where(long, np.nan, speeds)
    before = np.concatenate((times[:1], times[:-1]))
    covered = path.metres_at(times) - path.metres_at(before)
    known = (before >= path.times[0]) & (times <= path.times[-1])
    by_way = np.where(known, covered / np.maximum(times - before, GAP_S), np.nan)
    return times, np.where(long, by_way, speeds)


def _without(whole: Span, cut: Iterable[Span]) -> list[Span]:
    """What is left of a span."""
    inside = [_common(whole, each) for each in cut]
    edges = [whole[0], *(edge for start, end in inside if start < end for edge in (start, end)), whole[1]]
    return [(start, end) for nth, (start, end) in enumerate(pairwise(edges)) if nth % 2 == 0 and start < end]


def _common(one: Span, other: Span) -> Span:
    return max(one[0], other[0]), min(one[1], other[1])
