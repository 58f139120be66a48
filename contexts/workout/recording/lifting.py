"""The sets of a strength session: added, changed and taken back by their athlete, during it or after."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from contexts.workout.models import StrengthSet, TrainingSession
from contexts.workout.plans import exercises
from contexts.workout.recording import noting, replaying, tracking
from contexts.workout.sessions import merging
from kernel.databases import unit_of_work
from kernel.errors import InvalidInput, NotFound, Refused

MAX_SETS: Final = 500
FIELDS: Final = ("exercise", "exercise_id", "reps", "duration_s", "weight_kg", "rpe")


class TooManySets(Refused):
    """A session has no room for more sets."""


@unit_of_work("workout", gate="by")
def put_set(*, session_id: UUID, done: replaying.Set, by: UUID, at: datetime) -> tuple[StrengthSet, bool]:
    """Write a set as it is from now on: (the set, is it new)."""
    session = tracking.locked_session(session_id=session_id, by=by)
    values: dict[str, Any] = {name: getattr(done, name) for name in FIELDS}
    holder = _holder(session)
    known = StrengthSet.objects.filter(session=holder, set_id=done.set_id).first()
    if known is None and holder.sets.count() >= MAX_SETS:
        raise TooManySets(limit=MAX_SETS)
    written = known or StrengthSet(session=holder, set_id=done.set_id, done_at=_within(session, at))
    for name, value in values.items():
        setattr(written, name, value)
    written.save()
    _count_anew(holder, at)
    noting.note_change(session=holder, what=done, at=at)
    return written, known is None


@unit_of_work("workout", gate="by")
def remove_set(*, session_id: UUID, set_id: UUID, by: UUID, at: datetime) -> None:
    """Take a set back."""
    session = tracking.locked_session(session_id=session_id, by=by)
    holder = _holder(session)
    removed, _ = StrengthSet.objects.filter(session=holder, set_id=set_id).delete()
    if not removed:
        raise NotFound
    _count_anew(holder, at)
    noting.note_change(session=holder, what=replaying.Set(set_id=set_id, removed=True), at=at)


def sets_of(*, session: TrainingSession) -> list[dict[str, Any]]:
    """A session's sets in the order in which they were done."""
    return list(StrengthSet.shown_in(session).values("set_id", "done_at", *FIELDS))


def made(set_id: UUID, values: dict[str, Any], *, by: UUID, language: str) -> replaying.Set:
    """A set from plain values, with its exercise as far as it is one of ours.

    Refuses an exercise the athlete does not see; raises `ValueError` where it has no exercise or no extent.
    """
    said = exercises.Movement(values.get("exercise", ""), values.get("exercise_id"))
    meant = exercises.recognise([said], by=by, language=language)[said]
    if said.exercise_id not in (None, meant.exercise_id):
        raise InvalidInput("There is no such exercise.", field="exercise_id", code="unknown_exercise")
    if not meant.words:
        raise InvalidInput("Say which exercise it was.", field="exercise", code="exercise_missing")
    named = {"exercise": meant.words, "exercise_id": meant.exercise_id}
    return msgspec.convert({"kind": "set", "set_id": set_id} | values | named, replaying.Set)


def replace_sets(*, session: TrainingSession, done: Mapping[UUID, replaying.DoneSet], at: datetime) -> None:
    """The sets as a phone's operations say. An exercise that is none of ours keeps its words alone."""
    said = {set_id: exercises.Movement(one.what.exercise, one.what.exercise_id) for set_id, one in done.items()}
    meant = exercises.recognise(said.values(), by=session.user_id)
    rows = []
    for set_id, one in done.items():
        values = {name: getattr(one.what, name) for name in FIELDS}
        values["exercise_id"] = meant[said[set_id]].exercise_id
        rows.append(StrengthSet(session=session, set_id=set_id, done_at=one.done_at, **values))
    if rows or session.sets.exists():
        session.sets.all().delete()
        StrengthSet.objects.bulk_create(rows)
        _count_anew(session, at)


def _count_anew(session: TrainingSession, at: datetime) -> None:
    """A session that is over has been analysed, and counted for a plan, with the sets it had."""
    if session.ended_at is not None:
        session.analysis_due = session.analysis_due or "data"
        session.save(update_fields=["analysis_due"])
        merging.settle_sets(session=session.duplicate_of or session, at=at)


def _holder(session: TrainingSession) -> TrainingSession:
    """Whose sets these are: those shown are changed where they are, so that taking recordings apart is no loss."""
    return session if session.sets_from == session.pk else TrainingSession.objects.get(pk=session.sets_from)


def _within(session: TrainingSession, at: datetime) -> datetime:
    """A set that is added after the session belongs to its end."""
    return min(at, session.ended_at) if session.ended_at else at
