"""Identity's front door: what neighbours may ask about people and sessions."""

from dataclasses import dataclass
from datetime import date
from typing import Literal, cast
from uuid import UUID

from django.utils.timezone import now

from contexts.identity import audit, coaching, consents, people, privacy, security_policy, sessions
from contexts.identity.models import User
from contexts.identity.people import Profile
from contexts.identity.privacy import Zone
from kernel.policy import SecurityRules
from kernel.services import service

WorkoutVisibility = Literal["private", "friends", "everyone"]
_WORKOUTS: dict[str, WorkoutVisibility] = {
    "nobody": "private",
    "friends": "friends",
    "groups": "friends",
    "everyone": "everyone",
}
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
    fields = ("id", "display_name", "visibility", "time_zone")
    return {person.pk: _member(person) for person in User.objects.filter(pk__in=user_ids).only(*fields)}


@service
def get_member(*, user_id: UUID) -> Member | None:
    """One person, or none."""
    return get_members(user_ids=[user_id]).get(user_id)


@service
def get_profiles(*, viewer_id: UUID, user_ids: list[UUID]) -> dict[UUID, Profile]:
    """These people as the viewer may see them; absent are the unknown, the blocked, and who shows nothing."""
    return people.profiles(viewer_id=viewer_id, user_ids=user_ids, on=now().date())


@service
def get_profile(*, viewer_id: UUID, user_id: UUID) -> Profile | None:
    """One person as the viewer may see them, or none."""
    return get_profiles(viewer_id=viewer_id, user_ids=[user_id]).get(user_id)


@service
def get_privacy_zones(*, user_ids: list[UUID]) -> dict[UUID, list[Zone]]:
    """The circles through which nobody but these people themselves is shown a route."""
    return privacy.zones_of(user_ids=user_ids)


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
def get_ages(*, user_ids: list[UUID], on: date) -> dict[UUID, int]:
    """How old these people are on a day, in completed years; those who do not exist are absent."""
    return {person.pk: person.age(on=on) for person in User.objects.filter(pk__in=user_ids).only("id", "birth_date")}


@service
def get_age(*, user_id: UUID, on: date) -> int | None:
    """How old one person is on a day, or none."""
    return get_ages(user_ids=[user_id], on=on).get(user_id)


@service
def sessions_are_active(*, session_ids: list[UUID]) -> dict[UUID, bool]:
    """Whether tokens of these sessions are honoured; an unknown session is not active."""
    active = sessions.active_sessions(session_ids=session_ids)
    return {session_id: session_id in active for session_id in session_ids}


@service
def session_is_active(*, session_id: UUID) -> bool:
    """Whether tokens of one session are honoured."""
    return sessions_are_active(session_ids=[session_id])[session_id]


@service
def get_consents(*, user_ids: list[UUID]) -> dict[UUID, list[str]]:
    """The purposes each of these people agrees to at this moment; who does not exist agrees to nothing."""
    return consents.given_purposes(user_ids=user_ids)


@service
def has_consent(*, user_id: UUID, purpose: str) -> bool:
    """Whether a person agrees to a purpose at this moment."""
    return purpose in get_consents(user_ids=[user_id])[user_id]


@service
def record_look(
    *, actor: UUID, action: str, subjects: list[UUID], model: str, reason: str = "", address: str = ""
) -> None:
    """Write down that a member of staff looks at these people's data, before it is shown.

    Refuses with `reason_required` where their role must say why and they did not.
    """
    network = sessions.Origin(address=address).network
    look = audit.Look(action=action, model=model, actor=actor, subjects=subjects, reason=reason, network=network)
    audit.record_look(look, at=now())


@service
def get_security_policy() -> SecurityRules:
    """The rules in force over what the code declares; every process asks once a second."""
    return security_policy.rules_in_force()


@service
def get_coach_scopes(*, coach_id: UUID, athlete_ids: list[UUID]) -> dict[UUID, list[str]]:
    """What each of these athletes lets a coach see (`workout:read`, `health:read`); absent: nothing."""
    return coaching.scopes_of(coach_id=coach_id, athlete_ids=athlete_ids)


def _member(person: User) -> Member:
    return Member(
        user_id=person.pk,
        display_name=person.display_name,
        is_public=person.shown_to("display_name") == "everyone",
        time_zone=person.time_zone,
        workout_visibility=_WORKOUTS[person.shown_to("workouts")],
    )


def _physiology(person: User) -> Physiology:
    return Physiology(
        user_id=person.pk,
        age=person.age(on=now().date()),
        sex=cast(Sex, person.sex),
        body_mass_kg=person.body_mass_kg,
        hr_max=person.hr_max,
    )
