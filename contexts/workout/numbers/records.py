"""Personal records: an athlete's best distance and times in each sport (WO-5)."""

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db.models import Max, Min, Q

from contexts.workout import events
from contexts.workout.models import AnnouncedRecord, BestEffort, PersonalBest, TrainingSession
from kernel.bus import publish


class Aspect(NamedTuple):
    """Where a session keeps its result for a record, and which of two results is the better one."""

    field: str
    beats: Callable[[float, float], bool]


FASTEST: Final = "fastest_"
"""Of records so named less is better; of all others more is."""

ASPECTS: Final = {
    PersonalBest.Record.LONGEST_DISTANCE: Aspect("distance_m", operator.gt),
    PersonalBest.Record.FASTEST_1K: Aspect("fastest_1k_s", operator.lt),
    PersonalBest.Record.FASTEST_5K: Aspect("fastest_5k_s", operator.lt),
}


class News(NamedTuple):
    """A session that holds a record from now on, and whose `value` beats the `previous` one, if there was any."""

    session: TrainingSession
    record: str
    value: float
    previous: float | None


def compare_with_bests(*, session: TrainingSession, at: datetime) -> None:
    """Take over what this session did better than any before, and announce it.

    The caller holds the athlete's gate, so two sessions cannot both beat the same best. A session revised
    after it already holds the record moves it silently.
    """
    held = Q(sport=session.sport) | Q(session=session)
    own = list(PersonalBest.objects.filter(held, user_id=session.user_id))
    for sport in {best.sport for best in own} - {session.sport}:
        settle(user_id=session.user_id, sport=sport)
    bests = {best.record: best for best in own if best.sport == session.sport}
    news = []
    for record, aspect in ASPECTS.items():
        value, best = getattr(session, aspect.field), bests.get(record)
        if best is not None and best.session_id == session.id:
            _settle(session.user_id, session.sport, record, aspect, best)
        elif value and (best is None or aspect.beats(value, best.value)):
            _set(session, {record: value})
            news.append(News(session, str(record), value, best.value if best else None))
    _announce(news, at)


def take_new(*, sessions: Sequence[TrainingSession], at: datetime) -> None:
    """The same for new sessions of one athlete, one after the other."""
    bests = _bests_of(sessions)
    news = []
    for session in sessions:
        found = {str(record): getattr(session, aspect.field) for record, aspect in ASPECTS.items()}
        news += _overtake(session, {name: value for name, value in found.items() if value}, bests)
    _announce(news, at)


Bests = dict[tuple[str, str], float]
"""An athlete's, by sport and record."""


def _bests_of(sessions: Sequence[TrainingSession]) -> Bests:
    """In the sports of these sessions, all of one athlete."""
    sports = {session.sport for session in sessions}
    known = PersonalBest.objects.filter(user_id=sessions[0].user_id, sport__in=sports)
    return {(best.sport, best.record): best.value for best in known}


def _overtake(session: TrainingSession, found: Mapping[str, float], bests: Bests) -> list[News]:
    """Take over what the session did better, and answer it."""
    before = {record: bests.get((session.sport, record)) for record in found}
    better = {
        record: value
        for record, value in found.items()
        if (best := before[record]) is None or _beats(record, value, best)
    }
    _set(session, better)
    bests |= {(session.sport, record): value for record, value in better.items()}
    return [News(session, record, value, before[record]) for record, value in better.items()]


def efforts_in(numbers: Mapping[str, Any]) -> dict[str, float]:
    """The best efforts that an analysis has found: by distance in seconds, by time in metres, by time in watts."""
    pacing, riding = numbers["pacing"], numbers["riding"] or {"best": {}}
    found = {f"{FASTEST}{name}": number["value"] for name, number in pacing["efforts"].items()}
    found |= {f"longest_{name}": number["value"] for name, number in pacing["distances"].items()}
    found |= {f"power_{name}": number["value"] for name, number in riding["best"].items()}
    return {record: value for record, value in found.items() if value > 0 and record not in ASPECTS}


def take_new_efforts(analysed: Sequence[tuple[TrainingSession, Mapping[str, Any]]], *, at: datetime) -> None:
    """Keep the best efforts of one athlete's sessions that have been analysed first, and the records that follow.

    Announced is what beats an earlier best; a first time beats nobody. The caller holds the athlete's gate.
    """
    if not analysed:
        return
    found = [(session, efforts_in(numbers)) for session, numbers in analysed]
    _keep_efforts(found)
    bests = _bests_of([session for session, _ in analysed])
    news: list[News] = []
    for session, efforts in found:
        if session.duplicate_of_id is not None:
            continue
        news += _overtake(session, efforts, bests)
    _announce([one for one in news if one.previous is not None], at)


def take_efforts_again(session: TrainingSession, numbers: Mapping[str, Any]) -> None:
    """The same for a session that had been analysed before, in silence."""
    BestEffort.objects.filter(session=session).delete()
    efforts = efforts_in(numbers)
    _keep_efforts([(session, efforts)])
    if session.duplicate_of_id is not None:
        return
    bests = {best.record: best for best in PersonalBest.objects.filter(user_id=session.user_id, sport=session.sport)}
    held = {record for record, best in bests.items() if best.session_id == session.pk and record not in ASPECTS}
    others = {(session.sport, record): best.value for record, best in bests.items()}
    _overtake(session, {record: value for record, value in efforts.items() if record not in held}, others)
    for record in held:
        _settle_effort(session.user_id, session.sport, record, bests[record])


def _keep_efforts(found: Iterable[tuple[TrainingSession, Mapping[str, float]]]) -> None:
    BestEffort.objects.bulk_create(
        BestEffort(session=session, record=record, user_id=session.user_id, sport=session.sport, value=value)
        for session, efforts in found
        for record, value in efforts.items()
    )


def _beats(record: str, value: float, best: float) -> bool:
    return value < best if record.startswith(FASTEST) else value > best


def _settle_effort(user_id: UUID, sport: str, record: str, best: PersonalBest | None) -> None:
    """The best is whatever the efforts say."""
    order = "value" if record.startswith(FASTEST) else "-value"
    rivals = BestEffort.objects.filter(user_id=user_id, sport=sport, record=record, session__duplicate_of=None)
    holder = rivals.select_related("session").order_by(order, "session__ended_at", "session_id").first()
    if holder is None:
        if best is not None:
            best.delete()
    elif best is None or (best.value, best.session_id) != (holder.value, holder.session_id):
        _set(holder.session, {record: holder.value})


def records_of(*, user_id: UUID, sport: str) -> list[PersonalBest]:
    """An athlete's records, of one sport or all."""
    own = PersonalBest.objects.filter(user_id=user_id).order_by("sport", "record")
    return list(own.filter(sport=sport) if sport else own)


def _set(session: TrainingSession, values: Mapping[str, float]) -> None:
    """The session is the holder of these records from now on."""
    assert session.ended_at is not None
    PersonalBest.objects.bulk_create(
        [
            PersonalBest(
                user_id=session.user_id,
                sport=session.sport,
                record=record,
                value=value,
                session_id=session.id,
                achieved_at=session.ended_at,
            )
            for record, value in values.items()
        ],
        update_conflicts=True,
        unique_fields=["user_id", "sport", "record"],
        update_fields=["value", "session_id", "achieved_at"],
    )


def settle(*, user_id: UUID, sport: str) -> None:
    """Sessions have gone or changed: each best is again whatever the others say. Announces nothing.

    The caller holds the athlete's gate.
    """
    bests = {best.record: best for best in PersonalBest.objects.filter(user_id=user_id, sport=sport)}
    for record, aspect in ASPECTS.items():
        _settle(user_id, sport, record, aspect, bests.get(record))
    efforts = BestEffort.objects.filter(user_id=user_id, sport=sport).values_list("record", flat=True).distinct()
    for name in set(efforts) | (bests.keys() - ASPECTS.keys()):
        _settle_effort(user_id, sport, name, bests.get(name))


def _settle(user_id: UUID, sport: str, record: str, aspect: Aspect, best: PersonalBest | None) -> None:
    rivals = TrainingSession.objects.filter(
        user_id=user_id, sport=sport, duplicate_of=None, **{f"{aspect.field}__gt": 0}
    )
    extreme = Max if aspect.beats is operator.gt else Min
    value = rivals.aggregate(value=extreme(aspect.field))["value"]
    holder = rivals.filter(**{aspect.field: value}).order_by("ended_at", "id").first() if value else None
    if holder is None:
        if best is not None:
            best.delete()
    elif best is None or (value, holder.id) != (best.value, best.session_id):
        _set(holder, {record: value})


def _announce(news: Sequence[News], at: datetime) -> None:
    """Say which records of one athlete were taken, each once, whatever comes and goes and comes again.

    The caller holds the athlete's gate.
    """
    if not news:
        return
    announced = AnnouncedRecord.objects.filter(
        user_id=news[0].session.user_id, achieved_at__in={one.session.ended_at for one in news}
    )
    known = set(announced.values_list("achieved_at", "sport", "record"))
    unheard = {_of_moment(one): one for one in news if _of_moment(one) not in known}
    AnnouncedRecord.objects.bulk_create(
        AnnouncedRecord(user_id=one.session.user_id, achieved_at=achieved_at, sport=sport, record=record)
        for (achieved_at, sport, record), one in unheard.items()
    )
    publish(*(_achievement(one, at) for one in unheard.values()))


def _of_moment(one: News) -> tuple[datetime, str, str]:
    """What tells a record of one activity from all others of the athlete."""
    assert one.session.ended_at is not None
    return one.session.ended_at, one.session.sport, one.record


def _achievement(one: News, at: datetime) -> events.PersonalRecordAchieved:
    return events.PersonalRecordAchieved(
        session_id=one.session.id,
        user_id=one.session.user_id,
        sport=one.session.sport,
        record=one.record,
        value=one.value,
        previous=one.previous,
        occurred_at=at,
    )
