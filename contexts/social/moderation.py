"""What moderators do to what people said (SO-3)."""

from datetime import datetime
from functools import partial
from uuid import UUID

from contexts.social import rooms
from contexts.social.models import Message
from kernel.databases import run_after_commit, unit_of_work
from kernel.errors import NotFound
from kernel.realtime import push


@unit_of_work("social")
def hide_message(*, message_id: UUID, by: UUID, at: datetime) -> Message:
    """Withhold a message's words from everybody, those who are looking at it included."""
    message = Message.objects.select_for_update().filter(pk=message_id).first()
    if message is None:
        raise NotFound
    message.hide(by=by, at=at)
    message.save(update_fields=["hidden_at", "hidden_by"])
    frame = {"type": "hidden", "room_id": message.room_id, "seq": message.seq}
    run_after_commit(partial(push, rooms.group_of(message.room_id), frame))
    return message
