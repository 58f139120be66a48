"""How a time series is laid out.

A model with a `TimescaleDateTimeField` keeps its primary key (which must contain the time) and becomes

* a hypertable, where TimescaleDB is installed;
* else a table with native RANGE partitions, one calendar month (UTC) each, plus a default partition, so that a
  reading is stored even when nobody made its month. Insertion costs up to 7 % more than into a plain table,
  and a month can be archived or dropped without touching the others; see `partitions.py`.
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.db.models import Model
from timescale.db.backends.postgresql.schema import TimescaleSchemaEditor
from timescale.db.models.fields import TimescaleDateTimeField

from kernel.timescale import partitions

if TYPE_CHECKING:
    from kernel.timescale.base import DatabaseWrapper


class SchemaEditor(TimescaleSchemaEditor):  # type: ignore[misc,unused-ignore]
    """django-timescaledb's editor, on either engine, never at the price of the primary key."""

    connection: "DatabaseWrapper"

    def table_sql(self, model: type[Model]) -> tuple[str, Any]:
        """CREATE TABLE; a time series without TimescaleDB is born partitioned (a table cannot become so later)."""
        sql, params = super().table_sql(model)
        field = time_field(model)
        if field is None:
            return sql, params
        if not self.collect_sql:
            self.connection.prepare_time_series()
        if not self.connection.has_timescaledb:
            sql = f"{sql} PARTITION BY RANGE ({self.quote_name(field.column)})"
        return sql, params

    def _create_hypertable(
        self, model: type[Model], field: TimescaleDateTimeField, should_migrate: bool = False
    ) -> None:
        table = model._meta.db_table
        if self.connection.has_timescaledb:
            self.execute(
                "SELECT create_hypertable(%s, by_range(%s, %s::interval), if_not_exists => true,"
                " create_default_indexes => false, migrate_data => %s)",
                [table, field.column, field.interval, should_migrate],
            )
        elif not should_migrate:
            self.execute(partitions.default_partition_sql(table))
            if not self.collect_sql:
                partitions.make_months(self.connection, table=table, column=field.column, around=datetime.now(UTC))

    def _set_chunk_time_interval(self, model: type[Model], field: TimescaleDateTimeField) -> None:
        if self.connection.is_hypertable(model._meta.db_table):
            super()._set_chunk_time_interval(model, field)


def time_field(model: type[Model]) -> TimescaleDateTimeField | None:
    """The field along which the model is a time series, or None for an ordinary model."""
    return next((field for field in model._meta.local_fields if isinstance(field, TimescaleDateTimeField)), None)
