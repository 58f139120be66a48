"""Writes an activity as a FIT file that any program reads.

FIT carries rows and pauses to the second, places to a centimetre, the device's name, sums, laps, lengths of a pool
and sets; a machine's resistance in whole levels from 0 to 254. It cannot carry titles, notes, feelings, gear, media,
how hard a set was, or steps as they were counted; beat-to-beat intervals are left out.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, TypeAlias

from . import fit_parts
from . import fit_profile as profile
from .fit_writing import EPOCH, Base, Field, FitWriter, fit_time, semicircles
from .recording import Lap, RecordedActivity, plain

DEVELOPMENT: Final = 255
"""The maker's number for whoever has none."""
GENERIC: Final = 0
NO_TIME: Final = 0xFFFFFFFF

SPORTS: Final = {
    "running": (1, 0),
    "cycling": (2, 0),
    "swimming": (5, 0),
    "walking": (11, 0),
    "rowing": (15, 0),
    "strength": (10, 20),  # training, strength training
    "other": (GENERIC, 0),
}


def write(activity: RecordedActivity) -> bytes | None:
    """Header, records, laps, the session and the activity, in the order in which devices write them.

    None for an activity before FIT's own epoch, or past the end of its clock.
    """
    start = activity.started_at.replace(microsecond=0)
    if start < EPOCH or fit_time(activity.ended_at) >= NO_TIME:
        return None
    elapsed = round((activity.ended_at - start).total_seconds(), 3)
    writer = FitWriter()
    _file_id(writer, activity, start)
    shift = (activity.started_at - start).total_seconds()
    for at, message, fields in sorted(
        [*_records(activity), *_timer(activity, start, shift)], key=lambda each: each[0]
    ):
        writer.write(message, [Field(profile.TIMESTAMP, Base.UINT32, fit_time(at)), *fields])
    for lap in activity.laps:
        _lap(writer, lap, start, shift)
    fit_parts.write_lengths(writer, activity.pool, start, shift)
    fit_parts.write_sets(writer, activity.sets, start, shift)
    timer = elapsed if activity.timer_s is None else activity.timer_s
    _session(writer, activity, start, elapsed, timer)
    end = Field(profile.TIMESTAMP, Base.UINT32, fit_time(start + timedelta(seconds=int(elapsed))))
    sessions = Field(1, Base.UINT16, 1)
    writer.write(
        profile.ACTIVITY,
        [end, Field(0, Base.UINT32, _scaled(timer, 1000)), sessions, Field(3, Base.ENUM, 26), Field(4, Base.ENUM, 1)],
    )
    return writer.file()


def _file_id(writer: FitWriter, activity: RecordedActivity, start: datetime) -> None:
    named = [Field(8, Base.STRING, activity.product)] if activity.product else []
    writer.write(
        profile.FILE_ID,
        [
            Field(0, Base.ENUM, profile.ACTIVITY_FILE),
            Field(1, Base.UINT16, DEVELOPMENT),
            Field(2, Base.UINT16, None),
            Field(4, Base.UINT32, fit_time(start)),
            *named,
        ],
    )


def _scaled(value: float | None, scale: float, offset: float = 0.0, most: int = 0xFFFFFFFE) -> int | None:
    """The raw number of a value, or none where the field has no room for it."""
    raw = None if value is None else round((value + offset) * scale)
    return raw if raw is not None and 0 <= raw <= most else None


Timed: TypeAlias = tuple[datetime, int, list[Field]]
"""When, the number of its message, and the fields beside the timestamp."""


def _timer(activity: RecordedActivity, start: datetime, shift: float) -> list[Timed]:
    """The events that stop and start the timer, by the athlete's hand and by itself."""
    events = []
    spans = [(span, profile.BY_HAND) for span in activity.pauses]
    spans += [(span, profile.BY_ITSELF) for span in activity.auto_pauses]
    for span, trigger in sorted(spans):
        for at_s, kind in zip(span, (profile.TIMER_STOPS_ALL, profile.TIMER_STARTS), strict=True):
            fields = [Field(0, Base.ENUM, profile.TIMER_EVENT), Field(1, Base.ENUM, kind)]
            at = start + timedelta(seconds=int(at_s + shift))
            events.append((at, profile.EVENT, [*fields, Field(3, Base.UINT32, trigger)]))
    return events


def _records(activity: RecordedActivity) -> list[Timed]:
    streams = activity.streams
    on_foot = activity.sport in ("running", "walking")
    columns = {name: plain(getattr(streams, name)) for name in CARRIED if getattr(streams, name) is not None}
    records = []
    for nth, offset in enumerate(streams.time.tolist()):
        row = {name: column[nth] for name, column in columns.items()}
        raw = [field for name, value in row.items() for field in _fields(name, value, legs=1 + on_foot)]
        fields = [field for field in raw if field.value is not None]
        if fields:
            at = (activity.started_at + timedelta(seconds=offset)).replace(microsecond=0)
            records.append((at, profile.RECORD, fields))
    return records


CARRIED: Final = (
    "latitude",
    "longitude",
    "altitude_m",
    "distance_m",
    "speed_mps",
    "heart_rate_bpm",
    "cadence_rpm",
    "power_w",
    "temperature_c",
    "resistance",
)


def _fields(name: str, value: float | None, *, legs: int) -> list[Field]:
    """A value as the profile stores it. Steps are counted by one leg, and halves of them beside."""
    if name == "latitude" or name == "longitude":
        number = 0 if name == "latitude" else 1
        return [Field(number, Base.SINT32, None if value is None else semicircles(value))]
    if name == "cadence_rpm":
        turns = None if value is None else round(value / legs * 128)
        whole = None if turns is None or turns // 128 > 254 else turns // 128
        part = None if turns is None or whole is None else turns % 128
        return [Field(4, Base.UINT8, whole), Field(53, Base.UINT8, part)]
    if name == "temperature_c":
        degrees = None if value is None else round(value)
        return [Field(13, Base.SINT8, degrees if degrees is not None and -127 <= degrees < 127 else None)]
    number, base, scale, offset, most = RECORD_FIELDS[name]
    return [Field(number, base, _scaled(value, scale, offset, most))]


RECORD_FIELDS: Final[dict[str, tuple[int, Base, float, float, int]]] = {
    "altitude_m": (78, Base.UINT32, 5, 500, 0xFFFFFFFE),
    "distance_m": (5, Base.UINT32, 100, 0, 0xFFFFFFFE),
    "speed_mps": (73, Base.UINT32, 1000, 0, 0xFFFFFFFE),
    "heart_rate_bpm": (3, Base.UINT8, 1, 0, 254),
    "power_w": (7, Base.UINT16, 1, 0, 65_534),
    "resistance": (10, Base.UINT8, 1, 0, 254),
}


def _totals(elapsed: float | None, timer: float | None, distance_m: float | None, kcal: float | None) -> list[Field]:
    return [
        Field(7, Base.UINT32, _scaled(elapsed, 1000)),
        Field(8, Base.UINT32, _scaled(timer, 1000)),
        Field(9, Base.UINT32, _scaled(distance_m, 100)),
        Field(11, Base.UINT16, _scaled(kcal, 1, most=65_534)),
    ]


def _lap(writer: FitWriter, lap: Lap, start: datetime, shift: float) -> None:
    began = start + timedelta(seconds=int(lap.start_s + shift))
    length = round(lap.end_s - lap.start_s, 3)
    head = [
        Field(profile.TIMESTAMP, Base.UINT32, fit_time(began + timedelta(seconds=int(length)))),
        Field(2, Base.UINT32, fit_time(began)),
    ]
    writer.write(profile.LAP, head + _totals(length, lap.timer_s, lap.distance_m, lap.kcal))


def _sport(activity: RecordedActivity) -> tuple[int, int]:
    """Sport and kind of it. A kind that would be read as another sport is left out."""
    sport, usual = SPORTS[activity.sport]
    kind = _KINDS.get(activity.sub_sport or "", usual)
    if sport in profile.UNTELLING_SPORTS and profile.SPORTS_BY_SUB_SPORT.get(kind, "other") != activity.sport:
        kind = usual
    return sport, kind


_KINDS: Final = {word: number for number, word in profile.SUB_SPORTS.items()}


def _session(writer: FitWriter, activity: RecordedActivity, start: datetime, elapsed: float, timer: float) -> None:
    sport, kind = _sport(activity)
    fields = [
        Field(profile.TIMESTAMP, Base.UINT32, fit_time(start + timedelta(seconds=int(elapsed)))),
        Field(2, Base.UINT32, fit_time(start)),
        Field(5, Base.ENUM, sport),
        Field(6, Base.ENUM, kind),
        *_totals(elapsed, timer, activity.device_distance_m, activity.device_kcal),
        Field(22, Base.UINT16, _scaled(activity.device_ascent_m, 1, most=65_534)),
        *fit_parts.session_fields(activity.pool),
    ]
    writer.write(profile.SESSION, fields)
