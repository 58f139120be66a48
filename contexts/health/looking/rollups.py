"""Rollups as they are read: which time of which sources they answer for, and what has to be read one by one.

They hold where their time is rolled up and nobody has invalidated it since. A source whose word does not go first has
rollups only where none that goes before it has measured nearly the same time: which of its readings are hidden there,
only the readings tell.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final, NamedTuple, TypeAlias

from django.db.models import Exists, Max, Min, OuterRef, Q, QuerySet, Sum
from timescale.db.models.expressions import TimeBucket

from contexts.health import rules
from contexts.health.invalidation import begin_of, end_of
from contexts.health.looking.merging import Range
from contexts.health.looking.priorities import nearness
from contexts.health.models import Invalidation, Rollup, Watermark

Span: TypeAlias = tuple[datetime, datetime]
"""From when to before when."""

MOST_SPANS: Final = 32
"""That are read apart from each other; where there are more, the nearest are read as one."""


class Part(NamedTuple):
    """What some readings add to the bucket that begins then."""

    time: datetime
    readings: int
    total: float
    least: float
    greatest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Of a range what some sources of one rank tell: by rollups, but for the time in which `apart` is to be read."""

    wanted: Range
    devices: tuple[int, ...]
    apart: list[Span]

    def rolled_up(self, *, width: timedelta) -> list[Part]:
        """What the rollups say, over buckets of whole rollups."""
        wanted = self.wanted
        if self.apart == [(wanted.since, wanted.until)]:
            return []
        rollups = _of(wanted, self.devices, since=wanted.since).exclude(_begun_in(self.apart))
        parts = rollups.values(time=TimeBucket("begin", width)).annotate(
            readings=Sum("count"), added=Sum("total"), low=Min("least"), high=Max("greatest")
        )
        return [Part(*row) for row in parts.values_list("time", "readings", "added", "low", "high")]


def are_for(wanted: Range, *, width: timedelta) -> bool:
    """Whether rollups can answer for buckets of this width."""
    return wanted.streams[0] in rules.ROLLED_UP and not width % rules.ROLLUP_WIDTH


def shares_of(wanted: Range) -> Iterator[Share]:
    """A range in the shares of its sources, rank by rank; to be read with the readings, at one moment."""
    edges = [(wanted.since, end_of(wanted.since)), (begin_of(wanted.until), wanted.until)]
    unknown = _not_rolled_up(wanted)
    before: tuple[int, ...] = ()
    for level in wanted.levels or (tuple(wanted.devices),):
        apart = [*edges, *unknown]
        if before:
            width = rules.ROLLUP_WIDTH
            apart += [(since - width, until + width) for since, until in unknown]
            apart += _contested(wanted, level, before=before)
        yield Share(wanted=wanted, devices=level, apart=few(apart, since=wanted.since, until=wanted.until))
        before += level


def _not_rolled_up(wanted: Range) -> list[Span]:
    """The time of a range, and of a rollup on both of its sides, for which no rollup answers."""
    since, until = begin_of(wanted.since) - rules.ROLLUP_WIDTH, end_of(wanted.until) + rules.ROLLUP_WIDTH
    watermark = Watermark.objects.values_list("until", flat=True).first()
    if watermark is None or watermark <= since:
        return [(since, until)]
    invalid = Invalidation.objects.filter(device_number__in=wanted.devices, since__lt=until, until__gt=since)
    return [*invalid.values_list("since", "until"), (watermark, until)]


def _contested(wanted: Range, level: tuple[int, ...], *, before: tuple[int, ...]) -> list[Span]:
    """The rollups of a rank in which a source that goes before it may hide something."""
    near, width = nearness(wanted.streams[0]), rules.ROLLUP_WIDTH
    nearer = _of(wanted, before, since=wanted.since - 2 * width, until=wanted.until + width).filter(
        begin__gte=OuterRef("begin") - width,
        begin__lte=OuterRef("begin") + width,
        first_at__lt=OuterRef("last_at") + near,
        last_at__gt=OuterRef("first_at") - near,
    )
    ours = _of(wanted, level, since=wanted.since - width).filter(Exists(nearer))
    return [(begin, begin + width) for begin in ours.values_list("begin", flat=True)]


def _of(
    wanted: Range, devices: tuple[int, ...], *, since: datetime, until: datetime | None = None
) -> QuerySet[Rollup]:
    return Rollup.objects.filter(
        device_number__in=devices, stream=wanted.streams[0], begin__gte=since, begin__lt=until or wanted.until
    )


def _begun_in(spans: Iterable[Span]) -> Q:
    begun = Q(pk__in=[])
    for since, until in spans:
        begun |= Q(begin__gte=since, begin__lt=until)
    return begun


def few(spans: Iterable[Span], *, since: datetime, until: datetime, most: int = MOST_SPANS) -> list[Span]:
    """These spans within a range, by time and apart from each other; the nearest as one where there are many."""
    found: list[Span] = []
    for begin, end in sorted(spans):
        begin, end = max(begin, since), min(end, until)
        if begin >= end:
            continue
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((begin, end))
    if len(found) <= most:
        return found
    gaps = sorted((after[0] - one[1], after[0]) for one, after in pairwise(found))
    kept = {begin for _, begin in gaps[len(found) - most :]}
    together = [found[0]]
    for begin, end in found[1:]:
        if begin in kept:
            together.append((begin, end))
        else:
            together[-1] = (together[-1][0], end)
    return together
