"""The streams of a session: what a value may be, and how points are packed into columns and out again."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final, NamedTuple
from uuid import UUID

from django.db import connections

from contexts.health import services as health
from contexts.workout.models import RANGES, LiveSample, Stream, TrainingSession
from contexts.workout.recordings import Streams
from kernel.databases import require_unit_of_work

TRACKED: Final = ("heart_rate", "rr_interval")
"""What a live session takes from the athlete's devices."""

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
    """Whether a live session takes this value (WO-3)."""
    if stream not in TRACKED:
        return False
    low, high = RANGES[stream]
    return low <= value <= high


def merged(*layers: Points) -> Points:
    """All points together; where two layers hold the same reading the first one's value stays."""
    together: Points = {}
    for layer in layers:
        for kind, points in layer.items():
            together[kind] = points | together.get(kind, {})
    return together


def points_of(session: TrainingSession, readings: Iterable[health.Reading]) -> Points:
    """Readings as points relative to the session's start; those outside their stream's range are left out."""
    points: Points = {}
    for reading in readings:
        if is_plausible(reading.stream, reading.value):
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
        stream.kind: dict(zip(zip(stream.offsets_us, stream.sequences, strict=True), stream.measured, strict=True))
        for stream in Stream.objects.filter(session_id=session_id)
    }


def as_recorded(session: TrainingSession, points: Points) -> Streams:
    """The heart rate of a live session in the form in which recordings come; silent during pauses."""
    beats = sorted(points.get("heart_rate", {}).items())
    pauses = session.pauses_s()
    times = [offset / 1e6 for (offset, _), _ in beats]
    rates = [None if _within(time, pauses) else bpm for time, (_, bpm) in zip(times, beats, strict=True)]
    return Streams(time=times, heart_rate_bpm=rates or None)


def _within(time: float, spans: list[tuple[float, float]]) -> bool:
    return any(start <= time < end for start, end in spans)


class Columns(NamedTuple):
    """One stream, packed: columns of equal length, in order of time."""

    kind: str
    offsets_us: Sequence[int]
    sequences: Sequence[int]
    measured: Sequence[float]


def pack_points(points: Points) -> list[Columns]:
    """Points as columns."""
    packed = []
    for kind, by_key in points.items():
        keys, values = zip(*sorted(by_key.items()), strict=True)
        offsets, sequences = zip(*keys, strict=True)
        packed.append(Columns(kind, offsets, sequences, values))
    return packed


def pack_recorded(recorded: Streams) -> list[Columns]:
    """The columns of a recording as ours; values out of range are left out (WO-3)."""
    offsets = [round(time * 1e6) for time in recorded.time]
    sequences = _nth_of_equals(offsets)
    packed = []
    for kind, name in RECORDED.items():
        low, high = RANGES[kind]
        rows = zip(offsets, sequences, getattr(recorded, name) or (), strict=False)
        if kept := [row for row in rows if row[2] is not None and low <= row[2] <= high]:
            packed.append(Columns(kind, *zip(*kept, strict=True)))
    return packed


def _nth_of_equals(offsets: list[int]) -> list[int]:
    """For each of the rising offsets, how many equal ones stand before it."""
    nth, numbers, last = 0, [], None
    for offset in offsets:
        nth = nth + 1 if offset == last else 0
        numbers.append(nth)
        last = offset
    return numbers


def store(session_id: UUID, packed: list[Columns]) -> None:
    """Save packed streams, in place of those of the same kinds.

    Columns travel as array literals: the driver takes each number of a list in hand, which for a day of
    recording is minutes against milliseconds.
    """
    with connections[require_unit_of_work("workout")].cursor() as cursor:
        for kind, *columns in packed:
            cursor.execute(
                "INSERT INTO workout_stream (session_id, kind, offsets_us, sequences, measured)"
                " VALUES (%s, %s, %s::bigint[], %s::int[], %s::float8[])"
                " ON CONFLICT (session_id, kind) DO UPDATE SET offsets_us = EXCLUDED.offsets_us,"
                " sequences = EXCLUDED.sequences, measured = EXCLUDED.measured",
                [session_id, kind, *(f"{{{','.join(map(repr, column))}}}" for column in columns)],
            )
