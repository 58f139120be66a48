"""Starting, pausing and resuming a live session. Completing it has a file of its own."""

from datetime import datetime
from typing import Final
from uuid import UUID

from contexts.identity import services as identity
from contexts.workout import events
from contexts.workout.models import TrainingSession, Visibility
from contexts.workout.recording import active, watching
from kernel.bus import publish
from kernel.databases import unit_of_work
from kernel.errors import NotFound, Refused


class SessionAlreadyActive(Refused):
    """Another session is still under way; complete it first."""


class SessionCompleted(Refused):
    """The session is over and stays as it is."""


class TooManyLaps(Refused):
    """A session has no room for more laps."""


class TooManySwitches(Refused):
    """Automatic pauses have been switched on and off too often in this session."""


MAX_LAPS: Final = 1_000
MAX_SWITCHES: Final = 1_000


def usual_visibility(*, user_id: UUID) -> str:
    """What the athlete's profile says about new sessions; private when nobody knows."""
    member = identity.get_member(user_id=user_id)
    return member.workout_visibility if member else Visibility.PRIVATE.value


@unit_of_work("workout", gate="by")
def start_session(
    *, sport: str, visibility: str, time_zone: str, by: UUID, at: datetime, auto_pause: bool = False
) -> TrainingSession:
    """Begin a live session; an athlete has one under way at a time (WO-1)."""
    underway = TrainingSession.objects.filter(user_id=by, state__in=TrainingSession.UNDERWAY)
    if other := underway.values_list("id", flat=True).first():
        raise SessionAlreadyActive(session_id=str(other))
    session = TrainingSession.objects.create(
        user_id=by,
        sport=sport,
        visibility=visibility,
        time_zone=time_zone,
        started_at=at,
        auto_pause_marks=[at] if auto_pause else [],
    )
    publish(
        events.WorkoutStarted(
            session_id=session.id, user_id=by, sport=sport, started_at=at, visibility=visibility, occurred_at=at
        )
    )
    active.remember(session)
    return session


@unit_of_work("workout")
def pause_session(*, session_id: UUID, by: UUID, at: datetime) -> TrainingSession:
    """Stop the clock. Pausing a paused session changes nothing."""
    session = locked_session(session_id=session_id, by=by)
    _refuse_if_over(session)
    if session.state == TrainingSession.State.ACTIVE:
        session.pause(at=at)
        _save_and_tell(session)
        publish(events.WorkoutPaused(session_id=session.id, user_id=by, paused_at=session.pauses[-1], occurred_at=at))
    return session


@unit_of_work("workout")
def resume_session(*, session_id: UUID, by: UUID, at: datetime) -> TrainingSession:
    """Let the clock run again. Resuming an active session changes nothing."""
    session = locked_session(session_id=session_id, by=by)
    _refuse_if_over(session)
    if session.state == TrainingSession.State.PAUSED:
        session.resume(at=at)
        _save_and_tell(session)
    return session


@unit_of_work("workout")
def switch_auto_pause(*, session_id: UUID, on: bool, by: UUID, at: datetime) -> TrainingSession:
    """From now on standing still is a pause, or is none; which pauses these were is found when the session ends."""
    session = locked_session(session_id=session_id, by=by)
    _refuse_if_over(session)
    if len(session.auto_pause_marks) >= MAX_SWITCHES:
        raise TooManySwitches(limit=MAX_SWITCHES)
    if session.auto_pause is not on:
        session.switch_auto_pause(on=on, at=at)
        watching.tell_watchers(session, {"type": "auto_pause", "on": on})
        session.save(update_fields=["auto_pause_marks", "frames"])
        active.remember(session)
    return session


@unit_of_work("workout")
def mark_lap(*, session_id: UUID, by: UUID, at: datetime) -> TrainingSession:
    """End a lap and begin the next."""
    session = locked_session(session_id=session_id, by=by)
    _refuse_if_over(session)
    if len(session.laps) >= MAX_LAPS:
        raise TooManyLaps(limit=MAX_LAPS)
    session.laps = [*session.laps, max([at, session.started_at, *session.laps[-1:]])]
    watching.tell_watchers(session, {"type": "lap", "laps": session.laps})
    session.save(update_fields=["laps", "frames"])
    active.remember(session)
    return session


def locked_session(*, session_id: UUID, by: UUID) -> TrainingSession:
    """The athlete's own session, locked for a change; somebody else's does not exist for them."""
    session = TrainingSession.objects.select_for_update().filter(id=session_id, user_id=by).first()
    if session is None:
        raise NotFound
    return session


def _refuse_if_over(session: TrainingSession) -> None:
    if session.state == TrainingSession.State.COMPLETED:
        raise SessionCompleted


def _save_and_tell(session: TrainingSession) -> None:
    watching.tell_state(session)
    session.save(update_fields=["state", "pauses", "frames"])
    active.remember(session)
