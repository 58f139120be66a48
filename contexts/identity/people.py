"""A person as somebody else may see them: field by field, as they have said (ID-7)."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from django.db.models import Q

from contexts.identity import rules
from contexts.identity.models import Friendship, GroupMember, User
from kernel.databases import unit_of_work
from kernel.errors import NotFound


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What a viewer may see of a person; what they may not is none."""

    user_id: UUID
    display_name: str | None = None
    avatar_id: UUID | None = None
    about: str | None = None
    city: str | None = None
    age: int | None = None
    sex: str | None = None
    body_mass_kg: float | None = None
    hr_max: int | None = None


SHOWN = ("display_name", "about", "city", "sex", "body_mass_kg", "hr_max")


def profiles(*, viewer_id: UUID, user_ids: list[UUID], on: date) -> dict[UUID, Profile]:
    """These people as the viewer may see them; absent are the unknown, the blocked, and who shows nothing."""
    known = list(User.objects.filter(pk__in=user_ids, is_active=True))
    friends = friends_of(user_id=viewer_id, among=[person.pk for person in known])
    companions = sharing_a_group(user_id=viewer_id, among=[person.pk for person in known])
    seen = (_seen(person, relation=_relation(person.pk, viewer_id, friends, companions), on=on) for person in known)
    return {profile.user_id: profile for profile in seen if profile is not None}


def profile_of(*, viewer_id: UUID, user_id: UUID, on: date) -> Profile:
    """One person as the viewer may see them, or `NotFound`."""
    found = profiles(viewer_id=viewer_id, user_ids=[user_id], on=on).get(user_id)
    if found is None:
        raise NotFound
    return found


def _relation(user_id: UUID, viewer_id: UUID, friends: set[UUID], companions: set[UUID]) -> str:
    if user_id == viewer_id:
        return "self"
    if user_id in friends:
        return "friend"
    return "group" if user_id in companions else "stranger"


def _seen(person: User, *, relation: str, on: date) -> Profile | None:
    visible = [field for field in rules.VISIBLE_FIELDS if rules.is_visible(person.shown_to(field), relation=relation)]
    if not visible:
        return None
    shown = {field: getattr(person, field) for field in SHOWN if field in visible}
    age = person.age(on=on) if "age" in visible else None
    avatar_id = person.avatar_id if "avatar" in visible else None
    return Profile(user_id=person.pk, age=age, avatar_id=avatar_id, **shown)


def friends_of(*, user_id: UUID, among: list[UUID]) -> set[UUID]:
    """Those of `among` who are this person's friends, as social has announced."""
    pairs = Friendship.objects.filter(
        Q(user_a=user_id, user_b__in=among) | Q(user_b=user_id, user_a__in=among)
    ).values_list("user_a", "user_b")
    return {a if b == user_id else b for a, b in pairs}


def sharing_a_group(*, user_id: UUID, among: list[UUID]) -> set[UUID]:
    """Those of `among` who are in a group with this person, as social has announced."""
    groups = GroupMember.objects.filter(user_id=user_id).values("group_id")
    return set(GroupMember.objects.filter(group_id__in=groups, user_id__in=among).values_list("user_id", flat=True))


@unit_of_work("identity", isolation="read committed")
def note_friendship(*, user_a: UUID, user_b: UUID) -> None:
    """Two members are friends; hearing it twice changes nothing."""
    low, high = sorted((user_a, user_b))
    Friendship.objects.bulk_create([Friendship(user_a=low, user_b=high)], ignore_conflicts=True)


@unit_of_work("identity", isolation="read committed")
def note_group(*, group_id: UUID, user_ids: list[UUID]) -> None:
    """These members are in a group; hearing it twice changes nothing."""
    members = [GroupMember(group_id=group_id, user_id=user_id) for user_id in user_ids]
    GroupMember.objects.bulk_create(members, ignore_conflicts=True)
