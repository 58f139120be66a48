"""A metric over local days, weeks and months, by its aggregation: a sum, a mean, or the last value.

A day is one of the person's time zone: it has 23 or 25 hours where clocks change. Weeks begin on Monday.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from itertools import chain, groupby
from operator import itemgetter
from statistics import fmean, median
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
from django.db.models import Aggregate, Avg, Count, DateField, FloatField, Max, Min, QuerySet, Sum
from django.db.models.functions import TruncDay, TruncMonth, TruncWeek

from contexts.health.catalogue import METRICS, Aggregation
from contexts.health.columns import instant, microseconds_of
from contexts.health.looking.measurements import Portion, halves_of
from contexts.health.models import Reading
from contexts.health.rules import Stream
from kernel.errors import InvalidInput

WIDTHS = {"day": TruncDay, "week": TruncWeek, "month": TruncMonth}
LONGEST = {"day": 400, "week": 2_000, "month": 7_400}
"""Days in one answer."""

NAMED = "buckets@1"


class Median(Aggregate):
    """The middle value, or the mean of both in the middle."""

    function = "PERCENTILE_CONT"
    template = "%(function)s(0.5) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = FloatField()


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """A metric over the days from `begin` to before `end`. `value` is what its aggregation says.

    For sums, `mean`, `median`, `min` and `max` are those of days' sums.
    """

    begin: date
    end: date
    value: float
    mean: float
    median: float
    min: float
    max: float
    count: int


def instants_of(first: date, last: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """From the first day's beginning to the last one's end."""
    return midnight(first, zone), midnight(last + timedelta(days=1), zone)


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """When a day begins there; where clocks skip midnight, by the clock before."""
    return datetime.combine(day, time(), zone)


def ensure_days(first: date, last: date, *, width: str = "day") -> None:
    """Raise `InvalidInput` for days that are none or too many."""
    if not 0 <= (last - first).days < LONGEST[width]:
        raise InvalidInput("1 to {most} days, please.", field="to", code="range_out_of_bounds", most=LONGEST[width])
    if not date(1900, 1, 1) <= first <= last <= date(9000, 1, 1):
        raise InvalidInput("The time lies ahead, or too long ago.", field="from", code="time_invalid")


def buckets_of(*, user_id: UUID, stream: Stream, first: date, last: date, width: str, zone: ZoneInfo) -> list[Bucket]:
    """A person's metric from the first day to the last one. Whoever shows it has written the look down."""
    since, until = instants_of(first, last, zone)
    aggregation = METRICS[stream].aggregation
    if aggregation is Aggregation.SUM:
        return _sums(user_id, stream, since=since, until=until, width=width, zone=zone)
    old, young = halves_of(
        user_id=user_id,
        stream=stream,
        since=since,
        until=until,
        begins=begins_of(width, zone),
        young=partial(_in_sql, aggregation, width, zone),
    )
    in_memory = [_bucket(begin, width, each, aggregation) for begin, each in by_bucket(old, width=width, zone=zone)]
    return in_memory + young


def _in_sql(
    aggregation: Aggregation, width: str, zone: ZoneInfo, rows: QuerySet[Reading], shown: Any
) -> list[Bucket]:
    begins = WIDTHS[width]("time", tzinfo=zone, output_field=DateField())
    found = (
        rows.values(begin=begins)
        .annotate(mean=Avg(shown), median=Median(shown), min=Min(shown), max=Max(shown), count=Count("*"))
        .order_by("begin")
    )
    last_ones = _last_ones(rows, shown, begins) if aggregation is Aggregation.LAST else {}
    return [
        Bucket(**row, end=_end(row["begin"], width), value=last_ones.get(row["begin"], row["mean"])) for row in found
    ]


def _last_ones(rows: Any, shown: Any, begins: Any) -> dict[date, float]:
    newest = rows.annotate(begin=begins, shown=shown).order_by("begin", "-time", "-sequence").distinct("begin")
    return dict(newest.values_list("begin", "shown"))


def _bucket(begin: date, width: str, portion: Portion, aggregation: Aggregation) -> Bucket:
    values = portion.values
    mean = float(values.mean())
    return Bucket(
        begin=begin,
        end=_end(begin, width),
        value=float(values[-1]) if aggregation is Aggregation.LAST else mean,
        mean=mean,
        median=float(np.median(values)),
        min=float(values.min()),
        max=float(values.max()),
        count=len(values),
    )


def _sums(
    user_id: UUID, stream: Stream, *, since: datetime, until: datetime, width: str, zone: ZoneInfo
) -> list[Bucket]:
    def in_sql(rows: QuerySet[Reading], shown: Any) -> list[tuple[date, float, int]]:
        days = TruncDay("time", tzinfo=zone, output_field=DateField())
        found = rows.values("device_number", day=days).annotate(total=Sum(shown), count=Count("*"))
        return list(found.values_list("day", "total", "count"))

    old, young = halves_of(
        user_id=user_id, stream=stream, since=since, until=until, begins=begins_of("day", zone), young=in_sql
    )
    in_memory = (told for day, each in by_bucket(old, width="day", zone=zone) for told in _of_devices(day, each))
    counted = most_of_a_day(chain(in_memory, young))
    together: dict[date, list[tuple[float, int]]] = defaultdict(list)
    for day, told in sorted(counted.items()):
        together[begin_of(day, width)].append(told)
    return [_sum_bucket(begin, width, told) for begin, told in together.items()]


def _of_devices(day: date, portion: Portion) -> Iterator[tuple[date, float, int]]:
    _, places = np.unique(portion.rows["device_number"], return_inverse=True)
    for total, count in zip(np.bincount(places, portion.values), np.bincount(places), strict=True):
        yield day, float(total), int(count)


def most_of_a_day(found: Iterable[tuple[date, float, int]]) -> dict[date, tuple[float, int]]:
    """Sum and count of each day by the device that has counted most: a phone and a watch count the same steps."""
    counted: dict[date, tuple[float, int]] = {}
    for day, total, count in found:
        counted[day] = max(counted.get(day, (total, count)), (total, count))
    return counted


def _sum_bucket(begin: date, width: str, told: list[tuple[float, int]]) -> Bucket:
    totals = [total for total, _ in told]
    return Bucket(
        begin=begin,
        end=_end(begin, width),
        value=sum(totals),
        mean=fmean(totals),
        median=median(totals),
        min=min(totals),
        max=max(totals),
        count=sum(count for _, count in told),
    )


def begin_of(day: date, width: str) -> date:
    """The first day of the bucket in which a day lies."""
    if width == "month":
        return day.replace(day=1)
    return day - timedelta(days=day.weekday()) if width == "week" else day


def begins_of(width: str, zone: ZoneInfo) -> Callable[[datetime], datetime]:
    """Of an instant, the first one from it on at which a bucket begins there."""

    def begins(at: datetime) -> datetime:
        begin = begin_of(at.astimezone(zone).date(), width)
        if midnight(begin, zone).astimezone(UTC) < at:
            begin = _end(begin, width)
        return midnight(begin, zone).astimezone(UTC)

    return begins


def by_bucket(portions: Iterable[Portion], *, width: str, zone: ZoneInfo) -> Iterator[tuple[date, Portion]]:
    """Readings by rising time in the buckets of that place, each bucket as a whole, one in memory at once."""
    parts = (part for portion in portions for part in _cut(portion, width, zone))
    for begin, of_it in groupby(parts, key=itemgetter(0)):
        portions_of_it = [portion for _, portion in of_it]
        yield begin, Portion(*map(np.concatenate, zip(*portions_of_it, strict=True)))


def _cut(portion: Portion, width: str, zone: ZoneInfo) -> Iterator[tuple[date, Portion]]:
    times = portion.rows["time"]
    begin = begin_of(instant(int(times[0])).astimezone(zone).date(), width)
    start = 0
    while start < len(times):
        stop = int(np.searchsorted(times, microseconds_of(midnight(_end(begin, width), zone))))
        if start < stop:
            yield begin, Portion(portion.rows[start:stop], portion.values[start:stop])
        begin, start = _end(begin, width), stop


def _end(begin: date, width: str) -> date:
    if width == "month":
        return (begin + timedelta(days=32)).replace(day=1)
    return begin + timedelta(days=7 if width == "week" else 1)
