"""From a person's readings to derived numbers, day by day in their time zone."""

from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
from django.db.models import Avg, DateField, Func
from django.db.models.functions import Ln, TruncDay, TruncMinute

from contexts.health.looking.measurements import rows_of, value_of
from contexts.health.rules import Stream
from contexts.health.trends import formulas
from contexts.health.trends.buckets import instants_of, most_of_a_day
from contexts.health.trends.explaining import Algorithm, DayValue

LONGEST = {"resting_heart_rate": 92, "hrv_baseline": 400, "weight": 400, "sleep": 400}
"""Days of one answer: a heart rate has a reading each second."""

NOON = timedelta(hours=12)

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
    rows = rows_of(user_id=user_id, stream=Stream.heart_rate, since=since, until=until)
    shown = value_of(user_id=user_id, stream=Stream.heart_rate)
    minutes = rows.values(minute=TruncMinute("time", tzinfo=UTC)).annotate(mean=Avg(shown)).order_by("minute")
    of_days: dict[date, list[tuple[int, float]]] = defaultdict(list)
    for minute, mean in minutes.values_list("minute", "mean"):
        of_days[minute.astimezone(zone).date()].append((int(minute.timestamp()) // 60, mean))
    told = []
    for day, found in of_days.items():
        lowest = formulas.lowest_half_hour(np.array([at for at, _ in found]), np.array([mean for _, mean in found]))
        if lowest is not None:
            value, begin, count = lowest
            begins = datetime.fromtimestamp(begin * 60, zone)
            inputs: dict[str, float] = {"minutes": count, "begins_minute": begins.hour * 60 + begins.minute}
            told.append(DayValue(day=day, value=value, inputs=inputs))
    return told


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
    shown = value_of(user_id=user_id, stream=stream)
    rows = rows_of(user_id=user_id, stream=stream, since=since, until=until)
    days = rows.values(day=TruncDay("time", tzinfo=zone, output_field=DateField()))
    return dict(days.annotate(mean=Avg(of(shown) if of else shown)).values_list("day", "mean"))


def _sleep(user_id: UUID, first: date, last: date, zone: ZoneInfo) -> list[DayValue]:
    """A night is from noon to noon by the wall clock, so readings are put there one by one; there are few."""
    since, until = reach("sleep", first=first, last=last, zone=zone)
    rows = rows_of(user_id=user_id, stream=Stream.sleep_duration, since=since, until=until)
    shown = value_of(user_id=user_id, stream=Stream.sleep_duration)
    sums: dict[tuple[date, int], float] = defaultdict(float)
    for at, device, value in rows.annotate(shown=shown).values_list("time", "device_number", "shown"):
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
