"""Emptying the databases between two tests, and putting back what one of them was made of."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.db import connections

from contexts.health.worn import devices
from kernel import access
from kernel.databases import redis_client

FILLED_BY_MIGRATIONS = {"django_migrations", "django_content_type", "auth_permission"}
SILENTLY = "SET session_replication_role = replica; {}; RESET session_replication_role"
"""A replica's triggers stay silent: the ones that keep the audit would rightly refuse."""

SMALL = 65_536
"""Bytes. To delete the few rows of a smaller table is five times faster than truncating, which makes new files."""

COUNTERS = """
    FROM pg_sequence AS counter
    JOIN pg_depend AS owned ON owned.classid = 'pg_class'::regclass AND owned.objid = counter.seqrelid
     AND owned.refclassid = 'pg_class'::regclass AND owned.deptype IN ('a', 'i')
    WHERE owned.refobjid IN ({}) AND pg_sequence_last_value(counter.seqrelid) IS NOT NULL
"""
RESTART = "SELECT setval(counter.seqrelid::regclass, counter.seqstart, false)" + COUNTERS
STANDS = "SELECT counter.seqrelid::regclass::text, pg_sequence_last_value(counter.seqrelid)" + COUNTERS
STORED = """
    SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute
    WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
"""
"""A table's columns but for those that PostgreSQL computes."""

_tables: dict[str, list[str]] = {}


def used_tables(alias: str, cursor: Any) -> dict[str, int]:
    """The quoted names of the tables in which there is something now, and their size, 0 for a partitioned one."""
    connection = connections[alias]
    if alias not in _tables:
        known = set(connection.introspection.table_names(cursor)) - FILLED_BY_MIGRATIONS
        _tables[alias] = [connection.ops.quote_name(table) for table in sorted(known)]
    look = "SELECT '{0}', pg_relation_size('{0}') WHERE EXISTS (SELECT FROM {0})"
    looks = (look.format(table) for table in _tables[alias])
    cursor.execute(" UNION ALL ".join(looks))
    return dict(cursor.fetchall())


def empty_tables(alias: str) -> None:
    """Django truncates every table of every alias; to look which ones are used, and how much, is far cheaper.

    The lock waits for whoever still writes, as truncating would.
    """
    with connections[alias].cursor() as cursor:
        used = used_tables(alias, cursor)
        if not used:
            return
        statements = [f"LOCK TABLE {', '.join(used)}"]
        statements += [f"DELETE FROM {table}" for table, size in used.items() if 0 < size <= SMALL]
        if large := [table for table, size in used.items() if not 0 < size <= SMALL]:
            statements.append(f"TRUNCATE {', '.join(large)} CASCADE")
        statements.append(RESTART.format(_listed(used)))
        cursor.execute(SILENTLY.format("; ".join(statements)))


def _listed(tables: dict[str, int]) -> str:
    return ", ".join(f"'{table}'::regclass" for table in tables)


class Kept:
    """What the databases and Redis hold at this moment, in the memory of this process."""

    def __init__(self) -> None:
        self._statements = {alias: "; ".join(self._statements_for(alias)) for alias in settings.DATABASES}
        redis = redis_client()
        self._keys = [(key, redis.dump(key), max(redis.pttl(key), 0)) for key in redis.scan_iter()]

    @staticmethod
    def _statements_for(alias: str) -> Iterator[str]:
        """What fills the tables with the rows they have, and sets their counters."""
        with connections[alias].cursor() as cursor:
            used = used_tables(alias, cursor)
            for table in used:
                cursor.execute(f"SELECT quote_literal(array_agg(kept.*)::text) FROM {table} AS kept")
                (rows,) = cursor.fetchone()
                cursor.execute(STORED, [table])
                (stored,) = cursor.fetchone()
                values = f"SELECT {stored} FROM unnest({rows}::{table}[])"
                yield f"INSERT INTO {table} ({stored}) OVERRIDING SYSTEM VALUE {values}"
            if used:
                cursor.execute(STANDS.format(_listed(used)))
                yield from (f"SELECT setval('{name}', {value})" for name, value in cursor.fetchall())

    def put_back(self) -> None:
        """Fill the emptied databases and Redis with it again.

        This process forgets what it remembers of people and devices: it would be of another past.
        """
        for alias, statements in self._statements.items():
            if statements:
                with connections[alias].cursor() as cursor:
                    cursor.execute(SILENTLY.format(statements))
        with redis_client().pipeline() as pipeline:
            for key, value, lifetime_ms in self._keys:
                pipeline.restore(key, lifetime_ms, value, replace=True)
            pipeline.execute()
        for memory in (access._verified, access._active_until, devices._known):
            memory.clear()
