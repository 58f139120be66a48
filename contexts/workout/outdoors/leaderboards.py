"""Who was how fast on a segment: each athlete's best effort that the viewer may see, the fastest first (WO-6)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db.models import Q, QuerySet

from contexts.workout.models import Segment, SegmentEffort
from contexts.workout.outdoors import segments
from contexts.workout.places import geography, privacy
from contexts.workout.sessions import audience, history
from kernel.http import bad_cursor, decode_cursor, encode_cursor

LOOKED_AT_ONCE: Final = 200


@dataclass(frozen=True)
class Place:
    """An athlete's best effort, and its rank among those the viewer may see; equal times share a rank."""

    rank: int
    nth: int
    effort: SegmentEffort

    def cursor(self) -> str:
        """Where the next page begins."""
        return encode_cursor([self.effort.elapsed_s, str(self.effort.id), self.nth, self.rank])


def leaderboard(*, segment_id: UUID, by: UUID, cursor: str | None, limit: int) -> dict[str, Any]:
    """A page of the leaderboard. Asks identity.

    Whose session is not shared with the viewer is not in it; nor who begins or ends the segment inside a privacy
    zone of their own, because the gates would tell where they are hidden.
    """
    segment = segments.seen_segment(segment_id=segment_id, by=by)
    places: list[Place] = []
    for place in _places(segment, by, _after(cursor)):
        places.append(place)
        if len(places) > limit:
            break
    return {"items": places[:limit], "next": places[limit - 1].cursor() if len(places) > limit else None}


Last = tuple[float, UUID | None, int, int]
"""The last effort shown: its time and id, how many were shown, and its rank."""


def _after(cursor: str | None) -> Last:
    if cursor is None:
        return 0.0, None, 0, 0
    elapsed_s, effort_id, nth, rank = decode_cursor(cursor, length=4)
    try:
        return float(elapsed_s), UUID(effort_id), int(nth), int(rank)
    except (ValueError, TypeError, AttributeError, OverflowError):
        raise bad_cursor() from None


def _places(segment: Segment, viewer: UUID, last: Last) -> Iterator[Place]:
    """Every place after the last one, rank by rank."""
    elapsed_s, effort_id, nth, rank = last
    while True:
        some = list(_best_efforts(segment, viewer, elapsed_s, effort_id)[:LOOKED_AT_ONCE])
        shown = _without_hidden(segment, viewer, some)
        for effort in shown:
            nth += 1
            rank = rank if nth > 1 and effort.elapsed_s == elapsed_s else nth
            elapsed_s = effort.elapsed_s
            yield Place(rank, nth, effort)
        if len(some) < LOOKED_AT_ONCE:
            return
        elapsed_s, effort_id = some[-1].elapsed_s, some[-1].id


def _best_efforts(
    segment: Segment, viewer: UUID, elapsed_s: float, effort_id: UUID | None
) -> QuerySet[SegmentEffort]:
    """The best effort of each athlete whose session is shared with the viewer, slower than the last one."""
    shared = SegmentEffort.objects.filter(audience.visible_to(viewer, through="session__"), segment=segment)
    best = shared.order_by("user_id", "elapsed_s", "id").distinct("user_id")
    rows = SegmentEffort.objects.filter(id__in=best.values("id")).order_by("elapsed_s", "id")
    if effort_id is None:
        return rows
    return rows.filter(Q(elapsed_s__gt=elapsed_s) | Q(elapsed_s=elapsed_s, id__gt=effort_id))


def _without_hidden(segment: Segment, viewer: UUID, efforts: list[SegmentEffort]) -> list[SegmentEffort]:
    line = geography.unpacked(segment.line)
    gate = privacy.gate_for(viewer, athletes=[effort.user_id for effort in efforts])
    return [effort for effort in efforts if not gate.hides_ends(line, of=effort.user_id)]


def own_efforts(*, segment_id: UUID, by: UUID) -> QuerySet[SegmentEffort]:
    """All efforts of one's own on a segment."""
    segment = segments.seen_segment(segment_id=segment_id, by=by)
    return SegmentEffort.objects.filter(segment=segment, user_id=by).select_related("segment")


def efforts_of_session(*, session_id: UUID, by: UUID) -> list[SegmentEffort]:
    """The efforts of one's own session on segments one may see, in the order in which they were made."""
    history.own_session(session_id=session_id, by=by)
    efforts = SegmentEffort.objects.filter(segments.may_see(by, through="segment__"), session_id=session_id)
    return list(efforts.select_related("segment").order_by("started_at", "id"))
