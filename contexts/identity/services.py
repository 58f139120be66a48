"""Identity's front door: what neighbours may ask about people and sessions."""

from dataclasses import dataclass
from typing import Literal, cast
from uuid import UUID

from django.utils.timezone import now

from contexts.identity import sessions
from contexts.identity.models import User
from kernel.services import service

WorkoutVisibility = Literal["private", "friends", "everyone"]
Sex = Literal["female", "male", "unspecified"]


@dataclass(frozen=True, kw_only=True)
class Member:
    """A person as others may know them. Show `display_name` to strangers only if `is_public`."""

    user_id: UUID
    display_name: str
    is_public: bool
    time_zone: str
    workout_visibility: WorkoutVisibility


@dataclass(frozen=True, kw_only=True)
class Physiology:
    """What formulas need of a body: years, kilograms, the measured maximal heart rate in beats a minute."""

    user_id: UUID
    age: int
    sex: Sex
    body_mass_kg: float | None
    hr_max: int | None


@service
def get_members(*, user_ids: list[UUID]) -> dict[UUID, Member]:
    """These people; those who do not exist are absent."""
    fields = ("id", "display_name", "profile_visibility", "time_zone", "workout_visibility")
    return {person.pk: _member(person) for person in User.objects.filter(pk__in=user_ids).only(*fields)}


@service
def get_member(*, user_id: UUID) -> Member | None:
    """One person, or none."""
    return get_members(user_ids=[user_id]).get(user_id)


@service
def get_physiologies(*, user_ids: list[UUID]) -> dict[UUID, Physiology]:
    """What formulas need of these people's bodies; those who do not exist are absent."""
    fields = ("id", "birth_date", "sex", "body_mass_kg", "hr_max")
    return {person.pk: _physiology(person) for person in User.objects.filter(pk__in=user_ids).only(*fields)}


@service
def get_physiology(*, user_id: UUID) -> Physiology | None:
    """What formulas need of one person's body, or none."""
    return get_physiologies(user_ids=[user_id]).get(user_id)


@service
def sessions_are_active(*, session_ids: list[UUID]) -> dict[UUID, bool]:
    """Whether tokens of these sessions are honoured; an unknown session is not active."""
    active = sessions.active_sessions(session_ids=session_ids)
    return {session_id: session_id in active for session_id in session_ids}


@service
def session_is_active(*, session_id: UUID) -> bool:
    """Whether tokens of one session are honoured."""
    return sessions_are_active(session_ids=[session_id])[session_id]


def _member(person: User) -> Member:
    return Member(
        user_id=person.pk,
        display_name=person.display_name,
        is_public=person.profile_visibility == "everyone",
        time_zone=person.time_zone,
        workout_visibility=cast(WorkoutVisibility, person.workout_visibility),
    )


def _physiology(person: User) -> Physiology:
    return Physiology(
        user_id=person.pk,
        age=person.age(on=now().date()),
        sex=cast(Sex, person.sex),
        body_mass_kg=person.body_mass_kg,
        hr_max=person.hr_max,
    )
