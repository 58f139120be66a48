"""An athlete's sessions, read: the list, one of them, its streams."""

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import connections

from contexts.identity import services as identity
from contexts.workout import events
from contexts.workout.analysis.stepping import BY_STEPS
from contexts.workout.models import TrainingSession
from contexts.workout.places import privacy
from contexts.workout.places.privacy import Shown
from contexts.workout.series.columns import Columns, stored
from contexts.workout.series.streams import derived_streams, microseconds
from contexts.workout.series.thinning import thinned
from contexts.workout.sessions import merging
from kernel.bus import publish
from kernel.databases import alias_of, unit_of_work
from kernel.errors import InvalidInput, NotFound
from kernel.http import decode_cursor, encode_cursor

LISTED: Final = (
    "id",
    "started_at",
    "ended_at",
    "sport",
    "title",
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
    "SELECT id, started_at, ended_at, sport, title, state, visibility, source, revision,"
    " duration_s, moving_s, distance_m, energy_kcal, hr_avg, hr_max"
    " FROM workout_trainingsession WHERE user_id = %s AND duplicate_of_id IS NULL {after}"
    " ORDER BY started_at DESC, id DESC LIMIT %s"
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


def shown_session(*, session_id: UUID, by: UUID, at: datetime) -> TrainingSession:
    """A session as its athlete sees it, or a coach whom they let see their workouts; for others it does not exist.

    A coach's look is announced before anything is shown. Asks identity, so not for an open unit of work.
    """
    session = TrainingSession.objects.filter(id=session_id).first()
    if session is None:
        raise NotFound
    if session.user_id == by:
        return session
    granted = identity.get_coach_scopes(coach_id=by, athlete_ids=[session.user_id]).get(session.user_id, [])
    if "workout:read" not in granted:
        raise NotFound
    _announce_look(session, by=by, at=at)
    return session


@unit_of_work("workout")
def _announce_look(session: TrainingSession, *, by: UUID, at: datetime) -> None:
    publish(events.WorkoutViewed(session_id=session.id, user_id=session.user_id, by=by, occurred_at=at))


def shown_streams(
    *, session: TrainingSession, by: UUID, kinds: Collection[str] = (), most: int | None = None
) -> tuple[Shown[list[privacy.Packed]], dict[str, str]]:
    """The streams as the viewer may see them: these kinds or all, whole or with at most so many points.

    And which of them nobody measured, with the algorithm they follow by. A session under way has none yet. Asks
    identity.
    """
    gate = privacy.gate_for(by, athletes=[session.user_id])
    packed = [*packed_streams(session)]
    derived = derived_streams(session, packed)
    wanted = [each for each in (*packed, *derived) if not kinds or each.kind in kinds]
    drawn = ((each.kind, (each.offsets_us / 1e6).tolist(), each.measured.tolist()) for each in wanted)
    shown = gate.streams(thinned(drawn, most=most) if most else drawn, of=session.user_id)
    return shown, {each.kind: BY_STEPS.name for each in derived if not kinds or each.kind in kinds}


def packed_streams(session: TrainingSession) -> Iterator[Columns]:
    """Each stream as it is stored; of an activity recorded more than once, from whom it was taken.

    What another recording measured before this session's start has negative offsets.
    """
    lenders = merging.lenders(session)
    starts = dict(TrainingSession.objects.filter(id__in=lenders.values()).values_list("id", "started_at"))
    for of, each in stored([session.id, *starts]):
        if of == lenders.get(each.kind, session.id):
            shift = microseconds(starts[of] - session.started_at) if of in starts else 0
            yield each._replace(offsets_us=each.offsets_us + shift)
