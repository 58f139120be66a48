"""Sessions are analysed in the background: new ones, ones whose data changed, all when the athlete's settings change.

The session's row says that an analysis is due and why; a message only wakes the worker, and a sweeper wakes it again.
An analysis that comes out differently becomes the current one; the earlier stays, so that every number that was ever
shown can still be explained.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields, is_dataclass, replace
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import Sum
from django.utils.translation import gettext

from contexts.workout import analysis
from contexts.workout.analysis import session as whole
from contexts.workout.analysis import strength, swimming, variability, zones
from contexts.workout.analysis.derived import DEVICE
from contexts.workout.models import Analysis, StrengthSet, Thresholds, TrainingSession
from contexts.workout.numbers import progress, records, telling
from contexts.workout.plans import dated
from contexts.workout.series import streams
from contexts.workout.series.columns import Columns
from contexts.workout.sessions import history, parts
from kernel.databases import try_gate, unit_of_work
from kernel.errors import NotFound

A_ROUND: Final = 200
"""Sessions that one task analyses."""

NOT_KEPT: Final = frozenset({"balance", "masks", "times"})
"""A value a second is computed when asked for; it would outweigh the recording."""


class UnknownNumber(NotFound):
    """This session has no such number."""

    code = "unknown_number"


def due() -> list[UUID]:
    """Sessions whose analysis is due, the latest first: those are looked at."""
    waiting = TrainingSession.objects.exclude(analysis_due="").order_by("-started_at")
    return list(waiting.values_list("id", flat=True)[:A_ROUND])


def analyse(*, session_id: UUID, at: datetime) -> bool:
    """Analyse one session if that is due and nobody is at it; whether it was.

    Without an athlete of whom anything is known there is nothing to analyse with.
    """
    with try_gate("workout", "analyse", session_id) as ours:
        return ours and _analyse(session_id=session_id, at=at)


def _analyse(*, session_id: UUID, at: datetime) -> bool:
    """Long work, done before the transaction opens."""
    session = TrainingSession.objects.filter(pk=session_id).exclude(analysis_due="").first()
    if session is None or session.ended_at is None:
        return False
    settings = settings_on(session)
    numbers = compute(session, settings) if settings else {}
    return _keep(
        session_id=session_id,
        by=session.user_id,
        revision=session.revision,
        effort=session.effort,
        settings=settings,
        numbers=numbers,
        at=at,
    )


@unit_of_work("workout", gate="by")
def _keep(
    *,
    session_id: UUID,
    by: UUID,
    revision: int,
    effort: int | None,
    settings: whole.Settings | None,
    numbers: dict[str, Any],
    at: datetime,
) -> bool:
    """Nothing if the session or the athlete's settings have changed meanwhile: then it is due still."""
    unchanged = TrainingSession.objects.filter(pk=session_id, revision=revision, effort=effort)
    session = unchanged.select_for_update().first()
    if session is None or not session.analysis_due or settings_on(session) != settings:
        return False
    if settings:
        numbers = numbers | {"strength": _strength(session)}  # sets may have changed since
    known = Analysis.objects.filter(session=session, is_current=True).first()
    if settings and (known is None or known.numbers != numbers):
        if known is not None:
            Analysis.objects.filter(pk=known.pk).update(is_current=False)
        load = numbers["strain"]["load"]
        Analysis.objects.create(
            session=session,
            version=known.version + 1 if known else 1,
            computed_at=at,
            reason=session.analysis_due,
            settings=plain(settings),
            numbers=numbers,
            load=load["believed"]["value"] if load else None,
            algorithms=sorted(algorithms_in(numbers) - analysis.superseded()),
        )
        records.take_efforts(session=session, numbers=numbers, is_new=known is None, at=at)
        if session.energy_kcal is None and numbers["energy"]:
            _fill_in_energy(session, numbers["energy"]["estimates"][0]["total"])
            progress.look_at_goals(session=session, at=at)
    elif known and not analysis.superseded().isdisjoint(known.algorithms):
        # What an old algorithm computes still, whatever replaced it, is not to be tried for ever.
        known.algorithms = sorted(set(known.algorithms) - analysis.superseded())
        known.save(update_fields=["algorithms"])
    session.analysis_due = ""
    session.save(update_fields=["analysis_due"])
    return True


def _fill_in_energy(session: TrainingSession, total: Mapping[str, Any]) -> None:
    """The summary had none while the athlete's body mass was unknown."""
    said = {name: part for name, part in total.items() if name != "value"}
    session.energy_kcal, session.methods = total["value"], session.methods | {"energy_kcal": said}
    session.save(update_fields=["energy_kcal", "methods"])


def compute(session: TrainingSession, settings: whole.Settings) -> dict[str, Any]:
    """Every number of a session, nested, as plain values."""
    packed = list(history.packed_streams(session))
    recorded = streams.as_recorded(session, packed)
    pool = parts.pool_of(session)
    assert session.duration_s is not None
    result = whole.analyse(
        recorded,
        session.sport,
        settings,
        elapsed_s=session.duration_s,
        timer_s=session.duration_s,
        device_distance_m=_said_by_device(session, "distance_m"),
        pool=pool,
        device_ascent_m=_said_by_device(session, "ascent_m"),
        device_kcal=_said_by_device(session, "energy_kcal"),
        exertion=session.effort,
        laps=[(lap.start_s, lap.end_s) for lap in parts.laps_of(session)],
    )
    numbers = plain(result)
    numbers["quality"] = {
        "algorithm": result.quality.algorithm,
        "flags": [asdict(flag) for flag in result.quality.flags],
    }
    numbers["heart_rate_variability"] = _variability(packed)
    swum = swimming.swimming(pool, duration_s=session.duration_s) if pool else None
    numbers["swimming"] = plain(swum) if swum else None
    return numbers


def _said_by_device(session: TrainingSession, name: str) -> float | None:
    said = session.methods.get(name, {}).get("algorithm") == DEVICE.name
    return getattr(session, name) if said else None


def _strength(session: TrainingSession) -> dict[str, Any] | None:
    """Volume, and the strongest estimate of one repetition for each exercise."""
    by_exercise: dict[str, list[strength.Lift]] = {}
    for exercise, weight_kg, reps in StrengthSet.shown_in(session).values_list("exercise", "weight_kg", "reps"):
        if weight_kg and reps:
            by_exercise.setdefault(exercise, []).append(strength.Lift(weight_kg, reps))
    if not by_exercise:
        return None
    lifts = [lift for each in by_exercise.values() for lift in each]
    best = {exercise: strength.best_estimate(each) for exercise, each in sorted(by_exercise.items())}
    return {"volume": plain(strength.volume_load(lifts)), "one_repetition": plain(best)}


def _variability(packed: list[Columns]) -> dict[str, Any] | None:
    intervals = next((each.measured for each in packed if each.kind == "rr_interval"), None)
    found = variability.variability(intervals) if intervals is not None else None
    return plain(found) if found else None


def plain(value: Any) -> Any:
    """Nested dataclasses as dicts and lists; what is not kept left out, numbers rounded to what they can mean."""
    if isinstance(value, float):
        return round(value, 6)
    if value is None or isinstance(value, str | int):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value) if one.name not in NOT_KEPT}
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [round(each, 6) if type(each) is float else plain(each) for each in value]
    return value


def settings_on(session: TrainingSession) -> whole.Settings | None:
    """The athlete as of the day of a session: what identity told then, and the thresholds that held."""
    if not session.athlete:
        return None
    known: dict[str, Any] = dict(session.athlete)
    day = progress.local_day(session.started_at, session.time_zone)
    held = dated.held_on(dated.entries_of(session.user_id), day=day, sport=session.sport)
    settings = whole.Settings(**(known | held.values))
    bounds = _bounds(held.zones, settings, session.sport) if held.zones else None
    return replace(settings, heart_rate_zones=bounds)


def _bounds(held: Thresholds, settings: whole.Settings, sport: str) -> zones.Bounds | None:
    maximum = settings.hr_max or 220 - settings.age
    match held.zones_by:
        case "custom" if held.zones_bpm:
            return zones.custom(held.zones_bpm, "bpm")
        case "reserve" if settings.resting_bpm and settings.resting_bpm < maximum:
            return zones.of_heart_rate_reserve(settings.resting_bpm, maximum)
        case "threshold" if settings.threshold_bpm:
            return zones.of_threshold_heart_rate(settings.threshold_bpm, sport)
    return None


def current(session: TrainingSession) -> Analysis | None:
    """The analysis that counts now; none before the first."""
    return Analysis.objects.filter(session=session, is_current=True).first()


def numbers_in(numbers: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every number of an analysis with its name: the path to it, with dots. Of several sources each has its own."""
    if isinstance(numbers, list):
        parts_of_it = [one for one in numbers if isinstance(one, dict)]
        numbers = {str(one.get("source", place)): one for place, one in enumerate(parts_of_it)}
    if isinstance(numbers, dict):
        if "algorithm" in numbers and ("value" in numbers or "values" in numbers):
            yield path, numbers
            return
        if "bounds" in numbers and "seconds" in numbers:
            yield path, _in_zones(numbers)
        for name, inner in numbers.items():
            yield from numbers_in(inner, f"{path}.{name}" if path else name)


def _in_zones(spent: Mapping[str, Any]) -> dict[str, Any]:
    """Seconds below the first zone and in each, as a number that says where the bounds come from."""
    bounds = spent["bounds"]
    return {
        "values": [spent["below_s"], *spent["seconds"]],
        "unit": "s",
        "algorithm": bounds["algorithm"],
        "parameters": {"lower": bounds["lower"], "unit": bounds["unit"]},
        "inputs": bounds["inputs"],
        "exclusions": [],
    }


def algorithms_in(numbers: Any) -> set[str]:
    """The names of all algorithms that had a part in an analysis."""
    named = set()
    if isinstance(numbers, dict) and isinstance(numbers.get("algorithm"), str):
        named.add(numbers["algorithm"])
    inner = numbers.values() if isinstance(numbers, dict) else numbers
    return named.union(*(algorithms_in(each) for each in inner if isinstance(each, dict | list)))


def explained(algorithm: analysis.Algorithm) -> dict[str, Any]:
    """An algorithm in the reader's language."""
    words = {"formula": gettext(algorithm.formula), "source": gettext(algorithm.source)}
    return plain(algorithm) | words


def why(*, session: TrainingSession, name: str) -> dict[str, Any]:
    """How a number came to be: value, formula, source, parameters, inputs, exclusions; and what it was before."""
    versions = list(Analysis.objects.filter(session=session).order_by("-version"))
    told = [(one, dict(numbers_in(one.numbers)).get(name)) for one in versions]
    if not told or told[0][1] is None:
        raise UnknownNumber
    number = told[0][1]
    algorithm = analysis.explain(number["algorithm"])
    earlier = [
        {"computed_at": one.computed_at, "reason": one.reason, "algorithm": past["algorithm"], "value": _value(past)}
        for one, past in told[1:]
        if past is not None
    ]
    return {
        "name": name,
        **telling.told(number),
        "formula": gettext(algorithm.formula),
        "source": gettext(algorithm.source),
        "computed_at": versions[0].computed_at,
        "earlier": earlier,
    }


def _value(number: Mapping[str, Any]) -> Any:
    return number.get("value", number.get("values"))


def daily_loads(*, user_id: UUID, since: date, until: date) -> dict[date, float]:
    """An athlete's training load by local day, both ends included."""
    rows = progress.counted(user_id=user_id).filter(
        day__gte=since, day__lte=until, analyses__is_current=True, analyses__load__isnull=False
    )
    return dict(rows.values("day").annotate(sum=Sum("analyses__load")).values_list("day", "sum"))


def mark_due(*, user_id: UUID, since: date, sport: str) -> int:
    """An athlete's settings have changed from a day on: what was computed with others is computed anew."""
    own = progress.counted(user_id=user_id, sport=sport).filter(day__gte=since)
    return int(own.filter(analysis_due="").update(analysis_due="settings"))
