"""What the targets of planned workouts are relative to, for one athlete on one day (WO-2)."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from typing import Final

import msgspec

from contexts.workout.models import AdoptedPlan, ScheduledWorkout
from contexts.workout.models import Thresholds as DatedThresholds
from contexts.workout.planning.steps import Thresholds
from contexts.workout.plans import dated

_FILLED: Final = ("hr_max", "ftp_w", "threshold_pace_s_per_km")


def thresholds_of(row: ScheduledWorkout, entries: Sequence[DatedThresholds] | None = None) -> Thresholds:
    """What its targets are relative to: those it was done with, else what holds on its day.

    Whoever looks at many workouts of an athlete hands in the athlete's `dated.entries_of`.
    """
    if row.thresholds is not None:
        return msgspec.convert(row.thresholds, type=Thresholds)
    return thresholds_on(row.adopted, day=row.day, sport=row.sport, entries=entries)


def thresholds_on(
    adopted: AdoptedPlan, *, day: date, sport: str, entries: Sequence[DatedThresholds] | None = None
) -> Thresholds:
    """What the athlete said for this plan; else of the dated thresholds those of the day; else the profile's."""
    known = dated.entries_of(adopted.user_id) if entries is None else entries
    said = msgspec.convert(adopted.thresholds, type=Thresholds)
    return _filled(_filled(said, known_on(known, day=day, sport=sport)), Thresholds(hr_max=adopted.usual_hr_max))


def known_on(entries: Sequence[DatedThresholds], *, day: date, sport: str) -> Thresholds:
    """The dated thresholds of a day as targets need them; what no target could be relative to is left out."""
    held = dated.held_on(entries, day=day, sport=sport).values
    mps = held.get("threshold_mps")
    told = {
        "hr_max": held.get("hr_max"),
        "ftp_w": held.get("ftp_w"),
        "threshold_pace_s_per_km": 1000 / mps if mps else None,
    }
    found = Thresholds()
    for name, value in told.items():
        with suppress(msgspec.ValidationError):
            found = _filled(found, msgspec.convert({name: value}, type=Thresholds))
    return found


def _filled(said: Thresholds, other: Thresholds) -> Thresholds:
    """What is said, and the other's where nothing is."""
    gaps = {name: getattr(other, name) for name in _FILLED if getattr(said, name) is None}
    return msgspec.structs.replace(said, **gaps)
