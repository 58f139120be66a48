"""Where sessions went, over HTTP: the track of one, one's own near a place, along a way, alike; the heat map."""

from uuid import UUID

from django.urls import path
from django.utils.timezone import now
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.workout.api.places import NEAR_PARAMETERS, CellsField, LineField, NearForm, asked
from contexts.workout.models import Sport
from contexts.workout.outdoors import heatmap, tracks
from contexts.workout.outdoors.tracks import Found
from contexts.workout.places import geography
from contexts.workout.places.geography import Box
from kernel.access import RateLimit, member
from kernel.http import Endpoint, JsonRenderer

SEARCHES = RateLimit("120/min", by="user")


class SessionTrackShown(serializers.Serializer):
    session_id = serializers.UUIDField(source="session.id")
    sport = serializers.ChoiceField(choices=Sport.choices, source="session.sport")
    started_at = serializers.DateTimeField(source="session.started_at")
    length_m = serializers.FloatField()
    line = LineField(help_text="Within 5 m of the places measured.")


class FoundSession(serializers.Serializer):
    session_id = serializers.UUIDField(source="session.id")
    sport = serializers.ChoiceField(choices=Sport.choices, source="session.sport")
    started_at = serializers.DateTimeField(source="session.started_at")
    duration_s = serializers.FloatField(source="session.duration_s")
    length_m = serializers.FloatField()


class SessionNear(FoundSession):
    distance_m = serializers.FloatField(help_text="From the place asked about to the nearest place of the session.")


class SessionAlong(FoundSession):
    overlap = serializers.FloatField(help_text="The share of the way that both go, 0 to 1.")


class SimilarSession(SessionAlong):
    direction = serializers.ChoiceField(choices=["same", "opposite"])


class SessionsNear(serializers.Serializer):
    items = SessionNear(many=True)


class SessionsAlong(serializers.Serializer):
    items = SessionAlong(many=True)


class SimilarSessions(serializers.Serializer):
    items = SimilarSession(many=True)


class HeatMapForm(serializers.Serializer):
    south = serializers.FloatField(min_value=-90, max_value=90)
    west = serializers.FloatField(min_value=-180, max_value=180)
    north = serializers.FloatField(min_value=-90, max_value=90)
    east = serializers.FloatField(min_value=-180, max_value=180)
    resolution = serializers.ChoiceField(choices=geography.RESOLUTIONS, default=geography.FINE)


class HeatMapShown(serializers.Serializer):
    resolution = serializers.IntegerField()
    cells = CellsField(help_text="The most visited first, at most 5,000.")


def items_of(form: type[serializers.Serializer], found: list[Found]) -> Response:
    """A list as an answer."""
    return Response({"items": form(found, many=True).data})


class TrackOfSession(Endpoint):
    """The way of one session."""

    access = member

    @extend_schema(operation_id="show_session_track", responses=SessionTrackShown)
    def get(self, request: Request, session_id: UUID) -> Response:
        """For the athlete, for whom the session is shared with, and for their coach; others miss private places."""
        track = tracks.shown_track(session_id=session_id, by=request.user.user_id, at=now())
        return Response(SessionTrackShown(track).data)


class SessionsNearPlace(Endpoint):
    """Your sessions by place."""

    access = member
    limit = SEARCHES

    @extend_schema(operation_id="list_sessions_near", parameters=NEAR_PARAMETERS, responses=SessionsNear)
    def get(self, request: Request) -> Response:
        """Your sessions that came near a place, the nearest first, at most 100."""
        return items_of(SessionNear, tracks.sessions_near(**asked(NearForm, request), by=request.user.user_id))


class SessionsAlongTrack(Endpoint):
    """Your sessions along one of them."""

    access = member
    limit = SEARCHES

    @extend_schema(operation_id="list_sessions_along", responses=SessionsAlong)
    def get(self, request: Request, session_id: UUID) -> Response:
        """Your sessions that go at least half of this one's way, those that go most of it first, at most 100."""
        found = tracks.sessions_along(session_id=session_id, by=request.user.user_id)
        return items_of(SessionAlong, found)


class SessionsAlike(Endpoint):
    """Your sessions on one route."""

    access = member
    limit = SEARCHES

    @extend_schema(operation_id="list_similar_sessions", responses=SimilarSessions)
    def get(self, request: Request, session_id: UUID) -> Response:
        """Your sessions of this sport on the same route, either way round, the most alike first, at most 100."""
        found = tracks.similar_sessions(session_id=session_id, by=request.user.user_id)
        return items_of(SimilarSession, found)


def _bound(name: str, most: int) -> OpenApiParameter:
    return OpenApiParameter(name, {"type": "number", "minimum": -most, "maximum": most}, required=True)


class HeatMap(Endpoint):
    """Where you have been, and how often."""

    access = member
    limit = SEARCHES

    @extend_schema(
        operation_id="show_heat_map",
        parameters=[
            *(_bound(name, 90) for name in ("south", "north")),
            *(_bound(name, 180) for name in ("west", "east")),
            OpenApiParameter("resolution", {"type": "integer", "enum": list(geography.RESOLUTIONS)}),
        ],
        responses=HeatMapShown,
    )
    def get(self, request: Request) -> Response:
        """How many of your sessions passed each H3 cell of a rectangle. Yours alone: nobody else can ask for it."""
        wanted = dict(asked(HeatMapForm, request))
        resolution = wanted.pop("resolution")
        cells = heatmap.cells_within(Box(**wanted), resolution=resolution, by=request.user.user_id)
        return Response(HeatMapShown({"resolution": resolution, "cells": cells}).data)


class Png(JsonRenderer):
    """Lets clients ask for pictures."""

    media_type, format = "image/png", "png"


class HeatMapTile(Endpoint):
    """Your heat map to lay over a map."""

    access = member
    limit = RateLimit("1200/min", by="user")
    renderer_classes = [Png, JsonRenderer]

    @extend_schema(
        operation_id="show_heat_map_tile",
        parameters=[
            OpenApiParameter(name, {"type": "integer", "minimum": 0}, OpenApiParameter.PATH)
            for name in ("zoom", "column", "row")
        ],
        responses={(200, "image/png"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, zoom: int, column: int, row: int) -> Response:
        """One tile in Web Mercator. Yours alone: nobody else can ask for it."""
        picture = heatmap.tile(zoom=zoom, column=column, row=row, by=request.user.user_id)
        return Response(picture.places, content_type="image/png")


urlpatterns = [
    path("sessions/near", SessionsNearPlace.as_view()),
    path("sessions/<uuid:session_id>/track", TrackOfSession.as_view()),
    path("sessions/<uuid:session_id>/along", SessionsAlongTrack.as_view()),
    path("sessions/<uuid:session_id>/similar", SessionsAlike.as_view()),
    path("heatmap", HeatMap.as_view()),
    path("heatmap/<int:zoom>/<int:column>/<int:row>.png", HeatMapTile.as_view()),
]
