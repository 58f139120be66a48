"""What health does by the clock."""

from typing import Any

from celery import shared_task
from django.db import connections
from django.utils.timezone import now

from contexts.health.models import Reading
from kernel.databases import alias_of
from kernel.timescale.partitions import make_months


@shared_task(ignore_result=True)
def make_months_for_readings() -> None:
    """Daily: readings of the coming months get their partitions. TimescaleDB does this by itself."""
    connection: Any = connections[alias_of("health")]
    table = Reading._meta.db_table
    if not connection.is_hypertable(table):
        make_months(connection, table=table, column="time", around=now())


EVERY = {make_months_for_readings: 86_400.0}
