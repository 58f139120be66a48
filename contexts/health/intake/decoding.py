"""From the bytes a device sent to columns ready to be stored, and a code for each reading that cannot be.

The whole body is decoded by one typed pass. Only when that finds a fault are the readings looked at one by one, so
that the good ones are kept and each bad one is named.
"""

from collections.abc import Callable
from datetime import datetime
from operator import attrgetter
from typing import Annotated, Any, NamedTuple

import msgspec
import numpy as np
from msgspec import UNSET, Meta, UnsetType
from numpy.typing import NDArray

from contexts.health import catalogue, rules
from contexts.health.columns import Columns, Rejection, Told, checked, microseconds_of
from contexts.health.doubts import Doubts, numbers_of
from kernel.errors import InvalidInput
from kernel.http import BadJson

Instant = Annotated[datetime, Meta(tz=True)]
Sequence31 = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Value = Annotated[float, Meta(ge=catalogue.SAID[0], le=catalogue.SAID[1])]
Units = dict[str, str]
DoubtsTold = Annotated[
    dict[str, Annotated[list[Annotated[int, Meta(ge=0, lt=rules.MAX_COLUMNS)]], Meta(max_length=rules.MAX_COLUMNS)]],
    Meta(max_length=rules.MAX_DOUBTS),
]
"""By the word, the places of the readings it is said of: those of whom nobody doubts cost nothing."""


class Item(msgspec.Struct, gc=False):
    """A reading as it travels. A time must say its offset from UTC."""

    stream: str
    time: Instant
    sequence: Sequence31
    value: Value


class _Body(msgspec.Struct, gc=False):
    readings: Annotated[list[Item], Meta(min_length=1, max_length=rules.MAX_BATCH)]
    units: Units | UnsetType = UNSET
    doubts: DoubtsTold | UnsetType = UNSET


class _LooseBody(msgspec.Struct):
    readings: Annotated[list[msgspec.Raw], Meta(min_length=1, max_length=rules.MAX_BATCH)]
    units: Units | UnsetType = UNSET
    doubts: DoubtsTold | UnsetType = UNSET


def _fits(kind: Any) -> Callable[[Any], bool]:
    def is_one(value: Any) -> bool:
        try:
            msgspec.convert(value, kind)
        except msgspec.ValidationError:
            return False
        return True

    return is_one


def _is_known(value: Any) -> bool:
    return isinstance(value, str) and value in catalogue.BY_NAME


FAULTS: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("stream", _is_known, "unknown_stream"),
    ("time", _fits(Instant), "time_invalid"),
    ("sequence", _fits(Sequence31), "sequence_invalid"),
    ("value", _fits(float), "value_invalid"),
    ("value", _fits(Value), "value_out_of_range"),
)
"""What each field must be, and the code if it is not; the first that fits is told."""

UNREADABLE = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)

_typed = msgspec.json.Decoder(_Body)
_loose = msgspec.json.Decoder(_LooseBody)
_item = msgspec.json.Decoder(Item)
number_of = {name: int(metric.stream) for name, metric in catalogue.BY_NAME.items()}
_fields = attrgetter("stream", "time", "sequence", "value")


def ordinary_items(body: bytes) -> list[Item] | None:
    """The readings of a request that is well-formed, in stored units and without doubts; None for any other."""
    try:
        told = _typed.decode(body)
    except UNREADABLE:
        return None
    return told.readings if told.units is UNSET and told.doubts is UNSET else None


def decode(body: bytes, *, earliest: datetime, latest: datetime) -> tuple[Columns, list[Rejection]]:
    """The good readings of a request and the rejected ones.

    Raises `BadJson` for what is not JSON and `InvalidInput` for what is not a batch of 1 to 5,000.
    """
    try:
        told = _typed.decode(body)
    except msgspec.ValidationError:
        return _one_by_one(body, earliest=earliest, latest=latest)
    except UNREADABLE:
        raise BadJson from None
    doubts = None if told.doubts is UNSET else numbers_of(told.doubts, size=len(told.readings))
    return checked(_told(told.readings, told.units, doubts), earliest=earliest, latest=latest)


def _told(
    items: list[Item], units: Units | UnsetType, doubts: Doubts | None, indices: list[int] | None = None
) -> Told:
    """The items column by column; a stream that nobody knows has the number 0."""
    streams, times, sequences, values = zip(*map(_fields, items), strict=True) if items else ((),) * 4
    numbers = np.array([number_of.get(stream, 0) for stream in streams], np.int16)
    return Told(
        streams=numbers,
        times=np.array([microseconds_of(time) for time in times], np.int64),
        sequences=np.array(sequences, np.int32),
        values=np.array(values, np.float64),
        doubts=doubts if doubts is None or indices is None else doubts[indices],
        units={} if units is UNSET else _by_number(units),
        indices=None if indices is None else np.array(indices, np.int64),
    )


def _by_number(units: Units) -> dict[int, str]:
    return {number_of[stream]: unit for stream, unit in units.items() if stream in number_of}


def _one_by_one(body: bytes, *, earliest: datetime, latest: datetime) -> tuple[Columns, list[Rejection]]:
    loose = _raw_items(body)
    good, indices, rejected = [], [], []
    for index, raw in enumerate(loose.readings):
        try:
            good.append(_item.decode(raw))
        except UNREADABLE:
            rejected.append(Rejection(index, _fault_of(raw)))
        else:
            indices.append(index)
    doubts = None if loose.doubts is UNSET else numbers_of(loose.doubts, size=len(loose.readings))
    columns, more = checked(_told(good, loose.units, doubts, indices), earliest=earliest, latest=latest)
    return columns, sorted(rejected + more, key=attrgetter("index"))


def _raw_items(body: bytes) -> _LooseBody:
    try:
        return _loose.decode(body)
    except msgspec.ValidationError as error:
        raise InvalidInput(str(error), field="readings", code="batch_invalid") from None
    except UNREADABLE:
        raise BadJson from None


def _fault_of(raw: msgspec.Raw) -> str:
    """The code for what is wrong with one item."""
    try:
        item = msgspec.json.decode(raw)
    except UNREADABLE:
        return "malformed"
    if not isinstance(item, dict):
        return "malformed"
    return next((code for field, fits, code in FAULTS if not fits(item.get(field))), "malformed")


# --- The compact form ---------------------------------------------------------------------------------------------

Step = Annotated[int, Meta(ge=-rules.LONGEST_STEP_US, le=rules.LONGEST_STEP_US)]
Steps = Annotated[list[Step], Meta(min_length=1, max_length=rules.MAX_COLUMNS)]


class _Stream(msgspec.Struct, gc=False):
    """Readings of one stream: the first is `steps_us[0]` after `base`, each next one its step after the last."""

    stream: str
    base: Instant
    steps_us: Steps
    values: list[Value]
    unit: str | None = None
    sequences: list[Sequence31] | None = None
    doubts: DoubtsTold | None = None


class _LooseStream(msgspec.Struct):
    stream: str
    base: Instant
    steps_us: Steps
    values: list[Any]
    unit: str | None = None
    sequences: list[Any] | None = None
    doubts: DoubtsTold | None = None


_columns = msgspec.json.Decoder(Annotated[list[_Stream], Meta(min_length=1, max_length=rules.MAX_STREAMS)])
_loose_columns = msgspec.json.Decoder(Annotated[list[_LooseStream], Meta(min_length=1, max_length=rules.MAX_STREAMS)])


class _Part(NamedTuple):
    """One stream of the compact form as arrays, and what of it cannot be a reading, by its place."""

    times: NDArray[np.int64]
    sequences: NDArray[np.int32]
    values: NDArray[np.float64]
    faults: dict[int, str]


def decode_columns(body: bytes, *, earliest: datetime, latest: datetime) -> tuple[Columns, list[Rejection]]:
    """As `decode`, of the compact form. A reading's index counts through all streams in their order."""
    streams = _streams(body)
    if sum(len(stream.steps_us) for stream in streams) > rules.MAX_COLUMNS:
        raise InvalidInput("A request has at most {most} readings.", code="batch_invalid", most=rules.MAX_COLUMNS)
    parts = [_part(stream) for stream in streams]
    numbers = [number_of.get(stream.stream, 0) for stream in streams]
    lengths = [len(part.times) for part in parts]
    told = Told(
        streams=np.repeat(np.array(numbers, np.int16), lengths),
        times=np.concatenate([part.times for part in parts]),
        sequences=np.concatenate([part.sequences for part in parts]),
        values=np.concatenate([part.values for part in parts]),
        doubts=_doubts(streams, lengths),
        part_units=[
            (number, stream.unit, length) for number, stream, length in zip(numbers, streams, lengths, strict=True)
        ],
    )
    starts = np.cumsum([0, *lengths[:-1]]).tolist()
    faults = {start + n: code for start, part in zip(starts, parts, strict=True) for n, code in part.faults.items()}
    return checked(told, earliest=earliest, latest=latest, faults=faults)


def _doubts(streams: list[Any], lengths: list[int]) -> Doubts | None:
    """Of all streams together; the places count from the beginning of each stream."""
    if not any(stream.doubts for stream in streams):
        return None
    parts = [numbers_of(stream.doubts or {}, size=length) for stream, length in zip(streams, lengths, strict=True)]
    return np.concatenate(
        [np.zeros(length, np.int16) if part is None else part for part, length in zip(parts, lengths, strict=True)]
    )


def _streams(body: bytes) -> list[Any]:
    try:
        return _columns.decode(body)
    except msgspec.ValidationError:
        pass
    except UNREADABLE:
        raise BadJson from None
    try:
        return _loose_columns.decode(body)
    except msgspec.ValidationError as error:
        raise InvalidInput(str(error), code="batch_invalid") from None


def _part(stream: Any) -> _Part:
    size = len(stream.steps_us)
    if len(stream.values) != size or (stream.sequences is not None and len(stream.sequences) != size):
        raise InvalidInput("The columns of a stream are of one length.", code="batch_invalid")
    times = microseconds_of(stream.base) + np.cumsum(np.array(stream.steps_us, np.int64))
    if isinstance(stream, _Stream):
        sequences = np.zeros(size, np.int32) if stream.sequences is None else np.array(stream.sequences, np.int32)
        return _Part(times, sequences, np.array(stream.values, np.float64), {})
    faults: dict[int, str] = {}
    sequences = np.zeros(size, np.int32)
    values = np.zeros(size)
    for field, told, column in (("sequence", stream.sequences, sequences), ("value", stream.values, values)):
        for n, one in enumerate(told or ()):
            fault = next((code for of, fits, code in FAULTS if of == field and not fits(one)), None)
            if fault is None:
                column[n] = one
            else:
                faults.setdefault(n, fault)
    return _Part(times, sequences, values, faults)
