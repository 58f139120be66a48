"""The columns of streams: how points become columns and one table, and how columns are stored and read.

Arrays go to the database and come back in PostgreSQL's binary form. As text, or as a list of numbers that the driver
takes in hand one by one, a day of recording takes a hundred times longer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple
from uuid import UUID

import numpy as np
import psycopg
from django.db import connections
from numpy.typing import NDArray
from psycopg.abc import DumperKey
from psycopg.adapt import Buffer, Dumper, Loader, PyFormat
from psycopg.pq import Format

from kernel.arrays import HEAD, laid_out, packed
from kernel.databases import alias_of, require_unit_of_work

Whole = NDArray[np.int64]
Measured = NDArray[np.float64]
Rows = NDArray[np.intp] | slice


class Columns(NamedTuple):
    """One stream, packed: columns of equal length, in order of time and, within one instant, of sequence."""

    kind: str
    offsets_us: Whole
    sequences: Whole
    measured: Measured


class Table(NamedTuple):
    """Streams side by side: the moments at which any of them measured, and the rows in which each of them did."""

    offsets_us: Whole
    sequences: Whole
    rows: list[Rows]


def table_of(packed: Sequence[Columns]) -> Table:
    """Streams with moments of their own in one table."""
    if not packed:
        return Table(np.empty(0, np.int64), np.empty(0, np.int64), [])
    first = packed[0]
    if all(_same_moments(first, other) for other in packed[1:]):
        return Table(first.offsets_us, first.sequences, [slice(None)] * len(packed))
    offsets = np.concatenate([each.offsets_us for each in packed])
    sequences = np.concatenate([each.sequences for each in packed])
    order = np.lexsort((sequences, offsets))
    is_new = np.ones(len(order), dtype=np.bool_)
    is_new[1:] = (np.diff(offsets[order]) != 0) | (np.diff(sequences[order]) != 0)
    rows = np.empty(len(order), dtype=np.intp)
    rows[order] = np.cumsum(is_new) - 1
    kept = order[is_new]
    ends = np.cumsum([len(each.offsets_us) for each in packed])[:-1]
    return Table(offsets[kept], sequences[kept], list(np.split(rows, ends)))


def _same_moments(one: Columns, other: Columns) -> bool:
    return np.array_equal(one.offsets_us, other.offsets_us) and np.array_equal(one.sequences, other.sequences)


def nth_of_equals(offsets: Whole) -> Whole:
    """For each of the rising offsets, how many equal ones stand before it."""
    place = np.arange(len(offsets))
    is_first = np.append(True, np.diff(offsets) != 0)[: len(offsets)]
    return place - np.maximum.accumulate(np.where(is_first, place, 0))


BIGINT: Final = 20
ELEMENTS: Final = {
    BIGINT: laid_out(">i8"),
    23: laid_out(">i4"),
    701: laid_out(">f8"),
}
"""By type: how each element lies in a binary array."""

ARRAYS: Final = {BIGINT: 1016, 23: 1007, 701: 1022}
"""The type of an array by the type of its elements."""


class _ArrayDumper(Dumper):
    """An array of whole numbers as `bigint[]`, any other as `float8[]`."""

    format = Format.BINARY

    def get_key(self, obj: Any, format: PyFormat) -> DumperKey:
        return (self.cls, type(obj.dtype))

    def upgrade(self, obj: Any, format: PyFormat) -> _ArrayDumper:
        dumper = _ArrayDumper(self.cls)
        dumper.oid = ARRAYS[_element(obj)]
        return dumper

    def dump(self, obj: Any) -> Buffer:
        element = _element(obj)
        return packed(obj, element=element, layout=ELEMENTS[element])


def _element(array: NDArray[Any]) -> int:
    return BIGINT if array.dtype.kind == "i" else 701


class _ArrayLoader(Loader):
    """A binary array without nulls, of one dimension; whole numbers as `int64`."""

    format = Format.BINARY

    def load(self, data: Buffer) -> NDArray[Any]:
        dimensions, _, element, count, _ = HEAD.unpack_from(data) if len(data) >= HEAD.size else (0, 0, BIGINT, 0, 1)
        if not dimensions:
            return np.empty(0)
        values = np.frombuffer(data, dtype=ELEMENTS[element], offset=HEAD.size, count=count)["value"]
        return values.astype(np.int64 if values.dtype.kind == "i" else np.float64)


@contextmanager
def _cursor() -> Iterator[psycopg.Cursor[tuple[Any, ...]]]:
    """A cursor that speaks binary, on the connection, and within the transaction, that Django has."""
    connection = connections[alias_of("workout")]
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.adapters.register_dumper(np.ndarray, _ArrayDumper)
        for array in ARRAYS.values():
            cursor.adapters.register_loader(array, _ArrayLoader)
        yield cursor


def store(streams: Iterable[tuple[UUID, Columns]]) -> None:
    """Save packed streams of sessions, in place of those of the same kinds."""
    require_unit_of_work("workout")
    with _cursor() as cursor:
        cursor.executemany(
            "INSERT INTO workout_stream (session_id, kind, steps_us, sequences, measured)"
            " VALUES (%s, %s, %b, %b::int[], %b)"
            " ON CONFLICT (session_id, kind) DO UPDATE SET steps_us = EXCLUDED.steps_us,"
            " sequences = EXCLUDED.sequences, measured = EXCLUDED.measured",
            [
                (session_id, each.kind, np.diff(each.offsets_us, prepend=0), each.sequences, each.measured)
                for session_id, each in streams
            ],
        )


def stored(session_ids: Iterable[UUID], *, kinds: Collection[str] = ()) -> Iterator[tuple[UUID, Columns]]:
    """The packed streams of sessions as they are stored, those of these kinds or all, by kind."""
    with _cursor() as cursor:
        cursor.execute(
            "SELECT session_id, kind, steps_us, sequences, measured FROM workout_stream"
            " WHERE session_id = ANY(%s) AND (kind = ANY(%s) OR %s) ORDER BY kind, session_id",
            [list(session_ids), list(kinds), not kinds],
            binary=True,
        )
        for of, kind, steps_us, sequences, measured in cursor:
            yield of, Columns(kind, np.cumsum(steps_us), sequences, measured)
