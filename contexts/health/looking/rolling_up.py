"""Rolling up what has gone by: the watermark moves step by step, and what is invalid is computed anew.

A step of the watermark writes into the log of invalidations which devices have measured meanwhile, so there is one
way to compute: from the log, device by device, a month at most in one transaction. It sees log and readings in one
snapshot and takes out of the log what it has seen there; what is written meanwhile stays. Killed anywhere, nothing
is lost: what is in the log is read from the readings.

The tables are our own on TimescaleDB too, whose continuous aggregates know neither calibrations nor cold files.
"""

import logging
import math
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import numpy as np
from django.db import connections
from django.db.models import Count, Max, Min, Sum
from timescale.db.models.expressions import TimeBucket

from contexts.health import rules
from contexts.health.columns import instant
from contexts.health.invalidation import WIDTH_US, begin_of
from contexts.health.looking.merging import Range, may_be_cold, together
from contexts.health.models import Device, Invalidation, Rollup, Watermark
from contexts.health.rows import Rows, runs_of
from contexts.health.rules import Stream
from contexts.health.worn.calibrating import Curves, curves_of
from kernel.databases import database_time, require_unit_of_work, try_gate, unit_of_work
from kernel.errors import Refused

log = logging.getLogger(__name__)

GATE: Final = "rollups"
"""One hand at a time moves the watermark and works off the log."""

NOTES_A_LOOK: Final = 500
ADVANCING_TAKES_MS: Final = 300_000
ROWS_A_UNIT: Final = 10_000

_MEASURED = """
    INSERT INTO health_invalidation (device_number, since, until)
    SELECT device_number, %(since)s, %(until)s
    FROM (
        SELECT DISTINCT device_number FROM health_batch
        WHERE recorded_at >= %(since)s::timestamptz - %(late)s::interval
          AND first_at < %(until)s AND last_at >= %(since)s
    ) AS recorded
    WHERE EXISTS (
        SELECT FROM health_reading AS reading
        WHERE reading.device_number = recorded.device_number AND reading.stream = ANY (%(streams)s::smallint[])
          AND reading.time >= %(since)s AND reading.time < %(until)s
    )
"""
_EVER_MEASURED = """
    INSERT INTO health_invalidation (device_number, since, until)
    SELECT device_number, time_bucket(%(width)s::interval, min(first_at)),
           time_bucket(%(width)s::interval, max(last_at)) + %(width)s::interval
    FROM health_batch GROUP BY device_number
"""


def roll_up(*, within_s: float = math.inf) -> int:
    """Move the watermark as far as it may go, and work off the log; returns how many spans were computed.

    Once so many seconds are over no other span is begun. 0 where somebody else is at it.
    """
    with try_gate("health", GATE) as is_free:
        if not is_free:
            return 0
        end = time.monotonic() + within_s
        while time.monotonic() < end and _advance():
            pass
        return sum(1 for _ in _worked_off(end))


@unit_of_work("health", isolation="repeatable read")
def _advance() -> bool:
    """Move the watermark by a step. Returns whether there was one to be moved by."""
    upto = database_time("health") - rules.ROLLUPS_FOLLOW
    watermark = Watermark.objects.first()
    if watermark is None:
        Watermark.objects.create(until=begin_of(upto))
        _note(_EVER_MEASURED, width=rules.ROLLUP_WIDTH)
        return True
    since, until = watermark.until, watermark.until + rules.ROLLUP_STEP
    if until > upto:
        return False
    _note(_MEASURED, since=since, until=until, late=rules.LATE_AFTER, streams=sorted(rules.ROLLED_UP))
    Watermark.objects.update(until=until)
    return True


def _note(statement: str, **values: Any) -> None:
    with connections[require_unit_of_work("health")].cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = {ADVANCING_TAKES_MS}")
        cursor.execute(statement, values)


def _worked_off(end: float) -> Iterator[int]:
    """Device by device, a span of each in turn; one that cannot be computed waits for the next run."""
    failed: set[int] = set()
    while True:
        waiting = Invalidation.objects.exclude(device_number__in=failed).order_by("pk")
        numbers = dict.fromkeys(waiting.values_list("device_number", flat=True)[:NOTES_A_LOOK])
        if not numbers:
            return
        owners = dict(Device.objects.filter(number__in=list(numbers)).values_list("number", "user_id"))
        for number in numbers:
            if time.monotonic() >= end:
                return
            try:
                _compute(rolled_up_for=owners[number], number=number)
            except (Refused, KeyError) as error:
                failed.add(number)
                log.warning("rollups wait", extra={"device": number, "why": type(error).__name__})
            else:
                yield number


@unit_of_work("health", gate="rolled_up_for", isolation="repeatable read")
def _compute(*, rolled_up_for: UUID, number: int) -> None:
    """The first span of a device that is invalid; what lies after the watermark has its turn when that has come."""
    watermark = Watermark.objects.get().until
    noted = list(Invalidation.objects.filter(device_number=number).order_by("since", "until"))
    if not noted:
        return
    since, until = noted[0].since, noted[0].until
    for one in noted:
        if one.since <= until:
            until = max(until, one.until)
    until = min(until, rules.month_after(since), watermark)
    for one in noted:
        _take_out(one, until, watermark=watermark)
    if since >= until:
        return
    Rollup.objects.filter(device_number=number, begin__gte=since, begin__lt=until).delete()
    Rollup.objects.bulk_create(
        rollup
        for stream in sorted(rules.ROLLED_UP)
        for rollup in _rollups(rolled_up_for, number, stream, since=since, until=until)
    )


def _take_out(one: Invalidation, until: datetime, *, watermark: datetime) -> None:
    """Of the log what lies before `until`, or behind the watermark."""
    if one.until <= until or one.since >= watermark or until == watermark:
        one.delete()
    elif one.since < until:
        Invalidation.objects.filter(pk=one.pk).update(since=until)


def _rollups(user_id: UUID, number: int, stream: Stream, *, since: datetime, until: datetime) -> Iterator[Rollup]:
    wanted = Range(user_id=user_id, devices=[number], streams=[stream], since=since, until=until)
    curves = curves_of(wanted.devices, wanted.streams)
    files = wanted.files() if may_be_cold(since) else []
    found: Iterable[tuple[Any, ...]]
    if files:
        rows = together(wanted, files, wanted.copied())
        found = _of_rows(rows[rows["device_number"] == number], curves)
    else:
        found = _of_table(wanted, curves)
    for begin, first, last, count, total, least, greatest in found:
        yield Rollup(
            device_number=number,
            stream=stream,
            begin=begin,
            first_at=first,
            last_at=last,
            count=count,
            total=total,
            least=least,
            greatest=greatest,
        )


def _of_table(wanted: Range, curves: Curves) -> Iterable[tuple[Any, ...]]:
    value = curves.expression()
    found = wanted.in_table().values(begin=TimeBucket("time", rules.ROLLUP_WIDTH))
    found = found.annotate(
        first=Min("time"), last=Max("time"), count=Count("*"), total=Sum(value), least=Min(value), greatest=Max(value)
    )
    return found.values_list("begin", "first", "last", "count", "total", "least", "greatest")


def _of_rows(rows: Rows, curves: Curves) -> Iterator[tuple[Any, ...]]:
    if not len(rows):
        return
    values, times = curves.corrected_rows(rows), rows["time"]
    first, counts = runs_of(times // WIDTH_US)
    totals, least, greatest = (ufunc.reduceat(values, first) for ufunc in (np.add, np.minimum, np.maximum))
    columns = (times[first], times[first + counts - 1], counts, totals, least, greatest)
    for first_at, last_at, *of_it in zip(*(column.tolist() for column in columns), strict=True):
        yield begin_of(instant(first_at)), instant(first_at), instant(last_at), *of_it


def erase(user_id: UUID) -> int:
    """Remove a person's rollups, once their readings are gone: from an empty log nothing is computed anew."""
    return _erase(rolled_up_for=user_id)


@unit_of_work("health", gate="rolled_up_for")
def _erase(*, rolled_up_for: UUID) -> int:
    numbers = list(Device.objects.filter(user_id=rolled_up_for).values_list("number", flat=True))
    Invalidation.objects.filter(device_number__in=numbers).delete()
    some = Rollup.objects.filter(device_number__in=numbers).values("pk")[:ROWS_A_UNIT]
    return int(Rollup.objects.filter(pk__in=some).delete()[0])
