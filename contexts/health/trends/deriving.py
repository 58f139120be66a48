"""From a person's readings to derived numbers, day by day in their time zone."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
from django.db.models import Avg, DateField, Func, QuerySet
from django.db.models.functions import Ln, TruncDay, TruncMinute

from contexts.health.columns import instant
from contexts.health.looking.measurements import Portion, halves_of
from contexts.health.models import Reading
from contexts.health.rows import runs_of
from contexts.health.rules import Stream
from contexts.health.trends import formulas
from contexts.health.trends.buckets import begins_of, by_bucket, instants_of, most_of_a_day
from contexts.health.trends.explaining import Algorithm, DayValue
from kernel.timescale.columns import EPOCH, MICROSECOND

LONGEST = {"resting_heart_rate": 92, "hrv_baseline": 400, "weight": 400, "sleep": 400}
"""Days of one answer: a heart rate has a reading each second."""

NOON = timedelta(hours=12)
MINUTE_US = timedelta(minutes=1) // MICROSECOND
MINUTES_TO_2000 = int(EPOCH.timestamp()) // 60

Compute = Callable[[UUID, date, date, ZoneInfo], list[DayValue]]


def history_of(algorithm: Algorithm) -> timedelta:
    """How far before its first day an algorithm looks."""
    days = ("window_days", "usual_days", "history_days", "usual_nights")
    return timedelta(days=sum(algorithm.parameters.get(name, 0) for name in days))


def reach(name: str, *, first: date, last: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """From when to before when readings are looked at for these days: a look has to be allowed all of it."""
    since, until = instants_of(first - history_of(formulas.ALGORITHMS[name]), last, zone)
    return (since - NOON if name == "sleep" else since), until


def derive(name: str, *, user_id: UUID, first: date, last: date, zone: ZoneInfo) -> list[DayValue]:
    """Derived numbers of each day of which enough was measured. Whoever shows them has written the look down."""
    return _COMPUTES[name](user_id, first, last, zone)


def _resting(user_id: UUID, first: date, last: date, zone: ZoneInfo) -> list[DayValue]:
    since, until = instants_of(first, last, zone)
    old, young = halves_of(
        user_id=user_id,
        stream=Stream.heart_rate,
        since=since,
        until=until,
        begins=begins_of("day", zone),
        young=_minutes_in_sql,
    )
    in_memory = (minute for _, each in by_bucket(old, width="day", zone=zone) for minute in _minutes(each))
    of_days: dict[date, list[tuple[int, float]]] = defaultdict(list)
    for minute, mean in chain(in_memory, young):
        of_days[datetime.fromtimestamp(minute * 60, zone).date()].append((minute, mean))
    told = []
    for day, found in of_days.items():
        lowest = formulas.lowest_half_hour(np.array([at for at, _ in found]), np.array([mean for _, mean in found]))
        if lowest is not None:
            value, begin, count = lowest
            begins = datetime.fromtimestamp(begin * 60, zone)
            inputs: dict[str, float] = {"minutes": count, "begins_minute": begins.hour * 60 + begins.minute}
            told.append(DayValue(day=day, value=value, inputs=inputs))
    return told


def _minutes_in_sql(rows: QuerySet[Reading], shown: Any) -> list[tuple[int, float]]:
    """Minutes since 1970, and their means."""
    minutes = rows.values(minute=TruncMinute("time", tzinfo=UTC)).annotate(mean=Avg(shown)).order_by("minute")
    return [(int(minute.timestamp()) // 60, mean) for minute, mean in minutes.values_list("minute", "mean")]


def _minutes(portion: Portion) -> Iterator[tuple[int, float]]:
    minutes = portion.rows["time"] // MINUTE_US
    first, counts = runs_of(minutes)
    means = np.add.reduceat(portion.values, first) / counts
    return zip((minutes[first] + MINUTES_TO_2000).tolist(), means.tolist(), strict=True)


def _hrv(user_id: UUID, first: date, last: date, zone: ZoneInfo) -> list[DayValue]:
    daily = _daily(formulas.HRV_BASELINE, Ln, user_id, first, last, zone)
    return formulas.hrv_baseline(daily, formulas.days_between(first, last))


def _weight(user_id: UUID, first: date, last: date, zone: ZoneInfo) -> list[DayValue]:
    daily = _daily(formulas.WEIGHT, None, user_id, first, last, zone)
    return [told for told in formulas.smoothed_weight(daily) if told.day >= first]


def _daily(
    algorithm: Algorithm, of: type[Func] | None, user_id: UUID, first: date, last: date, zone: ZoneInfo
) -> dict[date, float]:
    """The days' means, those before the first day included that the algorithm looks at."""
    (stream,) = algorithm.inputs
    since, until = reach(algorithm.name, first=first, last=last, zone=zone)

    def in_sql(rows: QuerySet[Reading], shown: Any) -> dict[date, float]:
        days = rows.values(day=TruncDay("time", tzinfo=zone, output_field=DateField()))
        return dict(days.annotate(mean=Avg(of(shown) if of else shown)).values_list("day", "mean"))

    old, young = halves_of(
        user_id=user_id, stream=stream, since=since, until=until, begins=begins_of("day", zone), young=in_sql
    )
    in_memory = {
        day: float((np.log(each.values) if of else each.values).mean())
        for day, each in by_bucket(old, width="day", zone=zone)
    }
    return in_memory | young


def _sleep(user_id: UUID, first: date, last: date, zone: ZoneInfo) -> list[DayValue]:
    """A night is from noon to noon by the wall clock, so readings are put there one by one; there are few."""
    since, until = reach("sleep", first=first, last=last, zone=zone)
    old, young = halves_of(
        user_id=user_id,
        stream=Stream.sleep_duration,
        since=since,
        until=until,
        begins=begins_of("day", zone),
        young=lambda rows, shown: list(rows.annotate(shown=shown).values_list("time", "device_number", "shown")),
    )
    in_memory = (
        (instant(time), device, value)
        for rows, values in old
        for time, device, value in zip(
            rows["time"].tolist(), rows["device_number"].tolist(), values.tolist(), strict=True
        )
    )
    sums: dict[tuple[date, int], float] = defaultdict(float)
    for at, device, value in chain(in_memory, young):
        night = (at.astimezone(zone).replace(tzinfo=None) + NOON).date()
        sums[night, device] += value
    nights = most_of_a_day((night, total, 1) for (night, _), total in sums.items())
    totals = {night: total for night, (total, _) in nights.items()}
    return formulas.sleep(totals, formulas.days_between(first, last))


_COMPUTES: dict[str, Compute] = {
    "resting_heart_rate": _resting,
    "hrv_baseline": _hrv,
    "weight": _weight,
    "sleep": _sleep,
}
