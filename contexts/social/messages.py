"""Saying something in a room and reading what was said (SO-7).

The database is the log. A message gets its number in the transaction that stores it, under the room's gate,
so numbers have no gap; the gate is held until the frame is handed on, so frames leave in their order.
Sockets are only told: who misses a frame sees the gap in `seq` and asks for what is missing.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from contexts.identity import services as identity
from contexts.social import rooms, rules
from contexts.social.models import Membership, Message, Room
from kernel.databases import run_after_commit, unit_of_work
from kernel.errors import InvalidInput, NotFound
from kernel.realtime import push


def send_message(*, room_id: UUID, by: UUID, client_message_id: str, text: str, at: datetime) -> Message:
    """Say something in a room. Sending the same `client_message_id` again answers the first message.

    Raises InvalidInput for a text or an id that cannot be taken, NotFound for a room one is not in.
    """
    if flaw := rules.flaw_in_text(text):
        raise InvalidInput("A message is 1 to 4,000 readable characters.", field="text", code=flaw)
    if not rules.is_client_message_id(client_message_id):
        raise InvalidInput("1 to 64 of A-Z a-z 0-9 . _ : -", field="client_message_id", code="invalid")
    author = identity.get_member(user_id=by)
    return _append(
        room_id=room_id,
        by=by,
        author_name=author.display_name if author else None,
        client_message_id=client_message_id,
        text=text,
        at=at,
    )


@unit_of_work("social", gate="room_id")
def _append(
    *, room_id: UUID, by: UUID, author_name: str | None, client_message_id: str, text: str, at: datetime
) -> Message:
    room = Room.objects.select_for_update(of=("self",)).filter(pk=room_id, memberships__user_id=by).first()
    if room is None:
        raise NotFound
    message = Message.objects.filter(room=room, author_id=by, client_message_id=client_message_id).first()
    if message is None:
        message = Message.objects.create(
            room=room,
            seq=room.next_seq(at=at),
            author_id=by,
            client_message_id=client_message_id,
            text=text,
            sent_at=at,
        )
        room.save(update_fields=["last_seq", "active_at"])
        Membership.objects.filter(room=room, user_id=by).update(last_read_seq=message.seq)
    # A repetition is pushed again too: it comes from a sender who heard nothing, perhaps nobody did.
    run_after_commit(partial(push, rooms.group_of(room_id), {"type": "message", **describe(message, author_name)}))
    return message


@dataclass(frozen=True, kw_only=True)
class History:
    """Some messages of a room in order, and the number of its newest one at that moment."""

    items: list[dict[str, Any]]
    last_seq: int


def read_history(*, room_id: UUID, by: UUID, after: int, limit: int) -> History:
    """Messages numbered `after` + 1 and up, at most `limit` of them, for a member of the room."""
    room = rooms.room_of(room_id=room_id, member_id=by)
    wanted = Message.objects.filter(room=room, seq__gt=after, seq__lte=room.last_seq).order_by("seq")
    return History(items=with_names(list(wanted[:limit])), last_seq=room.last_seq)


def with_names(messages: list[Message]) -> list[dict[str, Any]]:
    """Messages as clients see them; identity is asked once for all authors."""
    members = identity.get_members(user_ids=sorted({message.author_id for message in messages}))
    names = {user_id: member.display_name for user_id, member in members.items()}
    return [describe(message, names.get(message.author_id)) for message in messages]


def describe(message: Message, author_name: str | None) -> dict[str, Any]:
    """A message as clients see it, over HTTP and over a socket alike."""
    return {
        "seq": message.seq,
        "id": message.id,
        "room_id": message.room_id,
        "author": {"user_id": message.author_id, "display_name": author_name},
        "text": "" if message.is_hidden else message.text,
        "hidden": message.is_hidden,
        "sent_at": message.sent_at,
        "client_message_id": message.client_message_id,
    }
