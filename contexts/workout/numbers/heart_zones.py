"""Time in zones of heart rate as a session shows it: one answer, and by which bounds.

The analysis counts in the zones that were the athlete's own on that day. Until there is one, and for whoever is not
analysed, the summary's five zones by the maximum stand in.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from contexts.workout.analysis import heart, zones
from contexts.workout.analysis.session import Settings
from contexts.workout.models import Analysis, TrainingSession
from contexts.workout.numbers import analysing


class ShownZones(NamedTuple):
    """Seconds below the first zone and in each, their lower bounds in bpm, and the method behind them."""

    seconds: list[float] | None
    lower_bpm: list[float] | None
    method: dict[str, Any] | None


def shown_zones(session: TrainingSession) -> ShownZones:
    """Of a session with a heart rate; nothing of any other."""
    if session.hr_avg is None:
        return ShownZones(None, None, None)
    current = Analysis.objects.filter(session=session, is_current=True)
    spent = current.values_list("numbers__zones__heart_rate", flat=True).first()
    if spent is None:
        return _of_summary(session)
    number = analysing.in_zones(spent)
    return ShownZones(number.pop("values"), spent["bounds"]["lower"], number)


def _of_summary(session: TrainingSession) -> ShownZones:
    method = session.methods.get("hr_zones_s")
    if method is None:
        return ShownZones(session.hr_zones_s, None, None)
    age = method["inputs"].get("age")
    body = Settings(age=age or 0, hr_max=session.athlete.get("hr_max") if age is None else None)
    lower = zones.of_maximum_heart_rate(heart.max_heart_rate(body).value).lower
    return ShownZones(session.hr_zones_s, list(lower), method)
