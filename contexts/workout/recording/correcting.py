"""What an athlete says of a session afterwards, takes back, or takes apart."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.files.storage import default_storage

from contexts.workout import events
from contexts.workout.models import BatchMember, Import, TrainingSession
from contexts.workout.numbers import records
from contexts.workout.outdoors import tracks
from contexts.workout.plans import following, taking_back
from contexts.workout.recording import completing, noting, replaying, tracking
from contexts.workout.recordings.recording import clean_line, clean_names, clean_prose
from contexts.workout.series import columns
from contexts.workout.sessions import exporting, merging
from kernel.bus import publish
from kernel.databases import run_after_commit, unit_of_work
from kernel.errors import Refused

SESSION_DELETED = "session_deleted"
"""What a batch says of a member whose session its athlete has deleted."""


class NotMerged(Refused):
    """The session stands for itself alone; there is nothing to take apart."""


@unit_of_work("workout", gate="by")
def change_session(*, session_id: UUID, changes: dict[str, Any], by: UUID, at: datetime) -> TrainingSession:
    """Change what the athlete says of a session.

    Another sport computes its summary anew, and its records, and counts for other workouts of a plan.
    """
    session = tracking.locked_session(session_id=session_id, by=by)
    before = session.sport, session.visibility
    for name in changes.keys() & {"sport", "visibility"}:
        setattr(session, name, changes[name])
    has_changed = (session.sport, session.visibility) != before
    session.changes += has_changed
    told = say(session, {name: value for name, value in changes.items() if name in replaying.TOLD})
    session.save()
    if session.sport != before[0] and session.ended_at is not None:
        _compute_anew(session, was=before[0])
        taking_back.match_anew(session, at=at)
    if has_changed or told:
        announced: dict[str, Any] = {"sport": session.sport, "visibility": session.visibility} if has_changed else {}
        noting.note_change(session=session, what=replaying.Edit(**announced, **told), at=at)
    if has_changed:
        completing.announce_change(session, at)
    return session


def say(session: TrainingSession, told: dict[str, Any]) -> dict[str, Any]:
    """What the athlete says of it from now on, which is answered as it is kept; the caller saves the session."""
    kept = {name: _cleaned(name, value) for name, value in told.items()}
    if kept.get("effort", session.effort) != session.effort and session.ended_at is not None:
        session.analysis_due = session.analysis_due or "data"  # without a heart rate the load follows from it
    for name, value in kept.items():
        setattr(session, name, value)
    merging.keep_own(session, kept)
    return kept


def _cleaned(name: str, value: Any) -> Any:
    """As any of our formats can carry it."""
    match name:
        case "title":
            return clean_line(value)
        case "notes":
            return clean_prose(value)
        case "gear" | "media":
            return clean_names(value)
    return value


def _compute_anew(session: TrainingSession, *, was: str) -> None:
    merging.restore(session)
    session.said = {name: value for name, value in session.said.items() if name != "sub_sport"}
    completing.summarise_again(session, exporting.activity_of(session))
    merging.combine(session)
    for sport in (was, session.sport):
        records.settle(user_id=session.user_id, sport=sport)


@unit_of_work("workout", gate="by")
def delete_session(*, session_id: UUID, by: UUID, at: datetime) -> None:
    """Delete a session with all that was recorded of the activity; records fall back to the others, plans to before.

    An original goes with the last session that came from it, so that the file may be handed in anew. A duplicate
    goes alone, and was never announced.
    """
    session = tracking.locked_session(session_id=session_id, by=by)
    if session.ended_at is None:
        raise exporting.SessionUnderway
    duplicates = list(TrainingSession.objects.filter(duplicate_of=session))
    recordings = {each.recording_id for each in (session, *duplicates) if each.recording_id}
    main = session.duplicate_of
    counted_for = taking_back.take_back(sessions=[session, *duplicates], at=at)
    noting.note_change(session=session, what=replaying.Delete(), at=at)
    session.delete()
    taking_back.settle_anew(counted_for, at=at)
    for recording_id in recordings:
        _forget_original(recording_id)
    if main is not None:
        merging.combine(main)
        following.count_sets(session=main, at=at)
    else:
        publish(events.WorkoutDeleted(session_id=session_id, user_id=by, occurred_at=at))
    records.settle(user_id=by, sport=(main or session).sport)


def _forget_original(recording_id: UUID) -> None:
    if TrainingSession.objects.filter(recording_id=recording_id).exists():
        return
    BatchMember.objects.filter(recording_id=recording_id).update(recording=None, code=SESSION_DELETED)
    recording = Import.objects.get(id=recording_id)
    original = recording.original
    recording.delete()
    run_after_commit(lambda: default_storage.delete(original))


@unit_of_work("workout", gate="by")
def split_session(*, session_id: UUID, by: UUID, at: datetime) -> list[TrainingSession]:
    """Take apart what was taken for one activity: a duplicate alone, or all of a session's.

    Each of them is a session of its own from now on, and is announced as completed: it never was before. Answers
    the session that stood for them, and those that stand for themselves now.
    """
    session = tracking.locked_session(session_id=session_id, by=by)
    main = session.duplicate_of or session
    apart = [session] if session.duplicate_of else list(TrainingSession.objects.filter(duplicate_of=session))
    if not apart:
        raise NotMerged
    for each in apart:
        each.duplicate_of = None
        each.save()
        tracks.keep_track(session=each, packed=[packed for _, packed in columns.stored([each.pk])])
        completing.announce([each], at)
    merging.combine(main)
    following.count_sets(session=main, at=at)
    for sport in {main.sport, *(each.sport for each in apart)}:
        records.settle(user_id=by, sport=sport)
    return [main, *apart]
