"""What athletes know of their bodies, dated; and the fitness that follows from their loads."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from typing import Any, Final
from uuid import UUID

from contexts.workout.analysis import load
from contexts.workout.models import Thresholds, TrainingSession
from contexts.workout.numbers import analysing
from contexts.workout.plans import dated
from kernel.databases import unit_of_work
from kernel.errors import InvalidInput, NotFound, Refused

ZONES_BY: Final = ("maximum", "reserve", "threshold", "custom")
KNOWN: Final = (*dated.DECIDED, "zones_bpm")
MAX_ENTRIES: Final = 500
WARM_UP: Final = timedelta(days=366)
"""Fitness fades over 42 days: after a year nothing of what was before is left."""


class TooManyThresholds(Refused):
    """There is no room for more of these."""


@unit_of_work("workout", gate="by")
def put(*, by: UUID, sport: str, valid_from: date, **known: Any) -> Thresholds:
    """Write down what holds from a day on; sessions since then are analysed anew."""
    bounds = known.get("zones_bpm")
    if known.get("zones_by") == "custom" and not bounds:
        raise InvalidInput("Name the lower bounds of your zones.", field="zones_bpm", code="zones_missing")
    if bounds and any(high <= low for low, high in pairwise(bounds)):
        raise InvalidInput("The bounds of zones rise.", field="zones_bpm", code="zones_do_not_rise")
    first, second = known.get("vt1_bpm"), known.get("vt2_bpm")
    if (first is None) != (second is None):
        raise InvalidInput("Ventilatory thresholds are known together.", field="vt1_bpm", code="threshold_missing")
    if first is not None and second is not None and first >= second:
        raise InvalidInput("The second threshold is above the first.", field="vt2_bpm", code="thresholds_do_not_rise")
    values = {name: known.get(name) for name in KNOWN} | {"zones_by": known.get("zones_by", "maximum")}
    written, is_new = Thresholds.objects.update_or_create(
        user_id=by, sport=sport, valid_from=valid_from, defaults=values
    )
    if is_new and Thresholds.objects.filter(user_id=by).count() > MAX_ENTRIES:
        raise TooManyThresholds(limit=MAX_ENTRIES)
    analysing.mark_due(user_id=by, since=valid_from, sport=sport)
    return written


@unit_of_work("workout", gate="by")
def remove(*, thresholds_id: UUID, by: UUID) -> None:
    """Take an entry back."""
    held = Thresholds.objects.filter(pk=thresholds_id, user_id=by).first()
    if held is None:
        raise NotFound
    analysing.mark_due(user_id=by, since=held.valid_from, sport=held.sport)
    held.delete()


def fitness(*, user_id: UUID, since: date, until: date) -> list[dict[str, Any]]:
    """Fitness, fatigue and form of each of these days, both ends included."""
    loads = analysing.daily_loads(user_id=user_id, since=since - WARM_UP, until=until)
    first = since - WARM_UP
    days = [first + timedelta(days=number) for number in range((until - first).days + 1)]
    daily = [loads.get(day, analysing.DayLoad(0.0, estimated=False)) for day in days]
    found = load.performance([each.load for each in daily])
    rows = zip(days, daily, found.fitness.values, found.fatigue.values, found.form.values, strict=True)
    return [
        {"day": day, **trained._asdict(), "fitness": fit, "fatigue": tired, "form": form}
        for day, trained, fit, tired, form in rows
        if day >= since
    ]


def why(*, user_id: UUID, day: date) -> dict[str, Any]:
    """How fitness, fatigue and form of a day came to be: by which formulas, of what, and of which sessions."""
    before, today = fitness(user_id=user_id, since=day - timedelta(days=1), until=day)
    fit, tired = ({f"{name}_before": before[name]} for name in ("fitness", "fatigue"))
    trained = {"load": today["load"]}
    numbers = [
        {"name": name, "value": today[name], "inputs": inputs, "algorithm": analysing.explained(algorithm)}
        for name, algorithm, inputs in (
            ("fitness", load.FITNESS, trained | fit),
            ("fatigue", load.FATIGUE, trained | tired),
            ("form", load.FORM, fit | tired),
        )
    ]
    return {"day": day, "numbers": numbers, "sessions": analysing.loads_on(user_id=user_id, day=day)}


def waiting(*, user_id: UUID) -> dict[str, int]:
    """How many of an athlete's sessions are still to be analysed, of how many."""
    own = TrainingSession.objects.filter(user_id=user_id, state=TrainingSession.State.COMPLETED)
    return {"waiting": own.exclude(analysis_due="").count(), "sessions": own.count()}
