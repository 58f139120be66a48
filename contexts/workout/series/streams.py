"""The streams of a session: what a value may be, and points and recordings as columns and back."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from contexts.health import services as health
from contexts.workout.analysis import stepping
from contexts.workout.models import RANGES, LiveSample, TrainingSession
from contexts.workout.recordings import Streams
from contexts.workout.recordings.recording import Values
from contexts.workout.series.columns import Columns, nth_of_equals, stored, table_of

TRACKED: Final = {
    "heart_rate": "heart_rate",
    "rr_interval": "rr_interval",
    "speed": "speed",
    "cadence": "cadence",
    "power": "power",
    "distance": "distance",
    "resistance_level": "resistance",
}
"""What a live session takes from the athlete's devices: health's streams, and ours."""

PHONE: Final = 0
"""In place of a device's number: the phone that records the session."""

RECORDED: Final = {
    "heart_rate": "heart_rate_bpm",
    "latitude": "latitude",
    "longitude": "longitude",
    "altitude": "altitude_m",
    "distance": "distance_m",
    "speed": "speed_mps",
    "cadence": "cadence_rpm",
    "power": "power_w",
    "temperature": "temperature_c",
    "rr_interval": "rr_interval_ms",
    "steps": "steps",
    "resistance": "resistance",
}
"""Our streams and the columns of a recording they come from."""

Key = tuple[int, int]
"""Microseconds since the session's start, and the sequence that tells readings of one instant apart."""

Points = dict[str, dict[Key, float]]
"""By stream: key → value. The key makes a reading count once, however often it is handed in."""

MICROSECOND: Final = timedelta(microseconds=1)


def microseconds(span: timedelta) -> int:
    """A span in whole microseconds."""
    return span // MICROSECOND


def is_plausible(stream: str, value: float) -> bool:
    """Whether a live session takes this value of a device (WO-3)."""
    return stream in TRACKED and is_in_range(TRACKED[stream], value)


def is_in_range(kind: str, value: float) -> bool:
    """Whether a stored value may be this one (WO-3)."""
    low, high = RANGES[kind]
    return low <= value <= high


def merged(*layers: Points) -> Points:
    """All points together; where two layers hold the same reading the first one's value stays."""
    together: Points = {}
    for layer in layers:
        for kind, points in layer.items():
            together[kind] = points | together.get(kind, {})
    return together


def usable(session: TrainingSession, readings: Iterable[health.Reading]) -> list[health.Reading]:
    """What of these a session takes, under our names and as it counts: both legs' cadence, metres of one counter.

    Two counters in one stream would say nothing, so the first one that tells of metres counts for the session.
    """
    taken = []
    for reading in readings:
        if not is_plausible(reading.stream, reading.value):
            continue
        if reading.stream == "distance" and not counts_metres(session, by=reading.device):
            continue
        if reading.stream == "cadence" and session.sport in stepping.ON_FOOT:
            reading = replace(reading, value=2 * reading.value)
        taken.append(replace(reading, stream=TRACKED[reading.stream]))
    return taken


def counts_metres(session: TrainingSession, *, by: int) -> bool:
    """Whether this counter is the one of the session; the first that comes is. The caller saves the session."""
    if session.distance_by is None:
        session.distance_by = by
    return session.distance_by == by


def points_of(session: TrainingSession, readings: Iterable[health.Reading]) -> Points:
    """Readings as points relative to the session's start; those that it does not take are left out."""
    points: Points = {}
    for reading in usable(session, readings):
        key = microseconds(reading.time - session.started_at), reading.sequence
        points.setdefault(reading.stream, {})[key] = reading.value
    return points


def live_points(session: TrainingSession) -> Points:
    """What a session under way has taken so far."""
    points: Points = {}
    rows = LiveSample.objects.filter(session_id=session.id).values_list("stream", "time", "sequence", "value")
    for stream, time, sequence, value in rows:
        points.setdefault(stream, {})[microseconds(time - session.started_at), sequence] = value
    return points


def stored_points(session_id: UUID) -> Points:
    """The packed streams of a completed session as points."""
    return {
        each.kind: dict(zip(_keys(each), each.measured.tolist(), strict=True)) for _, each in stored([session_id])
    }


def _keys(packed: Columns) -> Iterator[Key]:
    return zip(packed.offsets_us.tolist(), packed.sequences.tolist(), strict=True)


def together(packed: Sequence[Columns], *, since_us: int = 0) -> Streams:
    """Streams with moments of their own side by side, in seconds after `since_us`."""
    table = table_of(packed)
    side_by_side = {}
    for each, rows in zip(packed, table.rows, strict=True):
        side_by_side[RECORDED[each.kind]] = values = np.full(len(table.offsets_us), np.nan)
        values[rows] = each.measured
    return Streams(time=(table.offsets_us - since_us) / 1e6, **side_by_side)


def derived_streams(session: TrainingSession, packed: Sequence[Columns]) -> list[Columns]:
    """What follows from the streams of a session and nobody measured: the cadence of a runner's or walker's steps."""
    by_kind = {each.kind: each for each in packed}
    if session.sport not in stepping.ON_FOOT or "cadence" in by_kind or "steps" not in by_kind:
        return []
    steps = stepping.Steps.of(together([by_kind["steps"]]), session.all_pauses_s())
    moments, rates = steps.cadence() if steps else (np.empty(0), np.empty(0))
    if not len(moments):
        return []
    offsets = np.rint(moments * 1e6).astype(np.int64)
    return [Columns("cadence", offsets, nth_of_equals(offsets), rates)]


def as_recorded(session: TrainingSession, packed: Sequence[Columns]) -> Streams:
    """The measurements of a session in the form in which recordings come; silent during pauses.

    Only the counter of steps is not: what it counted in a pause is known from what it says there.
    """
    recorded = together(packed)
    paused = _paused(recorded.time, session.all_pauses_s())
    names = [name for name in recorded.present() if name != "steps"]
    silent = {name: np.where(paused, np.nan, getattr(recorded, name)) for name in names}
    return replace(recorded, **silent)


def silent_during(recorded: Streams, pauses: Sequence[tuple[float, float]]) -> Streams:
    """The same recording without the heart rates measured during pauses: they count nowhere."""
    if not pauses or recorded.heart_rate_bpm is None:
        return recorded
    paused = _paused(recorded.time, pauses)
    return replace(recorded, heart_rate_bpm=np.where(paused, np.nan, recorded.heart_rate_bpm))


def _paused(times: Values, pauses: Sequence[tuple[float, float]]) -> NDArray[np.bool_]:
    """Which moments lie in a pause, its end not included; pauses are in order and apart."""
    marks = [mark for pause in pauses for mark in pause]
    return np.searchsorted(marks, times, side="right") % 2 == 1


def pack_points(points: Points) -> list[Columns]:
    """Points as columns."""
    packed = []
    for kind, by_key in points.items():
        keys, values = zip(*sorted(by_key.items()), strict=True)
        offsets, sequences = np.array(keys, dtype=np.int64).T
        packed.append(Columns(kind, offsets, sequences, np.array(values, dtype=np.float64)))
    return packed


def pack_recorded(recorded: Streams) -> list[Columns]:
    """The columns of a recording as ours; values out of range are left out (WO-3)."""
    offsets = np.rint(recorded.time * 1e6).astype(np.int64)
    sequences = nth_of_equals(offsets)
    packed = []
    for kind, name in RECORDED.items():
        values = getattr(recorded, name)
        if values is None:
            continue
        low, high = RANGES[kind]
        kept = (values >= low) & (values <= high)  # what is missing lies in no range
        if kept.any():
            packed.append(Columns(kind, offsets[kept], sequences[kept], values[kept]))
    return packed
