"""Looking at what was measured: by batch, by time, and averaged over buckets for the person it was measured on."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import numpy as np
from django.db import connections
from django.db.models import Expression, F, QuerySet
from numpy.typing import NDArray

from contexts.health import rules
from contexts.health.catalogue import METRICS, Aggregation
from contexts.health.columns import microseconds_of
from contexts.health.events import MedicalDataRead
from contexts.health.looking import averaging, merging, priorities
from contexts.health.models import Access, Batch, ColdFile, Device, Reading
from contexts.health.rows import Rows
from contexts.health.rules import Stream
from contexts.health.terms import Purpose
from contexts.health.worn.calibrating import curves_of
from kernel.access import MfaRequired, Principal
from kernel.bus import publish
from kernel.databases import alias_of, unit_of_work
from kernel.errors import InvalidInput
from kernel.observability import correlation_id

R = TypeVar("R")


@dataclass(frozen=True, kw_only=True)
class Point:
    """A metric over one bucket that begins at `time`."""

    time: datetime
    avg: float
    min: float
    max: float
    count: int


def heart_rate_of(
    *,
    user_id: UUID,
    since: datetime,
    until: datetime,
    bucket: str,
    by: Principal,
    at: datetime,
    purpose: Purpose = Purpose.OWN_CARE,
) -> list[Point]:
    """The person's heart rate from `since` to before `until`, quarantined readings left out, by their sources' order.

    The look is written down before anything is shown. Raises `InvalidInput` for a range that is empty or has more
    buckets than `rules.MAX_POINTS`.
    """
    width = rules.BUCKETS[bucket]
    ensure_range(since, until)
    if rules.points_between(since, until, bucket=width) > rules.MAX_POINTS:
        raise InvalidInput(
            "More than {most} points: take wider buckets.",
            field="bucket",
            code="too_many_points",
            most=rules.MAX_POINTS,
        )
    note_access(subject_id=user_id, stream=Stream.heart_rate, since=since, until=until, by=by, at=at, purpose=purpose)
    wanted = _shown(user_id, Stream.heart_rate, since=since, until=until)
    return [
        Point(time=each.time, avg=round(each.avg, 1), min=each.min, max=each.max, count=each.count)
        for each in averaging.averages_of(wanted, width=width, curves=curves_of(wanted.devices, wanted.streams))
    ]


@unit_of_work("health")
def note_access(
    *,
    subject_id: UUID,
    stream: Stream | str | None,
    since: datetime,
    until: datetime,
    by: Principal,
    at: datetime,
    purpose: Purpose = Purpose.OWN_CARE,
    grant_id: UUID | None = None,
    emergency_id: UUID | None = None,
) -> None:
    """Write down who looks at whose medical data: of one stream, of another name, or of those entered by hand.

    Who looks at another's names by what right: a grant or an emergency (the database refuses the row else).

    Without a recent second factor nobody does: `MfaRequired`.
    """
    if by.mfa_at is None:
        raise MfaRequired
    measured = stream.name if isinstance(stream, Stream) else stream or rules.OWN_SOURCE
    access = Access.objects.create(
        by=by.user_id,
        subject_id=subject_id,
        stream=measured,
        purpose=purpose,
        grant_id=grant_id,
        emergency_id=emergency_id,
        since=since,
        until=until,
        mfa_at=by.mfa_at,
        app_id=by.app_id,
        at=at,
        correlation_id=correlation_id(),
    )
    publish(
        MedicalDataRead(
            access_id=access.access_id,
            user_id=subject_id,
            by=by.user_id,
            measured=measured,
            mfa_at=by.mfa_at,
            app_id=by.app_id,
            purpose=purpose.value,
            occurred_at=at,
        )
    )


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One plausible reading as it is to be read: corrected by the calibration of that version, if there is one."""

    stream: Stream
    time: datetime
    sequence: int
    value: float
    device_number: int
    calibration: int | None


def readings_between(
    *, user_id: UUID, streams: list[Stream], since: datetime, until: datetime, limit: int
) -> list[Measured]:
    """A person's plausible readings in order of time, at most `limit`; go on from the last one's time for more."""
    wanted = _range(user_id, streams, since=since, until=until)
    found = merging.rows_of(wanted, order=("time", "stream", "sequence", "device_number"), limit=limit)
    return as_measured(found, wanted.devices, streams)


def latest_of(*, user_id: UUID, stream: Stream, since: datetime, until: datetime) -> Measured | None:
    """A person's newest plausible reading of a metric, or none; of a time that is not in cold files yet."""
    wanted = _judged(_range(user_id, [stream], since=since, until=until))
    found = wanted.in_table().order_by("-time", "-sequence")[:1]
    return next(iter(as_measured(found, wanted.devices, [stream])), None)


class Series(NamedTuple):
    """Readings as arrays: microseconds since 2000 by rising time, and values."""

    times: NDArray[np.int64]
    values: NDArray[np.float64]


class SeriesOf:
    """One metric of a person, all their devices together, calibrated; for those who go through many readings.

    What a phone and a watch have both counted is there once: of sums, as their sources' order has it. `reach` is how
    far from a reading it may hide others.
    """

    def __init__(self, user_id: UUID, stream: Stream) -> None:
        self._user_id, self._stream = user_id, stream
        self.reach = priorities.nearness(stream) if _is_summed(stream) else timedelta()
        self._numbers = _devices_of(user_id)
        self._curves = curves_of(self._numbers, [stream])
        self._value = self._curves.expression()

    def between(self, since: datetime, until: datetime, *, limit: int | None = None) -> Series:
        """The readings from `since` up to and with `until`, at most `limit`, in one order always."""
        if merging.may_be_cold(since):
            rows = merging.as_rows(merging.rows_of(self._range(since, until), limit=limit))
            return Series(rows["time"], self._curves.corrected_rows(rows))
        kept = self._rows(since, until).order_by(*merging.BY_TIME).values_list("time", "shown")
        found = list(kept[:limit])
        times = np.fromiter((microseconds_of(time) for time, _ in found), np.int64, len(found))
        return Series(times, np.fromiter((value for _, value in found), np.float64, len(found)))

    def last_time(self, since: datetime, until: datetime, **where: float) -> datetime | None:
        """When a value was last so (`shown__gte=90`); of a time that is not in cold files yet, as `first_time`."""
        return self._edge(since, until, "-time", where)

    def first_time(self, since: datetime, until: datetime, **where: float) -> datetime | None:
        """When a value was first so."""
        return self._edge(since, until, "time", where)

    def _edge(self, since: datetime, until: datetime, order: str, where: dict[str, float]) -> datetime | None:
        return self._rows(since, until).filter(**where).order_by(order).values_list("time", flat=True).first()

    def _rows(self, since: datetime, until: datetime) -> Any:
        return self._range(since, until).in_table().annotate(shown=self._value)

    def _range(self, since: datetime, until: datetime) -> merging.Range:
        wanted = merging.Range(
            user_id=self._user_id,
            devices=self._numbers,
            streams=[self._stream],
            since=since,
            until=until + timedelta(microseconds=1),
        )
        return _judged(wanted)


def look_at(
    *,
    user_id: UUID,
    stream: Stream,
    since: datetime,
    until: datetime,
    by: Principal,
    at: datetime,
    purpose: Purpose = Purpose.OWN_CARE,
) -> None:
    """Write down a person's look at one of their own metrics, before they see it."""
    ensure_range(since, until)
    note_access(subject_id=user_id, stream=stream, since=since, until=until, by=by, at=at, purpose=purpose)


def ensure_range(since: datetime, until: datetime) -> None:
    """Raise `InvalidInput` for a range in which there is nothing."""
    if until <= since:
        raise InvalidInput("The range ends before it begins.", field="to", code="range_empty")


def readings_of(
    *, user_id: UUID, stream: Stream, since: datetime, until: datetime, after: merging.After | None, limit: int
) -> list[Reading]:
    """The first plausible readings of a metric, after those known. Whoever shows them has written the look down."""
    return merging.rows_of(_shown(user_id, stream, since=since, until=until), limit=limit, after=after)


def first_of(*, user_id: UUID, stream: Stream, since: datetime, until: datetime, limit: int) -> list[Reading]:
    """The first readings of those that `halves_of` goes through."""
    return merging.rows_of(_told(user_id, stream, since=since, until=until), limit=limit)


def devices_of(*, user_id: UUID, stream: Stream, since: datetime, until: datetime) -> set[int]:
    """The numbers of the devices that those readings are of."""
    old, young = halves_of(
        user_id=user_id,
        stream=stream,
        since=since,
        until=until,
        begins=lambda at: at,
        young=lambda rows, _: set(rows.values_list("device_number", flat=True).order_by().distinct()),
    )
    return young.union(*(np.unique(rows["device_number"]).tolist() for rows, _ in old))


class Portion(NamedTuple):
    """Readings as arrays by rising time; `values` as they are to be read."""

    rows: Rows
    values: NDArray[np.float64]


def halves_of(
    *,
    user_id: UUID,
    stream: Stream,
    since: datetime,
    until: datetime,
    begins: Callable[[datetime], datetime],
    young: Callable[[QuerySet[Reading], Expression | F], R],
) -> tuple[Iterator[Portion], R]:
    """A person's plausible readings of one metric in two halves. Whoever shows them has noted the look.

    The old half reaches as far as cold files do and comes in portions, a month in memory at once. Of the young half
    `young` is given rows for SQL to go on with, and what SQL reads as their value; it may be called again. It begins
    where `begins` says, which names the first instant from a given one on at which a bucket begins. Sums have every
    source's readings: what is summed up takes a day's best.
    """
    wanted = _told(user_id, stream, since=since.astimezone(UTC), until=until.astimezone(UTC))
    curves = curves_of(wanted.devices, [stream])

    def in_table(files: list[ColdFile]) -> tuple[datetime, R]:
        split = min(wanted.until, begins(merging.cold_until(wanted, files))) if files else wanted.since
        return split, young(replace(wanted, since=split).in_table(), curves.expression())

    _, (split, told) = merging.seen_at_once(wanted, in_table)
    old = merging.portions_of(replace(wanted, until=split))
    return (Portion(rows, curves.corrected_rows(rows)) for rows in old), told


def as_measured(rows: Iterable[Reading], device_numbers: Iterable[int], streams: list[Stream]) -> list[Measured]:
    """Rows as they are to be read. What is stored is what was measured."""
    curves = curves_of(device_numbers, streams)
    measured = []
    for row in rows:
        curve = curves.at(device_number=row.device_number, stream=row.stream, time=row.time)
        measured.append(
            Measured(
                stream=Stream(row.stream),
                time=row.time,
                sequence=row.sequence,
                value=curve.corrected(row.value) if curve else row.value,
                device_number=row.device_number,
                calibration=curve.version if curve else None,
            )
        )
    return measured


def shown(stream: Stream, value: float, *, unit: str) -> float:
    """A stored value in a unit that its metric accepts; raises `InvalidInput` for another one."""
    way = METRICS[stream].way(unit)
    if way is None:
        raise InvalidInput("This metric is not measured in that unit.", field="unit", code="unknown_unit")
    return float(f"{way.from_stored(value):.12g}")


def readings_of_batches(batch_ids: list[UUID]) -> dict[UUID, list[tuple[Stream, datetime, float, int, int]]]:
    """The plausible readings that each batch brought, in order of time; an unknown batch is absent.

    Each with its sequence and the number of its device.
    """
    found: dict[UUID, list[tuple[Stream, datetime, float, int, int]]] = defaultdict(list)
    curves = curves_of(Batch.objects.filter(batch_id__in=batch_ids).values_list("device_number", flat=True))
    with connections[alias_of("health")].cursor() as cursor:
        cursor.execute(_OF_BATCHES, [list(Stream), batch_ids])
        for batch_id, number, stream, time, value, sequence in cursor:
            value = curves.corrected(device_number=number, stream=stream, time=time, value=value)
            found[batch_id].append((Stream(stream), time, value, sequence, number))
    for batch_id, rows in merging.of_batches(batch_ids, curves=curves):
        found[batch_id] = sorted({*found[batch_id], *rows}, key=lambda row: (row[1], row[0], row[3]))
    return dict(found)


_OF_BATCHES = """
    SELECT batch.batch_id, batch.device_number, reading.stream, reading.time, reading.value, reading.sequence
    FROM health_batch AS batch
    JOIN health_reading AS reading
      ON reading.device_number = batch.device_number AND reading.stream = ANY (%s::smallint[])
     AND reading.time BETWEEN batch.first_at AND batch.last_at
     AND reading.mark = batch.mark AND NOT reading.quarantined
    WHERE batch.batch_id = ANY (%s)
    ORDER BY batch.batch_id, reading.time, reading.stream, reading.sequence
"""


def _devices_of(user_id: UUID) -> list[int]:
    """Every device a person has or had, the source of their own entries among them."""
    return list(Device.objects.filter(user_id=user_id).values_list("number", flat=True))


def _range(user_id: UUID, streams: list[Stream], *, since: datetime, until: datetime) -> merging.Range:
    return merging.Range(user_id=user_id, devices=_devices_of(user_id), streams=streams, since=since, until=until)


def _is_summed(stream: Stream) -> bool:
    return METRICS[stream].aggregation is Aggregation.SUM


def _judged(wanted: merging.Range) -> merging.Range:
    """What alerts and verdicts look at of one metric: every reading, but of what is summed up only what is shown."""
    return _going_first(wanted) if _is_summed(wanted.streams[0]) else wanted


def _told(user_id: UUID, stream: Stream, *, since: datetime, until: datetime) -> merging.Range:
    wanted = _range(user_id, [stream], since=since, until=until)
    return wanted if _is_summed(stream) else _going_first(wanted)


def _shown(user_id: UUID, stream: Stream, *, since: datetime, until: datetime) -> merging.Range:
    return _going_first(_range(user_id, [stream], since=since, until=until))


def _going_first(wanted: merging.Range) -> merging.Range:
    """Of a range of one metric those readings whose source goes first at their time."""
    if len(wanted.devices) < 2:
        return wanted
    levels = priorities.levels_of(
        wanted.user_id,
        wanted.streams[0],
        since=wanted.since,
        until=wanted.until,
        everywhere=merging.may_be_cold(wanted.since),
    )
    return replace(wanted, levels=levels)
