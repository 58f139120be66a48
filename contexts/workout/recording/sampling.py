"""Readings of the athlete's devices become samples of the live session they fall into.

Health keeps every reading; workout takes what lies within a session and within its stream's range. Readings
made during a pause are kept, and left out of moving time and zones. Readings that arrive after the session's
end, from a strap that was out of reach, revise it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from django.db import connections
from django.db.models import Max, Q, QuerySet

from contexts.health import services as health
from contexts.workout.models import TrainingSession
from contexts.workout.places.privacy import Gate
from contexts.workout.recording import completing, together, tracking, watching
from contexts.workout.recording.replaying import Series, instant
from contexts.workout.series.streams import (
    PHONE,
    Points,
    counts_metres,
    is_in_range,
    is_plausible,
    microseconds,
    points_of,
    usable,
)
from kernel.databases import require_unit_of_work, unit_of_work
from kernel.errors import Refused

PLACES: Final = frozenset({"latitude", "longitude"})

Sample = tuple[str, datetime, int, float]
"""Kind, time, sequence, value."""

LOST_AFTER: Final = timedelta(hours=2)
"""A session that has heard nothing for so long is over: its phone is lost, or its athlete has forgotten it."""

PAUSED_LOST_AFTER: Final = timedelta(hours=12)
"""A pause may be a long one."""


class NotLive(Refused):
    """Only a live session takes samples; this one was read from a file."""


class Taken(NamedTuple):
    """What became of a phone's samples, counted."""

    new: int
    known: int
    out_of_range: int
    outside_session: int


def has_session_between(*, user_id: UUID, first_at: datetime, last_at: datetime) -> bool:
    """Whether any of the athlete's live sessions overlaps that time."""
    return _sessions_between(user_id, first_at, last_at).exists()


@unit_of_work("workout", gate="by")
def take_readings(*, by: UUID, readings: list[health.Reading], at: datetime) -> None:
    """Add each reading to the session it falls into; readings taken before change nothing."""
    plausible = [reading for reading in readings if is_plausible(reading.stream, reading.value)]
    if not plausible:
        return
    times = [reading.time for reading in plausible]
    for session in _sessions_between(by, min(times), max(times)).select_for_update().order_by("id"):
        own = [reading for reading in plausible if session.spans(reading.time)]
        if not own:
            continue
        if session.ended_at is None:
            taken = usable(session, own)
            if taken:
                _add_live(session, [(each.stream, each.time, each.sequence, each.value) for each in taken])
        else:
            completing.revise(session=session, late=points_of(session, own), at=at)


Counts = dict[UUID, health.CountedEnergy | None]
"""By session, what a machine has counted of it."""


def counts_between(*, user_id: UUID, first_at: datetime, last_at: datetime) -> Counts:
    """What machines have counted of completed sessions that overlap that time. Asks health."""
    return {
        session.pk: completing.counted_of(user_id=user_id, since=session.started_at, until=session.ended_at)
        for session in _sessions_between(user_id, first_at, last_at).order_by("id")
        if session.ended_at is not None
    }


@unit_of_work("workout", gate="by")
def take_counts(*, by: UUID, counts: Counts, at: datetime) -> None:
    """A machine's counter has come after the end; one that says nothing new changes nothing."""
    for session_id, counted in counts.items():
        completing.count_anew(session_id=session_id, by=by, counted=counted, at=at)


@unit_of_work("workout", gate="by")
def take_samples(
    *, session_id: UUID, by: UUID, series: Sequence[Series], at: datetime, shown: Gate | None = None
) -> Taken:
    """Add what a phone measured to its session, during it or after; what was sent before changes nothing.

    Whoever trains in a group and shares where they are hands in the gate that their places are shown through.
    """
    session = tracking.locked_session(session_id=session_id, by=by)
    if session.source != TrainingSession.Source.LIVE:
        raise NotLive
    measured = [
        (one.kind, _not_rounded_before(session.started_at, instant(ms)), value)
        for one in series
        for ms, value in zip(one.times_ms, one.values, strict=True)
    ]
    inside = [each for each in measured if session.spans(each[1])]
    counted = [each for each in inside if each[0] != "distance" or counts_metres(session, by=PHONE)]
    good = {(kind, time): value for kind, time, value in counted if is_in_range(kind, value)}
    if session.ended_at is None:
        rows = [(kind, time, 0, value) for (kind, time), value in good.items()]
        new = _add_live(session, rows, shown=shown) if rows else 0
    else:
        points: Points = {}
        for (kind, time), value in good.items():
            points.setdefault(kind, {})[microseconds(time - session.started_at), 0] = value
        new = completing.revise(session=session, late=points, at=at)
    out_of_range = sum(not is_in_range(kind, value) for kind, _, value in inside)
    return Taken(
        new=new,
        known=len(inside) - out_of_range - new,
        out_of_range=out_of_range,
        outside_session=len(measured) - len(inside),
    )


def _not_rounded_before(start: datetime, time: datetime) -> datetime:
    """The start has microseconds, a phone's clock milliseconds: what was rounded off does not put it outside."""
    return start if timedelta(0) < start - time < timedelta(milliseconds=1) else time


def lost(*, at: datetime) -> list[tuple[UUID, UUID, datetime]]:
    """Sessions under way that have heard nothing for long: (session, athlete, when the last sign of life was)."""
    quiet = []
    for session in TrainingSession.objects.filter(
        state__in=TrainingSession.UNDERWAY, started_at__lt=at - LOST_AFTER
    ).annotate(last_sample=Max("live_samples__time")):
        last = max(filter(None, [session.started_at, session.last_sample, *session.pauses[-1:], *session.laps[-1:]]))
        patience = LOST_AFTER if session.state == TrainingSession.State.ACTIVE else PAUSED_LOST_AFTER
        if last < at - patience:
            quiet.append((session.pk, session.user_id, last))
    return quiet


def _sessions_between(user_id: UUID, first_at: datetime, last_at: datetime) -> QuerySet[TrainingSession]:
    return TrainingSession.objects.filter(
        Q(ended_at=None) | Q(ended_at__gte=first_at),
        user_id=user_id,
        source=TrainingSession.Source.LIVE,
        started_at__lte=last_at,
    )


def _add_live(session: TrainingSession, samples: Sequence[Sample], *, shown: Gate | None = None) -> int:
    """Keep samples and show watchers those that are new; answers how many that were."""
    fresh = _insert(session, samples)
    frame: dict[str, list[tuple[float, float]]] = {}
    in_time = sorted(fresh, key=lambda sample: sample[1])
    latest = {kind: value for kind, _, _, value in in_time if kind not in PLACES}
    together.tell_samples(session, latest | (_latest_place(session, in_time, shown) if shown else {}))
    for kind, time, _, value in sorted(fresh, key=lambda sample: sample[:3]):
        if kind in watching.SHOWN_LIVE:
            frame.setdefault(kind, []).append((watching.offset_s(session.started_at, time), value))
    if frame:
        watching.tell_watchers(session, {"type": "samples", **frame})
        session.save(update_fields=["frames", "distance_by"])
    return len(fresh)


def _latest_place(session: TrainingSession, in_time: Sequence[Sample], shown: Gate) -> dict[str, float]:
    """Where the athlete was last outside their privacy zones, if anything new tells."""
    points: dict[str, tuple[list[float], list[float]]] = {}
    for kind, at, _, value in in_time:
        if kind in PLACES:
            times, values = points.setdefault(kind, ([], []))
            times.append(watching.offset_s(session.started_at, at))
            values.append(value)
    passed = shown.streams(((kind, *columns) for kind, columns in points.items()), of=session.user_id)
    return {kind: values[-1] for kind, _, values in passed.places if values}


def _insert(session: TrainingSession, samples: Sequence[Sample]) -> list[Sample]:
    """Returns the samples that were not there before."""
    columns = zip(*samples, strict=True)
    with connections[require_unit_of_work("workout")].cursor() as cursor:
        cursor.execute(
            "INSERT INTO workout_livesample (session_id, stream, time, sequence, value)"
            " SELECT %s, * FROM unnest(%s::text[], %s::timestamptz[], %s::int[], %s::float8[])"
            " ON CONFLICT DO NOTHING RETURNING stream, time, sequence, value",
            [session.id, *map(list, columns)],
        )
        fresh: list[Sample] = cursor.fetchall()
    return fresh
