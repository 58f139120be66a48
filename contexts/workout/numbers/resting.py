"""The resting heart rate as an athlete's devices measured it, for what they have not said themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from statistics import median
from typing import Final
from uuid import UUID

from contexts.health import services as health
from contexts.workout.models import TrainingSession

READ_WITHIN: Final = timedelta(days=30)
PLAUSIBLE_BPM: Final = (25.0, 120.0)
"""What an athlete may say of themselves, too."""


def rates_before(sessions: Iterable[TrainingSession]) -> dict[UUID, float]:
    """Of sessions of one athlete the median of the 30 days before each, where anything was measured. Asks health."""
    low, high = PLAUSIBLE_BPM
    found = {}
    for near in _near_one_another(sessions):
        readings = health.get_readings(
            user_id=near[0].user_id,
            streams=["resting_heart_rate"],
            since=near[0].started_at - READ_WITHIN,
            until=near[-1].started_at,
        )
        for session in near:
            first, last = session.started_at - READ_WITHIN, session.started_at
            rates = [each.value for each in readings if first <= each.time < last and low <= each.value <= high]
            if rates:
                found[session.pk] = median(rates)
    return found


def _near_one_another(sessions: Iterable[TrainingSession]) -> Iterator[list[TrainingSession]]:
    """In order of time, parted where nothing between two of them is asked for: health is asked once for each part."""
    near: list[TrainingSession] = []
    for session in sorted(sessions, key=lambda each: each.started_at):
        if near and session.started_at - near[-1].started_at > READ_WITHIN:
            yield near
            near = []
        near.append(session)
    if near:
        yield near
