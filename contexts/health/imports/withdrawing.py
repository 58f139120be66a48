"""Readings of phone samples taken back: rows go, their batches count less, and it is announced."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connections
from django.db.models import F

from contexts.health import events, invalidation
from contexts.health.models import Batch
from contexts.health.models.imports import PhoneSample
from contexts.health.rules import Stream
from contexts.health.worn.devices import KnownDevice
from kernel.bus import publish
from kernel.databases import require_unit_of_work

TAKE_BACK = """
    WITH gone AS (
        DELETE FROM health_reading AS reading
        USING unnest(%s::smallint[], %s::integer[], %s::timestamptz[], %s::timestamptz[])
              AS going (stream, sequence, first_at, last_at)
        WHERE reading.device_number = %s AND reading.stream = going.stream AND reading.sequence = going.sequence
          AND reading.time BETWEEN going.first_at AND going.last_at
        RETURNING reading.mark, reading.stream, reading.time
    )
    SELECT mark, array_agg(DISTINCT stream), min(time), max(time), count(*) FROM gone GROUP BY mark ORDER BY mark
"""


def take_back(source: KnownDevice, rows: Sequence[PhoneSample], *, at: datetime) -> None:
    """Delete the readings of these samples, in the open unit of work."""
    going: list[tuple[Any, ...]] = [
        (stream, row.sequence, row.first_at, row.last_at) for row in rows for stream in row.streams
    ]
    if not going:
        return
    with connections[require_unit_of_work("health")].cursor() as cursor:
        cursor.execute(TAKE_BACK, [*map(list, zip(*going, strict=True)), source.number])
        taken = cursor.fetchall()
    for mark, streams, first_at, last_at, count in taken:
        _count_less(source, mark, streams, first_at, last_at, count, at=at)


def _count_less(
    source: KnownDevice,
    mark: int,
    streams: list[int],
    first_at: datetime,
    last_at: datetime,
    count: int,
    *,
    at: datetime,
) -> None:
    span = {"first_at__lte": first_at, "last_at__gte": last_at}
    batch = Batch.objects.select_for_update().get(device_number=source.number, mark=mark, **span)
    if batch.count == count:
        batch.delete()
    else:
        Batch.objects.filter(batch_id=batch.batch_id).update(count=F("count") - count)
    invalidation.note(device_number=source.number, streams=streams, first_at=first_at, last_at=last_at)
    publish(
        events.HealthMetricWithdrawn(
            batch_id=batch.batch_id,
            user_id=source.user_id,
            device_id=source.device_id,
            streams=sorted(Stream(stream).name for stream in streams),
            first_at=first_at,
            last_at=last_at,
            count=count,
            occurred_at=at,
        )
    )
