"""What a recording is once it has been read: plain columns and plain facts, whatever file it came from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from itertools import pairwise

Column = list[float | None]

SPORTS = ("running", "walking", "cycling", "swimming", "rowing", "strength", "other")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

MAX_SPAN_S = 14 * 86_400
"""One activity lasts at most two weeks; points further from the median than half of it had a wrong clock."""

MAX_TEXT = 100
"""Names of makers, products and sports are cut here: they are shown, never parsed."""


class Unreadable(Exception):
    """The file is no recording that we can read."""

    code = "unreadable"

    def __init__(self, detail: str | None = None) -> None:
        self.detail = detail or (self.__doc__ or "").strip()
        super().__init__(self.detail)


class Empty(Unreadable):
    """The file is empty."""

    code = "empty"


class TooLarge(Unreadable):
    """The file is larger than we read."""

    code = "too_large"


class TooManyPoints(Unreadable):
    """The recording holds more points than we read."""

    code = "too_many_points"


class TooManyActivities(Unreadable):
    """The file holds more activities than we read at once."""

    code = "too_many_activities"


class UnknownFormat(Unreadable):
    """The file is neither FIT nor GPX nor TCX."""

    code = "unknown_format"


class CorruptHeader(Unreadable):
    """The file claims to be FIT, but its header is damaged."""

    code = "corrupt_header"


class CorruptXml(Unreadable):
    """The XML is damaged before its first point."""

    code = "corrupt_xml"


class XmlForbidden(Unreadable):
    """The XML declares a document type or entities, or is nested too deeply."""

    code = "xml_forbidden"


class NotAnActivity(Unreadable):
    """The file holds no recorded activity."""

    code = "not_an_activity"


class NoTimes(Unreadable):
    """The track has places but no times: it is a route, not a recording."""

    code = "no_times"


class TooExpensive(Unreadable):
    """Reading the file takes more time or memory than we grant."""

    code = "too_expensive"


class ReaderFailed(Unreadable):
    """Our reader failed on this file; the fault is ours."""

    code = "reader_failed"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of one file is read before it is refused."""

    max_bytes: int = 25_000_000
    max_points: int = 1_000_000
    max_depth: int = 32
    max_activities: int = 100


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something was wrong with the file, yet what could be read was kept."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Lap:
    """One lap; times in seconds after the activity's start."""

    start_s: float
    end_s: float
    timer_s: float | None = None
    distance_m: float | None = None
    kcal: float | None = None


@dataclass(slots=True)
class Streams:
    """Columns of equal length; `time` in seconds after the start, never decreasing. Streams not seen are None."""

    time: list[float] = field(default_factory=list)
    latitude: Column | None = None
    longitude: Column | None = None
    altitude_m: Column | None = None
    distance_m: Column | None = None
    speed_mps: Column | None = None
    heart_rate_bpm: Column | None = None
    cadence_rpm: Column | None = None
    power_w: Column | None = None
    temperature_c: Column | None = None

    def __len__(self) -> int:
        return len(self.time)

    def present(self) -> list[str]:
        """Names of the streams that hold at least one value."""
        return [name for name in STREAM_NAMES if getattr(self, name) is not None]


STREAM_NAMES = tuple(each.name for each in fields(Streams) if each.name != "time")


@dataclass(slots=True)
class RecordedActivity:
    """One activity of a file. Cadence counts steps per minute in running and walking, else turns or strokes."""

    sport: str
    sub_sport: str | None
    started_at: datetime
    ended_at: datetime
    timer_s: float | None
    device_distance_m: float | None
    device_kcal: float | None
    device_ascent_m: float | None
    laps: list[Lap]
    streams: Streams
    time_zone_offset_s: int | None = None
    manufacturer: str | None = None
    product: str | None = None


@dataclass(slots=True)
class Reading:
    """All activities of one file, in order of time, and what was wrong with it."""

    activities: list[RecordedActivity]
    warnings: list[Flaw]


RECORDABLE: dict[str, tuple[float, float]] = {
    "latitude": (-90.0, 90.0),
    "longitude": (-180.0, 180.0),
    "altitude_m": (-12_000.0, 20_000.0),
    "distance_m": (0.0, 100_000_000.0),
    "speed_mps": (0.0, 400.0),
    "heart_rate_bpm": (1.0, 255.0),
    "cadence_rpm": (0.0, 1_000.0),
    "power_w": (0.0, 10_000.0),
    "temperature_c": (-100.0, 150.0),
}
"""What a sensor can have said at all; outside is damage. What a body can do is judged by the rules."""


def number(text: str | None) -> float | None:
    """A finite number, or None."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def clean_text(text: str | None) -> str | None:
    """A short printable name, or None: no control characters, no lone surrogates."""
    kept = "".join(letter for letter in (text or "") if letter.isprintable())
    return kept.strip()[:MAX_TEXT] or None


def moment(seconds: float) -> datetime:
    """Unix seconds as an aware moment."""
    return EPOCH + timedelta(seconds=seconds)


def in_order(times: Sequence[float], warnings: list[Flaw]) -> list[int]:
    """Row numbers sorted by time, without the rows whose clock is weeks away from the rest."""
    rows = list(range(len(times)))
    if any(later < earlier for earlier, later in pairwise(times)):
        rows.sort(key=times.__getitem__)
        warnings.append(Flaw("times_out_of_order", "Points were not in order of time; they were sorted."))
    if rows and times[rows[-1]] - times[rows[0]] > MAX_SPAN_S:
        centre = times[rows[len(rows) // 2]]
        kept = [row for row in rows if abs(times[row] - centre) <= MAX_SPAN_S / 2]
        warnings.append(Flaw("clock_jump", f"{len(rows) - len(kept)} points with a wrong date were dropped."))
        rows = kept
    return rows


def plausible(name: str, column: Column, warnings: list[Flaw]) -> Column | None:
    """The column without values no sensor can have meant; None when nothing is left."""
    lowest, highest = RECORDABLE[name]
    kept: Column = [value if value is not None and lowest <= value <= highest else None for value in column]
    missing = kept.count(None)
    dropped = missing - column.count(None)
    if dropped and name != "heart_rate_bpm":  # a heart rate of 0 is how many devices say "none"
        warnings.append(Flaw("impossible_values", f"{dropped} impossible values of {name} were dropped."))
    return kept if missing < len(kept) else None


def streams_of(times: Sequence[float], columns: dict[str, Column], *, start: float, warnings: list[Flaw]) -> Streams:
    """Streams from sorted Unix times and equally long columns; a place needs both of its coordinates."""
    streams = Streams(time=[round(at - start, 3) for at in times])
    for name, column in columns.items():
        setattr(streams, name, plausible(name, column, warnings))
    if streams.latitude is None or streams.longitude is None:
        streams.latitude = streams.longitude = None
    else:
        _pair(streams.latitude, streams.longitude)
    return streams


def _pair(latitude: Column, longitude: Column) -> None:
    for row, (north, east) in enumerate(zip(latitude, longitude, strict=True)):
        if north is None or east is None:
            latitude[row] = longitude[row] = None


def per_minute_of_both_legs(streams: Streams, sport: str) -> None:
    """Devices count one leg of a runner or walker; people count steps."""
    if sport in ("running", "walking") and streams.cadence_rpm is not None:
        streams.cadence_rpm = [None if value is None else value * 2 for value in streams.cadence_rpm]
