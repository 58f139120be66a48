"""Other people over HTTP, as they let themselves be seen, and the circles one keeps to oneself."""

from typing import Any

from django.urls import path
from django.utils.timezone import now
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.identity import people, privacy, rules
from contexts.identity.api.forms import display_name
from kernel.access import RateLimit, member
from kernel.http import Endpoint, validated


class PersonSeen(serializers.Serializer):
    """A person; fields that one may not see are null."""

    user_id = serializers.UUIDField()
    display_name = serializers.CharField(allow_null=True)
    avatar_id = serializers.UUIDField(allow_null=True)
    about = serializers.CharField(allow_null=True)
    city = serializers.CharField(allow_null=True)
    age = serializers.IntegerField(allow_null=True)
    sex = serializers.ChoiceField(rules.SEXES, allow_null=True)
    body_mass_kg = serializers.FloatField(allow_null=True)
    hr_max = serializers.IntegerField(allow_null=True)


class NewZone(serializers.Serializer):
    """A circle: its centre in degrees, its radius in metres."""

    name = display_name(max_length=40)
    latitude = serializers.FloatField(min_value=-90, max_value=90)
    longitude = serializers.FloatField(min_value=-180, max_value=180)
    radius_m = serializers.IntegerField(min_value=rules.ZONE_RADIUS_M[0], max_value=rules.ZONE_RADIUS_M[1])


class ZoneItem(NewZone):
    """A circle of one's own."""

    zone_id = serializers.UUIDField()


class Zones(serializers.Serializer):
    """All of them: ten at most."""

    items = ZoneItem(many=True)


class Person(Endpoint):
    """Somebody."""

    access = member
    limit = RateLimit("240/min", by="user")

    @extend_schema(operation_id="show_person", responses=PersonSeen)
    def get(self, request: Request, user_id: Any) -> Response:
        """A person as they let you see them. 404 for those who show you nothing, as for those who do not exist."""
        seen = people.profile_of(viewer_id=request.user.user_id, user_id=user_id, on=now().date())
        return Response(PersonSeen(seen).data)


class PrivacyZones(Endpoint):
    """One's privacy zones."""

    access = member
    limit = RateLimit("60/min", by="user")

    @extend_schema(operation_id="list_privacy_zones", responses=Zones)
    def get(self, request: Request) -> Response:
        """One's own circles."""
        mine = privacy.zones_of(user_ids=[request.user.user_id])[request.user.user_id]
        return Response(Zones({"items": mine}).data)

    @extend_schema(operation_id="add_privacy_zone", request=NewZone, responses={201: ZoneItem})
    def post(self, request: Request) -> Response:
        """Draw a circle that nobody else is shown a route through."""
        made = privacy.add_zone(by=request.user.user_id, **validated(NewZone, request))
        return Response(ZoneItem(made).data, status=201)


class OneZone(Endpoint):
    """One of one's privacy zones."""

    access = member

    @extend_schema(operation_id="remove_privacy_zone", responses={204: None})
    def delete(self, request: Request, zone_id: Any) -> Response:
        """Remove a circle."""
        privacy.remove_zone(by=request.user.user_id, zone_id=zone_id)
        return Response(status=204)


urlpatterns = [
    path("people/<uuid:user_id>", Person.as_view()),
    path("privacy-zones", PrivacyZones.as_view()),
    path("privacy-zones/<uuid:zone_id>", OneZone.as_view()),
]
