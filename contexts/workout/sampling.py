"""Readings of the athlete's devices become samples of the live session they fall into.

Health keeps every reading; workout takes what lies within a session and within its stream's range. Readings
made during a pause are kept, and left out of moving time and zones. Readings that arrive after the session's
end, from a strap that was out of reach, revise it.
"""

from datetime import datetime
from uuid import UUID

from django.db import connections
from django.db.models import Q, QuerySet

from contexts.health import services as health
from contexts.workout import completing, watching
from contexts.workout.models import TrainingSession
from contexts.workout.streams import is_plausible, points_of
from kernel.databases import require_unit_of_work, unit_of_work


def has_session_between(*, user_id: UUID, first_at: datetime, last_at: datetime) -> bool:
    """Whether any of the athlete's live sessions overlaps that time."""
    return _sessions_between(user_id, first_at, last_at).exists()


@unit_of_work("workout", gate="by")
def take_readings(*, by: UUID, readings: list[health.Reading], at: datetime) -> None:
    """Add each reading to the session it falls into; readings taken before change nothing."""
    usable = [reading for reading in readings if is_plausible(reading.stream, reading.value)]
    if not usable:
        return
    times = [reading.time for reading in usable]
    for session in _sessions_between(by, min(times), max(times)).select_for_update().order_by("id"):
        own = [reading for reading in usable if session.spans(reading.time)]
        if not own:
            continue
        if session.ended_at is None:
            _add_live(session, own)
        else:
            completing.revise(session=session, late=points_of(session, own), at=at)


def _sessions_between(user_id: UUID, first_at: datetime, last_at: datetime) -> QuerySet[TrainingSession]:
    return TrainingSession.objects.filter(
        Q(ended_at=None) | Q(ended_at__gte=first_at),
        user_id=user_id,
        source=TrainingSession.Source.LIVE,
        started_at__lte=last_at,
    )


def _add_live(session: TrainingSession, readings: list[health.Reading]) -> None:
    """Keep them as samples and show watchers the heart rates that are new."""
    fresh = _insert(session, readings)
    beats = sorted(
        (time, sequence, value) for stream, time, sequence, value in fresh if stream == watching.SHOWN_LIVE
    )
    if not beats:
        return
    shown = [(watching.offset_s(session.started_at, time), value) for time, _, value in beats]
    watching.tell_watchers(session, {"type": "samples", watching.SHOWN_LIVE: shown})
    session.save(update_fields=["frames"])


def _insert(session: TrainingSession, readings: list[health.Reading]) -> list[tuple[str, datetime, int, float]]:
    """Returns the samples that were not there before."""
    columns = zip(*((each.stream, each.time, each.sequence, each.value) for each in readings), strict=True)
    with connections[require_unit_of_work("workout")].cursor() as cursor:
        cursor.execute(
            "INSERT INTO workout_livesample (session_id, stream, time, sequence, value)"
            " SELECT %s, * FROM unnest(%s::text[], %s::timestamptz[], %s::int[], %s::float8[])"
            " ON CONFLICT DO NOTHING RETURNING stream, time, sequence, value",
            [session.id, *map(list, columns)],
        )
        fresh: list[tuple[str, datetime, int, float]] = cursor.fetchall()
    return fresh
