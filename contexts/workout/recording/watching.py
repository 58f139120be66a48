"""Who may follow a session live, what they see on arrival, and the frames they get from then on."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

from contexts.workout.models import Companion, LiveSample, TrainingSession, Visibility
from contexts.workout.series import columns
from kernel.databases import run_after_commit, unit_of_work
from kernel.errors import NotFound
from kernel.realtime import push

SNAPSHOT_SAMPLES: Final = 300
"""How many heart-rate samples a watcher gets on arrival."""

SHOWN_LIVE: Final = ("heart_rate", "speed", "cadence", "power", "distance")
"""What watchers see as it is measured. Places are not among them."""


def group_of(session_id: UUID) -> str:
    """The realtime group of a session's watchers."""
    return f"workout.session.{session_id}"


def personal_group(user_id: UUID) -> str:
    """The realtime group of one person, for what concerns them alone."""
    return f"workout.person.{user_id}"


def tell_person(user_id: UUID, frame: Mapping[str, Any]) -> None:
    """Say something to one person's sockets, once it is real."""
    run_after_commit(partial(push, personal_group(user_id), dict(frame)))


def tell_watchers(session: TrainingSession, frame: Mapping[str, Any]) -> None:
    """Send a numbered frame after commit; the caller saves the session, whose `frames` has moved on."""
    numbered = {**frame, "seq": session.next_frame()}
    run_after_commit(partial(push, group_of(session.id), numbered))


def tell_state(session: TrainingSession) -> None:
    """Tell watchers that the session is active or paused now."""
    tell_watchers(session, {"type": "state", "state": session.state})


def tell_summary(session: TrainingSession) -> None:
    """Tell watchers that the session is over, and its result; again when late readings revise it."""
    tell_watchers(session, {"type": "completed", "summary": summary_of(session)})


def summary_of(session: TrainingSession) -> dict[str, Any]:
    """The result of a completed session, as watchers read it."""
    numbers = ("duration_s", "moving_s", "distance_m", "energy_kcal", "hr_avg", "hr_max", "hr_zones_s")
    return {"revision": session.revision, **{name: getattr(session, name) for name in numbers}}


def session_for(*, session_id: UUID, watcher: UUID) -> TrainingSession:
    """The session, if this member may follow it: its owner, and friends unless it is private."""
    session = TrainingSession.objects.filter(id=session_id).first()
    if session is None or not _may_watch(session, watcher):
        raise NotFound
    return session


def _may_watch(session: TrainingSession, watcher: UUID) -> bool:
    if session.user_id == watcher:
        return True
    if session.visibility == Visibility.PRIVATE:
        return False
    return Companion.objects.filter(user_id=session.user_id, friend_id=watcher).exists()


def snapshot(*, session_id: UUID, watcher: UUID) -> dict[str, Any]:
    """The session as it stands and its latest heart-rate samples; frames up to `seq` are contained in it."""
    session = session_for(session_id=session_id, watcher=watcher)
    return {
        "type": "snapshot",
        "seq": session.frames,
        "session": {
            "id": session.id,
            "user_id": session.user_id,
            "sport": session.sport,
            "state": session.state,
            "started_at": session.started_at,
            "ended_at": session.ended_at,
            "pauses": session.pauses,
            "auto_pauses": session.auto_pauses,
            "summary": summary_of(session) if session.ended_at else None,
        },
        "samples": {"heart_rate": _latest_samples(session)},
    }


def _latest_samples(session: TrainingSession) -> list[tuple[float, float]]:
    """The last heart-rate samples as (seconds since start, bpm), oldest first."""
    if session.ended_at is None:
        newest = LiveSample.objects.filter(session_id=session.id, stream="heart_rate").order_by("-time", "-sequence")
        points = newest.values_list("time", "value")[:SNAPSHOT_SAMPLES]
        return [(offset_s(session.started_at, time), value) for time, value in reversed(points)]
    for _, rate in columns.stored([session.id], kinds=["heart_rate"]):
        latest = rate.offsets_us[-SNAPSHOT_SAMPLES:] / 1e6, rate.measured[-SNAPSHOT_SAMPLES:]
        return list(zip(*(column.tolist() for column in latest), strict=True))
    return []


def offset_s(start: datetime, time: datetime) -> float:
    """Seconds from `start` to `time`."""
    return (time - start).total_seconds()


@unit_of_work("workout")
def befriend(*, user_a: UUID, user_b: UUID) -> None:
    """Remember that two members are friends; saying it twice changes nothing."""
    Companion.objects.bulk_create(
        [Companion(user_id=user_a, friend_id=user_b), Companion(user_id=user_b, friend_id=user_a)],
        ignore_conflicts=True,
    )
