"""From what a vendor tells to readings of the connection's source, by the way all readings go.

A reading is known again by its stream, its instant and its record's name at the vendor: told twice, it is stored
once. Told with another value, the vendor's last word stands: what it said before is taken back and announced so,
and the new value is a new reading. What a vendor deletes or moves in time is not followed: none of them tells.
"""

import logging
import zlib
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import numpy as np
import psycopg
from django.db import connections
from django.db.models import F
from numpy.typing import NDArray

from contexts.health import events, invalidation, rules
from contexts.health.catalogue import METRICS, Stream
from contexts.health.columns import Columns, Told, checked, microseconds_of
from contexts.health.intake import ingesting
from contexts.health.integrations import contract
from contexts.health.models import Batch, Connection, Device
from contexts.health.worn.devices import ConsentRequired, known_as
from kernel.bus import publish
from kernel.databases import require_unit_of_work, unit_of_work
from kernel.timescale.columns import Floats, Instants, Integers, SmallIntegers

log = logging.getLogger(__name__)

AT_ONCE = 5_000
DEVICES_NAMED = 20


def store(connection_id: UUID, told: Sequence[contract.Told], *, at: datetime) -> int:
    """Store what is new of these readings, and what is corrected; returns how many that is.

    Raises `ConsentRequired` without consent, `DeviceUnknown` once the connection has ended.
    """
    kept = 0
    for start in range(0, len(told), AT_ONCE):
        kept += _store(connection_id=connection_id, told=told[start : start + AT_ONCE], at=at)
    return kept


@unit_of_work("health", gate="connection_id", isolation="read committed")
def _store(*, connection_id: UUID, told: Sequence[contract.Told], at: datetime) -> int:
    connection = Connection.objects.select_for_update().get(pk=connection_id)
    source = Device.objects.get(number=connection.device_number)
    if source.suspended_at is not None:
        raise ConsentRequired(purpose=rules.PURPOSE)
    columns, rejected = _columns(told, at=at)
    _note(connection, told, rejected, at=at)
    if not len(columns):
        return 0
    _take_back_corrected(source, columns, at=at)
    return ingesting.store_batch(columns=columns, by=known_as(source), at=at, statement=ingesting.STORE_MISSING)


def _columns(told: Sequence[contract.Told], *, at: datetime) -> tuple[Columns, Counter[str]]:
    """One row for each reading, by the last thing said of it; and the codes of those that cannot be stored."""
    latest = {(one.stream, one.time, sequence_of(one.record)): one for one in told}
    values, faults = [], {}
    for place, one in enumerate(latest.values()):
        way = METRICS[one.stream].way(one.unit)
        values.append(way.to_stored(one.value) if way else 0.0)
        if way is None:
            faults[place] = "unknown_unit"
    columns, rejected = checked(
        Told(
            streams=np.array([stream for stream, _, _ in latest], np.int16),
            times=np.array([microseconds_of(time) for _, time, _ in latest], np.int64),
            sequences=np.array([sequence for _, _, sequence in latest], np.int32),
            values=np.array(values, np.float64),
        ),
        earliest=rules.EARLIEST_ENTRY,
        latest=rules.latest(at=at),
        faults=faults,
    )
    return columns, Counter(one.code for one in rejected)


def sequence_of(record: str) -> int:
    """The same for the same record always, below 2³¹; 0 for what has no name of its own."""
    return zlib.crc32(record.encode()) & 0x7FFFFFFF if record else 0


def _note(connection: Connection, told: Sequence[contract.Told], rejected: Counter[str], *, at: datetime) -> None:
    named = {one.device for one in told if one.device and one.device.isprintable()} - set(connection.devices)
    connection.devices = [*connection.devices, *sorted(named)][:DEVICES_NAMED]
    connection.rejected += rejected.total()
    connection.synced_at = at
    connection.save(update_fields=["devices", "rejected", "synced_at"])
    if rejected:
        log.warning("readings of a vendor were refused", extra={"vendor": connection.vendor, "codes": dict(rejected)})


_CORRECTED = """
    DELETE FROM health_reading AS reading
    USING unnest(%(times)b, %(values)b, %(sequences)b, %(streams)b) AS told (time, value, sequence, stream)
    WHERE reading.device_number = %(device)s::integer AND reading.stream = told.stream
      AND reading.time = told.time AND reading.sequence = told.sequence AND reading.value <> told.value
    RETURNING reading.mark, reading.stream, reading.time
"""


def _take_back_corrected(source: Device, columns: Columns, *, at: datetime) -> None:
    """Delete what these readings correct, and say so for each batch it was in."""
    gone: dict[int, list[tuple[int, datetime]]] = {}
    connection = connections[require_unit_of_work("health")]
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        for mark, stream, time in cursor.execute(_CORRECTED, _parameters(source, columns), binary=True):
            gone.setdefault(mark, []).append((stream, time))
    for mark, readings in gone.items():
        times = [time for _, time in readings]
        batch = Batch.objects.select_for_update().get(
            device_number=source.number, mark=mark, first_at__lte=min(times), last_at__gte=max(times)
        )
        left = batch.count - len(readings)
        if left:
            Batch.objects.filter(pk=batch.pk).update(count=F("count") - len(readings))
        else:
            batch.delete()
        invalidation.note(
            device_number=source.number,
            streams=[stream for stream, _ in readings],
            first_at=min(times),
            last_at=max(times),
        )
        publish(
            events.HealthMetricWithdrawn(
                batch_id=batch.pk,
                user_id=source.user_id,
                device_id=source.device_id,
                streams=sorted({Stream(stream).name for stream, _ in readings}),
                first_at=min(times),
                last_at=max(times),
                count=len(readings),
                occurred_at=at,
            )
        )


def _parameters(source: Device, columns: Columns) -> dict[str, object]:
    streams: NDArray[np.int16] = columns.streams
    return {
        "device": source.number,
        "times": Instants(columns.times),
        "values": Floats(columns.values),
        "sequences": Integers(columns.sequences),
        "streams": SmallIntegers(streams),
    }
