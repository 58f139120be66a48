"""How long a session was: training, moving, and split by split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from contexts.workout.recordings.recording import Streams

from .derived import Derived, declare
from .elevation import Climb
from .path import Path
from .series import GAP_S, Array, column, held_seconds

MAX_GAP_S = 60.0
"""A longer step, up to this, counts as moving if the way covered in it says so: telephones save their batteries."""

MOVING_FROM_MPS = {"running": 0.8, "walking": 0.3, "cycling": 0.5, "rowing": 0.5}
"""Slower is standing. In sports not named here the device's timer decides."""

KILOMETRE_M = 1_000.0

TIMER = declare("device-timer", unit="s", formula="as the device's timer says", source="the recording")
ELAPSED = declare("elapsed-less-pauses@1", unit="s", formula="end − start − Σ pauses", source="own")
WHOLE = declare("duration", unit="s", formula="the duration: nothing tells of any speed", source="own")
MOVING = declare(
    "speed-threshold-gap10@1",
    unit="s",
    formula="Σ Δt where speed ≥ threshold; steps over 10 s by the way covered, over 60 s not at all",
    source="own; thresholds in MOVING_FROM_MPS",
    gap_s=GAP_S,
    longest_step_s=MAX_GAP_S,
)


def duration(
    *, elapsed_s: float, timer_s: float | None = None, pauses: Sequence[tuple[float, float]] = ()
) -> Derived:
    """Seconds of training: the device's timer, else the elapsed time less pauses (which must not overlap)."""
    elapsed_s = max(elapsed_s, 0.0)
    if timer_s is not None and 0 < timer_s <= elapsed_s:
        return TIMER.number(timer_s)
    paused = sum(max(min(end, elapsed_s) - max(start, 0.0), 0.0) for start, end in pauses)
    return ELAPSED.number(max(elapsed_s - paused, 0.0))


def moving_time(streams: Streams, sport: str, path: Path | None, *, duration_s: float) -> Derived:
    """Seconds spent at or above the sport's threshold of speed; never more than the duration.

    Over a step longer than the gap the speed at its end says nothing; the way covered does. Where nothing tells
    of any speed the duration is all we know.
    """
    threshold = MOVING_FROM_MPS.get(sport)
    steps = moving_steps(streams, sport, path)
    if threshold is None or steps is None:
        return WHOLE.number(duration_s)
    return MOVING.number(min(float(steps.sum()), duration_s), {"threshold_mps": threshold})


def moving_steps(streams: Streams, sport: str, path: Path | None) -> Array | None:
    """Seconds moved in each step between two samples; None where nothing tells of any speed."""
    threshold = MOVING_FROM_MPS.get(sport)
    recorded = column(streams.speed_mps, len(streams))
    along = path.speeds(streams.time) if path else np.full(len(streams), np.nan)
    if threshold is None or not (np.nan_to_num(recorded).any() or np.nan_to_num(along).any()):
        return None
    lengths = np.diff(streams.time)
    computed = np.isnan(recorded[1:]) | (lengths > GAP_S)
    speed = np.nan_to_num(np.where(computed, along[1:], recorded[1:]))
    return np.where((lengths <= MAX_GAP_S) & (speed >= threshold), lengths, 0.0)


@dataclass(frozen=True, slots=True)
class Split:
    """A stretch of even length; the last one is what was left. Times in elapsed seconds since the start."""

    start_s: float
    elapsed_s: float
    moving_s: float
    metres: float
    climbed_m: float | None
    heart_rate_bpm: float | None

    @property
    def seconds_per_kilometre(self) -> float:
        """Pace by elapsed time."""
        return self.elapsed_s / self.metres * KILOMETRE_M


def splits(
    streams: Streams, sport: str, path: Path | None, *, every_m: float = KILOMETRE_M, climb: Climb | None = None
) -> list[Split]:
    """The session in stretches of `every_m`, crossed between two points where need be; none without a way."""
    if path is None or path.length <= 0:
        return []
    marks = np.append(np.arange(0.0, path.length, every_m), path.length)
    metres, first = np.unique(path.metres, return_index=True)
    crossed = np.interp(marks, metres, path.times[first])
    gathered = _Gathered.of(streams, sport, path, crossed, climb)
    return [
        Split(
            start_s=float(crossed[row]),
            elapsed_s=float(crossed[row + 1] - crossed[row]),
            moving_s=gathered.moving_s(row, row + 1),
            metres=float(marks[row + 1] - marks[row]),
            climbed_m=gathered.climbed_m(row, row + 1),
            heart_rate_bpm=gathered.heart_rate_bpm(row, row + 1),
        )
        for row in range(len(marks) - 1)
    ]


@dataclass(frozen=True, slots=True)
class Lap:
    """A lap as it was marked, by the athlete or by the device. Times in elapsed seconds since the start."""

    start_s: float
    elapsed_s: float
    moving_s: float
    metres: float | None
    climbed_m: float | None
    heart_rate_bpm: float | None


def laps(
    streams: Streams,
    sport: str,
    path: Path | None,
    marked: Sequence[tuple[float, float]],
    *,
    climb: Climb | None = None,
) -> list[Lap]:
    """What was done in each lap (start, end); of places only where a way is known."""
    moments = np.array(marked, dtype=np.float64).reshape(-1)
    gathered = _Gathered.of(streams, sport, path, moments, climb)
    metres = path.metres_at(moments) if path is not None else None
    return [
        Lap(
            start_s=start,
            elapsed_s=end - start,
            moving_s=gathered.moving_s(2 * row, 2 * row + 1),
            metres=float(metres[2 * row + 1] - metres[2 * row]) if metres is not None else None,
            climbed_m=gathered.climbed_m(2 * row, 2 * row + 1),
            heart_rate_bpm=gathered.heart_rate_bpm(2 * row, 2 * row + 1),
        )
        for row, (start, end) in enumerate(marked)
    ]


@dataclass(frozen=True, slots=True)
class _Gathered:
    """What had been gathered by each of some moments: seconds moved, beats and the seconds they are known, climb."""

    moved: Array
    beats: Array
    known: Array
    climbed: Array | None

    @classmethod
    def of(cls, streams: Streams, sport: str, path: Path | None, moments: Array, climb: Climb | None) -> _Gathered:
        held = held_seconds(streams.time)
        rates = column(streams.heart_rate_bpm, len(streams))
        known = np.where(np.isfinite(rates), held, 0.0)
        return cls(
            moved=_by_moment(streams.time, moving_steps(streams, sport, path), moments),
            beats=_by_moment(streams.time, np.nan_to_num(rates * held)[:-1], moments),
            known=_by_moment(streams.time, known[:-1], moments),
            climbed=climb.climbed_by(moments) if climb else None,
        )

    def moving_s(self, first: int, last: int) -> float:
        """Seconds moved between two of the moments."""
        return float(self.moved[last] - self.moved[first])

    def climbed_m(self, first: int, last: int) -> float | None:
        """Metres climbed between two of the moments."""
        return float(self.climbed[last] - self.climbed[first]) if self.climbed is not None else None

    def heart_rate_bpm(self, first: int, last: int) -> float | None:
        """The mean by time between two of the moments."""
        known = float(self.known[last] - self.known[first])
        return float(self.beats[last] - self.beats[first]) / known if known > 0 else None


def _by_moment(times: Array, steps: Array | None, moments: Array) -> Array:
    """What has been gathered by each moment; where no step is told apart, time itself."""
    if steps is None:
        return moments
    if not len(times):
        return np.zeros(len(moments))
    return np.interp(moments, times, np.concatenate(([0.0], np.cumsum(steps))))
