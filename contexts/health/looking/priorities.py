"""Whose word goes first: where two sources tell the same metric of nearly the same time, one of them is shown.

Nothing is deleted by it and nothing stored: the rule is applied when readings are shown, to those who have more than
one source of a metric in the range, and so follows at once what a person says of their sources' order. A reading is
left out where a source that goes before has one within `rules.SAME_TIME`; sources of one rank do not hide each other.
Alerts, verdicts and oddities see every reading, whoever it is from, but of sums only these; neighbours see every one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import TypeAlias
from uuid import UUID

import numpy as np
from django.db.models import Exists, OuterRef, Q, QuerySet

from contexts.health import rules
from contexts.health.catalogue import METRICS, Kind
from contexts.health.models import Device, Reading, SourceOrder
from contexts.health.rows import Rows
from contexts.health.rules import Stream
from kernel.databases import unit_of_work
from kernel.errors import NotFound
from kernel.timescale.columns import MICROSECOND

Levels: TypeAlias = tuple[tuple[int, ...], ...]
"""Numbers of devices, those of one rank together, the first rank first."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """What readings come from."""

    number: int
    device_id: UUID
    name: str
    kind: str


def levels_of(user_id: UUID, stream: Stream, *, since: datetime, until: datetime, everywhere: bool) -> Levels:
    """The sources that have a reading in the range, those of one rank together, the first first; () for one rank.

    One look into the primary key for each device a person has; none, where readings may be elsewhere than in the
    table: then all sources are named.
    """
    found = Device.objects.filter(user_id=user_id)
    if not everywhere:
        near = nearness(stream)
        readings = Reading.objects.filter(
            device_number=OuterRef("number"),
            stream=stream,
            time__gt=since - near,
            time__lt=until + near,
            quarantined=False,
        )
        found = found.filter(Exists(readings))
    sources = {number: rules.SOURCE_RANKS.get(kind, 0) for number, kind in found.values_list("number", "kind")}
    if len(sources) < 2:
        return ()
    own = (
        SourceOrder.objects.filter(user_id=user_id, kind=METRICS[stream].kind)
        .values_list("numbers", flat=True)
        .first()
    )
    said = {number: place - len(own or ()) for place, number in enumerate(own or ())}

    def rank(number: int) -> int:
        return said.get(number, sources[number])

    levels = tuple(tuple(level) for _, level in groupby(sorted(sources, key=rank), key=rank))
    return levels if len(levels) > 1 else ()


def nearness(stream: Stream) -> timedelta:
    """Readings of two sources nearer than this are taken to be of the same."""
    return rules.SAME_TIME[METRICS[stream].aggregation]


def going_first(rows: QuerySet[Reading], levels: Levels, stream: Stream) -> QuerySet[Reading]:
    """Of readings of one metric those whose source goes first at their time."""
    near = nearness(stream)
    shown, before = Q(device_number__in=levels[0]), list(levels[0])
    for level in levels[1:]:
        nearer = Reading.objects.filter(
            device_number__in=list(before),
            stream=stream,
            time__gt=OuterRef("time") - near,
            time__lt=OuterRef("time") + near,
            quarantined=False,
        )
        shown |= Q(device_number__in=level) & ~Q(Exists(nearer))
        before += level
    return rows.filter(shown)


def going_first_of(rows: Rows, levels: Levels, stream: Stream) -> Rows:
    """The same of rows in memory, which reach `nearness` beyond the range on both sides."""
    near = nearness(stream) // MICROSECOND
    shown = np.zeros(len(rows), np.bool_)
    before = np.empty(0, np.int64)
    for level in levels:
        ours = np.isin(rows["device_number"], level)
        times = rows["time"][ours]
        first = np.searchsorted(before, times - near, side="right")
        reached = np.append(before, np.iinfo(np.int64).max)[first]
        shown[ours] = reached >= times + near
        before = np.sort(np.concatenate([before, times]))
    return rows[shown]


def sources_of(user_id: UUID) -> list[Source]:
    """What a person's readings come from, or came, in the order of whoever has said nothing."""
    found = [
        Source(number=device.number, device_id=device.device_id, name=device.name, kind=device.kind)
        for device in Device.objects.filter(user_id=user_id).order_by("number")
    ]
    return sorted(found, key=lambda source: rules.SOURCE_RANKS.get(source.kind, 0))


def orders_of(user_id: UUID) -> dict[Kind, list[int]]:
    """What a person has said of their sources' order, by the kind of metric."""
    return {Kind(row.kind): row.numbers for row in SourceOrder.objects.filter(user_id=user_id)}


@unit_of_work("health")
def set_order(*, kind: Kind, device_ids: Sequence[UUID], by: UUID) -> None:
    """Say whose word goes first for metrics of a kind; sources that are not named come after, as usual.

    Naming none, a person says nothing any more. Raises `NotFound` for what is no source of theirs.
    """
    numbers = {source.device_id: source.number for source in sources_of(by)}
    if not set(device_ids) <= set(numbers):
        raise NotFound
    SourceOrder.objects.filter(user_id=by, kind=kind).delete()
    if device_ids:
        ordered = [numbers[device_id] for device_id in dict.fromkeys(device_ids)]
        SourceOrder.objects.create(user_id=by, kind=kind, numbers=ordered)
