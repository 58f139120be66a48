"""A few readings of each of many devices, stored by one statement and one commit.

As in `ingesting` each request has its batch, its event and its receipt. Requests that are not ordinary are left to
`ingesting`, which says what is wrong with them.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from contexts.health import events, invalidation, rules
from contexts.health.archive import payloads
from contexts.health.columns import GREATEST, LEAST, microseconds_of
from contexts.health.intake.admission import is_within_rate
from contexts.health.intake.decoding import Item, number_of, ordinary_items
from contexts.health.intake.ingesting import JSON, Receipt, fetch, mark_of
from contexts.health.invalidation import Change
from contexts.health.worn.devices import KnownDevice
from kernel.bus import publish
from kernel.databases import unit_of_work
from kernel.models import uuid7
from kernel.timescale.columns import Floats, Instants, Integers, SmallIntegers

_STORE = """
    WITH told AS (
        SELECT * FROM unnest(%(batch_ids)b, %(marks)b, %(devices)b) AS batch (batch_id, mark, device)
        WHERE EXISTS (
            SELECT FROM health_device
            WHERE number = device AND revoked_at IS NULL AND suspended_at IS NULL AND lost_at IS NULL)
    ), stored AS (
        INSERT INTO health_reading (time, value, device_number, sequence, mark, stream)
        SELECT time, value, device, sequence, mark, stream
        FROM unnest(%(of)b, %(times)b, %(values)b, %(sequences)b, %(streams)b)
             AS arrived (mark, time, value, sequence, stream) JOIN told USING (mark)
        ORDER BY device, stream, time, sequence
        ON CONFLICT DO NOTHING
        RETURNING mark, time
    ), counted AS (
        SELECT mark, count(*)::integer AS count, min(time) AS first_at, max(time) AS last_at
        FROM stored GROUP BY mark
    ), kept AS (
        INSERT INTO health_batch (batch_id, device_number, mark, first_at, last_at, count, recorded_at)
        SELECT batch_id, device, mark, first_at, last_at, count, %(at)s::timestamptz
        FROM counted JOIN told USING (mark)
    )
    SELECT mark, coalesce(count, 0), first_at, last_at FROM told LEFT JOIN counted USING (mark)
"""
"""In the order of their key, so that two groups which bring the same readings do not wait for each other."""


class Delivery(NamedTuple):
    """A request's body, the device that signed it, and the request's correlation id."""

    by: KnownDevice
    body: bytes
    correlation_id: str


class _Batch(NamedTuple):
    batch_id: UUID
    by: KnownDevice
    items: list[Item]
    correlation_id: str


def record_grouped(deliveries: Sequence[Delivery], *, at: datetime) -> list[Receipt | None]:
    """Store what is new of ordinary deliveries: their receipts; None for one that is not ordinary, or not let in now.

    When this returns, nothing accepted can be lost any more. Of a delivery without a receipt nothing is stored, and
    of none when this raises.
    """
    latest = microseconds_of(rules.latest(at=at))
    marks: dict[int, int] = {}
    batches = []
    for place, delivery in enumerate(deliveries):
        items = ordinary_items(delivery.body)
        if items and _are_good(items, by=delivery.by, latest=latest) and is_within_rate(delivery.by.number):
            batch = _Batch(_new_id(marks), delivery.by, items, delivery.correlation_id)
            marks[mark_of(batch.batch_id)] = place
            batches.append(batch)
    receipts: list[Receipt | None] = [None] * len(deliveries)
    if not batches:
        return receipts
    for batch, count in _store(batches=batches, at=at):
        place = marks[mark_of(batch.batch_id)]
        payloads.note(body=deliveries[place].body, device=batch.by.number, at=at, form=JSON, encoding="")
        receipts[place] = Receipt(count, len(batch.items) - count, [])
    return receipts


def _are_good(items: list[Item], *, by: KnownDevice, latest: int) -> bool:
    if by.is_suspended or by.is_lost:
        return False
    earliest = microseconds_of(by.earliest)
    for item in items:
        number = number_of.get(item.stream, 0)
        if not (LEAST[number] <= item.value <= GREATEST[number] and earliest <= microseconds_of(item.time) <= latest):
            return False
    return True


def _new_id(marks: dict[int, int]) -> UUID:
    """An id whose mark is another than these: by it the group tells its batches apart."""
    batch_id = uuid7()
    while mark_of(batch_id) in marks:
        batch_id = uuid7()
    return batch_id


@unit_of_work("health", isolation="read committed")
def _store(*, batches: Sequence[_Batch], at: datetime) -> list[tuple[_Batch, int]]:
    """Store what is new of each batch and announce it; of those whose devices are let in, how much it was."""
    found = {mark: of for mark, *of in fetch(_STORE, _parameters(batches, at=at))}
    stored = [(batch, *found[mark]) for batch in batches if (mark := mark_of(batch.batch_id)) in found]
    new = [each for each in stored if each[1]]
    invalidation.note_all(
        Change(batch.by.number, [number_of[item.stream] for item in batch.items], first_at, last_at)
        for batch, _, first_at, last_at in new
    )
    publish(
        *(
            events.HealthMetricRecorded(
                batch_id=batch.batch_id,
                user_id=batch.by.user_id,
                device_id=batch.by.device_id,
                streams=sorted({item.stream for item in batch.items}),
                first_at=first_at,
                last_at=last_at,
                count=count,
                occurred_at=at,
            )
            for batch, count, first_at, last_at in new
        ),
        requests=[batch.correlation_id for batch, *_ in new],
    )
    return [(batch, count) for batch, count, *_ in stored]


def _parameters(batches: Sequence[_Batch], *, at: datetime) -> dict[str, Any]:
    told = [(mark_of(batch.batch_id), item) for batch in batches for item in batch.items]
    return {
        "at": at,
        "batch_ids": [batch.batch_id for batch in batches],
        "marks": Integers([mark_of(batch.batch_id) for batch in batches]),
        "devices": Integers([batch.by.number for batch in batches]),
        "of": Integers([mark for mark, _ in told]),
        "times": Instants([microseconds_of(item.time) for _, item in told]),
        "values": Floats([item.value for _, item in told]),
        "sequences": Integers([item.sequence for _, item in told]),
        "streams": SmallIntegers([number_of[item.stream] for _, item in told]),
    }
