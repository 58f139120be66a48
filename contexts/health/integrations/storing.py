"""From what a vendor tells to readings of the connection's source, by the way all readings go.

A reading is known again by its stream, its instant and its record's name at the vendor: told twice, it is stored
once. Told with another value, the vendor's last word stands: what it said before is taken back and announced so,
and the new value is a new reading; also where the old one lies in a cold file. What a vendor deletes or moves in time
is not followed: none of them tells.
"""

import logging
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import numpy as np
import psycopg
from django.db import connections
from numpy.typing import NDArray

from contexts.health import rules
from contexts.health.archive import keeping, withdrawals
from contexts.health.catalogue import METRICS
from contexts.health.columns import Columns, Told, checked, instant, microseconds_of
from contexts.health.intake import ingesting
from contexts.health.integrations import contract
from contexts.health.looking.merging import may_be_cold
from contexts.health.models import Connection, Device
from contexts.health.models.cold import ColdFile
from contexts.health.rows import joined
from contexts.health.worn.devices import ConsentRequired, known_as
from kernel.databases import require_unit_of_work, unit_of_work
from kernel.errors import TryAgain
from kernel.timescale.columns import Floats, Instants, Integers, SmallIntegers

log = logging.getLogger(__name__)

AT_ONCE: Final = 5_000
DEVICES_NAMED: Final = 20
TRIES: Final = 3


class Meanwhile(Exception):
    """The cold files are not those that were looked into: look again."""


@dataclass(frozen=True, slots=True)
class Cold:
    """The cold files of the time that is told of, and what of them is told otherwise now."""

    files: list[UUID]
    corrected: list[withdrawals.Going]


def store(connection_id: UUID, told: Sequence[contract.Told], *, at: datetime) -> int:
    """Store what is new of these readings, and what is corrected; returns how many that is.

    Raises `ConsentRequired` without consent, `DeviceUnknown` once the connection has ended.
    """
    return sum(
        _store_some(connection_id, told[start : start + AT_ONCE], at=at) for start in range(0, len(told), AT_ONCE)
    )


def _store_some(connection_id: UUID, told: Sequence[contract.Told], *, at: datetime) -> int:
    columns, rejected = _columns(told, at=at)
    source = Device.objects.get(number=Connection.objects.get(pk=connection_id).device_number)
    for _ in range(TRIES):
        cold = _looked_into(_files_of(source, columns), source, columns)
        try:
            return _store(
                connection_id=connection_id, told=told, columns=columns, rejected=rejected, cold=cold, at=at
            )
        except Meanwhile:
            continue
    raise TryAgain


@unit_of_work("health", gate="connection_id", isolation="read committed")
def _store(
    *,
    connection_id: UUID,
    told: Sequence[contract.Told],
    columns: Columns,
    rejected: Counter[str],
    cold: Cold,
    at: datetime,
) -> int:
    connection = Connection.objects.select_for_update().get(pk=connection_id)
    source = Device.objects.get(number=connection.device_number)
    if source.suspended_at is not None:
        raise ConsentRequired(purpose=rules.PURPOSE)
    _note(connection, told, rejected, at=at)
    if not len(columns):
        return 0
    _take_back_corrected(source, columns, at=at)
    _take_back_cold(source, columns, cold, at=at)
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
    found: dict[int, list[tuple[int, datetime]]] = {}
    connection = connections[require_unit_of_work("health")]
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        for mark, stream, time in cursor.execute(_CORRECTED, _parameters(source, columns), binary=True):
            found.setdefault(mark, []).append((stream, time))
    for mark, readings in found.items():
        times = [time for _, time in readings]
        gone = withdrawals.Gone(
            device_number=source.number,
            mark=mark,
            streams=sorted({stream for stream, _ in readings}),
            first_at=min(times),
            last_at=max(times),
            count=len(readings),
        )
        withdrawals.count_less(gone, cold=0, at=at)


def _take_back_cold(source: Device, columns: Columns, cold: Cold, *, at: datetime) -> None:
    """Let the next run leave out of the files what these readings correct.

    After what is in the table, so that a month that moves in between is seen here.
    """
    if [file.file_id for file in _files_of(source, columns)] != cold.files:
        raise Meanwhile
    if cold.corrected:
        withdrawals.note(user_id=source.user_id, device_number=source.number, going=cold.corrected, at=at)


def _files_of(source: Device, columns: Columns) -> list[ColdFile]:
    """Cold files of the time of these readings."""
    if not len(columns):
        return []
    since, until = instant(int(columns.times.min())), instant(int(columns.times.max()) + 1)
    return keeping.current_files(source.user_id, since=since, until=until) if may_be_cold(since) else []


def _looked_into(files: list[ColdFile], source: Device, columns: Columns) -> Cold:
    keys = zip(columns.streams.tolist(), columns.sequences.tolist(), columns.times.tolist(), strict=True)
    told = dict(zip(keys, columns.values.tolist(), strict=True))
    corrected = []
    for file in files:
        for stream, sequence, time, value in _held(file, source):
            if told.get((stream, sequence, time), value) != value:
                corrected.append((stream, sequence, instant(time), instant(time)))
    return Cold([file.file_id for file in files], corrected)


def _held(file: ColdFile, source: Device) -> list[tuple[int, int, int, float]]:
    """Stream, sequence, time and value of what a file holds of this source."""
    from contexts.health.archive import sheets  # with pyarrow, which few processes ever need

    rows = withdrawals.left_of(joined(sheets.read(keeping.opened(file))), file)
    own: list[tuple[int, int, int, float]] = rows[rows["device_number"] == source.number][
        ["stream", "sequence", "time", "value"]
    ].tolist()
    return own


def _parameters(source: Device, columns: Columns) -> dict[str, object]:
    streams: NDArray[np.int16] = columns.streams
    return {
        "device": source.number,
        "times": Instants(columns.times),
        "values": Floats(columns.values),
        "sequences": Integers(columns.sequences),
        "streams": SmallIntegers(streams),
    }
