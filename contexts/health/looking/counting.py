"""What fitness machines have counted of a person's energy. A counter goes on from where the machine began."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import numpy as np

from contexts.health import rules
from contexts.health.columns import instant
from contexts.health.looking import merging
from contexts.health.models import Device
from contexts.health.rows import Rows
from contexts.health.rules import Stream
from contexts.health.worn.calibrating import curves_of

MOST_FALLS: Final = 3
"""A machine begins at zero again now and then; what falls more often is more than one counter."""


@dataclass(frozen=True, kw_only=True)
class Count:
    """Kilojoules from the first to the last thing a machine said of them."""

    kilojoules: float
    first_at: datetime
    last_at: datetime


def energy_counted(*, user_id: UUID, since: datetime, until: datetime) -> Count | None:
    """By the machine that has counted most from `since` to before `until`; None where none has counted.

    Only of machines: a power meter's counter is of work at the pedals, which is another energy.
    """
    machines = Device.objects.filter(user_id=user_id, kind__in=rules.MACHINES)
    numbers = list(machines.values_list("number", flat=True))
    if not numbers:
        return None
    wanted = merging.Range(
        user_id=user_id, devices=numbers, streams=[Stream.counted_energy], since=since, until=until
    )
    rows = merging.as_rows(merging.rows_of(wanted, limit=None))
    values = curves_of(numbers, wanted.streams).corrected_rows(rows)
    own = [rows["device_number"] == number for number in numbers]
    counts = [count for each in own if (count := _count(rows[each], values[each])) is not None]
    return max(counts, key=lambda count: count.kilojoules, default=None)


def _count(rows: Rows, values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Count | None:
    steps = np.diff(values)
    fell = steps < 0
    counted = float(np.where(fell, values[1:], steps).sum())
    if not counted or fell.sum() > MOST_FALLS:
        return None
    first, last = int(rows["time"][0]), int(rows["time"][-1])
    return Count(kilojoules=counted, first_at=instant(first), last_at=instant(last))
