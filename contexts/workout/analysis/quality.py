"""WO-3: which samples cannot be what they claim to be.

Nothing is changed or refused: samples are flagged, with a reason, and whoever computes may leave them out. The
thresholds would rather miss a fault than call a true sample one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contexts.workout.recordings.recording import Streams

from .derived import declare
from .heart import MAX_HEART_RATE, MIN_HEART_RATE
from .path import FASTEST_MPS, haversine, haversines
from .series import Array, column, rolling_median, runs

Mask = NDArray[np.bool_]

FLAT_FOR_S = 180.0
"""A beating heart does not keep one whole number for three minutes."""

LOCK_WINDOW = 60
LOCK_WITHIN_BPM = 3.0
LOCK_CORRELATION = 0.7
LOCK_SPREAD = 1.0
LOCK_STEP = 4
"""Over a minute, a heart rate within 3 of the cadence whose changes over four seconds go with it is the cadence."""

SPIKE_WINDOW = 11
SPIKE_SPAN_S = 30.0
"""Around a spike there must be eleven samples within half a minute to tell it from a change."""

HEART_RATE_SPIKE_BPM = 25.0
ALTITUDE_SPIKE_M = 30.0
POWER_SPIKE_W = 1_000.0
POWER_SPIKE_FROM_W = 1_500.0
MOST_POWER_W = 2_600.0
"""More than the best track sprinters have shown."""

JITTER_M = 30.0
"""Places err by this much without having jumped."""

RELOCATED_AFTER_S = 120.0
"""Who stays elsewhere for longer has been moved there, and only the jump itself is flagged."""

NULL_ISLAND_DEGREES = 0.01
NEAR_NULL_ISLAND_DEGREES = 1.0

REASONS = {
    "heart_rate_out_of_range": "No heart beats below 40 or above 220 a minute.",
    "heart_rate_above_limit": "Above the measured maximum, or above 220 − age where none was measured.",
    "heart_rate_flat_line": "The same value for three minutes or more.",
    "heart_rate_cadence_lock": "Follows the cadence for a minute or more: an optical sensor counted steps.",
    "heart_rate_spike": "25 bpm or more away from its neighbours.",
    "power_spike": "Above 2,600 W, or 1,500 W and 1,000 W more than its neighbours.",
    "altitude_spike": "30 m or more away from its neighbours.",
    "speed_above_limit": "Faster than anybody moves in this sport.",
    "position_null_island": "At 0° N 0° E, where devices put what they do not know.",
    "position_teleport": "Nobody gets there that fast in this sport.",
    "time_backward": "Earlier than a sample before it.",
}

EXAMINED = declare(
    "quality@1",
    unit="",
    formula="; ".join(f"{code}: {reason}" for code, reason in REASONS.items()),
    source="own; precision and recall on generated faults: tests/workout/analysis/labelled.py",
)


@dataclass(frozen=True, slots=True)
class Flag:
    """A stretch of samples that cannot be true, by a code of `REASONS`; seconds since the start, ends included."""

    code: str
    start_s: float
    end_s: float
    samples: int


@dataclass(frozen=True, slots=True)
class Quality:
    """For each code the samples it flags, as long as the streams; codes that flag none are absent."""

    times: Array
    masks: dict[str, Mask]
    algorithm: str = EXAMINED.name

    @property
    def flags(self) -> list[Flag]:
        """The flagged stretches in order of their codes and of time."""
        return [
            Flag(code, float(self.times[start]), float(self.times[end - 1]), end - start)
            for code, mask in self.masks.items()
            for start, end in runs(mask)
        ]

    def bad(self, stream: str) -> Mask:
        """Samples of `heart_rate`, `power`, `altitude`, `speed`, `position` or `time` that are not to be used.

        A heart rate above the limit is shown and still counts: the limit may be wrong.
        """
        found = np.zeros(len(self.times), dtype=np.bool_)
        for code, mask in self.masks.items():
            if code.startswith(stream) and code != "heart_rate_above_limit":
                found |= mask
        return found


def examine(streams: Streams, sport: str, *, age: int | None = None, maximum_bpm: float | None = None) -> Quality:
    """Every check that the streams allow. A measured maximum heart rate goes before 220 − age."""
    times = streams.time
    rates = column(streams.heart_rate_bpm, len(times))
    speeds = column(streams.speed_mps, len(times))
    fastest = FASTEST_MPS.get(sport, FASTEST_MPS["other"])
    limit = maximum_bpm or (220.0 - age if age is not None else float(MAX_HEART_RATE))
    north, east = column(streams.latitude, len(times)), column(streams.longitude, len(times))
    nowhere = null_island(north, east)
    impossible = out_of_range(rates)
    possible = np.where(impossible, np.nan, rates)
    masks = {
        "heart_rate_out_of_range": impossible,
        "heart_rate_above_limit": (rates > limit) & (rates <= MAX_HEART_RATE),
        "heart_rate_flat_line": flat_line(times, possible),
        "heart_rate_cadence_lock": cadence_lock(times, possible, column(streams.cadence_rpm, len(times)), sport),
        "heart_rate_spike": spikes(times, possible, HEART_RATE_SPIKE_BPM),
        "power_spike": power_spikes(times, column(streams.power_w, len(times))),
        "altitude_spike": spikes(times, column(streams.altitude_m, len(times)), ALTITUDE_SPIKE_M),
        "speed_above_limit": speeds > fastest,
        "position_null_island": nowhere,
        "position_teleport": teleports(times, np.where(nowhere, np.nan, north), east, fastest),
        "time_backward": backward(times),
    }
    return Quality(times, {code: mask for code, mask in masks.items() if mask.any()})


def out_of_range(rates: Array) -> Mask:
    """Heart rates that no heart has."""
    return (rates < MIN_HEART_RATE) | (rates > MAX_HEART_RATE)


def backward(times: Array) -> Mask:
    """Samples earlier than one before them."""
    return times < np.maximum.accumulate(times) if len(times) else np.zeros(0, dtype=np.bool_)


def flat_line(times: Array, values: Array) -> Mask:
    """Samples of a value that stays the very same for too long; missing ones end it."""
    flagged = np.zeros(len(values), dtype=np.bool_)
    same = np.diff(values) == 0
    for start, end in runs(same):
        if times[end] - times[start] >= FLAT_FOR_S:
            flagged[start : end + 1] = True
    return flagged


def _windows(values: Array, width: int) -> Array:
    return np.lib.stride_tricks.sliding_window_view(values, width)


def cadence_lock(times: Array, rates: Array, cadence: Array, sport: str) -> Mask:
    """Heart rates that are the cadence of steps; only feet hit the ground as fast as hearts beat."""
    flagged = np.zeros(len(rates), dtype=np.bool_)
    rows = np.flatnonzero(np.isfinite(rates) & np.isfinite(cadence) & (cadence > 0))
    if sport not in ("running", "walking") or len(rows) < LOCK_WINDOW:
        return flagged
    beats, steps = _windows(rates[rows], LOCK_WINDOW), _windows(cadence[rows], LOCK_WINDOW)
    near = np.abs(beats - steps).mean(axis=1) <= LOCK_WITHIN_BPM
    near &= times[rows][LOCK_WINDOW - 1 :] - times[rows][: 1 - LOCK_WINDOW] <= 2 * LOCK_WINDOW
    for start in np.flatnonzero(near):
        if _moves_with(beats[start], steps[start]):
            flagged[rows[start : start + LOCK_WINDOW]] = True
    apart = np.abs(rates - cadence) > 2 * LOCK_WITHIN_BPM
    return flagged & ~apart


def _moves_with(beats: Array, steps: Array) -> bool:
    """Whether both rise and fall together from one few seconds to the next: hearts only follow slowly."""
    beats, steps = beats[LOCK_STEP:] - beats[:-LOCK_STEP], steps[LOCK_STEP:] - steps[:-LOCK_STEP]
    together = np.sqrt((beats @ beats) * (steps @ steps))
    return bool(steps.std() >= LOCK_SPREAD and together > 0 and beats @ steps >= LOCK_CORRELATION * together)


def _neighbours(times: Array, values: Array) -> tuple[NDArray[np.int64], Array]:
    """Rows with a value that has close neighbours, and how far each is from their median."""
    rows = np.flatnonzero(np.isfinite(values))
    if len(rows) < SPIKE_WINDOW:
        return rows[:0], values[:0]
    middle = SPIKE_WINDOW // 2
    known = times[rows]
    span = np.full(len(rows), np.inf)
    span[middle : len(rows) - middle] = known[SPIKE_WINDOW - 1 :] - known[: 1 - SPIKE_WINDOW]
    away = values[rows] - rolling_median(values[rows], SPIKE_WINDOW)
    return rows[span <= SPIKE_SPAN_S], away[span <= SPIKE_SPAN_S]


def spikes(times: Array, values: Array, size: float) -> Mask:
    """Samples this far from the median of eleven around them."""
    flagged = np.zeros(len(values), dtype=np.bool_)
    rows, away = _neighbours(times, values)
    flagged[rows[np.abs(away) >= size]] = True
    return flagged


def power_spikes(times: Array, watts: Array) -> Mask:
    """Power beyond people, or far above what was ridden around it."""
    flagged = watts > MOST_POWER_W
    rows, away = _neighbours(times, watts)
    flagged[rows[(away >= POWER_SPIKE_W) & (watts[rows] >= POWER_SPIKE_FROM_W)]] = True
    return flagged


def null_island(north: Array, east: Array) -> Mask:
    """Places at zero degrees, unless the session was near there."""
    there = (np.abs(north) < NULL_ISLAND_DEGREES) & (np.abs(east) < NULL_ISLAND_DEGREES)
    elsewhere = np.isfinite(north) & np.isfinite(east) & ~there
    if there.any() and elsewhere.any():
        near = np.hypot(np.median(north[elsewhere]), np.median(east[elsewhere])) < NEAR_NULL_ISLAND_DEGREES
        return there & ~near
    return np.zeros(len(north), dtype=np.bool_)


def teleports(times: Array, north: Array, east: Array, fastest: float) -> Mask:
    """Places that cannot be reached from the ones around them.

    The longest stretch without a jump is believed; from it we go both ways and believe what can be reached.
    """
    flagged = np.zeros(len(times), dtype=np.bool_)
    rows = np.flatnonzero(np.isfinite(north) & np.isfinite(east))
    if len(rows) < 2:
        return flagged
    steps = haversines(north[rows], east[rows])
    cuts = np.flatnonzero(steps > fastest * np.abs(np.diff(times[rows])) + JITTER_M) + 1
    if not len(cuts):
        return flagged
    stretches = [rows[start:end] for start, end in zip([0, *cuts], [*cuts, len(rows)], strict=True)]
    longest = max(range(len(stretches)), key=lambda place: len(stretches[place]))
    forwards = stretches[longest:]
    backwards = [stretch[::-1] for stretch in stretches[longest::-1]]
    for way in (forwards, backwards):
        believed = way[0][-1]
        for stretch in way[1:]:
            metres = haversine(north[believed], east[believed], north[stretch[0]], east[stretch[0]])
            reached = metres <= fastest * abs(times[stretch[0]] - times[believed]) + JITTER_M
            lasting = abs(times[stretch[-1]] - times[stretch[0]]) >= RELOCATED_AFTER_S
            if not reached:
                flagged[stretch[:1] if lasting else stretch] = True
            if reached or lasting:
                believed = stretch[-1]
    return flagged
