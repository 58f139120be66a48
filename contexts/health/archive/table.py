"""Readings in the table, many at a time: copied out as arrays, and taken out for good."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, TypeAlias

import numpy as np
import psycopg
from django.db import connections
from psycopg import sql

from contexts.health.rows import ROW, Rows
from contexts.health.rules import Stream
from kernel.arrays import HEAD, laid_out
from kernel.databases import alias_of

ELEMENTS: Final = {
    "time": ">i8",
    "value": ">f8",
    "device_number": ">i4",
    "sequence": ">i4",
    "mark": ">i4",
    "stream": ">i2",
    "quarantined": "u1",
    "doubt": ">i2",
}
"""By column, how a value of it lies in PostgreSQL's binary form."""

WITHOUT_NULLS: Final = {"doubt": "coalesce(doubt, 0::smallint)"}

MOVING_TAKES_MS = 300_000

Print: TypeAlias = dict[int, tuple[int, Decimal]]
"""By stream, how many rows there are and the sum of their hashes: equal for the same rows and, but for one chance in
2^64, for no others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Readings of some devices from `since` to before `until`, of some streams."""

    devices: list[int]
    since: datetime
    until: datetime
    streams: list[int]

    def of(self, stream: int) -> "Span":
        """The part that is of one stream."""
        return replace(self, streams=[stream])

    def where(self) -> sql.Composed:
        """The condition, with its values in it."""
        return sql.SQL(
            "device_number = ANY ({}::integer[]) AND stream = ANY ({}::smallint[]) AND time >= {} AND time < {}"
        ).format(*(sql.Literal(value) for value in (self.devices, self.streams, self.since, self.until)))


def copied(span: Span) -> Rows:
    """The rows, in no order: column by column as one binary array each, for row by row takes the driver long."""
    columns = sql.SQL(", ").join(
        sql.SQL("array_send(array_agg({}))").format(sql.SQL(WITHOUT_NULLS.get(name, name))) for name in ELEMENTS
    )
    query = sql.SQL("SELECT count(*), {} FROM health_reading WHERE {}").format(columns, span.where())
    with _cursor() as cursor:
        found = cursor.execute(query, binary=True).fetchone()
    assert found is not None
    count, *arrays = found
    rows = np.empty(count, ROW)
    if count:
        for (name, letters), array in zip(ELEMENTS.items(), arrays, strict=True):
            rows[name] = np.frombuffer(array, laid_out(letters), count, HEAD.size)["value"]
    return rows


_HASHED = """
    stream, count(*)::integer,
    sum(hash_record_extended(ROW(time, value, device_number, sequence, mark, stream, doubt), 0)::numeric)
"""
PRINT: Final = "SELECT {hashed} FROM health_reading WHERE {where} GROUP BY stream"
TAKE: Final = """
    WITH gone AS (
        DELETE FROM health_reading WHERE {where}
        RETURNING time, value, device_number, sequence, mark, stream, doubt
    ), moved AS (
        UPDATE health_batch SET cold = cold + found.count
        FROM (
            SELECT batch_id, count(*)::integer AS count
            FROM gone JOIN health_batch AS batch USING (device_number, mark)
            WHERE gone.time BETWEEN batch.first_at AND batch.last_at
            GROUP BY batch_id
        ) AS found
        WHERE health_batch.batch_id = found.batch_id
    )
    SELECT {hashed} FROM gone GROUP BY stream
"""


def print_of(span: Span) -> Print:
    """What tells these rows from any others."""
    return _asked(PRINT, span)


def taken(span: Span) -> Print:
    """Delete the rows, and note in their batches that they are in cold files; what was deleted, as `print_of`."""
    return _asked(TAKE, span)


def _asked(query: str, span: Span) -> Print:
    with _cursor() as cursor:
        # As long as a big month takes; elsewhere 30 s are the limit.
        cursor.execute(sql.SQL("SET LOCAL statement_timeout = {}").format(sql.Literal(MOVING_TAKES_MS)))
        # What was deleted has no statistics: a nested loop over it and the batches would take minutes.
        cursor.execute("SET LOCAL enable_nestloop = off")
        cursor.execute(sql.SQL(query).format(hashed=sql.SQL(_HASHED), where=span.where()))
        return {stream: (count, hashes) for stream, count, hashes in cursor.fetchall()}


@contextmanager
def _cursor() -> Iterator[psycopg.Cursor[Any]]:
    """The driver's own; its errors are Django's, so that a unit of work runs again where it should."""
    connection = connections[alias_of("health")]
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        yield cursor


ALL_STREAMS: Final = [stream.value for stream in Stream]
