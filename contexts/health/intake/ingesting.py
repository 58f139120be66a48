"""Taking in readings: the hot path.

A batch is one transaction of two statements: readings with their batch row, and the event. Most batches are new, so
readings go in with a plain INSERT, at little more than half the price of ON CONFLICT. A batch whose first reading is
there already (a repeat), or that runs into another one (a unique violation), is stored with ON CONFLICT DO NOTHING.

Correctness rests on the primary key of readings, not on the isolation level, so this runs at READ COMMITTED.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from django.db import IntegrityError, connections

from contexts.health import events, invalidation, rules
from contexts.health.archive import payloads
from contexts.health.columns import Columns, Rejection, names_of
from contexts.health.intake.admission import admitted
from contexts.health.intake.decoding import decode, decode_columns
from contexts.health.intake.inflating import inflated
from contexts.health.worn.devices import ConsentRequired, DeviceLost, KnownDevice, look_again
from contexts.health.worn.signatures import DeviceUnknown
from kernel.bus import publish
from kernel.databases import require_unit_of_work, sqlstate_of, unit_of_work
from kernel.errors import Refused
from kernel.models import uuid7
from kernel.timescale.columns import Floats, Instants, Integers, SmallIntegers

UNIQUE_VIOLATION = "23505"
_MARK_BITS = 2**31 - 1

_STORE = """
    WITH live AS (
        SELECT FROM health_device
        WHERE number = %(device)s::integer AND revoked_at IS NULL AND suspended_at IS NULL AND lost_at IS NULL
    ), stored AS (
        INSERT INTO health_reading (time, value, device_number, sequence, mark, stream{doubt})
        SELECT time, value, %(device)s::integer, sequence, %(mark)s::integer, stream{or_none}
        FROM unnest(%(times)b, %(values)b, %(sequences)b, %(streams)b{doubts})
             AS arrived (time, value, sequence, stream{doubt})
        WHERE EXISTS (SELECT FROM live) {unless_known}
        RETURNING time
    ), counted AS (
        SELECT count(*)::integer AS count, min(time) AS first_at, max(time) AS last_at FROM stored
    ), kept AS (
        INSERT INTO health_batch (batch_id, device_number, mark, first_at, last_at, count, recorded_at)
        SELECT %(batch_id)s::uuid, %(device)s::integer, %(mark)s::integer, first_at, last_at, count,
               %(at)s::timestamptz
        FROM counted WHERE count > 0
    )
    SELECT count, first_at, last_at, EXISTS (SELECT FROM live) FROM counted
"""
UNDOUBTED = {"doubt": "", "or_none": "", "doubts": ""}
DOUBTED = {"doubt": ", doubt", "or_none": ", nullif(doubt, 0)", "doubts": ", %(doubts)b"}
STORE_NEW = _STORE.format(
    **UNDOUBTED,
    unless_known="""
        AND NOT EXISTS (
            SELECT FROM health_reading AS known
            WHERE known.device_number = %(device)s::integer AND known.stream = (%(streams)b)[1]
              AND known.time = (%(times)b)[1] AND known.sequence = (%(sequences)b)[1])
    """,
)
STORE_MISSING = _STORE.format(**UNDOUBTED, unless_known="ON CONFLICT DO NOTHING")
STORE_DOUBTED = _STORE.format(**DOUBTED, unless_known="ON CONFLICT DO NOTHING")
"""Some of these are doubted: the statement names one more column, which readings without doubts do not pay for."""


def mark_of(batch_id: UUID) -> int:
    """What each reading of a batch carries of its id: 31 of the random bits."""
    return batch_id.int & _MARK_BITS


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a request's readings."""

    accepted: int
    duplicates: int
    rejected: list[Rejection]


JSON = "application/json"
COLUMNS = "application/vnd.stayer.columns+json"
"""The compact form: streams as columns of steps and values."""

DECODERS = {JSON: decode, COLUMNS: decode_columns}


def record_readings(*, body: bytes, by: KnownDevice, at: datetime, form: str = JSON, encoding: str = "") -> Receipt:
    """Store what is new in a signed request; when this returns, nothing accepted can be lost any more.

    `form` is one of `DECODERS`, `encoding` the Content-Encoding. Raises `BadJson` and `InvalidInput` for a body that
    is no batch at all, `ConsentRequired` without consent, `TooBusy` when too much is in hand already.
    """
    if by.is_suspended:
        raise ConsentRequired(purpose=rules.PURPOSE)
    if by.is_lost:
        raise DeviceLost
    with admitted(by.number):
        columns, rejected = DECODERS[form](
            inflated(body, encoding=encoding), earliest=by.earliest, latest=rules.latest(at=at)
        )
        accepted = store(columns=columns, by=by, at=at) if len(columns) else 0
        payloads.note(body=body, device=by.number, at=at, form=form, encoding=encoding)
        return Receipt(accepted, len(columns) - accepted, rejected)


def store(*, columns: Columns, by: KnownDevice, at: datetime) -> int:
    """Store what is new of these readings; returns how many that is."""
    if columns.doubts is not None:
        return store_batch(columns=columns, by=by, at=at, statement=STORE_DOUBTED)
    try:
        return store_batch(columns=columns, by=by, at=at, statement=STORE_NEW)
    except IntegrityError as error:
        if sqlstate_of(error) != UNIQUE_VIOLATION:
            raise
        return store_batch(columns=columns, by=by, at=at, statement=STORE_MISSING)


@unit_of_work("health", isolation="read committed")
def store_batch(
    *, columns: Columns, by: KnownDevice, at: datetime, statement: str, batch_id: UUID | None = None
) -> int:
    """Store the readings that are not there yet and announce them; returns how many these were."""
    batch_id = batch_id or uuid7()
    values = _parameters(columns, by=by, at=at, batch_id=batch_id)
    ((count, first_at, last_at, is_live),) = fetch(statement, values)
    if not is_live:
        raise _refusal(by)
    if count == 0 and statement is STORE_NEW:
        ((count, first_at, last_at, _),) = fetch(STORE_MISSING, values)
    if count:
        invalidation.note(device_number=by.number, streams=columns.streams, first_at=first_at, last_at=last_at)
        publish(
            events.HealthMetricRecorded(
                batch_id=batch_id,
                user_id=by.user_id,
                device_id=by.device_id,
                streams=names_of(columns.streams),
                first_at=first_at,
                last_at=last_at,
                count=count,
                occurred_at=at,
            )
        )
    return count


def _parameters(columns: Columns, *, by: KnownDevice, at: datetime, batch_id: UUID) -> dict[str, Any]:
    doubts = {} if columns.doubts is None else {"doubts": SmallIntegers(columns.doubts)}
    return doubts | {
        "device": by.number,
        "mark": mark_of(batch_id),
        "batch_id": batch_id,
        "at": at,
        "times": Instants(columns.times),
        "values": Floats(columns.values),
        "sequences": Integers(columns.sequences),
        "streams": SmallIntegers(columns.streams),
    }


def _refusal(by: KnownDevice) -> Refused:
    """Why a device that was remembered as good may store nothing: it was let go, or suspended, a moment ago."""
    device = look_again(by)
    if device is None:
        return DeviceUnknown()
    return DeviceLost() if device.is_lost else ConsentRequired(purpose=rules.PURPOSE)


def fetch(statement: str, values: dict[str, Any]) -> list[Any]:
    """Run it on the driver's own cursor, its rows: binary parameters, prepared once per connection."""
    connection = connections[require_unit_of_work("health")]
    connection.ensure_connection()
    raw: psycopg.Connection[Any] = connection.connection
    raw.prepare_threshold = 1
    with connection.wrap_database_errors, psycopg.Cursor(raw) as cursor:
        return cursor.execute(statement, values, prepare=True, binary=True).fetchall()
