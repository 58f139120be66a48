"""Readings of phone samples taken back: rows go, their batches count less, and it is announced; cold ones too."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import connections

from contexts.health.archive.withdrawals import Going, Gone, count_less, note
from contexts.health.models.imports import PhoneSample
from contexts.health.worn.devices import KnownDevice
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
    """Delete the readings of these samples, in the open unit of work; what is cold of them goes with the next run."""
    going: list[Going] = [(stream, row.sequence, row.first_at, row.last_at) for row in rows for stream in row.streams]
    if not going:
        return
    with connections[require_unit_of_work("health")].cursor() as cursor:
        cursor.execute(TAKE_BACK, [*map(list, zip(*going, strict=True)), source.number])
        taken = cursor.fetchall()
    for mark, streams, first_at, last_at, count in taken:
        gone = Gone(
            device_number=source.number, mark=mark, streams=streams, first_at=first_at, last_at=last_at, count=count
        )
        count_less(gone, cold=0, at=at)
    note(user_id=source.user_id, device_number=source.number, going=going, at=at)
