"""The session an athlete has under way, kept in Redis for two hours (WO-7). The database is the truth.

Who changes a session under way leaves its new state here after the commit; who reads and finds nothing asks the
database and leaves what they saw, unless something newer has come meanwhile.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any, Final, cast
from uuid import UUID

import msgspec
import redis

from contexts.workout.models import TrainingSession
from kernel.databases import redis_client, run_after_commit
from kernel.http import encode_json

LIFETIME: Final = timedelta(hours=2)

NAMES: Final = (
    "id",
    "user_id",
    "sport",
    "state",
    "visibility",
    "started_at",
    "ended_at",
    "pauses",
    "auto_pause",
    "laps",
)

_REPLACE = """
    local known = redis.call('HGET', KEYS[1], 'order')
    if known and known >= ARGV[1] then return 0 end
    redis.call('HSET', KEYS[1], 'order', ARGV[1], 'session', ARGV[2])
    redis.call('EXPIRE', KEYS[1], ARGV[3])
    return 1
"""


def remember(session: TrainingSession) -> None:
    """Leave this state of a session after the commit."""
    run_after_commit(partial(_write, _order(session), _state(session), session.user_id))


def session_under_way(*, user_id: UUID) -> dict[str, Any] | None:
    """The session an athlete has under way, if there is one."""
    try:
        cached = cast(bytes | None, redis_client().hget(_key(user_id), "session"))
    except redis.RedisError:
        cached = None
    if cached is not None:
        known: dict[str, Any] = msgspec.json.decode(cached)
        return known if known["ended_at"] is None else None
    session = TrainingSession.objects.filter(user_id=user_id, state__in=TrainingSession.UNDERWAY).first()
    if session is None:
        return None
    _write(_order(session), _state(session), user_id)
    return _state(session)


def forget(*, user_id: UUID) -> None:
    """Nothing of this person stays here. Raises while Redis is away: an erasure is tried again."""
    redis_client().delete(_key(user_id))


def _write(order: str, state: dict[str, Any], user_id: UUID) -> None:
    """Unless something newer is there."""
    seconds = int(LIFETIME.total_seconds())
    try:
        redis_client().eval(_REPLACE, 1, _key(user_id), order, encode_json(state), seconds)
    except redis.RedisError:
        return  # it is a cache: the database answers


def _state(session: TrainingSession) -> dict[str, Any]:
    return {name: getattr(session, name) for name in NAMES} | {"seq": session.frames}


def _order(session: TrainingSession) -> str:
    """Rises with every change of a session and from one session to the next."""
    over = session.ended_at is not None
    return f"{session.started_at.timestamp():020.6f}.{over:d}.{session.frames:010d}"


def _key(user_id: UUID) -> str:
    return f"workout:active:{user_id}"
