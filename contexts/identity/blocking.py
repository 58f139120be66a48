"""Keeping somebody out: a blocked person cannot sign in, and what they had open is ended."""

from datetime import datetime
from uuid import UUID

from django.utils.timezone import now

from contexts.identity import events, sessions
from contexts.identity.models import User
from kernel.bus import publish
from kernel.databases import unit_of_work
from kernel.errors import NotFound


@unit_of_work("identity")
def block_person(*, user_id: UUID, at: datetime, by: UUID | None = None) -> None:
    """Block a person and end all their sessions."""
    _set_active(user_id, False)
    sessions.revoke_all_sessions(user_id=user_id, reason="blocked", at=at)
    publish(events.PersonBlocked(user_id=user_id, by=by, occurred_at=at))


@unit_of_work("identity")
def unblock_person(*, user_id: UUID, at: datetime | None = None, by: UUID | None = None) -> None:
    """Let a person sign in again."""
    _set_active(user_id, True)
    publish(events.PersonUnblocked(user_id=user_id, by=by, occurred_at=at or now()))


def _set_active(user_id: UUID, is_active: bool) -> None:
    if not User.objects.filter(pk=user_id).update(is_active=is_active):
        raise NotFound
