"""From the bytes a device sent to columns ready to be stored, and a code for each reading that cannot be.

The whole body is decoded and checked by one typed pass. Only when that finds a fault are the readings looked
at one by one, so that the good ones are kept and each bad one is named.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from contexts.health import rules
from contexts.health.rules import Stream
from kernel.errors import InvalidInput
from kernel.http import BadJson
from kernel.timescale.columns import EPOCH, MICROSECOND

StreamName = Literal["heart_rate", "rr_interval", "battery", "sensor_contact"]
Instant = Annotated[datetime, Meta(tz=True)]
Sequence31 = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Value = Annotated[float, Meta(ge=rules.POSSIBLE[0], le=rules.POSSIBLE[1])]


class Item(msgspec.Struct, gc=False):
    """A reading as it travels. A time must say its offset from UTC."""

    stream: StreamName
    time: Instant
    sequence: Sequence31
    value: Value


class _Body(msgspec.Struct, gc=False):
    readings: Annotated[list[Item], Meta(min_length=1, max_length=rules.MAX_BATCH)]


class _LooseBody(msgspec.Struct):
    readings: Annotated[list[msgspec.Raw], Meta(min_length=1, max_length=rules.MAX_BATCH)]


class Rejection(msgspec.Struct, frozen=True):
    """A reading that was not stored: its place in the request and why."""

    index: int
    code: str


FAULTS: tuple[tuple[str, Any, str], ...] = (
    ("stream", StreamName, "unknown_stream"),
    ("time", Instant, "time_invalid"),
    ("sequence", Sequence31, "sequence_invalid"),
    ("value", float, "value_invalid"),
    ("value", Value, "value_out_of_range"),
)
"""What each field must be, and the code if it is not; the first that fits is told."""

_typed = msgspec.json.Decoder(_Body)
_loose = msgspec.json.Decoder(_LooseBody)
_item = msgspec.json.Decoder(Item)
_number_of = {stream.name: stream.value for stream in Stream}
_fields = attrgetter("stream", "time", "sequence", "value")


@dataclass(frozen=True, slots=True)
class Columns:
    """Good readings, column by column; times in microseconds since 2000."""

    streams: list[int]
    times: list[int]
    sequences: Sequence[int]
    values: Sequence[float]


def decode(body: bytes, *, earliest: datetime, latest: datetime) -> tuple[Columns, list[Rejection]]:
    """The good readings of a request and the rejected ones.

    Raises `BadJson` for what is not JSON and `InvalidInput` for what is not a batch of 1 to 5,000.
    """
    bounds = (earliest - EPOCH) // MICROSECOND, (latest - EPOCH) // MICROSECOND
    try:
        items = _typed.decode(body).readings
    except msgspec.ValidationError:
        return _one_by_one(body, bounds)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise BadJson from None
    columns = _columns(items)
    if min(columns.times) < bounds[0] or max(columns.times) > bounds[1]:
        return _one_by_one(body, bounds)
    return columns, []


def _columns(items: list[Item]) -> Columns:
    if not items:
        return Columns([], [], [], [])
    streams, times, sequences, values = zip(*map(_fields, items), strict=True)
    microseconds = [(time - EPOCH) // MICROSECOND for time in times]
    return Columns([_number_of[stream] for stream in streams], microseconds, sequences, values)


def _one_by_one(body: bytes, bounds: tuple[int, int]) -> tuple[Columns, list[Rejection]]:
    good, rejected = [], []
    for index, raw in enumerate(_raw_items(body)):
        try:
            item = _item.decode(raw)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            rejected.append(Rejection(index, _fault_of(raw)))
            continue
        time = (item.time - EPOCH) // MICROSECOND
        if bounds[0] <= time <= bounds[1]:
            good.append(item)
        else:
            rejected.append(Rejection(index, "in_future" if time > bounds[1] else "before_device"))
    return _columns(good), rejected


def _raw_items(body: bytes) -> list[msgspec.Raw]:
    try:
        return _loose.decode(body).readings
    except msgspec.ValidationError as error:
        raise InvalidInput(str(error), field="readings", code="batch_invalid") from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise BadJson from None


def _fault_of(raw: msgspec.Raw) -> str:
    """The code for what is wrong with one item."""
    try:
        item = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return "malformed"
    if not isinstance(item, dict):
        return "malformed"
    return next((code for field, kind, code in FAULTS if not _fits(item.get(field), kind)), "malformed")


def _fits(value: Any, kind: Any) -> bool:
    convert: Callable[..., Any] = msgspec.convert
    try:
        convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True
