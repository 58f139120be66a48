"""Opening rooms, who is in them, and how far each member has read (SO-7)."""

from datetime import datetime
from functools import partial
from uuid import UUID

from django.db.models import F, QuerySet

from contexts.social import events, friendships, rules
from contexts.social.models import Membership, Room
from kernel.bus import publish
from kernel.databases import run_after_commit, unit_of_work
from kernel.errors import InvalidInput, NotFound, Refused
from kernel.realtime import push


class NotFriends(Refused):
    """You can only open a room with your friends."""

    status = 403


class RoomTooLarge(Refused):
    """A room does not hold that many people."""


def group_of(room_id: UUID) -> str:
    """The name under which sockets listen to a room."""
    return f"social.room.{room_id}"


def personal_group(user_id: UUID) -> str:
    """The name under which a member's sockets listen to what concerns this member alone."""
    return f"social.member.{user_id}"


@unit_of_work("social")
def open_direct_room(*, by: UUID, other: UUID, at: datetime) -> Room:
    """The room of two friends: there is one, whoever opens it and however often."""
    _ensure_friends(by, {other})
    low, high = rules.pair_of(by, other)
    room, is_new = Room.objects.get_or_create(
        user_low=low,
        user_high=high,
        defaults={
            "kind": Room.Kind.DIRECT,
            "created_by": by,
            "created_at": at,
            "active_at": at,
            "member_count": 2,
        },
    )
    if is_new:
        _seat(room, {by, other}, at=at)
    return room


@unit_of_work("social")
def open_group_room(*, by: UUID, title: str, member_ids: list[UUID], at: datetime) -> Room:
    """A titled room of the creator and friends of the creator."""
    if flaw := rules.flaw_in_text(title, longest=rules.MAX_TITLE_LENGTH):
        raise InvalidInput("A title is 1 to 80 characters.", field="title", code=flaw)
    others = set(member_ids) - {by}
    if not others:
        raise InvalidInput("Name at least one friend.", field="member_ids", code="empty")
    if len(others) + 1 > rules.MAX_ROOM_MEMBERS:
        raise RoomTooLarge(limit=rules.MAX_ROOM_MEMBERS)
    _ensure_friends(by, others)
    room = Room.objects.create(
        kind=Room.Kind.GROUP,
        title=title.strip(),
        created_by=by,
        created_at=at,
        active_at=at,
        member_count=len(others) + 1,
    )
    members = others | {by}
    _seat(room, members, at=at)
    publish(events.GroupJoined(group_id=room.id, user_ids=sorted(members), occurred_at=at))
    return room


def _ensure_friends(user_id: UUID, others: set[UUID]) -> None:
    if not others <= friendships.friend_ids(user_id=user_id):
        raise NotFriends


def _seat(room: Room, members: set[UUID], *, at: datetime) -> None:
    """Put the first members in and tell their sockets once the room is real."""
    Membership.objects.bulk_create(Membership(room=room, user_id=user_id, joined_at=at) for user_id in members)
    frame = {"type": "room", "room_id": room.id, "kind": str(room.kind), "title": room.title, "last_seq": 0}
    for user_id in members:
        run_after_commit(partial(push, personal_group(user_id), frame))


def list_rooms(*, user_id: UUID) -> QuerySet[Room]:
    """Rooms of a member, each with `last_read_seq` and `unread` of that member."""
    return (
        Room.objects.filter(memberships__user_id=user_id)
        .annotate(last_read_seq=F("memberships__last_read_seq"))
        .annotate(unread=F("last_seq") - F("last_read_seq"))
    )


def list_room_ids(*, user_id: UUID) -> list[UUID]:
    """Every room of a member."""
    return list(Membership.objects.filter(user_id=user_id).values_list("room_id", flat=True))


def list_positions(*, user_id: UUID) -> dict[UUID, int]:
    """Room → number of its newest message, for every room of a member."""
    return dict(Room.objects.filter(memberships__user_id=user_id).values_list("id", "last_seq"))


def list_members(*, room_id: UUID, by: UUID) -> QuerySet[Membership]:
    """Who is in a room, told to its members only."""
    room_of(room_id=room_id, member_id=by)
    return Membership.objects.filter(room_id=room_id)


def room_of(*, room_id: UUID, member_id: UUID) -> Room:
    """The room, if this is one of its members; to anybody else it does not exist."""
    room = Room.objects.filter(pk=room_id, memberships__user_id=member_id).first()
    if room is None:
        raise NotFound
    return room


@unit_of_work("social")
def mark_read(*, room_id: UUID, by: UUID, seq: int) -> int:
    """Remember that a member has read up to `seq`; answers how far they have read now.

    The mark never moves back, and never past the newest message.
    """
    room = room_of(room_id=room_id, member_id=by)
    seat = Membership.objects.filter(room=room, user_id=by)
    seat.filter(last_read_seq__lt=seq).update(last_read_seq=min(seq, room.last_seq))
    reached = seat.values_list("last_read_seq", flat=True).get()
    frame = {"type": "read", "room_id": room_id, "seq": reached}
    run_after_commit(partial(push, personal_group(by), frame))
    return reached
