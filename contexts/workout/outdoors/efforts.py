"""Efforts: which session went along which segment, and how fast. Found in the background, both ways round.

A track without `matched_at`, and a segment without it, say what is still to be done; wake-ups only make it prompt.
A session meets the segments that are there when it comes, a segment the sessions that are there when it is made,
so that none misses the other; what both find is the same row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import connections

from contexts.workout.models import Segment, SegmentEffort, SessionTrack
from contexts.workout.outdoors import tracks
from contexts.workout.places import geography
from contexts.workout.places.matching import Course, Passage
from contexts.workout.places.positions import unpacked_positions
from kernel.databases import alias_of, require_unit_of_work, try_gate, unit_of_work

COVERED: Final = 0.8
"""The share of a segment's sure cells that a session must pass to be looked at closely."""

SESSIONS_A_UNIT: Final = 500
PATIENCE: Final = timedelta(seconds=20)
"""How long something waits for its wake-up before the sweeper looks after it."""

MOST_SWEPT: Final = 100


@unit_of_work("workout")
def match_session(*, session_id: UUID, at: datetime) -> int:
    """Find the efforts of one session on every segment it may have followed; answers how many there are.

    What was found before is replaced: the track may have changed.
    """
    track = (
        SessionTrack.objects.select_for_update(of=("self",)).select_related("session").filter(pk=session_id).first()
    )
    if track is None:
        return 0
    fine = tracks.fine_cells(track.cells)
    positions = unpacked_positions(track.samples)
    near = Segment.objects.filter(sport=track.sport, start_cells__overlap=fine, end_cells__overlap=fine)
    found = [
        effort
        for segment in near
        if _covers(fine, segment.sure_cells)
        for effort in _efforts(
            segment, session_id, track.user_id, track.session.started_at, _course(segment).passages(positions)
        )
    ]
    SegmentEffort.objects.filter(session_id=session_id).delete()
    _keep(found)
    SessionTrack.objects.filter(pk=session_id).update(matched_at=at)
    return len(found)


def _covers(cells: Iterable[int], sure: list[int]) -> bool:
    return len(set(sure).intersection(cells)) >= COVERED * len(sure)


def _course(segment: Segment) -> Course:
    return Course.of(geography.unpacked(segment.line))


def _efforts(
    segment: Segment, session_id: UUID, user_id: UUID, started_at: datetime, passages: list[Passage]
) -> list[SegmentEffort]:
    return [
        SegmentEffort(
            segment=segment,
            session_id=session_id,
            user_id=user_id,
            nth=nth,
            started_at=started_at + timedelta(seconds=passage.begins_s),
            elapsed_s=passage.elapsed_s,
            speed_mps=segment.length_m / passage.elapsed_s,
            heart_rate=passage.heart_rate,
            power_w=passage.power,
        )
        for nth, passage in enumerate(passages)
    ]


_KEEP: Final = """
    INSERT INTO workout_segmenteffort
        (id, segment_id, session_id, user_id, nth, started_at, elapsed_s, speed_mps, heart_rate, power_w)
    SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::uuid[], %s::smallint[], %s::timestamptz[],
        %s::float8[], %s::float8[], %s::float8[], %s::float8[])
    ON CONFLICT DO NOTHING
"""


def _keep(found: list[SegmentEffort]) -> None:
    """Save efforts, column by column; those that are known already stay as they are."""
    names = ("id", "segment_id", "session_id", "user_id", "nth", "started_at", "elapsed_s", "speed_mps")
    columns = [[getattr(effort, name) for effort in found] for name in (*names, "heart_rate", "power_w")]
    with connections[require_unit_of_work("workout")].cursor() as cursor:
        cursor.execute(_KEEP, columns)


def match_segment(*, segment_id: UUID, at: datetime) -> None:
    """Look for a segment in every session that passed near it; begun before, it goes on where it stopped."""
    with try_gate("workout", "matching", segment_id) as is_ours:
        if is_ours:
            _match_all(segment_id, at)


def _match_all(segment_id: UUID, at: datetime) -> None:
    segment = Segment.objects.filter(id=segment_id, matched_at=None).first()
    if segment is None:
        return
    candidates = _candidates(segment)
    _note_candidates(segment_id=segment_id, more=len(candidates))
    course = _course(segment)
    for begin in range(0, len(candidates), SESSIONS_A_UNIT):
        _match_portion(segment_id=segment_id, course=course, session_ids=candidates[begin : begin + SESSIONS_A_UNIT])
    _finish(segment_id=segment_id, at=at)


_CANDIDATES: Final = """
    SELECT session_id FROM workout_sessiontrack
    WHERE sport = %(sport)s AND cells && %(start)s::bigint[] AND cells && %(end)s::bigint[]
      AND (%(after)s::uuid IS NULL OR session_id > %(after)s::uuid)
      AND (SELECT count(*) FROM unnest(%(sure)s::bigint[]) AS cell WHERE cell = ANY (cells)) >= %(least)s
    ORDER BY session_id
"""


def _candidates(segment: Segment) -> list[UUID]:
    """Sessions not looked at yet that passed both ends and most of what lies between."""
    wanted = {
        "sport": segment.sport,
        "start": segment.start_cells,
        "end": segment.end_cells,
        "after": segment.matched_through,
        "sure": segment.sure_cells,
        "least": COVERED * len(segment.sure_cells),
    }
    with connections[alias_of("workout")].cursor() as cursor:
        cursor.execute(_CANDIDATES, wanted)
        return [row[0] for row in cursor.fetchall()]


@unit_of_work("workout")
def _note_candidates(*, segment_id: UUID, more: int) -> None:
    segment = Segment.objects.select_for_update().filter(id=segment_id).first()
    if segment is not None:
        segment.to_look_at = segment.looked_at + more
        segment.save(update_fields=["to_look_at"])


@unit_of_work("workout")
def _match_portion(*, segment_id: UUID, course: Course, session_ids: list[UUID]) -> None:
    """Some sessions, in one transaction with the mark that they have been looked at."""
    segment = Segment.objects.filter(id=segment_id).first()
    if segment is None:
        return
    found = [
        effort
        for session_id, user_id, started_at, samples in _samples_of(session_ids)
        if (passages := course.passages(unpacked_positions(samples, within=course.around)))
        for effort in _efforts(segment, session_id, user_id, started_at, passages)
    ]
    _keep(found)
    segment.matched_through, segment.looked_at = session_ids[-1], segment.looked_at + len(session_ids)
    segment.save(update_fields=["matched_through", "looked_at"])


# COPY, because a query hands bytes over as hexadecimal digits, which for thousands of sessions is half of the work.
_SAMPLES: Final = """
    COPY (SELECT track.session_id, track.user_id, session.started_at, track.samples
          FROM workout_sessiontrack AS track JOIN workout_trainingsession AS session ON session.id = track.session_id
          WHERE track.session_id = ANY (%s::uuid[]))
    TO STDOUT (FORMAT BINARY)
"""


def _samples_of(session_ids: list[UUID]) -> Iterator[tuple[UUID, UUID, datetime, bytes]]:
    with (
        connections[require_unit_of_work("workout")].cursor() as cursor,
        cursor.copy(_SAMPLES, (session_ids,)) as rows,
    ):
        rows.set_types(["uuid", "uuid", "timestamptz", "bytea"])
        yield from rows.rows()


@unit_of_work("workout")
def _finish(*, segment_id: UUID, at: datetime) -> None:
    Segment.objects.filter(id=segment_id).update(matched_at=at)


def unmatched_segments(*, at: datetime) -> list[UUID]:
    """Segments whose wake-up, or whose worker, was lost."""
    waiting = Segment.objects.filter(matched_at=None, created_at__lt=at - PATIENCE).order_by("created_at")
    return list(waiting.values_list("id", flat=True)[:MOST_SWEPT])


def unmatched_sessions(*, at: datetime) -> list[UUID]:
    """Sessions whose places have changed, or whose event was lost, and whose efforts are still to be found."""
    waiting = SessionTrack.objects.filter(matched_at=None, session__completed_at__lt=at - PATIENCE)
    return list(waiting.values_list("session_id", flat=True)[:MOST_SWEPT])
