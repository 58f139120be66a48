"""Group workouts (WO-8): places kept for those who are free, invitations, live, and everybody's result in the end.

Availability, places, the workout and the invitation are one transaction; an exclusion constraint keeps anybody from
having two places at one time. What follows, notifying and gathering results, happens when its event arrives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.db import IntegrityError

from contexts.workout import events
from contexts.workout.models import Companion, GroupPlace, GroupWorkout, TrainingSession
from contexts.workout.recording import tracking
from kernel.bus import publish
from kernel.databases import run_after_commit, savepoint, unit_of_work
from kernel.errors import InvalidInput, NotFound, Refused
from kernel.realtime import push

MAX_INVITED: Final = 50
LONGEST: Final = timedelta(hours=24)
FARTHEST: Final = timedelta(days=366)
EARLY: Final = timedelta(minutes=30)
"""So long before the start one may begin."""

RESULT: Final = ("duration_s", "moving_s", "distance_m", "energy_kcal")
State = GroupPlace.State


class Busy(Refused):
    """You have a place in another group workout at that time."""


class NotInvited(NotFound):
    """There is no such group workout, or you are not invited to it."""

    code = "not_found"


class WorkoutOver(Refused):
    """This group workout is over or cancelled."""


class TooEarly(Refused):
    """This group workout has not begun yet."""


class AnswerFirst(Refused):
    """Accept the invitation first."""


@unit_of_work("workout", gate="by")
def plan_group_workout(
    *,
    by: UUID,
    title: str,
    sport: str,
    starts_at: datetime,
    duration: timedelta,
    invited: Sequence[UUID],
    at: datetime,
) -> tuple[GroupWorkout, dict[UUID, str]]:
    """Invite friends: (the workout, of each invited what came of it: `reserved`, `busy` or `not_a_friend`)."""
    if not at <= starts_at <= at + FARTHEST:
        raise InvalidInput("It begins within a year from now.", field="starts_at", code="not_in_time")
    if not timedelta(0) < duration <= LONGEST:
        raise InvalidInput("It lasts a day at most.", field="duration_s", code="too_long")
    group = GroupWorkout.objects.create(
        organiser_id=by,
        title=title,
        sport=sport,
        starts_at=starts_at,
        ends_at=starts_at + duration,
        created_at=at,
    )
    if not _reserve(group, by, State.ACCEPTED):
        raise Busy
    wanted = [user_id for user_id in dict.fromkeys(invited) if user_id != by]
    friends = set(Companion.objects.filter(user_id=by, friend_id__in=wanted).values_list("friend_id", flat=True))
    told = {user_id: _invited(group, user_id, friends) for user_id in wanted}
    publish(
        events.GroupWorkoutCreated(
            group_id=group.pk,
            organiser_id=by,
            title=title,
            sport=sport,
            starts_at=starts_at,
            ends_at=group.ends_at,
            invited=[user_id for user_id, outcome in told.items() if outcome == State.RESERVED],
            occurred_at=at,
        )
    )
    return group, told


def _invited(group: GroupWorkout, user_id: UUID, friends: set[UUID]) -> str:
    if user_id not in friends:
        return "not_a_friend"
    return State.RESERVED.value if _reserve(group, user_id, State.RESERVED) else "busy"


def _reserve(group: GroupWorkout, user_id: UUID, state: str) -> bool:
    """Keep a place, unless the person has another one at that time: the constraint says so."""
    try:
        with savepoint():
            GroupPlace.objects.create(
                group=group, user_id=user_id, state=state, starts_at=group.starts_at, ends_at=group.ends_at
            )
    except IntegrityError:
        return False
    return True


def place_of(*, group_id: UUID, user_id: UUID) -> GroupPlace:
    """A participant's place; for everybody else the workout does not exist."""
    place = GroupPlace.objects.select_related("group").filter(group_id=group_id, user_id=user_id).first()
    if place is None:
        raise NotInvited
    return place


@unit_of_work("workout", gate="by")
def answer_invitation(
    *, group_id: UUID, by: UUID, accepts: bool, shares_heart_rate: bool, shares_position: bool, at: datetime
) -> GroupPlace:
    """Take the place or give it back; and say what the others may see live. May be changed until the end."""
    place = place_of(group_id=group_id, user_id=by)
    _ensure_open(place.group, at=at)
    place.state = State.ACCEPTED if accepts else State.DECLINED
    place.shares_heart_rate = accepts and shares_heart_rate
    place.shares_position = accepts and shares_position
    place.answered_at = at
    try:
        with savepoint():
            place.save()
    except IntegrityError:
        raise Busy from None
    _tell(group_id, {"type": "place", "user_id": by, "state": place.state})
    return place


@unit_of_work("workout", gate="by")
def begin_together(*, group_id: UUID, by: UUID, visibility: str, time_zone: str, at: datetime) -> TrainingSession:
    """Start one's own live session as part of the group's workout; one that is under way for it already stays."""
    place = place_of(group_id=group_id, user_id=by)
    _ensure_open(place.group, at=at)
    if place.state != State.ACCEPTED:
        raise AnswerFirst
    if at < place.starts_at - EARLY:
        raise TooEarly(starts_at=place.starts_at)
    if place.session_id is not None:
        return TrainingSession.objects.get(pk=place.session_id)
    session = tracking.start_session(
        sport=place.group.sport, visibility=visibility, time_zone=time_zone, by=by, at=at
    )
    place.session_id = session.pk
    place.save(update_fields=["session_id"])
    _tell(group_id, {"type": "began", "user_id": by})
    return session


@unit_of_work("workout", gate="group_id")
def cancel_group_workout(*, group_id: UUID, by: UUID, at: datetime) -> GroupWorkout:
    """Call it off; everybody's place is free again. Cancelling twice changes nothing."""
    group = GroupWorkout.objects.filter(pk=group_id, organiser_id=by).first()
    if group is None:
        raise NotInvited
    if group.cancelled_at is None:
        group.cancelled_at = at
        group.save(update_fields=["cancelled_at"])
        group.places.filter(state__in=GroupPlace.TAKEN).update(state=State.RELEASED)
        _tell(group_id, {"type": "cancelled"})
    return group


def _ensure_open(group: GroupWorkout, *, at: datetime) -> None:
    if group.cancelled_at is not None or at > group.ends_at:
        raise WorkoutOver


def group_workouts_of(*, user_id: UUID, at: datetime) -> list[dict[str, Any]]:
    """Those a person has a place in or is invited to, and that are not over, the next first."""
    places = GroupPlace.objects.select_related("group").filter(
        user_id=user_id, state__in=GroupPlace.TAKEN, ends_at__gt=at
    )
    return [_item(place.group) | {"my_state": place.state} for place in places.order_by("starts_at")[:200]]


def group_workout_for(*, group_id: UUID, viewer: UUID) -> dict[str, Any]:
    """A workout with its participants and, as far as they have finished, their results."""
    mine = place_of(group_id=group_id, user_id=viewer)
    places = list(GroupPlace.objects.filter(group_id=group_id).order_by("user_id"))
    known = TrainingSession.objects.in_bulk([place.session_id for place in places if place.session_id])
    participants = [
        _participant(place, known.get(place.session_id) if place.session_id else None) for place in places
    ]
    return _item(mine.group) | {"my_state": mine.state, "participants": participants}


def _item(group: GroupWorkout) -> dict[str, Any]:
    names = ("id", "organiser_id", "title", "sport", "starts_at", "ends_at", "cancelled_at")
    return {name: getattr(group, name) for name in names}


def _participant(place: GroupPlace, session: TrainingSession | None) -> dict[str, Any]:
    """Who takes part accepts that the group sees the totals; heart rate only where it is shared."""
    is_over = session is not None and session.ended_at is not None
    result = {name: getattr(session, name) for name in RESULT} if is_over else None
    if result is not None and place.shares_heart_rate:
        result["hr_avg"] = session.hr_avg if session else None
    return {
        "user_id": place.user_id,
        "state": place.state,
        "shares_heart_rate": place.shares_heart_rate,
        "shares_position": place.shares_position,
        "is_training": session is not None and not is_over,
        "result": result,
    }


def group_of(group_id: UUID) -> str:
    """The realtime group of those who take part."""
    return f"workout.together.{group_id}"


def _tell(group_id: UUID, frame: Mapping[str, Any]) -> None:
    run_after_commit(partial(push, group_of(group_id), dict(frame)))


def shares_position(*, session_id: UUID) -> bool:
    """Whether this session's athlete lets a group see where they are."""
    return GroupPlace.objects.filter(session_id=session_id, state=State.ACCEPTED, shares_position=True).exists()


def tell_samples(session: TrainingSession, latest: Mapping[str, float]) -> None:
    """Show the group the latest values of a participant, as far as these are shared.

    Places come here only if they may be shown: outside the athlete's privacy zones.
    """
    place = GroupPlace.objects.filter(session_id=session.pk, state=State.ACCEPTED).first()
    if place is None:
        return
    allowed = {"speed", "distance", "power", "cadence"}
    allowed |= {"heart_rate"} if place.shares_heart_rate else set()
    allowed |= {"latitude", "longitude"} if place.shares_position else set()
    shown = {kind: value for kind, value in latest.items() if kind in allowed}
    if shown:
        _tell(place.group_id, {"type": "samples", "user_id": session.user_id, **shown})


def tell_result(*, session_id: UUID) -> None:
    """A participant has finished: the group sees the result."""
    place = GroupPlace.objects.filter(session_id=session_id).first()
    session = TrainingSession.objects.filter(pk=session_id).first()
    if place is not None and session is not None:
        _tell(place.group_id, {"type": "finished", **_participant(place, session)})
