"""Segments: stretches on which athletes compare their times, cut from a session and found by place (WO-6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import numpy as np
from django.db.models import Q

from contexts.workout import rules
from contexts.workout.models import Segment, SegmentEffort
from contexts.workout.outdoors import routes, tracks
from contexts.workout.places import geography, matching, privacy
from contexts.workout.places.geography import Line
from contexts.workout.places.positions import unpacked_positions
from contexts.workout.places.privacy import Circle, Shown
from contexts.workout.series import columns
from contexts.workout.sessions import audience
from kernel.databases import unit_of_work
from kernel.errors import NotFound, Refused

SHORTEST_M: Final = 100.0
LONGEST_M: Final = 100_000.0
TOLERANCE_M: Final = 2.0
MOST_SEGMENTS: Final = 500
MOST_LOOKED_AT: Final = 500
AROUND_AN_END_M: Final = 60.0
FORGOTTEN_AT_ONCE: Final = 5_000


class SegmentLengthRefused(Refused):
    """A segment has 100 m to 100 km."""


class EndInPrivacyZone(Refused):
    """A segment may not begin or end inside one of your privacy zones: its gates are shown to others."""


class TooManySegments(Refused):
    """500 segments are the most one can make."""


class SegmentInUse(Refused):
    """Others have times on this segment; ask the moderators if it has to go."""


@dataclass(frozen=True)
class ShownSegment:
    """A segment as one viewer may see it, and how far from the place asked about."""

    segment: Segment
    line: Shown[list[Line]]
    distance_m: float | None = None


@unit_of_work("workout", gate="by")
def make_segment(
    *,
    session_id: UUID,
    from_s: float,
    to_s: float,
    name: str,
    visibility: str,
    circles: Sequence[Circle],
    by: UUID,
    at: datetime,
) -> Segment:
    """Cut a segment out of one's own session, between two moments in seconds since its start.

    `circles` are the maker's privacy zones, asked for before.
    """
    track = routes.track_to_use(session_id=session_id, by=by)
    if Segment.objects.filter(user_id=by).count() >= MOST_SEGMENTS:
        raise TooManySegments
    positions = unpacked_positions(track.samples)
    line = positions.line.part((positions.times >= from_s) & (positions.times <= to_s))
    if len(line.latitude) < 2 or not SHORTEST_M <= (length := geography.length_m(line)) <= LONGEST_M:
        raise SegmentLengthRefused
    if privacy.ends_inside(line, circles=circles):
        raise EndInPrivacyZone
    ascent_m = _ascent_m(session_id, from_s, to_s)
    return Segment.objects.create(
        user_id=by,
        name=name,
        sport=track.sport,
        visibility=visibility,
        length_m=length,
        ascent_m=ascent_m,
        created_at=at,
        **_places(geography.simplified(line, tolerance_m=TOLERANCE_M)),
    )


def _places(line: Line) -> dict[str, object]:
    """Where a segment lies, as its row keeps it."""
    first, last = line.part(np.array([0, -1])).points()
    start, end = (
        geography.disk(latitude, longitude, radius_m=AROUND_AN_END_M, resolution=geography.FINE)
        for longitude, latitude in (first, last)
    )
    return {
        "line": geography.packed(line),
        "cells": [cell for resolution in geography.RESOLUTIONS for cell in geography.cells_along(line, resolution)],
        "sure_cells": matching.sure_cells(line, geography.FINE),
        "start_cells": start,
        "end_cells": end,
    }


def _ascent_m(session_id: UUID, from_s: float, to_s: float) -> float | None:
    for _, altitude in columns.stored([session_id], kinds=["altitude"]):
        seconds = altitude.offsets_us / 1e6
        climbed = rules.ascent(altitude.measured[(seconds >= from_s) & (seconds <= to_s)])
        return climbed.value if climbed else None
    return None


def may_see(viewer: UUID, *, through: str = "") -> Q:
    """Segments that are shared with the viewer; one that moderators have hidden is its maker's alone."""
    open_to_view = Q(**{f"{through}hidden_at": None}) | Q(**{f"{through}user_id": viewer})
    return audience.visible_to(viewer, through=through) & open_to_view


def seen_segment(*, segment_id: UUID, by: UUID) -> Segment:
    """A segment the viewer may see; any other does not exist for them."""
    segment = Segment.objects.filter(may_see(by), id=segment_id).first()
    if segment is None:
        raise NotFound
    return segment


def as_shown(segment: Segment, *, by: UUID) -> ShownSegment:
    """A segment's line as the viewer may see it: its maker's privacy zones hold here too.

    Asks identity unless it is the viewer's own.
    """
    gate = privacy.gate_for(by, athletes=[segment.user_id])
    return ShownSegment(segment, gate.line(geography.unpacked(segment.line), of=segment.user_id))


def segments_near(
    *, latitude: float, longitude: float, radius_m: float, sport: str | None, by: UUID
) -> list[ShownSegment]:
    """Segments that come near a place, the nearest first. Asks identity."""
    around = tracks.cells_around(latitude, longitude, radius_m)
    rows = Segment.objects.filter(may_see(by), cells__overlap=around)
    if sport:
        rows = rows.filter(sport=sport)
    found = list(rows.order_by("-id")[:MOST_LOOKED_AT])
    gate = privacy.gate_for(by, athletes=[segment.user_id for segment in found])
    near = [
        ShownSegment(segment, line, away)
        for segment in found
        for line in [gate.line(geography.unpacked(segment.line), of=segment.user_id)]
        if (away := routes.nearest_m(latitude, longitude, line.places)) is not None and away <= radius_m
    ]
    return sorted(near, key=lambda each: each.distance_m or 0.0)[: tracks.MOST_FOUND]


@unit_of_work("workout")
def change_segment(*, segment_id: UUID, changes: Mapping[str, str], circles: Sequence[Circle], by: UUID) -> Segment:
    """Give one's own segment another name or visibility; `circles` are its maker's privacy zones by now."""
    segment = Segment.objects.select_for_update().filter(id=segment_id, user_id=by).first()
    if segment is None:
        raise NotFound
    visibility = changes.get("visibility", segment.visibility)
    if visibility != segment.visibility and privacy.ends_inside(geography.unpacked(segment.line), circles=circles):
        raise EndInPrivacyZone
    segment.name, segment.visibility = changes.get("name", segment.name), visibility
    segment.save(update_fields=["name", "visibility"])
    return segment


@unit_of_work("workout")
def remove_segment(*, segment_id: UUID, by: UUID) -> None:
    """Remove a segment of one's own, as long as nobody else has a time on it."""
    segment = Segment.objects.select_for_update().filter(id=segment_id, user_id=by).first()
    if segment is None:
        raise NotFound
    if SegmentEffort.objects.filter(segment=segment).exclude(user_id=by).exists():
        raise SegmentInUse
    segment.delete()


@unit_of_work("workout")
def hide_segment(*, segment_id: UUID, at: datetime) -> bool:
    """Moderators: nobody but its maker sees it any more. Answers whether that is new."""
    return bool(Segment.objects.filter(id=segment_id, hidden_at=None).update(hidden_at=at))


@unit_of_work("workout")
def unhide_segment(*, segment_id: UUID) -> bool:
    """Moderators: it is seen again. Answers whether that is new."""
    return bool(Segment.objects.filter(id=segment_id).exclude(hidden_at=None).update(hidden_at=None))


@unit_of_work("workout")
def delete_segment(*, segment_id: UUID) -> bool:
    """Moderators: it goes, with all times on it."""
    return bool(Segment.objects.filter(id=segment_id).delete()[0])


@unit_of_work("workout")
def forget_segments(user_id: UUID) -> int:
    """A portion of what an erased person's segments are: the times on them first, by whomever, then they."""
    times = SegmentEffort.objects.filter(segment__user_id=user_id).values("id")[:FORGOTTEN_AT_ONCE]
    gone, _ = SegmentEffort.objects.filter(id__in=times).delete()
    return gone or Segment.objects.filter(user_id=user_id).delete()[0]
