"""Columns of numbers as ready-made binary arrays, for statements that store many rows with `unnest`.

psycopg turns a Python list into an array element by element; for a batch of readings that costs more than
everything else the request does. These pack a whole column at once. They need a cursor that binds on the server
(`psycopg.Cursor`, not Django's).
"""

from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import numpy as np
import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format

from kernel.arrays import laid_out, packed

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""PostgreSQL counts instants from here."""

MICROSECOND = timedelta(microseconds=1)


class Column:
    """One column of values, an array or a list; the subclass says of which type."""

    __slots__ = ("packed",)

    oid: ClassVar[int]
    """PostgreSQL's number for the array type."""
    element: ClassVar[tuple[int, np.dtype[np.void]]]
    """The element type's number, and how one lies in an array."""

    def __init__(self, values: Any) -> None:
        number, layout = self.element
        self.packed = packed(values, element=number, layout=layout)


class Instants(Column):
    """timestamptz[] from microseconds since `EPOCH`."""

    oid, element = 1185, (1184, laid_out(">i8"))


class Floats(Column):
    """double precision[]"""

    oid, element = 1022, (701, laid_out(">f8"))


class Integers(Column):
    """integer[]"""

    oid, element = 1007, (23, laid_out(">i4"))


class SmallIntegers(Column):
    """smallint[]"""

    oid, element = 1005, (21, laid_out(">i2"))


class _ColumnDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Column) -> bytes:
        return obj.packed


for _kind in (Instants, Floats, Integers, SmallIntegers):
    psycopg.adapters.register_dumper(_kind, type(f"{_kind.__name__}Dumper", (_ColumnDumper,), {"oid": _kind.oid}))
