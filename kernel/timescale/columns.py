"""Columns of numbers as ready-made binary arrays, for statements that store many rows with `unnest`.

psycopg turns a Python list into an array element by element; for a batch of readings that costs more than
everything else the request does. These pack a whole column with one call of `struct`. They need a cursor that
binds on the server (`psycopg.Cursor`, not Django's). The layout is that of PostgreSQL's `array_send`.
"""

import struct
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, ClassVar

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""PostgreSQL counts instants from here."""

MICROSECOND = timedelta(microseconds=1)


class Column:
    """One column of values; the subclass says of which type."""

    __slots__ = ("packed",)

    oid: ClassVar[int]
    """PostgreSQL's number for the array type."""
    element: ClassVar[tuple[int, int, str]]
    """The element type's number, its bytes, and its `struct` letter."""

    def __init__(self, values: Sequence[Any]) -> None:
        oid, size, letter = self.element
        cells = [size] * (2 * len(values))
        cells[1::2] = values
        self.packed = struct.pack(">5i", 1, 0, oid, len(values), 1) + _layout(letter, len(values)).pack(*cells)


class Instants(Column):
    """timestamptz[] from microseconds since `EPOCH`."""

    oid, element = 1185, (1184, 8, "q")


class Floats(Column):
    """double precision[]"""

    oid, element = 1022, (701, 8, "d")


class Integers(Column):
    """integer[]"""

    oid, element = 1007, (23, 4, "i")


class SmallIntegers(Column):
    """smallint[]"""

    oid, element = 1005, (21, 2, "h")


@lru_cache(maxsize=256)
def _layout(letter: str, count: int) -> struct.Struct:
    return struct.Struct(">" + f"i{letter}" * count)


class _ColumnDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Column) -> bytes:
        return obj.packed


for _kind in (Instants, Floats, Integers, SmallIntegers):
    psycopg.adapters.register_dumper(_kind, type(f"{_kind.__name__}Dumper", (_ColumnDumper,), {"oid": _kind.oid}))
