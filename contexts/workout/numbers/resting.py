"""The resting heart rate as an athlete's devices measured it, for what they have not said themselves."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from statistics import median
from typing import Final

from contexts.health import services as health
from contexts.workout.analysis.session import Settings
from contexts.workout.models import TrainingSession

READ_WITHIN: Final = timedelta(days=30)
PLAUSIBLE_BPM: Final = (25.0, 120.0)
"""What an athlete may say of themselves, too."""


def with_resting_rate(session: TrainingSession, settings: Settings) -> Settings:
    """The settings with the median of the 30 days before the session, if it takes one. Asks health."""
    if session.hr_avg is None or settings.resting_bpm is not None:
        return settings
    until = session.started_at
    readings = health.get_readings(
        user_id=session.user_id, streams=["resting_heart_rate"], since=until - READ_WITHIN, until=until
    )
    low, high = PLAUSIBLE_BPM
    rates = [each.value for each in readings if low <= each.value <= high]
    return replace(settings, resting_read_bpm=median(rates)) if rates else settings
