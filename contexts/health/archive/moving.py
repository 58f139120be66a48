"""Old months leave the table: person by person, month by month, each reading always in one of the two places.

The order is what makes it safe to be killed anywhere: the rows are copied out of one snapshot, the file is stored and
read back, and then one transaction deletes these rows and writes the file into the manifest. It goes through only if
what it deletes is what was copied, row by row; readings that came meanwhile are not seen by it and stay. A file
without its manifest row is an orphan, which `tending` removes.

Readings that come late for a month already moved stay in the table until the next run, which writes the month anew;
so it does without what was withdrawn of it (`withdrawals.py`). A month of which nothing is left has no file.
A person's own entries stay where they can be changed.
"""

import logging
import math
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from django.db import connections

from contexts.health import invalidation, rules
from contexts.health.archive import keeping, sheets, table, withdrawals
from contexts.health.archive.sheets import Sheet
from contexts.health.archive.withdrawals import Gone
from contexts.health.columns import instant
from contexts.health.models import Device, Reading
from contexts.health.models.cold import ColdFile, ColdWithdrawal
from contexts.health.rows import Rows, empty, joined, united
from kernel.databases import alias_of, try_gate, unit_of_work
from kernel.models import uuid7
from kernel.objects import store
from kernel.timescale.columns import MICROSECOND

log = logging.getLogger(__name__)

TRIES: Final = 3


class Meanwhile(Exception):
    """The rows to be deleted are not those that were copied: look again."""


@dataclass(slots=True)
class Copy:
    """A month as it was in one snapshot, with what its file held already, as the file that is to be."""

    before: ColdFile | None
    taken: table.Print
    withdrawn: list[ColdWithdrawal]
    gone: list[Gone] = field(default_factory=list)
    content: bytes = b""
    rows: int = 0
    streams: list[int] = field(default_factory=list)
    first: int = 2**62
    last: int = -(2**62)
    last_readings: dict[str, dict[str, str]] = field(default_factory=dict)

    def note(self, stream: int, rows: Rows) -> None:
        """Readings of one stream, in order, have been written."""
        self.rows += len(rows)
        self.streams.append(stream)
        self.first, self.last = min(self.first, int(rows["time"][0])), max(self.last, int(rows["time"][-1]))
        for device in set(rows["device_number"].tolist()):
            last = int(rows["time"][rows["device_number"] == device][-1])
            self.last_readings.setdefault(str(device), {})[str(stream)] = instant(last).isoformat()


def move_old(*, at: datetime, months: int, within_s: float = math.inf) -> int:
    """Move every month that ended so many months ago or earlier; returns how many readings went.

    0 months: none but those that are cold already and of which something was withdrawn.
    """
    before = rules.cold_before(at=at, months=max(months, rules.COLD_AFTER_AT_LEAST)) if months else None
    return move_due(before=before, at=at, within_s=within_s)


def move_due(*, before: datetime | None, at: datetime, within_s: float = math.inf) -> int:
    """Move every month that is due (see `due`). What fails is tried again next time.

    Once so many seconds are over no other month is begun.
    """
    count, end = 0, time.monotonic() + within_s
    for user_id, month in due(before=before):
        if time.monotonic() > end:
            break
        try:
            count += move_month(user_id=user_id, month=month, at=at)
        except keeping.Damaged as error:
            log.error("a month cannot be moved to cold storage", extra={"person": str(user_id), "why": str(error)})
    return count


_DUE = """
    SELECT user_id, month
    FROM health_batch JOIN health_device ON number = device_number
    CROSS JOIN LATERAL generate_series(
        date_trunc('month', first_at AT TIME ZONE 'UTC'), last_at AT TIME ZONE 'UTC', interval '1 month'
    ) AS month
    WHERE cold < count AND first_at < %s AND kind <> %s AND month < %s::timestamptz AT TIME ZONE 'UTC'
    UNION
    SELECT user_id, month::timestamp FROM health_coldwithdrawal
    ORDER BY month, user_id
"""


def due(*, before: datetime | None) -> list[tuple[UUID, datetime]]:
    """Whose months before then have batches that are not cold altogether, or cold readings that were withdrawn.

    The oldest first; without a time only the latter.
    """
    with connections[alias_of("health")].cursor() as cursor:
        cursor.execute(_DUE, [before, rules.OWN_SOURCE, before])
        return [(user_id, month.replace(tzinfo=UTC)) for user_id, month in cursor.fetchall()]


def move_month(*, user_id: UUID, month: datetime, at: datetime) -> int:
    """Move one month of a person; returns how many readings left the table. None if somebody else is at it.

    Raises `Damaged` when the month's file, or what comes back of the new one, is not right: nothing has moved then.
    """
    with try_gate("health", keeping.GATE, user_id) as is_free:
        for _ in range(TRIES if is_free else 0):
            try:
                return _move(user_id, month, at=at)
            except Meanwhile:
                continue
    return 0


def _move(user_id: UUID, month: datetime, *, at: datetime) -> int:
    span = table.Span(
        devices=_devices_of(user_id), since=month, until=rules.month_after(month), streams=table.ALL_STREAMS
    )
    if not (_has_readings(span) or withdrawals.of_month(user_id, month.date())):
        return 0
    before = _current(user_id, month)
    held = keeping.opened(before) if before else None
    copy = _copied(user_id=user_id, span=span, before=before, held=held)
    if not (copy.taken or copy.withdrawn):
        return 0
    file = _stored(copy, user_id=user_id, month=month, at=at) if copy.rows else None
    try:
        _replace(user_id=user_id, span=span, copy=copy, file=file, at=at)
    except Meanwhile:
        if file is not None:
            store().delete(file.object_key)
        raise
    return sum(count for count, _ in copy.taken.values())


def _has_readings(span: table.Span) -> bool:
    return Reading.objects.filter(
        device_number__in=span.devices, stream__in=span.streams, time__gte=span.since, time__lt=span.until
    ).exists()


def _stored(copy: Copy, *, user_id: UUID, month: datetime, at: datetime) -> ColdFile:
    """The new file is in the store and comes back; its row is not written yet."""
    if sheets.count(copy.content) != copy.rows:
        raise keeping.Damaged("the file does not hold what was written")
    key = f"{keeping.folder_of(user_id)}readings/{month:%Y-%m}-{uuid7()}.parquet"
    size, digest = keeping.keep(copy.content, key=key, cipher=keeping.cipher_of_new(user_id, at=at))
    return _file_of(copy, user_id=user_id, month=month, key=key, size=size, digest=digest, at=at)


def _devices_of(user_id: UUID) -> list[int]:
    return list(
        Device.objects.filter(user_id=user_id).exclude(kind=rules.OWN_SOURCE).values_list("number", flat=True)
    )


def _current(user_id: UUID, month: datetime) -> ColdFile | None:
    return ColdFile.objects.filter(
        user_id=user_id, month=month.date(), kind=ColdFile.Kind.READINGS, state=ColdFile.State.CURRENT
    ).first()


@unit_of_work("health", isolation="repeatable read")
def _copied(*, user_id: UUID, span: table.Span, before: ColdFile | None, held: bytes | None) -> Copy:
    """All of it in one snapshot, one stream in memory at a time."""
    withdrawn = withdrawals.of_month(user_id, span.since.date())
    copy, sheet, going = Copy(before, table.print_of(span), withdrawn), Sheet(), []
    for stream in sorted({*copy.taken, *(before.streams if before else ())}) if copy.taken or withdrawn else ():
        known = _held(held, stream)
        is_gone = withdrawals.is_gone(known, withdrawn)
        going.append(known[is_gone])
        rows = _together(known[~is_gone], table.copied(span.of(stream)) if stream in copy.taken else None)
        if len(rows):
            sheet.add(rows)
            copy.note(stream, rows)
    copy.content, copy.gone = sheet.finished(), list(withdrawals.by_batch(joined(going)))
    return copy


def _held(content: bytes | None, stream: int) -> Rows:
    return joined(sheets.read(content, streams=[stream]) if content is not None else ())


def _together(held: Rows, arrived: Rows | None) -> Rows:
    """What was cold first stays as it is: a reading that was sent again is the one that is there."""
    return united(held, empty() if arrived is None else arrived)


def _file_of(
    copy: Copy, *, user_id: UUID, month: datetime, key: str, size: int, digest: str, at: datetime
) -> ColdFile:
    return ColdFile(
        user_id=user_id,
        kind=ColdFile.Kind.READINGS,
        month=month.date(),
        object_key=key,
        rows=copy.rows,
        bytes=size,
        sha256=digest,
        first_at=instant(copy.first),
        last_at=instant(copy.last),
        streams=copy.streams,
        last_readings=copy.last_readings,
        stored_at=at,
    )


@unit_of_work("health", isolation="repeatable read")
def _replace(*, user_id: UUID, span: table.Span, copy: Copy, file: ColdFile | None, at: datetime) -> None:
    """The rows go and the file stands for them, in one transaction; without what was withdrawn."""
    if table.taken(span) != copy.taken or _current(user_id, span.since) != copy.before:
        raise Meanwhile
    if copy.before is not None:
        keeping.supersede(copy.before, at=at)
        _invalidate(span)  # of a reading that was in both places the file's is the one from here on
    if file is not None:
        file.save(force_insert=True)
    withdrawals.carry_out(copy.withdrawn, copy.gone, at=at)


def _invalidate(span: table.Span) -> None:
    for number in span.devices:
        invalidation.note(
            device_number=number, streams=span.streams, first_at=span.since, last_at=span.until - MICROSECOND
        )
