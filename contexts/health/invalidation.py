"""The log of what rollups say no more: written in the unit of work that changes readings, or how they are read."""

from datetime import datetime

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


def note(*, device_number: int, streams: ArrayLike, first_at: datetime, last_at: datetime) -> None:
    """Readings of these streams have come, gone or changed their meaning, from the first instant to the last.

    Of time in which nothing is rolled up yet there is nothing to say: a batch that comes in time costs a comparison.
    """
    if first_at >= now() - rules.LATE_AFTER or rules.ROLLED_UP.isdisjoint(np.unique(np.asarray(streams)).tolist()):
        return
    Invalidation.objects.create(
        device_number=device_number, since=begin_of(first_at), until=end_of(last_at + MICROSECOND)
    )
