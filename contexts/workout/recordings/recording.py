"""What a recording is once it has been read: plain columns and plain facts, whatever file it came from."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from .parts import LiftedSet, Pool

Values = NDArray[np.float64]
"""A column of a recording; NaN where a value is missing."""

SPORTS = ("running", "walking", "cycling", "swimming", "rowing", "strength", "other")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

MAX_SPAN_S = 14 * 86_400
"""One activity lasts at most two weeks; points further from the median than half of it had a wrong clock."""

MAX_TEXT = 100
"""Names of makers, products and sports are cut here: they are shown, never parsed."""


class Unreadable(Exception):
    """The file is no recording that we can read."""

    code = "unreadable"

    def __init__(self, detail: str | None = None, **values: int | str) -> None:
        """`values` fill the `{name}`s of `detail`, or of the docstring in its place."""
        self.detail, self.values = detail or (self.__doc__ or "").strip(), values
        super().__init__(self.detail)


class Empty(Unreadable):
    """The file is empty."""

    code = "empty"


class TooLarge(Unreadable):
    """The file is larger than {most_mb} MB."""

    code = "too_large"


class TooManyPoints(Unreadable):
    """The recording holds more points than we read."""

    code = "too_many_points"


class TooManyActivities(Unreadable):
    """The file holds more activities than we read at once."""

    code = "too_many_activities"


class UnknownFormat(Unreadable):
    """The file is none of the formats that we read."""

    code = "unknown_format"


class InflatesTooLarge(Unreadable):
    """The compressed file becomes larger than {most_mb} MB."""

    code = "inflates_too_large"


class CorruptCompression(Unreadable):
    """The compressed file is damaged."""

    code = "corrupt_compression"


class CorruptJson(Unreadable):
    """The file claims to be JSON of ours, but does not follow its description."""

    code = "corrupt_json"


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

    def ensure_size(self, size: int) -> None:
        """Refuses a file of so many bytes if they are too many."""
        if size > self.max_bytes:
            raise TooLarge(most_mb=self.max_bytes // 1_000_000)


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something was wrong with the file, yet what could be read was kept. `values` fill the `{name}`s of `detail`."""

    code: str
    detail: str
    values: dict[str, int | str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Lap:
    """One lap; times in seconds after the activity's start."""

    start_s: float
    end_s: float
    timer_s: float | None = None
    distance_m: float | None = None
    kcal: float | None = None


@dataclass(slots=True, eq=False)
class Streams:
    """Columns of equal length; `time` in seconds after the start, never decreasing. Streams not seen are None.

    `steps` is a counter that began anywhere, as `distance_m` may have; `resistance` is in the machine's own levels.

    Lists are taken as well, with None where a value is missing, and become arrays.
    """

    time: Values = field(default_factory=lambda: np.empty(0))
    latitude: Values | None = None
    longitude: Values | None = None
    altitude_m: Values | None = None
    distance_m: Values | None = None
    speed_mps: Values | None = None
    heart_rate_bpm: Values | None = None
    cadence_rpm: Values | None = None
    power_w: Values | None = None
    temperature_c: Values | None = None
    rr_interval_ms: Values | None = None
    steps: Values | None = None
    resistance: Values | None = None

    def __post_init__(self) -> None:
        for each in fields(self):
            values = getattr(self, each.name)
            if values is not None:
                setattr(self, each.name, np.asarray(values, dtype=np.float64))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Streams):
            return NotImplemented
        names = ("time", *self.present())
        if names != ("time", *other.present()):
            return False
        return all(np.array_equal(getattr(self, name), getattr(other, name), equal_nan=True) for name in names)

    def __len__(self) -> int:
        return len(self.time)

    def present(self) -> list[str]:
        """Names of the streams that hold at least one value."""
        return [name for name in STREAM_NAMES if getattr(self, name) is not None]


STREAM_NAMES = tuple(each.name for each in fields(Streams) if each.name != "time")


@dataclass(slots=True)
class Told:
    """What a person has said about an activity, not what was measured. `effort` is Borg's CR10, `mood` 1 to 5."""

    title: str = ""
    notes: str = ""
    effort: int | None = None
    mood: int | None = None
    commute: bool = False
    gear: list[str] = field(default_factory=list)
    media: list[str] = field(default_factory=list)

    def or_else(self, other: Told) -> Told:
        """Each thing as said here, and as said there where nothing is said here."""
        return Told(*(getattr(self, each.name) or getattr(other, each.name) for each in fields(self)))


MAX_TITLE = 200
MAX_NOTES = 5_000
MAX_NAMED = 20
"""So many pieces of gear, and so many media, are kept with an activity."""
EFFORTS = range(1, 11)
MOODS = range(1, 6)


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
    time_zone: str | None = None
    pauses: list[tuple[float, float]] = field(default_factory=list)
    auto_pauses: list[tuple[float, float]] = field(default_factory=list)
    pool: Pool | None = None
    sets: list[LiftedSet] = field(default_factory=list)
    told: Told = field(default_factory=Told)


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
    "rr_interval_ms": (1.0, 65_535.0),
    "steps": (0.0, 100_000_000.0),
    "resistance": (-1_000.0, 1_000.0),
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


def clean_line(text: str | None, most: int = MAX_TITLE) -> str:
    """One line that people wrote: printable, without space around it, at most so long."""
    return clean_prose(" ".join((text or "").splitlines()), most)


def clean_prose(text: str | None, most: int = MAX_NOTES) -> str:
    """What people wrote, as any of our formats can carry it: no control characters but the line feed."""
    lines = (text or "").replace("\r\n", "\n").replace("\r", "\n")
    kept = "".join(letter for letter in lines if letter.isprintable() or letter == "\n")
    return kept.strip()[:most].rstrip()


def clean_names(names: Iterable[str]) -> list[str]:
    """A few names, each once, in their order."""
    return [name for name in dict.fromkeys(clean_line(name) for name in names) if name][:MAX_NAMED]


def moment(seconds: float) -> datetime:
    """Unix seconds as an aware moment."""
    return EPOCH + timedelta(seconds=seconds)


def plain(values: Values) -> list[float | None]:
    """Plain numbers, and None where there is none."""
    plain: list[float | None] = values.tolist()
    for row in np.flatnonzero(np.isnan(values)).tolist():
        plain[row] = None
    return plain


def in_order(times: Values, warnings: list[Flaw]) -> NDArray[np.intp]:
    """Row numbers sorted by time, without the rows whose clock is weeks away from the rest."""
    rows = np.arange(len(times))
    if (times[1:] < times[:-1]).any():
        rows = np.argsort(times, kind="stable")
        warnings.append(Flaw("times_out_of_order", "Points were not in order of time; they were sorted."))
    if len(rows) and times[rows[-1]] - times[rows[0]] > MAX_SPAN_S:
        kept = rows[np.abs(times[rows] - times[rows[len(rows) // 2]]) <= MAX_SPAN_S / 2]
        said: dict[str, int | str] = {"count": len(rows) - len(kept)}
        warnings.append(Flaw("clock_jump", "{count} points with a wrong date were dropped.", said))
        rows = kept
    return rows


def plausible(name: str, values: Values, warnings: list[Flaw]) -> Values | None:
    """The values without those no sensor can have meant; None when nothing is left."""
    lowest, highest = RECORDABLE[name]
    kept = (values >= lowest) & (values <= highest)
    dropped = np.count_nonzero(~np.isnan(values)) - np.count_nonzero(kept)
    if dropped and name != "heart_rate_bpm":  # a heart rate of 0 is how many devices say "none"
        said: dict[str, int | str] = {"count": int(dropped), "name": name}
        warnings.append(Flaw("impossible_values", "{count} impossible values of {name} were dropped.", said))
    return np.where(kept, values, np.nan) if kept.any() else None


def streams_of(times: Values, columns: dict[str, Values], *, start: float, warnings: list[Flaw]) -> Streams:
    """Streams from sorted Unix times and equally long columns; a place needs both of its coordinates."""
    kept = {name: plausible(name, values, warnings) for name, values in columns.items()}
    latitude, longitude = kept.pop("latitude", None), kept.pop("longitude", None)
    if latitude is not None and longitude is not None:
        half = np.isnan(latitude) | np.isnan(longitude)
        latitude[half] = longitude[half] = np.nan
        kept |= {"latitude": latitude, "longitude": longitude}
    return Streams(time=np.round(times - start, 3), **kept)


ONE_LEG_BELOW = 120
"""Nobody runs at fewer steps a minute, nor with more strides: below, a program has counted one leg only."""


def count_both_legs(made: RecordedActivity) -> None:
    """Steps of a runner or walker, where the median says that one leg only was counted."""
    cadence = made.streams.cadence_rpm
    strides = cadence[cadence > 0] if cadence is not None else ()
    if len(strides) and np.median(strides) < ONE_LEG_BELOW:
        per_minute_of_both_legs(made.streams, made.sport)


def per_minute_of_both_legs(streams: Streams, sport: str) -> None:
    """Devices count one leg of a runner or walker; people count steps."""
    if sport in ("running", "walking") and streams.cadence_rpm is not None:
        streams.cadence_rpm = streams.cadence_rpm * 2
