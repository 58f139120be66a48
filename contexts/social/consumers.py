"""The chat's socket: one connection carries every room of a member.

From the client: `send`, `catch_up`, `read`. To the client: `ready`, `message`, `ack`, `caught_up`, `read`,
`room`, `hidden`, and `refused` with a code for whatever cannot be done; a refusal never closes the socket.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from django.urls import path
from django.utils.timezone import now

from contexts.social import messages, rooms, rules
from kernel.access import member
from kernel.errors import InvalidInput, Refused
from kernel.realtime import Socket, in_thread

Frame = dict[str, Any]


class TooFast(Refused):
    """You are writing faster than anybody can read; wait a moment."""

    status = 429


class Chat(Socket):
    """A member's rooms, live."""

    access = member
    app_scope = "social:write"

    async def opened(self) -> None:
        """Listen first and look afterwards, so that nothing said in between is missed."""
        self._pace = rules.Pace(burst=rules.MESSAGE_BURST, per_second=rules.MESSAGES_PER_SECOND)
        me = self.principal.user_id
        await self.join(rooms.personal_group(me))
        for room_id in await in_thread(rooms.list_room_ids, user_id=me):
            await self.join(rooms.group_of(room_id))
        positions = await in_thread(rooms.list_positions, user_id=me)
        listed = [{"room_id": room_id, "last_seq": last_seq} for room_id, last_seq in positions.items()]
        await self.send_json({"type": "ready", "rooms": listed})

    async def received(self, message: Frame) -> None:
        """Do what a frame asks for, or say why not."""
        answers: dict[str, Callable[[Frame], Awaitable[None]]] = {
            "send": self._send,
            "catch_up": self._catch_up,
            "read": self._read,
        }
        try:
            answer = answers.get(str(message.get("type")))
            if answer is None:
                raise InvalidInput("No such frame.", field="type", code="unknown_type")
            await answer(message)
        except Refused as refusal:
            await self.send_json(_refused(message, refusal))

    async def _send(self, message: Frame) -> None:
        if not self._pace.allows(at=time.monotonic()):
            raise TooFast
        sent = await in_thread(
            messages.send_message,
            room_id=_room_id(message),
            by=self.principal.user_id,
            client_message_id=message.get("client_message_id"),
            text=message.get("text"),
            at=now(),
        )
        await self.send_json(
            {
                "type": "ack",
                "client_message_id": sent.client_message_id,
                "room_id": sent.room_id,
                "seq": sent.seq,
            }
        )

    async def _catch_up(self, message: Frame) -> None:
        """Send a page of what was said after a number, and listen to the room from now on if it is new here.

        A client whose `seq` is still behind `last_seq` asks again: so the one who reads sets the pace.
        """
        room_id, after, me = _room_id(message), _number(message, "after"), self.principal.user_id
        await in_thread(rooms.room_of, room_id=room_id, member_id=me)
        await self.join(rooms.group_of(room_id))
        history = await in_thread(
            messages.read_history, room_id=room_id, by=me, after=after, limit=rules.MAX_MESSAGES_A_PAGE
        )
        for item in history.items:
            await self.send_json({"type": "message", **item})
        seq = history.items[-1]["seq"] if history.items else after
        await self.send_json({"type": "caught_up", "room_id": room_id, "seq": seq, "last_seq": history.last_seq})

    async def _read(self, message: Frame) -> None:
        """Move the mark of what has been read; the answer reaches all sockets of the member."""
        await in_thread(
            rooms.mark_read,
            room_id=_room_id(message),
            by=self.principal.user_id,
            seq=_number(message, "seq"),
        )


def _room_id(message: Frame) -> UUID:
    try:
        return UUID(message.get("room_id"))
    except (TypeError, ValueError, AttributeError):
        raise InvalidInput("Not a room.", field="room_id", code="invalid") from None


def _number(message: Frame, field: str) -> int:
    value = message.get(field)
    if type(value) is not int or not 0 <= value < 2**63:
        raise InvalidInput("A whole number, zero or more.", field=field, code="invalid")
    return value


def _refused(message: Frame, refusal: Refused) -> Frame:
    """A refusal as a frame: what it answers, a stable code, a sentence."""
    (problem,) = refusal.extra.get("errors") or [{"code": refusal.code, "detail": refusal.detail}]
    echo = {name: message[name] for name in ("client_message_id", "room_id") if isinstance(message.get(name), str)}
    return {"type": "refused", **echo, **problem}


websocket_urlpatterns = [path("chat", Chat.as_asgi())]
