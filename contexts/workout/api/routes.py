"""Saved routes over HTTP."""

from typing import Any
from uuid import UUID

from django.urls import path
from django.utils.timezone import now
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.workout.api.places import NEAR_PARAMETERS, LineField, NearForm, asked
from contexts.workout.api.tracks import SEARCHES, SimilarSession
from contexts.workout.models import Route, Sport, Visibility
from contexts.workout.outdoors import routes
from kernel.access import RateLimit, member
from kernel.http import PAGE_PARAMETERS, Endpoint, Identifier, page, page_of, validated
from kernel.idempotency import idempotent


class SaveRoute(serializers.Serializer):
    session_id = Identifier(help_text="The session of yours whose way it is.")
    name = serializers.CharField(max_length=100)
    visibility = serializers.ChoiceField(choices=Visibility.choices, default=Visibility.PRIVATE)


class ChangeRoute(serializers.Serializer):
    name = serializers.CharField(max_length=100, required=False)
    visibility = serializers.ChoiceField(choices=Visibility.choices, required=False)


class RouteItem(serializers.Serializer):
    id = serializers.UUIDField(source="route.id")
    user_id = serializers.UUIDField(source="route.user_id")
    name = serializers.CharField(source="route.name")
    sport = serializers.ChoiceField(choices=Sport.choices, source="route.sport")
    visibility = serializers.ChoiceField(choices=Visibility.choices, source="route.visibility")
    length_m = serializers.FloatField(source="route.length_m")
    ascent_m = serializers.FloatField(source="route.ascent_m", allow_null=True)
    created_at = serializers.DateTimeField(source="route.created_at")
    line = LineField()


class RouteNear(RouteItem):
    distance_m = serializers.FloatField(help_text="From the place asked about to what is shown of the route.")


class RoutesNear(serializers.Serializer):
    items = RouteNear(many=True)


class RouteDetails(RouteItem):
    sessions = SimilarSession(many=True, help_text="Your own sessions on it, at most 100.")


def item_of(route: Route) -> dict[str, Any]:
    """One's own route."""
    (shown,) = routes.shown_to_owner([route], by=route.user_id)
    return RouteItem(shown).data


class Routes(Endpoint):
    """Your routes."""

    access = member
    limit = {"POST": RateLimit("60/min", by="user")}

    @extend_schema(operation_id="list_routes", parameters=PAGE_PARAMETERS, responses=page_of(RouteItem))
    def get(self, request: Request) -> Response:
        """The routes you have saved, the newest first."""
        own = routes.own_routes(by=request.user.user_id)
        return Response(page(request, own, order=("-id",), to_item=item_of))

    @extend_schema(operation_id="save_route", request=SaveRoute, responses={201: RouteItem})
    @idempotent("workout")
    def post(self, request: Request) -> Response:
        """Save the way of a session of yours. 409 `no_places` if it has none."""
        route = routes.save_route(**validated(SaveRoute, request), by=request.user.user_id, at=now())
        return Response(item_of(route), status=201)


class RoutesNearPlace(Endpoint):
    """Routes by place."""

    access = member
    limit = SEARCHES

    @extend_schema(operation_id="list_routes_near", parameters=NEAR_PARAMETERS, responses=RoutesNear)
    def get(self, request: Request) -> Response:
        """Your routes and those shared with you that come near a place, the nearest first, at most 100."""
        found = routes.routes_near(**asked(NearForm, request), by=request.user.user_id)
        return Response({"items": RouteNear(found, many=True).data})


class OneRoute(Endpoint):
    """One route."""

    access = member

    @extend_schema(operation_id="show_route", responses=RouteDetails)
    def get(self, request: Request, route_id: UUID) -> Response:
        """A route of yours or shared with you, and your sessions on it."""
        by = request.user.user_id
        shown = routes.shown_route(route_id=route_id, by=by)
        sessions = SimilarSession(routes.sessions_on_route(shown.route, by=by), many=True).data
        return Response(RouteItem(shown).data | {"sessions": sessions})

    @extend_schema(operation_id="change_route", request=ChangeRoute, responses=RouteItem)
    def patch(self, request: Request, route_id: UUID) -> Response:
        """Give your route another name or visibility."""
        changes = validated(ChangeRoute, request)
        return Response(item_of(routes.change_route(route_id=route_id, changes=changes, by=request.user.user_id)))

    @extend_schema(operation_id="remove_route", responses={204: None})
    def delete(self, request: Request, route_id: UUID) -> Response:
        """Forget your route."""
        routes.remove_route(route_id=route_id, by=request.user.user_id)
        return Response(status=204)


urlpatterns = [
    path("routes", Routes.as_view()),
    path("routes/near", RoutesNearPlace.as_view()),
    path("routes/<uuid:route_id>", OneRoute.as_view()),
]
