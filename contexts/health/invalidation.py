"""The log of what rollups say no more: written in the unit of work that changes readings, or how they are read."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

import numpy as np
from django.utils.timezone import now
from numpy.typing import ArrayLike

from contexts.health import rules
from contexts.health.columns import instant, microseconds_of
from contexts.health.models import Invalidation
from kernel.timescale.columns import MICROSECOND

WIDTH_US = rules.ROLLUP_WIDTH // MICROSECOND


def begin_of(time: datetime) -> datetime:
    """When the rollup begins in which a reading of that instant is."""
    return instant(microseconds_of(time) // WIDTH_US * WIDTH_US)


def end_of(time: datetime) -> datetime:
    """The first instant from this one on at which a rollup begins."""
    return instant(-(-microseconds_of(time) // WIDTH_US) * WIDTH_US)


class Change(NamedTuple):
    """Readings of these streams have come, gone or changed their meaning, from the first instant to the last."""

    device_number: int
    streams: ArrayLike
    first_at: datetime
    last_at: datetime


def note(*, device_number: int, streams: ArrayLike, first_at: datetime, last_at: datetime) -> None:
    """As `note_all`, of one change."""
    note_all([Change(device_number, streams, first_at, last_at)])


def note_all(changes: Iterable[Change]) -> None:
    """Write down what has changed.

    Of time in which nothing is rolled up yet there is nothing to say: a batch that comes in time costs a comparison.
    """
    young = now() - rules.LATE_AFTER
    late = [change for change in changes if change.first_at < young and _is_rolled_up(change.streams)]
    if late:
        Invalidation.objects.bulk_create(
            Invalidation(
                device_number=change.device_number,
                since=begin_of(change.first_at),
                until=end_of(change.last_at + MICROSECOND),
            )
            for change in late
        )


def _is_rolled_up(streams: ArrayLike) -> bool:
    """Whether any of them is."""
    return not rules.ROLLED_UP.isdisjoint(np.unique(np.asarray(streams)).tolist())
