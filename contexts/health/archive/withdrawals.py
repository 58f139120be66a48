"""Readings that are taken back after they have become cold, as a phone takes its samples back.

The store is not asked while somebody waits: what goes is written down in the transaction that takes it back, whoever
reads a cold file from then on leaves it out, and the next run of `moving` writes the month anew without it. Only then
is it known of which batches it was, and announced.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from operator import attrgetter
from typing import TypeAlias
from uuid import UUID

import numpy as np
from django.db.models import F

from contexts.health import events, invalidation, rules
from contexts.health.columns import instant, microseconds_of
from contexts.health.models import Batch, Device
from contexts.health.models.cold import ColdFile, ColdWithdrawal
from contexts.health.rows import Rows
from contexts.health.rules import Stream
from kernel.bus import publish

Going: TypeAlias = tuple[int, int, datetime, datetime]
"""Stream and sequence of readings, and from when to when they were measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """Readings of one batch that are there no more."""

    device_number: int
    mark: int
    streams: list[int]
    first_at: datetime
    last_at: datetime
    count: int


def note(*, user_id: UUID, device_number: int, going: Sequence[Going], at: datetime) -> None:
    """Write down what goes of cold files, in the open unit of work and after it has gone from the table.

    A month that is being moved is then seen in the one place or in the other.
    """
    first, last = min(each[2] for each in going), max(each[3] for each in going)
    if first >= rules.cold_before(at=at, months=rules.COLD_AFTER_AT_LEAST):
        return
    files = ColdFile.objects.filter(
        user_id=user_id,
        kind=ColdFile.Kind.READINGS,
        state=ColdFile.State.CURRENT,
        first_at__lte=last,
        last_at__gte=first,
    )
    noted = [
        ColdWithdrawal(
            user_id=user_id,
            month=file.month,
            device_number=device_number,
            stream=stream,
            sequence=sequence,
            first_at=first_at,
            last_at=last_at,
            noted_at=at,
        )
        for file in files
        for stream, sequence, first_at, last_at in going
        if stream in file.streams and first_at <= file.last_at and last_at >= file.first_at
    ]
    ColdWithdrawal.objects.bulk_create(noted)
    for _, of_month in groupby(noted, key=attrgetter("month")):
        _invalidate(list(of_month))


def _invalidate(noted: Sequence[ColdWithdrawal]) -> None:
    invalidation.note(
        device_number=noted[0].device_number,
        streams=[each.stream for each in noted],
        first_at=min(each.first_at for each in noted),
        last_at=max(each.last_at for each in noted),
    )


def of_month(user_id: UUID, month: date) -> list[ColdWithdrawal]:
    """What is to be left out of a person's file of this month."""
    return list(ColdWithdrawal.objects.filter(user_id=user_id, month=month).order_by("withdrawal_id"))


def attach(files: Sequence[ColdFile]) -> None:
    """Let files of one person know what is to be left out of them."""
    if not files:
        return
    found = defaultdict(list)
    months = {file.month for file in files}
    for each in ColdWithdrawal.objects.filter(user_id=files[0].user_id, month__in=months):
        found[each.month].append(each)
    for file in files:
        file.withdrawn = found[file.month]


def is_gone(rows: Rows, withdrawn: Iterable[ColdWithdrawal]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which of these rows of a file are to be left out."""
    spans: dict[tuple[int, int, int], list[tuple[int, int]]] = defaultdict(list)
    for each in withdrawn:
        span = microseconds_of(each.first_at), microseconds_of(each.last_at)
        spans[each.device_number, each.stream, each.sequence].append(span)
    gone = np.zeros(len(rows), np.bool_)
    suspects = np.isin(rows["sequence"], [sequence for _, _, sequence in spans])
    for place in np.flatnonzero(suspects).tolist():
        device, stream, sequence, time = rows[["device_number", "stream", "sequence", "time"]][place].item()
        gone[place] = any(first <= time <= last for first, last in spans.get((device, stream, sequence), ()))
    return gone


def left_of(rows: Rows, file: ColdFile) -> Rows:
    """Of rows of this file those that count."""
    return rows[~is_gone(rows, file.withdrawn)] if file.withdrawn else rows


def by_batch(rows: Rows) -> Iterator[Gone]:
    """Rows that go, batch by batch."""
    for device, mark in sorted(set(rows[["device_number", "mark"]].tolist())):
        own = rows[(rows["device_number"] == device) & (rows["mark"] == mark)]
        yield Gone(
            device_number=device,
            mark=mark,
            streams=sorted(set(own["stream"].tolist())),
            first_at=instant(int(own["time"].min())),
            last_at=instant(int(own["time"].max())),
            count=len(own),
        )


def carry_out(withdrawn: Sequence[ColdWithdrawal], gone: Iterable[Gone], *, at: datetime) -> None:
    """The month's file holds them no more: their batches count less, and it is announced."""
    for each in gone:
        count_less(each, cold=each.count, at=at)
    ColdWithdrawal.objects.filter(withdrawal_id__in=[each.withdrawal_id for each in withdrawn]).delete()


def count_less(gone: Gone, *, cold: int, at: datetime) -> None:
    """A batch counts less by what is gone, of which so much was cold; in the open unit of work."""
    source = Device.objects.get(number=gone.device_number)
    span = {"first_at__lte": gone.first_at, "last_at__gte": gone.last_at}
    batch = Batch.objects.select_for_update().get(device_number=source.number, mark=gone.mark, **span)
    if batch.count == gone.count:
        batch.delete()
    else:
        left = {"count": F("count") - gone.count, "cold": F("cold") - cold}
        Batch.objects.filter(batch_id=batch.batch_id).update(**left)
    invalidation.note(
        device_number=gone.device_number, streams=gone.streams, first_at=gone.first_at, last_at=gone.last_at
    )
    publish(
        events.HealthMetricWithdrawn(
            batch_id=batch.batch_id,
            user_id=source.user_id,
            device_id=source.device_id,
            streams=sorted(Stream(stream).name for stream in gone.streams),
            first_at=gone.first_at,
            last_at=gone.last_at,
            count=gone.count,
            occurred_at=at,
        )
    )
