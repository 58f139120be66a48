"""What the readers of foreign shapes have in common: readings in stored units, faults by code, times, identities."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final, NamedTuple, TypeAlias

from contexts.health import catalogue
from contexts.health.catalogue import METRICS, Stream
from kernel.timescale.columns import EPOCH, MICROSECOND

SEQUENCE_BITS: Final = 2**31 - 1
MAX_NAME: Final = 80


class Fault(Exception):
    """A sample that cannot be a reading; `code` says why."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


class UnknownType(Exception):
    """A sample of a type that is not measured here; counted by its name."""

    def __init__(self, name: object) -> None:
        self.name = shown_name(name)
        super().__init__(self.name)


class Measured(NamedTuple):
    """A reading: its metric, microseconds since 2000, its value in the stored unit."""

    stream: Stream
    time: int
    value: float


class Kept(NamedTuple):
    """A reading of a file, with what tells it from others of its instant."""

    stream: Stream
    time: int
    value: float
    sequence: int


Found: TypeAlias = Kept | Fault | UnknownType
"""What a file holds, one after the other; always the same in the same order."""


def shown_name(name: object) -> str:
    """A foreign name as it may be shown: short and printable."""
    return "".join(letter for letter in str(name)[:MAX_NAME] if letter.isprintable()) or "?"


def sequence_of(*words: object) -> int:
    """The same words, the same number of 31 bits: what is imported again is found again."""
    return zlib.crc32("\x1f".join(map(str, words)).encode("utf-8", "surrogatepass")) & SEQUENCE_BITS


def stored(stream: Stream, value: Any, unit: str | None) -> float:
    """A told number in the metric's stored unit. Raises `Fault`."""
    way = METRICS[stream].way(unit)
    if way is None:
        raise Fault("unknown_unit")
    number = number_of(value)
    if not catalogue.SAID[0] <= number <= catalogue.SAID[1]:
        raise Fault("value_out_of_range")
    return way.to_stored(number)


def number_of(value: Any) -> float:
    """A finite number, also one that is told as text. Raises `Fault`."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Fault("value_invalid")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise Fault("value_invalid") from None
    if not math.isfinite(number):
        raise Fault("value_invalid")
    return number


def instant_of(told: Any, zone: tzinfo | None = None) -> datetime:
    """An ISO 8601 instant in UTC; one without an offset is in `zone`, and none without that. Raises `Fault`."""
    if not isinstance(told, str) or len(told) > 40:
        raise Fault("time_invalid")
    try:
        time = datetime.fromisoformat(told)
        if time.tzinfo is None:
            if zone is None:
                raise Fault("time_invalid")
            time = time.replace(tzinfo=zone)
        return time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Fault("time_invalid") from None


def micro(time: datetime) -> int:
    """Microseconds since 2000."""
    return (time - EPOCH) // MICROSECOND


def seconds_between(start: datetime, end: datetime) -> float:
    """How long it lasted. Raises `Fault` for what ends before it begins, or goes on for days."""
    lasted = (end - start) / timedelta(seconds=1)
    if not 0 <= lasted <= 3 * 86_400:
        raise Fault("interval_invalid")
    return lasted


STAGES: Final[dict[str, tuple[Stream, ...]]] = {
    "in_bed": (Stream.time_in_bed,),
    "asleep": (Stream.sleep_duration,),
    "light": (Stream.sleep_duration, Stream.light_sleep_duration),
    "deep": (Stream.sleep_duration, Stream.deep_sleep_duration),
    "rem": (Stream.sleep_duration, Stream.rem_sleep_duration),
    "awake": (Stream.awake_duration,),
}
"""Which sums a stage of sleep counts towards, in seconds, at its beginning."""


def stage(name: str, start: datetime, end: datetime) -> list[Measured]:
    """A stage of sleep as readings."""
    lasted = seconds_between(start, end)
    return [Measured(stream, micro(start), lasted) for stream in STAGES[name]]


def safely(one: Any, *told: Any) -> Iterator[Found]:
    """What a reader of one item yields; damage inside it is a fault of that item alone."""
    try:
        yield from one(*told)
    except (Fault, UnknownType) as found:
        yield found
    except (KeyError, TypeError, AttributeError, IndexError, ValueError, OverflowError):
        yield Fault("malformed")
