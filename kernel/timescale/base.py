"""The backend named by ENGINE = "kernel.timescale".

For every ordinary table this is Django's own PostgreSQL backend, with the pool, the isolation level and all other
OPTIONS. A model with a `TimescaleDateTimeField` becomes a time series; see `schema.py`.
"""

import logging
from datetime import UTC, datetime
from typing import Any

from django.db import DatabaseError, transaction
from django.db.backends.postgresql import base as postgresql
from django.db.backends.postgresql.psycopg_any import BaseTzLoader
from django.utils.functional import cached_property

from kernel.timescale import columns  # noqa: F401  (its types must be known before the first connection is made)
from kernel.timescale.schema import SchemaEditor

logger = logging.getLogger(__name__)

EXTENSION_STATE = """
    SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb'),
           EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb')
           AND EXISTS (SELECT FROM pg_settings
                       WHERE name = 'shared_preload_libraries' AND setting LIKE '%timescaledb%')
"""

# TimescaleDB counts buckets from Monday, 3 January 2000; the same origin gives the same buckets on both engines.
TIME_BUCKET = """
    CREATE OR REPLACE FUNCTION time_bucket(bucket_width interval, ts timestamptz) RETURNS timestamptz
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$ SELECT date_bin($1, $2, timestamptz '2000-01-03 00:00:00+00') $$
"""
DROP_TIME_BUCKET = "DROP FUNCTION IF EXISTS time_bucket(interval, timestamptz)"


class InstantLoader(BaseTzLoader):  # type: ignore[misc,unused-ignore]
    """Reads `timestamptz` with the standard library's parser: a tenth of the time of the pattern Django uses."""

    timezone = UTC

    def load(self, data: Any) -> datetime:
        """One instant, in UTC as the connection is."""
        try:
            return datetime.fromisoformat(bytes(data).decode())
        except ValueError:  # another DateStyle, a year before Christ, infinity
            instant: datetime = super().load(data)
            return instant


class DatabaseWrapper(postgresql.DatabaseWrapper):  # type: ignore[misc,unused-ignore]
    """Django's PostgreSQL connection which also knows how this server keeps time series."""

    SchemaEditorClass = SchemaEditor

    def get_connection_params(self) -> dict[str, Any]:
        """Django's, with a quicker reader for instants."""
        params: dict[str, Any] = super().get_connection_params()
        if self.timezone is UTC:
            params["context"].register_loader("timestamptz", InstantLoader)
        return params

    @cached_property
    def has_timescaledb(self) -> bool:
        """Whether the extension is installed in this database."""
        return self._extension_state()[0]

    def prepare_time_series(self) -> None:
        """Make `time_bucket(interval, timestamptz)` available: TimescaleDB's where it can be had, else ours.

        Called when a time series is created, so that databases without one stay untouched. Idempotent.
        """
        installed, available = self._extension_state()
        if not installed and available:
            installed = self._install_extension()
        if not installed:
            with self.cursor() as cursor:
                cursor.execute(TIME_BUCKET)
        self.__dict__["has_timescaledb"] = installed

    def _extension_state(self) -> tuple[bool, bool]:
        with self.cursor() as cursor:
            cursor.execute(EXTENSION_STATE)
            installed, available = cursor.fetchone()
        return installed, available

    def _install_extension(self) -> bool:
        try:
            with transaction.atomic(using=self.alias), self.cursor() as cursor:
                cursor.execute(DROP_TIME_BUCKET)  # ours would stand in the way of the extension's own
                cursor.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
        except DatabaseError:
            logger.warning("TimescaleDB is on this server but may not be created in database %s", self.alias)
            return False
        return True

    def is_hypertable(self, table: str) -> bool:
        """Whether TimescaleDB keeps this table (else its partitions, if any, are native)."""
        if not self.has_timescaledb:
            return False
        with self.cursor() as cursor:
            cursor.execute(
                "SELECT EXISTS (SELECT FROM timescaledb_information.hypertables WHERE hypertable_name = %s)", [table]
            )
            found: tuple[Any, ...] = cursor.fetchone()
        return bool(found[0])
