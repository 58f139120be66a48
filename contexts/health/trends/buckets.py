"""A metric over local days, weeks and months, by its aggregation: a sum, a mean, or the last value.

A day is one of the person's time zone: it has 23 or 25 hours where clocks change. Weeks begin on Monday.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from statistics import fmean, median
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Aggregate, Avg, Count, DateField, FloatField, Max, Min, Sum
from django.db.models.functions import TruncDay, TruncMonth, TruncWeek

from contexts.health.catalogue import METRICS, Aggregation
from contexts.health.looking.measurements import rows_of, value_of
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
    rows = rows_of(user_id=user_id, stream=stream, since=since, until=until)
    shown = value_of(user_id=user_id, stream=stream)
    if METRICS[stream].aggregation is Aggregation.SUM:
        return _sums(rows, shown, width=width, zone=zone)
    begins = WIDTHS[width]("time", tzinfo=zone, output_field=DateField())
    found = (
        rows.values(begin=begins)
        .annotate(mean=Avg(shown), median=Median(shown), min=Min(shown), max=Max(shown), count=Count("*"))
        .order_by("begin")
    )
    last_ones = _last_ones(rows, shown, begins) if METRICS[stream].aggregation is Aggregation.LAST else {}
    return [
        Bucket(**row, end=_end(row["begin"], width), value=last_ones.get(row["begin"], row["mean"])) for row in found
    ]


def _last_ones(rows: Any, shown: Any, begins: Any) -> dict[date, float]:
    newest = rows.annotate(begin=begins, shown=shown).order_by("begin", "-time", "-sequence").distinct("begin")
    return dict(newest.values_list("begin", "shown"))


def _sums(rows: Any, shown: Any, *, width: str, zone: ZoneInfo) -> list[Bucket]:
    days = TruncDay("time", tzinfo=zone, output_field=DateField())
    found = rows.values("device_number", day=days).annotate(total=Sum(shown), count=Count("*"))
    counted = most_of_a_day((row["day"], row["total"], row["count"]) for row in found)
    together: dict[date, list[tuple[float, int]]] = defaultdict(list)
    for day, told in sorted(counted.items()):
        together[begin_of(day, width)].append(told)
    return [_sum_bucket(begin, width, told) for begin, told in together.items()]


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


def _end(begin: date, width: str) -> date:
    if width == "month":
        return (begin + timedelta(days=32)).replace(day=1)
    return begin + timedelta(days=7 if width == "week" else 1)
