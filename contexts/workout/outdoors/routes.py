"""Routes: ways worth going again, saved from a session and found by place (WO-6)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet

from contexts.workout.models import Route, SessionTrack
from contexts.workout.outdoors import tracks
from contexts.workout.places import geography, privacy
from contexts.workout.places.geography import Line
from contexts.workout.places.privacy import Shown
from contexts.workout.sessions import audience, history
from kernel.databases import unit_of_work
from kernel.errors import NotFound, Refused

MOST_ROUTES: Final = 500
MOST_LOOKED_AT: Final = 500
"""How many of the newest routes around a place are looked at closely."""


class TooManyRoutes(Refused):
    """500 routes are the most one can keep."""


class NoPlaces(Refused):
    """This session has no places: it was indoors, or nobody measured them."""


@dataclass(frozen=True)
class ShownRoute:
    """A route as one viewer may see it, and how far from the place asked about."""

    route: Route
    line: Shown[list[Line]]
    distance_m: float | None = None


@unit_of_work("workout", gate="by")
def save_route(*, session_id: UUID, name: str, visibility: str, by: UUID, at: datetime) -> Route:
    """Keep the way of one's own session as a route."""
    track = track_to_use(session_id=session_id, by=by)
    if Route.objects.filter(user_id=by).count() >= MOST_ROUTES:
        raise TooManyRoutes
    return Route.objects.create(
        user_id=by,
        name=name,
        sport=track.sport,
        visibility=visibility,
        line=bytes(track.line),
        cells=track.cells,
        length_m=track.length_m,
        ascent_m=track.session.ascent_m,
        created_at=at,
    )


def track_to_use(*, session_id: UUID, by: UUID) -> SessionTrack:
    """The track of one's own session; refuses a session that has no places."""
    session = history.own_session(session_id=session_id, by=by)
    track = SessionTrack.objects.filter(session=session).select_related("session").first()
    if track is None:
        raise NoPlaces
    return track


def own_routes(*, by: UUID) -> QuerySet[Route]:
    """The routes an athlete has saved."""
    return Route.objects.filter(user_id=by)


def shown_to_owner(routes: Iterable[Route], *, by: UUID) -> list[ShownRoute]:
    """One's own routes, whole."""
    gate = privacy.gate_for(by, athletes=[by])
    return [ShownRoute(route, gate.line(geography.unpacked(route.line), of=route.user_id)) for route in routes]


def shown_route(*, route_id: UUID, by: UUID) -> ShownRoute:
    """A route of one's own, or one that is shared. Asks identity."""
    route = Route.objects.filter(audience.visible_to(by), id=route_id).first()
    if route is None:
        raise NotFound
    gate = privacy.gate_for(by, athletes=[route.user_id])
    return ShownRoute(route, gate.line(geography.unpacked(route.line), of=route.user_id))


def sessions_on_route(route: Route, *, by: UUID) -> list[tracks.Found]:
    """The viewer's own sessions that follow the route, either way round."""
    own = SessionTrack.objects.filter(user_id=by, sport=route.sport).defer("samples").select_related("session")
    return tracks.alike(route.cells, length_m=route.length_m, among=own)


def routes_near(*, latitude: float, longitude: float, radius_m: float, by: UUID) -> list[ShownRoute]:
    """Routes of one's own and shared ones that come near a place, the nearest first. Asks identity."""
    around = tracks.cells_around(latitude, longitude, radius_m)
    found = list(
        Route.objects.filter(audience.visible_to(by), cells__overlap=around).order_by("-id")[:MOST_LOOKED_AT]
    )
    gate = privacy.gate_for(by, athletes=[route.user_id for route in found])
    near = [
        ShownRoute(route, line, away)
        for route in found
        for line in [gate.line(geography.unpacked(route.line), of=route.user_id)]
        if (away := nearest_m(latitude, longitude, line.places)) is not None and away <= radius_m
    ]
    return sorted(near, key=lambda each: each.distance_m or 0.0)[: tracks.MOST_FOUND]


def nearest_m(latitude: float, longitude: float, pieces: Sequence[Line]) -> float | None:
    """Metres from a place to the nearest place that is shown; None where nothing is.

    Measured to what is shown alone: else one could search for what is hidden, place by place.
    """
    return min((geography.distance_m(latitude, longitude, piece) for piece in pieces), default=None)


@unit_of_work("workout")
def change_route(*, route_id: UUID, changes: dict[str, Any], by: UUID) -> Route:
    """Give one's own route another name or visibility."""
    route = Route.objects.select_for_update().filter(id=route_id, user_id=by).first()
    if route is None:
        raise NotFound
    for name in ("name", "visibility"):
        setattr(route, name, changes.get(name, getattr(route, name)))
    route.save(update_fields=["name", "visibility"])
    return route


@unit_of_work("workout")
def remove_route(*, route_id: UUID, by: UUID) -> None:
    """Forget one's own route."""
    if not Route.objects.filter(id=route_id, user_id=by).delete()[0]:
        raise NotFound
