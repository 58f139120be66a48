"""Calendars over HTTP: one for everybody, by filter, and private ones behind a token."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.booking import calendars
from contexts.booking.api.sport_events import SEARCH_PARAMETERS, filters_from
from contexts.booking.api.tickets import Ics
from contexts.booking.models import CalendarFeed
from kernel.access import RateLimit, anyone, member
from kernel.conditional import unless_known
from kernel.databases import database_time
from kernel.http import PAGE_PARAMETERS, Endpoint, JsonRenderer, page, page_of, validated

READS = RateLimit("60/min", by="address")
TITLE = "Stayer"


class CalendarForm(serializers.Serializer):
    name = serializers.CharField(max_length=80)


class CalendarItem(serializers.ModelSerializer):
    class Meta:
        model = CalendarFeed
        fields = ("id", "name", "created_at", "read_at")
        read_only_fields = fields


class NewCalendar(CalendarItem):
    url = serializers.CharField(help_text="For a calendar program. Whoever knows it sees your bookings; shown once.")

    class Meta(CalendarItem.Meta):
        fields = (*CalendarItem.Meta.fields, "url")
        read_only_fields = fields


def _calendar(request: Request, body: bytes, *, keep: str) -> Any:
    """The calendar, or 304 for a program that has it already."""
    return unless_known(request, body, content_type="text/calendar; charset=utf-8", keep=keep, file_name="stayer.ics")


class PublicCalendar(Endpoint):
    """What can be booked, to subscribe to."""

    access = anyone
    limit = READS
    renderer_classes = [Ics, JsonRenderer]

    @extend_schema(
        operation_id="show_calendar",
        parameters=SEARCH_PARAMETERS,
        responses={(200, "text/calendar"): OpenApiTypes.STR},
    )
    def get(self, request: Request) -> Any:
        """The next 500 published events that fit the filters."""
        found = calendars.public_events(filters_from(request), at=database_time("booking"))
        return _calendar(request, calendars.ics_of(found, TITLE), keep="public, max-age=300")


class PrivateCalendar(Endpoint):
    """Somebody's own calendar, for programs that cannot sign in."""

    access = anyone
    limit = READS
    renderer_classes = [Ics, JsonRenderer]

    @extend_schema(operation_id="show_private_calendar", responses={(200, "text/calendar"): OpenApiTypes.STR})
    def get(self, request: Request, token: str) -> Any:
        """The bookings and tickets of whoever made this address."""
        at = database_time("booking")
        feed = calendars.feed_of(token)
        calendars.note_read(feed_id=feed.pk, at=at)
        body = calendars.ics_of(calendars.events_of(feed.user_id, at=at), feed.name)
        return _calendar(request, body, keep="private, no-cache")


class Calendars(Endpoint):
    """Your private calendars."""

    access = member
    limit = {"POST": RateLimit("30/h")}

    @extend_schema(operation_id="list_calendars", parameters=PAGE_PARAMETERS, responses=page_of(CalendarItem))
    def get(self, request: Request) -> Response:
        """Their names and when they were last read; addresses are not shown again."""
        mine = CalendarFeed.objects.filter(user_id=request.user.user_id)
        return Response(page(request, mine, order=("-id",), to_item=lambda feed: CalendarItem(feed).data))

    @extend_schema(operation_id="make_calendar", request=CalendarForm, responses={201: NewCalendar})
    def post(self, request: Request) -> Response:
        """An address for a calendar program, at most ten."""
        name = validated(CalendarForm, request)["name"]
        feed, token = calendars.make_feed(user_id=request.user.user_id, name=name, at=database_time("booking"))
        url = f"{settings.PUBLIC_URL}/api/v1/booking/calendars/{token}.ics"
        return Response(CalendarItem(feed).data | {"url": url}, status=201)


class OneCalendar(Endpoint):
    """One private calendar of yours."""

    access = member

    @extend_schema(operation_id="revoke_calendar", responses={204: None})
    def delete(self, request: Request, calendar_id: UUID) -> Response:
        """Its address leads nowhere from now on."""
        calendars.revoke_feed(calendar_id=calendar_id, by=request.user.user_id)
        return Response(status=204)


urlpatterns = [
    path("calendar.ics", PublicCalendar.as_view()),
    path("calendars", Calendars.as_view()),
    path("calendars/<uuid:calendar_id>", OneCalendar.as_view()),
    path("calendars/<str:token>.ics", PrivateCalendar.as_view()),
]
