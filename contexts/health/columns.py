"""Readings column by column: told ones become stored ones, and those that cannot be are named by index and code."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec
import numpy as np
from numpy.typing import NDArray

from contexts.health.catalogue import METRICS, Stream
from contexts.health.doubts import Doubts
from kernel.timescale.columns import EPOCH, MICROSECOND

Flags = NDArray[np.bool_]


class Rejection(msgspec.Struct, frozen=True):
    """A reading that was not stored: its place in the request and why."""

    index: int
    code: str


@dataclass(frozen=True, slots=True)
class Columns:
    """Good readings in stored units; times in microseconds since 2000."""

    streams: NDArray[np.int16]
    times: NDArray[np.int64]
    sequences: NDArray[np.int32]
    values: NDArray[np.float64]
    doubts: Doubts | None = None
    """What devices say against these, if they do of any."""

    def __len__(self) -> int:
        return len(self.times)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Readings as they were told. A stream that nobody knows has the number 0."""

    streams: NDArray[np.int16]
    times: NDArray[np.int64]
    sequences: NDArray[np.int32]
    values: NDArray[np.float64]
    doubts: Doubts | None = None
    units: dict[int, str] = field(default_factory=dict)
    """By a stream's number, where it is not the stored one."""
    part_units: list[tuple[int, str | None, int]] | None = None
    """Instead of `units`, for readings that come stream by stream: number, unit and how many, in their order."""
    indices: NDArray[np.int64] | None = None
    """The places in the request, where readings before these were left out."""


def microseconds_of(time: datetime) -> int:
    """Since 2000."""
    return (time - EPOCH) // MICROSECOND


def instant(microseconds: int) -> datetime:
    """The instant so many microseconds after 2000."""
    return EPOCH + timedelta(microseconds=microseconds)


def _bounds(which: int) -> NDArray[np.float64]:
    """By a stream's number the least or greatest possible value. For 0 nothing is: infinity lies in no range."""
    found = np.full(max(Stream) + 1, np.inf if which == 0 else -np.inf)
    for stream, metric in METRICS.items():
        found[stream] = metric.possible[which]
    return found


LEAST, GREATEST = _bounds(0), _bounds(1)


def checked(
    told: Told, *, earliest: datetime, latest: datetime, faults: dict[int, str] | None = None
) -> tuple[Columns, list[Rejection]]:
    """Convert units and part the good from the bad; `faults` are known already, by place."""
    values, no_unit = _converted(told)
    possible = (values >= LEAST[told.streams]) & (values <= GREATEST[told.streams])
    low, high = microseconds_of(earliest), microseconds_of(latest)
    good = possible & (told.times >= low) & (told.times <= high)
    if no_unit is not None:
        good &= ~no_unit
    if faults:
        good[list(faults)] = False
    if good.all():
        return Columns(told.streams, told.times, told.sequences, values, told.doubts), []
    doubts = None if told.doubts is None or not told.doubts[good].any() else told.doubts[good]
    columns = Columns(told.streams[good], told.times[good], told.sequences[good], values[good], doubts)
    rejected = []
    for n in np.flatnonzero(~good).tolist():
        code = (faults or {}).get(n) or _code(told, n, possible, no_unit, high)
        rejected.append(Rejection(n if told.indices is None else int(told.indices[n]), code))
    return columns, rejected


def _code(told: Told, n: int, possible: Flags, no_unit: Flags | None, high: int) -> str:
    """Why this reading is not good; the first fault is told."""
    if told.streams[n] == 0:
        return "unknown_stream"
    if no_unit is not None and no_unit[n]:
        return "unknown_unit"
    if not possible[n]:
        return "value_out_of_range"
    return "in_future" if told.times[n] > high else "before_device"


def _converted(told: Told) -> tuple[NDArray[np.float64], Flags | None]:
    """The values in stored units, and which of them are in none that their metric accepts."""
    if not told.units and not any(unit for _, unit, _ in told.part_units or ()):
        return told.values, None
    values, no_unit = told.values.copy(), np.zeros(len(told.values), np.bool_)
    for number, unit, rows in _rows_by_unit(told):
        metric = METRICS.get(Stream(number)) if number else None
        way = metric.way(unit) if metric else None
        if way is None:
            no_unit[rows] = True
        else:
            values[rows] = way.to_stored(values[rows])
    return values, no_unit


def _rows_by_unit(told: Told) -> list[tuple[int, str, Flags | slice]]:
    if told.part_units is None:
        return [(number, unit, told.streams == number) for number, unit in told.units.items()]
    found: list[tuple[int, str, Flags | slice]] = []
    start = 0
    for number, unit, length in told.part_units:
        if unit is not None:
            found.append((number, unit, slice(start, start + length)))
        start += length
    return found


def names_of(streams: NDArray[np.int16]) -> list[str]:
    """The names of the streams that occur, by the alphabet."""
    present = np.flatnonzero(np.bincount(streams)).tolist()
    return sorted(Stream(number).name for number in present)
