"""A metric averaged over buckets: by rollups where they answer, else by the database, and by us what is cold.

All of it adds up to what the readings one by one would give.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import numpy as np
from django.db.models import Count, Max, Min, Sum
from timescale.db.models.expressions import TimeBucket

from contexts.health.columns import instant
from contexts.health.looking import rollups
from contexts.health.looking.merging import Range, month_of, seen_at_once, together
from contexts.health.looking.priorities import nearness
from contexts.health.looking.rollups import Part, Share, Span
from contexts.health.models.cold import ColdFile
from contexts.health.rows import Rows, runs_of
from contexts.health.worn.calibrating import Curves
from kernel.timescale.columns import MICROSECOND

TABLES: Final = 4
"""That have to be seen at one moment: readings, rollups, what invalidates these, and the watermark."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """What was measured from `time` on, as it is to be read."""

    time: datetime
    avg: float
    min: float
    max: float
    count: int


class _Cold(NamedTuple):
    """Time of which files hold something, and what the table holds of it."""

    share: Share
    wanted: Range
    hot: Rows


def averages_of(wanted: Range, *, width: timedelta, curves: Curves) -> list[Bucket]:
    """A range of one stream, averaged over buckets."""
    are_rolled_up = rollups.are_for(wanted, width=width)

    def in_tables(files: list[ColdFile]) -> tuple[list[Part], list[_Cold]]:
        parts: list[Part] = []
        cold: list[_Cold] = []
        for share in rollups.shares_of(wanted) if are_rolled_up else [_everything(wanted)]:
            parts += share.rolled_up(width=width)
            for span in share.apart:
                for part, is_cold in _cut(wanted, span, files):
                    if is_cold:
                        cold.append(_Cold(share, part, part.whole().copied()))
                    else:
                        parts += _computed(part, share, width=width, curves=curves)
        return parts, cold

    files, (parts, cold) = seen_at_once(wanted, in_tables, tables=TABLES if are_rolled_up else 1)
    for share, part, hot in cold:
        rows = together(part, files, hot)
        parts += averaged(rows[np.isin(rows["device_number"], share.devices)], width=width, curves=curves)
    return _added(parts)


def _everything(wanted: Range) -> Share:
    return Share(wanted=wanted, devices=tuple(wanted.devices), apart=[(wanted.since, wanted.until)])


def _cut(wanted: Range, span: Span, files: Iterable[ColdFile]) -> Iterator[tuple[Range, bool]]:
    """A part of a range, cut where months begin and end that have files; and whether it is such a month.

    Near those readings hide each other over the border, so that what is near is read with them.
    """
    near = nearness(wanted.streams[0]) if wanted.levels else timedelta()
    since, until = span
    for file in files:
        begin, end = month_of(file)
        begin, end = max(since, begin - near), min(until, end + near)
        if begin < end:
            if since < begin:
                yield replace(wanted, since=since, until=begin), False
            yield replace(wanted, since=begin, until=end), True
            since = end
    if since < until:
        yield replace(wanted, since=since, until=until), False


def _computed(wanted: Range, share: Share, *, width: timedelta, curves: Curves) -> list[Part]:
    value = curves.expression()
    parts = (
        wanted.in_table()
        .filter(device_number__in=share.devices)
        .values(bucket=TimeBucket("time", width))
        .annotate(count=Count("*"), total=Sum(value), least=Min(value), greatest=Max(value))
    )
    return [Part(*row) for row in parts.values_list("bucket", "count", "total", "least", "greatest")]


def averaged(rows: Rows, *, width: timedelta, curves: Curves) -> list[Part]:
    """Readings by time, as the database would."""
    if not len(rows):
        return []
    values = curves.corrected_rows(rows)
    step = width // MICROSECOND
    buckets = rows["time"] // step
    first, counts = runs_of(buckets)
    sums, lows, highs = (ufunc.reduceat(values, first) for ufunc in (np.add, np.minimum, np.maximum))
    columns = (buckets[first], counts, sums, lows, highs)
    return [
        Part(instant(bucket * step), *of_it)
        for bucket, *of_it in zip(*(column.tolist() for column in columns), strict=True)
    ]


def _added(parts: Iterable[Part]) -> list[Bucket]:
    found: dict[datetime, Part] = {}
    for part in parts:
        known = found.get(part.time)
        found[part.time] = part if known is None else _sum_of(known, part)
    return [
        Bucket(time=time, avg=part.total / part.readings, min=part.least, max=part.greatest, count=part.readings)
        for time, part in sorted(found.items())
    ]


def _sum_of(one: Part, other: Part) -> Part:
    return Part(
        one.time,
        one.readings + other.readings,
        one.total + other.total,
        min(one.least, other.least),
        max(one.greatest, other.greatest),
    )
