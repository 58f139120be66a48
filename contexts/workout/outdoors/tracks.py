"""The way of each session, kept so that it can be found by place: near a point, along another, alike (WO-6)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import numpy as np
from django.db.models import QuerySet

from contexts.workout.models import SessionTrack, TrainingSession
from contexts.workout.places import geography, privacy
from contexts.workout.places.geography import Line
from contexts.workout.places.positions import packed_positions, unpacked_positions
from contexts.workout.places.privacy import Shown
from contexts.workout.series import columns
from contexts.workout.series.columns import Columns
from contexts.workout.sessions import audience, history
from kernel.databases import unit_of_work
from kernel.errors import InvalidInput, NotFound

TOLERANCE_M: Final = 5.0
"""How far a track drawn on a map may be from the places measured."""

ALIKE_FROM: Final = 0.6
"""The share of cells, of those either session passes, that two sessions of one route have in common (Jaccard)."""

LENGTHS_ALIKE: Final = (0.8, 1.25)
ALONG_FROM: Final = 0.5
"""The share of a track's cells which a session along it passes."""

FARTHEST_M: Final = 20_000.0
DERIVED_AT_ONCE: Final = 100
"""Tracks of old sessions that one wake-up derives, each in its own unit of work."""
MOST_FOUND: Final = 100


@dataclass(frozen=True)
class Track:
    """A session's way as one viewer may see it."""

    session: TrainingSession
    length_m: float
    line: Shown[list[Line]]


@dataclass(frozen=True)
class Found:
    """A session of the athlete's that fits a question about places."""

    session: TrainingSession
    length_m: float
    distance_m: float | None = None
    overlap: float | None = None
    direction: str | None = None


def keep_track(*, session: TrainingSession, packed: Iterable[Columns]) -> None:
    """Derive the track from a completed session's streams, within the unit of work that stores them.

    A track that has changed is matched with segments anew.
    """
    samples = packed_positions(packed)
    if samples is None:
        SessionTrack.objects.filter(session=session).delete()
        return
    known = SessionTrack.objects.filter(session=session).values_list("samples", flat=True).first()
    if known is None or bytes(known) != samples:
        _track_of(session, samples).save(force_insert=known is None)


def first_track(*, session: TrainingSession, packed: Iterable[Columns]) -> SessionTrack | None:
    """The track of a session that is new, not saved yet; none without places."""
    samples = packed_positions(packed)
    return None if samples is None else _track_of(session, samples)


def sessions_without_track() -> list[tuple[UUID, UUID]]:
    """Some sessions older than tracks whose own are still to be derived, and whose they are."""
    due = TrainingSession.objects.filter(track_due=True, state=TrainingSession.State.COMPLETED).order_by("id")
    return list(due.values_list("id", "user_id")[:DERIVED_AT_ONCE])


@unit_of_work("workout", gate="by")
def derive_track(*, session_id: UUID, by: UUID) -> None:
    """Give an old session its track, once; a duplicate gets one when it is taken apart."""
    session = TrainingSession.objects.select_for_update().filter(pk=session_id, track_due=True).first()
    if session is None:
        return
    if session.duplicate_of_id is None:
        keep_track(session=session, packed=[packed for _, packed in columns.stored([session.pk])])
    session.track_due = False
    session.save(update_fields=["track_due"])


def _track_of(session: TrainingSession, samples: bytes) -> SessionTrack:
    line = unpacked_positions(samples).line
    simple, box = geography.simplified(line, tolerance_m=TOLERANCE_M), geography.bounds(line)
    first, last = geography.cells_of(line.part(np.array([0, -1])), geography.FINE)
    return SessionTrack(
        session=session,
        user_id=session.user_id,
        sport=session.sport,
        samples=samples,
        line=geography.packed(simple),
        cells=[cell for resolution in geography.RESOLUTIONS for cell in geography.cells_along(simple, resolution)],
        start_cell=first,
        end_cell=last,
        length_m=geography.length_m(line),
        **box._asdict(),
    )


def own_track(*, session_id: UUID, by: UUID) -> SessionTrack:
    """The track of an athlete's own session; a session without places has none."""
    history.own_session(session_id=session_id, by=by)
    track = SessionTrack.objects.filter(session_id=session_id).select_related("session").first()
    if track is None:
        raise NotFound
    return track


def shown_track(*, session_id: UUID, by: UUID, at: datetime) -> Track:
    """A session's track for its athlete, for whom it is shared with, and for a coach. Asks identity."""
    session = audience.session_shown_to(session_id=session_id, viewer=by, at=at)
    track = SessionTrack.objects.filter(session=session).only("line", "length_m").first()
    if track is None:
        raise NotFound
    gate = privacy.gate_for(by, athletes=[session.user_id])
    return Track(session, track.length_m, gate.line(geography.unpacked(track.line), of=session.user_id))


def sessions_near(*, latitude: float, longitude: float, radius_m: float, by: UUID) -> list[Found]:
    """The athlete's own sessions that come within the radius of a place, the nearest first."""
    around = cells_around(latitude, longitude, radius_m)
    found = [
        Found(track.session, track.length_m, distance_m=away)
        for track in _own(by).filter(cells__overlap=around)
        if (away := geography.distance_m(latitude, longitude, geography.unpacked(track.line))) <= radius_m
    ]
    return sorted(found, key=lambda each: each.distance_m or 0.0)[:MOST_FOUND]


def cells_around(latitude: float, longitude: float, radius_m: float) -> list[int]:
    """The cells to be searched for what is near a place; refuses what is no place, or too wide."""
    if not 0 < radius_m <= FARTHEST_M:
        raise InvalidInput(
            "The radius is more than 0 and at most {most} m.", field="radius_m", code="out_of_range", most=FARTHEST_M
        )
    resolution = geography.resolution_for(radius_m)
    return geography.disk(latitude, longitude, radius_m=radius_m, resolution=resolution)


def sessions_along(*, session_id: UUID, by: UUID) -> list[Found]:
    """The athlete's own sessions that pass at least half of the cells of this one, those that pass most first."""
    track = own_track(session_id=session_id, by=by)
    cells = set(fine_cells(track.cells))
    found = []
    for other in _own(by).filter(cells__overlap=list(cells)).exclude(session_id=session_id):
        share = len(cells.intersection(other.cells)) / len(cells)
        if share >= ALONG_FROM:
            found.append(Found(other.session, other.length_m, overlap=share))
    return _most_first(found)


def similar_sessions(*, session_id: UUID, by: UUID) -> list[Found]:
    """The athlete's own sessions of the same sport on the same route, either way round, the most alike first."""
    track = own_track(session_id=session_id, by=by)
    return alike(track.cells, length_m=track.length_m, among=_own(by).filter(sport=track.sport), but=session_id)


def alike(
    cells: list[int], *, length_m: float, among: QuerySet[SessionTrack], but: UUID | None = None
) -> list[Found]:
    """Those tracks that follow the route of these cells: most cells shared, about as long."""
    fine = fine_cells(cells)
    shortest, longest = (share * length_m for share in LENGTHS_ALIKE)
    near = among.filter(cells__overlap=fine, length_m__gte=shortest, length_m__lte=longest).exclude(session_id=but)
    found = []
    for other in near:
        theirs = fine_cells(other.cells)
        share = jaccard(fine, theirs)
        if share >= ALIKE_FROM:
            found.append(Found(other.session, other.length_m, overlap=share, direction=direction(fine, theirs)))
    return _most_first(found)


def fine_cells(cells: Iterable[int]) -> list[int]:
    """The fine ones of cells of both resolutions."""
    return [cell for cell in cells if geography.resolution_of(cell) == geography.FINE]


def jaccard(ours: list[int], theirs: list[int]) -> float:
    """The share of the cells of either that both have (Jaccard 1901)."""
    return len(set(ours) & set(theirs)) / len(set(ours) | set(theirs))


def direction(ours: list[int], theirs: list[int]) -> str:
    """Whether the cells both have are visited in the `same` order or the `opposite` one."""
    place = {cell: nth for nth, cell in enumerate(theirs)}
    order = np.array([place[cell] for cell in ours if cell in place], dtype=np.float64)
    steps = order - order.mean()
    trend = float((steps * (np.arange(len(steps)) - (len(steps) - 1) / 2)).sum())
    return "same" if trend >= 0 else "opposite"


def _own(by: UUID) -> QuerySet[SessionTrack]:
    return SessionTrack.objects.filter(user_id=by).defer("samples").select_related("session")


def _most_first(found: list[Found]) -> list[Found]:
    return sorted(found, key=lambda each: each.overlap or 0.0, reverse=True)[:MOST_FOUND]
