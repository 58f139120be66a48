"""Native monthly partitions of a time series, where TimescaleDB does not do it.

A month's partition is made ahead of time. Should rows of that month already lie in the default partition (nobody
called `make_months` for a while), they move over in the same transaction: no reading is ever refused or lost.
"""

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from django.db import transaction

MONTHS_BEHIND = 1
MONTHS_AHEAD = 2


def make_months(connection: Any, *, table: str, column: str, around: datetime) -> list[str]:
    """Make the partitions from a month before `around` to two months after it; return the names of the new ones."""
    first = around.astimezone(UTC).year * 12 + around.astimezone(UTC).month - 1 - MONTHS_BEHIND
    starts = [_month(first + n) for n in range(MONTHS_BEHIND + MONTHS_AHEAD + 2)]
    made = []
    for start, end in pairwise(starts):
        name = f"{table}_{start:%Y_%m}"
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            if _is_missing(cursor, table=table, name=name):
                _add(cursor, table=table, name=name, column=column, start=start, end=end)
                made.append(name)
    return made


def default_partition_sql(table: str) -> str:
    """DDL of the partition that takes what has no month of its own."""
    return f'CREATE TABLE "{table}_default" PARTITION OF "{table}" DEFAULT'


def _month(number: int) -> datetime:
    return datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC)


def _is_missing(cursor: Any, *, table: str, name: str) -> bool:
    # Two processes may come at the same moment; the second waits here and then sees the first one's work.
    cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [table])
    cursor.execute("SELECT to_regclass(quote_ident(%s)) IS NULL", [name])
    return bool(cursor.fetchone()[0])


def _add(cursor: Any, *, table: str, name: str, column: str, start: datetime, end: datetime) -> None:
    cursor.execute(f'CREATE TABLE "{name}" (LIKE "{table}" INCLUDING ALL)')
    cursor.execute(f'LOCK TABLE "{table}_default" IN ACCESS EXCLUSIVE MODE')
    stored = _stored_columns(cursor, table)
    delete = f'DELETE FROM "{table}_default" WHERE "{column}" >= %s AND "{column}" < %s'  # noqa: S608 (our names)
    insert = f'INSERT INTO "{name}" ({stored}) SELECT {stored} FROM moved'  # noqa: S608
    cursor.execute(f"WITH moved AS ({delete} RETURNING *) {insert}", [start, end])
    cursor.execute(
        f'ALTER TABLE "{table}" ATTACH PARTITION "{name}"'
        f" FOR VALUES FROM ('{start.isoformat()}') TO ('{end.isoformat()}')"
    )


def _stored_columns(cursor: Any, table: str) -> str:
    """The columns one may write: all but the generated ones."""
    cursor.execute(
        "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute"
        " WHERE attrelid = quote_ident(%s)::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''",
        [table],
    )
    return str(cursor.fetchone()[0])
