"""Personal records: an athlete's best distance and times in each sport (WO-5)."""

import operator
from collections.abc import Callable
from datetime import datetime
from typing import Final, NamedTuple

from django.db.models import Max, Min

from contexts.workout import events
from contexts.workout.models import PersonalBest, TrainingSession
from kernel.bus import publish


class Aspect(NamedTuple):
    """Where a session keeps its result for a record, and which of two results is the better one."""

    field: str
    beats: Callable[[float, float], bool]


ASPECTS: Final = {
    PersonalBest.Record.LONGEST_DISTANCE: Aspect("distance_m", operator.gt),
    PersonalBest.Record.FASTEST_1K: Aspect("fastest_1k_s", operator.lt),
    PersonalBest.Record.FASTEST_5K: Aspect("fastest_5k_s", operator.lt),
}


def compare_with_bests(*, session: TrainingSession, at: datetime) -> None:
    """Take over what this session did better than any before, and announce it.

    The caller holds the athlete's gate, so two sessions cannot both beat the same best. A session revised
    after it already holds the record moves it silently.
    """
    own = PersonalBest.objects.filter(user_id=session.user_id, sport=session.sport)
    bests = {best.record: best for best in own}
    for record, aspect in ASPECTS.items():
        value, best = getattr(session, aspect.field), bests.get(record)
        if best is not None and best.session_id == session.id:
            _revise(best, aspect)
        elif value and (best is None or aspect.beats(value, best.value)):
            _set(session, record, value)
            _announce(session, record, value, best.value if best else None, at)


def _set(session: TrainingSession, record: str, value: float) -> None:
    assert session.ended_at is not None
    PersonalBest(
        user_id=session.user_id,
        sport=session.sport,
        record=record,
        value=value,
        session_id=session.id,
        achieved_at=session.ended_at,
    ).save()


def _revise(best: PersonalBest, aspect: Aspect) -> None:
    """The holder's own result has changed: the best is again whatever the sessions say."""
    rivals = TrainingSession.objects.filter(user_id=best.user_id, sport=best.sport, **{f"{aspect.field}__gt": 0})
    extreme = Max if aspect.beats is operator.gt else Min
    value = rivals.aggregate(value=extreme(aspect.field))["value"]
    holder = rivals.filter(**{aspect.field: value}).order_by("ended_at", "id").first() if value else None
    if holder is None:
        best.delete()
    elif (value, holder.id) != (best.value, best.session_id):
        _set(holder, best.record, value)


def _announce(session: TrainingSession, record: str, value: float, previous: float | None, at: datetime) -> None:
    publish(
        events.PersonalRecordAchieved(
            session_id=session.id,
            user_id=session.user_id,
            sport=session.sport,
            record=str(record),
            value=value,
            previous=previous,
            occurred_at=at,
        )
    )
