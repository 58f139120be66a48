"""Looking at what was measured: by batch, by time, and averaged over buckets for the person it was measured on."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connections
from django.db.models import Avg, Count, Max, Min
from timescale.db.models.expressions import TimeBucket

from contexts.health import rules
from contexts.health.events import MedicalDataRead
from contexts.health.models import Access, Device, Reading
from contexts.health.rules import Stream
from kernel.access import MfaRequired, Principal
from kernel.bus import publish
from kernel.databases import alias_of, unit_of_work
from kernel.errors import InvalidInput
from kernel.observability import correlation_id


@dataclass(frozen=True, kw_only=True)
class Point:
    """A metric over one bucket that begins at `time`."""

    time: datetime
    avg: float
    min: float
    max: float
    count: int


def heart_rate_of(
    *, user_id: UUID, since: datetime, until: datetime, bucket: str, by: Principal, at: datetime
) -> list[Point]:
    """The person's heart rate from `since` to before `until`, quarantined readings left out.

    The look is written down before anything is shown. Raises `InvalidInput` for a range that is empty or has more
    buckets than `rules.MAX_POINTS`.
    """
    width = rules.BUCKETS[bucket]
    if until <= since:
        raise InvalidInput("The range ends before it begins.", field="to", code="range_empty")
    if rules.points_between(since, until, bucket=width) > rules.MAX_POINTS:
        raise InvalidInput(
            "More than {most} points: take wider buckets.",
            field="bucket",
            code="too_many_points",
            most=rules.MAX_POINTS,
        )
    note_access(subject_id=user_id, stream=Stream.heart_rate, since=since, until=until, by=by, at=at)
    points = (
        _readings_of(user_id, [Stream.heart_rate], since=since, until=until)
        .values(bucket=TimeBucket("time", width))
        .annotate(avg=Avg("value"), min=Min("value"), max=Max("value"), count=Count("*"))
        .order_by("bucket")
    )
    return [
        Point(time=p["bucket"], avg=round(p["avg"], 1), min=p["min"], max=p["max"], count=p["count"]) for p in points
    ]


@unit_of_work("health")
def note_access(
    *, subject_id: UUID, stream: Stream, since: datetime, until: datetime, by: Principal, at: datetime
) -> None:
    """Write down who looks at whose medical data. Without a recent second factor nobody does: `MfaRequired`."""
    if by.mfa_at is None:
        raise MfaRequired
    access = Access.objects.create(
        by=by.user_id,
        subject_id=subject_id,
        stream=stream.name,
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
            measured=stream.name,
            mfa_at=by.mfa_at,
            app_id=by.app_id,
            occurred_at=at,
        )
    )


def readings_between(
    *, user_id: UUID, streams: list[Stream], since: datetime, until: datetime, limit: int
) -> list[Reading]:
    """A person's plausible readings in order of time, at most `limit`; go on from the last one's time for more."""
    found = _readings_of(user_id, streams, since=since, until=until)
    return list(found.order_by("time", "stream", "sequence")[:limit])


def readings_of_batches(batch_ids: list[UUID]) -> dict[UUID, list[tuple[Stream, datetime, float, int]]]:
    """The plausible readings that each batch brought, in order of time; an unknown batch is absent."""
    found: dict[UUID, list[tuple[Stream, datetime, float, int]]] = defaultdict(list)
    with connections[alias_of("health")].cursor() as cursor:
        cursor.execute(_OF_BATCHES, [list(Stream), batch_ids])
        for batch_id, stream, time, value, sequence in cursor:
            found[batch_id].append((Stream(stream), time, value, sequence))
    return dict(found)


_OF_BATCHES = """
    SELECT batch.batch_id, reading.stream, reading.time, reading.value, reading.sequence
    FROM health_batch AS batch
    JOIN health_reading AS reading
      ON reading.device_number = batch.device_number AND reading.stream = ANY (%s::smallint[])
     AND reading.time BETWEEN batch.first_at AND batch.last_at
     AND reading.mark = batch.mark AND NOT reading.quarantined
    WHERE batch.batch_id = ANY (%s)
    ORDER BY batch.batch_id, reading.time, reading.stream, reading.sequence
"""


def _readings_of(user_id: UUID, streams: list[Stream], *, since: datetime, until: datetime):  # type: ignore[no-untyped-def]
    numbers = list(Device.objects.filter(user_id=user_id).values_list("number", flat=True))
    return Reading.objects.filter(
        device_number__in=numbers, stream__in=streams, time__gte=since, time__lt=until, quarantined=False
    )
