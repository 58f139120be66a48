"""An athlete's sessions, read: the list, one of them, its streams."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import connections

from contexts.workout.models import Stream, TrainingSession
from kernel.databases import alias_of
from kernel.errors import InvalidInput, NotFound
from kernel.http import decode_cursor, encode_cursor

LISTED: Final = (
    "id",
    "started_at",
    "ended_at",
    "sport",
    "state",
    "visibility",
    "source",
    "revision",
    "duration_s",
    "moving_s",
    "distance_m",
    "energy_kcal",
    "hr_avg",
    "hr_max",
)

# The most requested read of the context, so it stays one index scan without ORM objects; the session_history
# index holds the order, and the row comparison starts it where the last page ended.
_PAGE = (
    "SELECT id, started_at, ended_at, sport, state, visibility, source, revision,"
    " duration_s, moving_s, distance_m, energy_kcal, hr_avg, hr_max"
    " FROM workout_trainingsession WHERE user_id = %s {after} ORDER BY started_at DESC, id DESC LIMIT %s"
)
_FIRST_PAGE: Final = _PAGE.format(after="")
_NEXT_PAGE: Final = _PAGE.format(after="AND (started_at, id) < (%s, %s)")


def list_sessions(*, by: UUID, cursor: str | None, limit: int) -> dict[str, Any]:
    """A page of the athlete's sessions, the newest first."""
    with connections[alias_of("workout")].cursor() as query:
        if cursor is None:
            query.execute(_FIRST_PAGE, (by, limit + 1))
        else:
            query.execute(_NEXT_PAGE, (by, *_place(cursor), limit + 1))
        rows = query.fetchall()
    items = [dict(zip(LISTED, row, strict=True)) for row in rows[:limit]]
    more = len(rows) > limit
    return {"items": items, "next": encode_cursor([items[-1]["started_at"], items[-1]["id"]]) if more else None}


def _place(cursor: str) -> tuple[datetime, UUID]:
    """Where the last page ended."""
    started_at, session_id = decode_cursor(cursor, length=2)
    try:
        place = datetime.fromisoformat(str(started_at)), UUID(str(session_id))
    except ValueError:
        place = None
    if place is None or place[0].tzinfo is None:
        raise InvalidInput("This cursor is not one of ours.", field="cursor", code="bad_cursor")
    return place


def own_session(*, session_id: UUID, by: UUID) -> TrainingSession:
    """One session of the athlete; somebody else's does not exist for them."""
    session = TrainingSession.objects.filter(id=session_id, user_id=by).first()
    if session is None:
        raise NotFound
    return session


def streams_of(*, session: TrainingSession) -> Iterator[tuple[str, list[float], list[float]]]:
    """Each packed stream as (kind, seconds since start, values); a session under way has none yet."""
    packed = Stream.objects.filter(session_id=session.id).order_by("kind")
    for kind, offsets, values in packed.values_list("kind", "offsets_us", "measured"):
        yield kind, [offset / 1e6 for offset in offsets], values
