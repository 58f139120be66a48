"""Sessions are analysed in the background: new ones, ones whose data changed, all when the athlete's settings change.

The session's row says that an analysis is due and why; a message only wakes the worker, and a sweeper wakes it again.
An analysis that comes out differently becomes the current one; the earlier stays, so that every number that was ever
shown can still be explained.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass, replace
from datetime import date, datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.contrib.postgres.aggregates import BoolOr
from django.db.models import Q, QuerySet, Sum
from django.utils.translation import gettext

from contexts.workout import analysis
from contexts.workout.analysis import load, strength, swimming, variability, zones
from contexts.workout.analysis import session as whole
from contexts.workout.analysis.derived import DEVICE
from contexts.workout.models import Analysis, StrengthSet, Thresholds, TrainingSession
from contexts.workout.numbers import progress, records, resting, telling
from contexts.workout.plans import dated
from contexts.workout.series import streams
from contexts.workout.series.columns import Columns
from contexts.workout.sessions import history, parts
from kernel.databases import try_gates, unit_of_work
from kernel.errors import NotFound

log = logging.getLogger(__name__)

A_ROUND: Final = 200
"""Sessions that one task analyses."""

AT_ONCE: Final = 8
"""So many of an athlete's sessions are stored in one transaction, at most."""

NOT_KEPT: Final = frozenset({"balance", "masks", "times"})
"""A value a second is computed when asked for; it would outweigh the recording."""


class UnknownNumber(NotFound):
    """This session has no such number."""

    code = "unknown_number"


def due() -> list[list[UUID]]:
    """Sessions whose analysis is due, the latest first: those are looked at. In groups, each of one athlete."""
    waiting = TrainingSession.objects.exclude(analysis_due="").order_by("-started_at")
    by_athlete: dict[UUID, list[UUID]] = {}
    for user_id, session_id in waiting.values_list("user_id", "id")[:A_ROUND]:
        by_athlete.setdefault(user_id, []).append(session_id)
    return [own[first : first + AT_ONCE] for own in by_athlete.values() for first in range(0, len(own), AT_ONCE)]


def analyse(*, session_ids: Collection[UUID], at: datetime) -> int:
    """Analyse those sessions of one athlete that are due and that nobody is at; how many these were.

    Without an athlete of whom anything is known there is nothing to analyse with. One that fails costs the others
    nothing, and stays due.
    """
    with try_gates("workout", "analyse", session_ids) as ours:
        try:
            return _analyse(ours, at)
        except Exception as failure:
            log.warning("sessions are analysed one by one", extra={"sessions": len(ours)}, exc_info=failure)
            return sum(_analyse_alone(session_id, at) for session_id in ours)


def _analyse_alone(session_id: UUID, at: datetime) -> int:
    try:
        return _analyse([session_id], at)
    except Exception:
        log.exception("an analysis has failed", extra={"session_id": str(session_id)})
        return 0


class Analysed(NamedTuple):
    """A session, what of its athlete was known, and the numbers; both empty where nothing is known.

    `body` is what it was analysed with: the settings, and what only health knows.
    """

    session: TrainingSession
    settings: whole.Settings | None
    body: whole.Settings | None
    numbers: dict[str, Any]


def _analyse(session_ids: Collection[UUID], at: datetime) -> int:
    """Long work, done before the transaction opens."""
    waiting = TrainingSession.objects.filter(pk__in=session_ids, ended_at__isnull=False).exclude(analysis_due="")
    sessions = list(waiting.order_by("-started_at"))
    if not sessions:
        return 0
    entries = dated.entries_of(sessions[0].user_id)
    analysed = []
    known = [settings_on(session, entries) for session in sessions]
    rests = resting.rates_before(
        session
        for session, settings in zip(sessions, known, strict=True)
        if settings and settings.resting_bpm is None and session.hr_avg is not None
    )
    for session, settings in zip(sessions, known, strict=True):
        body = replace(settings, resting_read_bpm=rests.get(session.pk)) if settings else None
        analysed.append(Analysed(session, settings, body, compute(session, body) if body else {}))
    return _keep(by=sessions[0].user_id, analysed=analysed, at=at)


@unit_of_work("workout", gate="by")
def _keep(*, by: UUID, analysed: Sequence[Analysed], at: datetime) -> int:
    """Nothing of sessions that have changed meanwhile, or whose athlete's settings have: they are due still."""
    locked = TrainingSession.objects.select_for_update().filter(pk__in=[each.session.pk for each in analysed])
    now = {session.pk: session for session in locked.exclude(analysis_due="").order_by("pk")}
    entries = dated.entries_of(by)
    kept = [
        each._replace(session=session)
        for each in analysed
        if (session := now.get(each.session.pk))
        and (session.revision, session.effort) == (each.session.revision, each.session.effort)
        and settings_on(session, entries) == each.settings
    ]
    known = {one.session_id: one for one in Analysis.objects.filter(session__in=now, is_current=True)}
    lifted = _strength_of(now.values())  # sets may have changed since
    changed = []
    for each in kept:
        before = known.get(each.session.pk)
        numbers = each.numbers | {"strength": lifted.get(each.session.pk)}
        if each.settings and (before is None or before.numbers != numbers):
            changed.append(each._replace(numbers=numbers))
        elif before is not None:
            _forget_superseded(before)
    _replace(known, changed, at)
    TrainingSession.objects.filter(pk__in=[each.session.pk for each in kept]).update(analysis_due="")
    return len(kept)


def _replace(known: Mapping[UUID, Analysis], changed: Sequence[Analysed], at: datetime) -> None:
    """Numbers that have come out differently are the current ones from now on."""
    again = [each for each in changed if each.session.pk in known]
    Analysis.objects.filter(session__in=[each.session for each in again], is_current=True).update(is_current=False)
    Analysis.objects.bulk_create(_analysis_of(each, known.get(each.session.pk), at) for each in changed)
    for each in again:
        records.take_efforts_again(each.session, each.numbers)
    new = [(each.session, each.numbers) for each in changed if each.session.pk not in known]
    records.take_new_efforts(new, at=at)
    filled = [each.session for each in changed if _has_filled_in_energy(each)]
    if filled:
        progress.look_at_goals(sessions=filled, at=at)


def _analysis_of(analysed: Analysed, before: Analysis | None, at: datetime) -> Analysis:
    strain = analysed.numbers["strain"]["load"]
    return Analysis(
        session=analysed.session,
        version=before.version + 1 if before else 1,
        computed_at=at,
        reason=analysed.session.analysis_due,
        settings=plain(analysed.body),
        numbers=analysed.numbers,
        load=strain["believed"]["value"] if strain else None,
        algorithms=sorted(algorithms_in(analysed.numbers) - analysis.superseded()),
    )


def _forget_superseded(known: Analysis) -> None:
    """What an old algorithm computes still, whatever replaced it, is not to be tried for ever."""
    if not analysis.superseded().isdisjoint(known.algorithms):
        known.algorithms = sorted(set(known.algorithms) - analysis.superseded())
        known.save(update_fields=["algorithms"])


def _has_filled_in_energy(analysed: Analysed) -> bool:
    """The summary had none while the athlete's body mass was unknown."""
    session, energy = analysed.session, analysed.numbers["energy"]
    if session.energy_kcal is not None or not energy:
        return False
    total = energy["estimates"][0]["total"]
    said = {name: part for name, part in total.items() if name != "value"}
    session.energy_kcal, session.methods = total["value"], session.methods | {"energy_kcal": said}
    session.save(update_fields=["energy_kcal", "methods"])
    return True


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
        pauses=session.all_pauses_s(),
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


def _strength_of(sessions: Collection[TrainingSession]) -> dict[UUID, dict[str, Any]]:
    """By session in which something was lifted: volume, and the best estimate of one repetition by exercise."""
    lifted: dict[UUID, dict[str, list[strength.Lift]]] = {}
    sets = StrengthSet.objects.filter(session__in={session.sets_from for session in sessions})
    done = sets.order_by("done_at", "set_id").values_list("session_id", "exercise", "weight_kg", "reps")
    for session_id, exercise, weight_kg, reps in done:
        if weight_kg and reps:
            lifted.setdefault(session_id, {}).setdefault(exercise, []).append(strength.Lift(weight_kg, reps))
    # A duplicate may be among them, and lend its sets to the session it is one of.
    return {session.pk: _strength(lifted[session.sets_from]) for session in sessions if session.sets_from in lifted}


def _strength(by_exercise: Mapping[str, list[strength.Lift]]) -> dict[str, Any]:
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


def settings_on(session: TrainingSession, entries: Iterable[Thresholds]) -> whole.Settings | None:
    """The athlete as of the day of a session: what identity told then, and of their thresholds those that held."""
    if not session.athlete:
        return None
    known: dict[str, Any] = dict(session.athlete)
    day = progress.local_day(session.started_at, session.time_zone)
    held = dated.held_on(entries, day=day, sport=session.sport)
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
            yield path, in_zones(numbers)
        for name, inner in numbers.items():
            yield from numbers_in(inner, f"{path}.{name}" if path else name)


def in_zones(spent: Mapping[str, Any]) -> dict[str, Any]:
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


class DayLoad(NamedTuple):
    """The load of a day, and whether any of it was estimated for want of thresholds."""

    load: float
    estimated: bool


def daily_loads(*, user_id: UUID, since: date, until: date) -> dict[date, DayLoad]:
    """An athlete's training load by local day, both ends included."""
    rows = _loaded(user_id).filter(day__gte=since, day__lte=until)
    is_estimated = Q(analyses__algorithms__contains=[load.ESTIMATED.name])
    summed = rows.values("day").annotate(sum=Sum("analyses__load"), estimated=BoolOr(is_estimated))
    return {day: DayLoad(total, estimated) for day, total, estimated in summed.values_list("day", "sum", "estimated")}


def loads_on(*, user_id: UUID, day: date) -> list[dict[str, Any]]:
    """Of which sessions a day's load is, how much of it, and by which algorithm."""
    rows = _loaded(user_id).filter(day=day).order_by("started_at", "pk")
    algorithm = "analyses__numbers__strain__load__believed__algorithm"
    names = ("session_id", "load", "algorithm")
    return [dict(zip(names, row, strict=True)) for row in rows.values_list("pk", "analyses__load", algorithm)]


def _loaded(user_id: UUID) -> QuerySet[Any]:
    """Sessions that count and have a load."""
    return progress.counted(user_id=user_id).filter(analyses__is_current=True, analyses__load__isnull=False)


def mark_due(*, user_id: UUID, since: date, sport: str) -> int:
    """An athlete's settings have changed from a day on: what was computed with others is computed anew."""
    own = progress.counted(user_id=user_id, sport=sport).filter(day__gte=since)
    return int(own.filter(analysis_due="").update(analysis_due="settings"))
