"""The numbers and pure decisions of the social context. No database, no clock, no framework."""

import re
from datetime import UTC, date, datetime
from uuid import UUID

MAX_FRIEND_REQUESTS_A_DAY = 50
"""SO-1. Requests one member may send in a day (UTC). Taking a request back does not give it back."""

MAX_ROOM_MEMBERS = 1_000
"""SO-7. Members of a room, its creator included."""

MAX_TITLE_LENGTH = 80
MAX_TEXT_LENGTH = 4_000
"""SO-7. Characters (code points) of a chat message."""

MAX_MESSAGES_A_PAGE = 200
"""SO-7. Messages one read of a room's history answers, over HTTP and over the socket."""

MESSAGE_BURST = 20
MESSAGES_PER_SECOND = 5.0
"""SO-7. What one socket may send: a burst, then a steady pace."""

SHARED = ("friends", "everyone")
"""SO-4. Visibilities of a workout that bring it into friends' feeds; everything else is private."""

NOBODY = UUID(int=0)
"""Stands where an erased person was named."""

_CLIENT_MESSAGE_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


def pair_of(one: UUID, other: UUID) -> tuple[UUID, UUID]:
    """Two members in the order in which a pair is stored, whoever is named first."""
    return (one, other) if one < other else (other, one)


def quota_day(at: datetime) -> date:
    """The day a friend request counts for: the UTC day, because a member's own time zone is theirs to
    change, and moving it would buy a second day."""
    return at.astimezone(UTC).date()


def is_shared(visibility: str) -> bool:
    """Whether a workout of this visibility may be seen by friends. An unknown word is private."""
    return visibility in SHARED


def flaw_in_text(text: object, *, longest: int = MAX_TEXT_LENGTH) -> str | None:
    """The code of what is wrong with a text people wrote, or None.

    A NUL and half a surrogate pair cannot be stored or sent as UTF-8.
    """
    if not isinstance(text, str) or not text.strip():
        return "empty"
    if len(text) > longest:
        return "too_long"
    if "\x00" in text or any("\ud800" <= char <= "\udfff" for char in text):
        return "unreadable"
    return None


def is_client_message_id(value: object) -> bool:
    """Whether this may name a message, so that sending it again is harmless: 1-64 of A-Z a-z 0-9 . _ : -"""
    return isinstance(value, str) and _CLIENT_MESSAGE_ID.fullmatch(value) is not None


class Pace:
    """A token bucket: `burst` at once, then `per_second`. Times are seconds of any steady clock."""

    def __init__(self, *, burst: int, per_second: float) -> None:
        self._burst = float(burst)
        self._per_second = per_second
        self._left = float(burst)
        self._since: float | None = None

    def allows(self, *, at: float) -> bool:
        """Take one token if there is one."""
        elapsed = 0.0 if self._since is None else max(0.0, at - self._since)
        self._since = at
        self._left = min(self._burst, self._left + elapsed * self._per_second)
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
