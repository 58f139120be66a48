"""Sport events over HTTP: the calendar, one event, and what its organiser does with it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.urls import path
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.booking import cancelling, organising, places, rules, searching, series
from contexts.booking.models import Process, Series, SportEvent
from kernel.access import Policy, RateLimit, anyone, has_role
from kernel.databases import database_time
from kernel.errors import InvalidInput
from kernel.http import PAGE_PARAMETERS, Endpoint, Identifier, page, page_of, validated
from kernel.idempotency import idempotent

organiser: Policy = has_role("organiser")
SEARCHES = RateLimit("120/min")


class TicketTypeForm(serializers.Serializer):
    name = serializers.CharField(max_length=80)
    price_minor = serializers.IntegerField(min_value=0, max_value=rules.MAX_PRICE_MINOR, help_text="Cents, kopecks …")
    quota = serializers.IntegerField(min_value=1, max_value=rules.MAX_CAPACITY, required=False)
    seats = serializers.ListField(
        child=serializers.CharField(max_length=16), required=False, max_length=rules.MAX_NUMBERED
    )


class Tier(serializers.Serializer):
    hours = serializers.IntegerField(min_value=0, max_value=8760, help_text="Until so long before the start")
    percent = serializers.IntegerField(min_value=0, max_value=100, help_text="so much of the price comes back.")


class SportEventForm(serializers.Serializer):
    title = serializers.CharField(max_length=rules.MAX_TITLE)
    description = serializers.CharField(max_length=rules.MAX_TEXT, required=False, allow_blank=True)
    sport = serializers.ChoiceField(choices=rules.SPORTS)
    venue = serializers.CharField(max_length=200)
    address = serializers.CharField(max_length=300, required=False, allow_blank=True)
    latitude = serializers.FloatField(min_value=-90, max_value=90, required=False, allow_null=True)
    longitude = serializers.FloatField(min_value=-180, max_value=180, required=False, allow_null=True)
    time_zone = serializers.CharField(max_length=64, help_text="IANA name; the event's day and its rules live in it.")
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    opens_at = serializers.DateTimeField(required=False, help_text="Unsaid: now. Premium members book 24 h earlier.")
    closes_at = serializers.DateTimeField(required=False, help_text="Unsaid: at the start.")
    currency = serializers.ChoiceField(choices=rules.CURRENCIES, required=False)
    capacity = serializers.IntegerField(min_value=1, max_value=rules.MAX_CAPACITY, required=False)
    ticket_types = TicketTypeForm(many=True, min_length=1, max_length=rules.MAX_TICKET_TYPES)
    cover_id = Identifier(required=False, allow_null=True)
    min_age = serializers.IntegerField(min_value=0, max_value=120, required=False, allow_null=True)
    max_age = serializers.IntegerField(min_value=0, max_value=120, required=False, allow_null=True)
    refund_tiers = Tier(many=True, required=False, max_length=rules.MAX_TIERS)
    min_participants = serializers.IntegerField(
        min_value=1, max_value=rules.MAX_CAPACITY, required=False, allow_null=True
    )
    decide_at = serializers.DateTimeField(required=False, allow_null=True)


class Quota(serializers.Serializer):
    ticket_type_id = Identifier()
    quota = serializers.IntegerField(min_value=1, max_value=rules.MAX_CAPACITY)


class SportEventChange(SportEventForm):
    quotas = Quota(many=True, required=False, max_length=rules.MAX_TICKET_TYPES)


class SeriesForm(serializers.Serializer):
    rule = serializers.CharField(max_length=500, help_text="RRULE of RFC 5545: FREQ=WEEKLY;BYDAY=TU,TH;COUNT=20")
    publish = serializers.BooleanField(required=False)
    sport_event = SportEventForm()


class TicketTypeItem(serializers.Serializer):
    id = serializers.UUIDField()
    name = serializers.CharField()
    price_minor = serializers.IntegerField()
    quota = serializers.IntegerField()
    free = serializers.IntegerField(help_text="Of this type; the event's own free places limit it too.")


class SportEventItem(serializers.Serializer):
    id = serializers.UUIDField()
    series_id = serializers.UUIDField(allow_null=True)
    organiser_id = serializers.UUIDField()
    title = serializers.CharField()
    sport = serializers.ChoiceField(choices=rules.SPORTS)
    venue = serializers.CharField()
    address = serializers.CharField()
    latitude = serializers.FloatField(allow_null=True)
    longitude = serializers.FloatField(allow_null=True)
    time_zone = serializers.CharField()
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    cover_id = serializers.UUIDField(allow_null=True)
    status = serializers.ChoiceField(choices=SportEvent.Status.choices)
    opens_at = serializers.DateTimeField()
    premium_opens_at = serializers.DateTimeField()
    closes_at = serializers.DateTimeField()
    is_numbered = serializers.BooleanField()
    currency = serializers.CharField()
    capacity = serializers.IntegerField()
    free_places = serializers.IntegerField(help_text="At this instant: what nobody paid in time is free.")
    waiting = serializers.IntegerField(help_text="People on the waitlist.")
    distance_km = serializers.FloatField(allow_null=True)


class SportEventDetail(SportEventItem):
    description = serializers.CharField()
    min_age = serializers.IntegerField(allow_null=True)
    max_age = serializers.IntegerField(allow_null=True)
    refund_tiers = Tier(many=True)
    min_participants = serializers.IntegerField(allow_null=True)
    decide_at = serializers.DateTimeField(allow_null=True)
    cancel_reason = serializers.CharField()
    ticket_types = TicketTypeItem(many=True)


SPORT_EVENTS = page_of(SportEventItem)


class SeatItem(serializers.Serializer):
    label = serializers.CharField()
    ticket_type_id = serializers.UUIDField()
    is_free = serializers.BooleanField()


class SeatPlan(serializers.Serializer):
    seats = SeatItem(many=True)


class SeriesItem(serializers.Serializer):
    id = serializers.UUIDField()
    rule = serializers.CharField()
    made_until = serializers.DateTimeField()
    sport_event_ids = serializers.ListField(child=serializers.UUIDField())


class Reason(serializers.Serializer):
    reason = serializers.CharField(max_length=200)


class Cancellation(serializers.Serializer):
    status = serializers.ChoiceField(choices=SportEvent.Status.choices)
    total = serializers.IntegerField(help_text="Bookings to end.")
    done = serializers.IntegerField()
    finished_at = serializers.DateTimeField(allow_null=True)


class Ended(serializers.Serializer):
    cancelled = serializers.IntegerField(help_text="Events that will not take place.")


def plan_from(asked: dict[str, Any], *, at: datetime) -> organising.Plan:
    """The plan which a body describes."""
    values = {name: value for name, value in asked.items() if name not in ("ticket_types", "quotas")}
    values["kinds"] = tuple(kind_from(kind) for kind in asked["ticket_types"])
    values.setdefault("opens_at", min(at, asked["starts_at"]))
    values.setdefault("closes_at", asked["starts_at"])
    values.setdefault("currency", "EUR")
    values["refund_tiers"] = [dict(tier) for tier in asked.get("refund_tiers", [])]
    return organising.Plan(**values)


def kind_from(asked: dict[str, Any]) -> organising.Kind:
    """One ticket type of a body: either so many places or these seats."""
    seats = tuple(asked.get("seats", ()))
    quota = asked.get("quota", len(seats))
    if not quota:
        raise InvalidInput("Say how many places, or name the seats.", field="ticket_types", code="quota_missing")
    return organising.Kind(name=asked["name"], price_minor=asked["price_minor"], quota=quota, seats=seats)


def shown(sport_events: Sequence[SportEvent], *, at: datetime) -> list[dict[str, Any]]:
    """Sport events as lists show them."""
    free = places.free_places(sport_events, at=at)
    names = SportEventItem().fields.keys() - {"free_places", "distance_km", "premium_opens_at"}
    return [
        {name: getattr(one, name) for name in names}
        | {
            "free_places": free[one.pk],
            "distance_km": getattr(one, "distance_km", None),
            "premium_opens_at": one.registration.premium_opens_at,
        }
        for one in sport_events
    ]


def shown_whole(sport_event: SportEvent, *, at: datetime) -> dict[str, Any]:
    """One sport event with everything one decides by."""
    (head,) = shown([sport_event], at=at)
    more = ("description", "min_age", "max_age", "refund_tiers", "min_participants", "decide_at", "cancel_reason")
    types = [
        {
            "id": one.pk,
            "name": one.name,
            "price_minor": one.price_minor,
            "quota": one.quota,
            "free": max(0, one.quota - one.held - one.confirmed),
        }
        for one in sport_event.ticket_types.order_by("position")
    ]
    return head | {name: getattr(sport_event, name) for name in more} | {"ticket_types": types}


_NUMBER, _INSTANT = {"type": "number"}, {"type": "string", "format": "date-time"}
SEARCH_PARAMETERS = [
    OpenApiParameter("sport", str, enum=rules.SPORTS),
    OpenApiParameter("from", _INSTANT, description="Starts at this instant or later; unsaid: now."),
    OpenApiParameter("to", _INSTANT, description="Starts before this instant."),
    OpenApiParameter("text", str, description="Words of the title, venue, address or description."),
    OpenApiParameter("free", {"type": "integer", "minimum": 1, "maximum": 10}, description="So many free places."),
    OpenApiParameter("near", str, description="`latitude,longitude`, in degrees."),
    OpenApiParameter("radius_km", _NUMBER, description="Around `near`; unsaid: 25."),
    OpenApiParameter("organiser_id", {"type": "string", "format": "uuid"}),
]


class SearchForm(serializers.Serializer):
    sport = serializers.ChoiceField(choices=rules.SPORTS, required=False)
    to = serializers.DateTimeField(required=False)
    text = serializers.CharField(max_length=200, required=False)
    free = serializers.IntegerField(min_value=1, max_value=rules.MAX_PLACES, required=False)
    near = serializers.RegexField(r"\A-?\d{1,3}(\.\d{1,12})?,-?\d{1,3}(\.\d{1,12})?\Z", required=False)
    radius_km = serializers.FloatField(min_value=0.1, max_value=searching.FARTHEST_KM, required=False)
    organiser_id = Identifier(required=False)

    def get_fields(self) -> dict[str, Any]:
        """`from` is no name for an attribute."""
        return super().get_fields() | {"from": serializers.DateTimeField(required=False)}

    def validate_near(self, value: str) -> tuple[float, float]:
        """A point on the Earth."""
        latitude, longitude = map(float, value.split(","))
        if abs(latitude) > 90 or abs(longitude) > 180:
            raise serializers.ValidationError("Latitude, then longitude, in degrees.", code="out_of_range")
        return latitude, longitude


def filters_from(request: Request) -> searching.Filters:
    """What the query asks for; a 400 names the parameter at fault."""
    form = SearchForm(data={name: request.query_params[name] for name in request.query_params})
    form.is_valid(raise_exception=True)
    asked = dict(form.validated_data)
    names = {"from": "starts_after", "to": "starts_before", "free": "free_places"}
    return searching.Filters(**{names.get(name, name): value for name, value in asked.items()})


class SportEvents(Endpoint):
    """The calendar; organisers add to it."""

    access = {"GET": anyone, "POST": organiser}
    limit = {"GET": SEARCHES, "POST": RateLimit("60/h")}

    @extend_schema(
        operation_id="list_sport_events",
        parameters=[*PAGE_PARAMETERS, *SEARCH_PARAMETERS],
        responses=SPORT_EVENTS,
    )
    def get(self, request: Request) -> Response:
        """Published events that have not ended, the next first."""
        at = database_time("booking")
        found = searching.find(filters_from(request), at=at)
        listed = page(request, found, order=("starts_at", "id"), to_item=lambda one: one)
        return Response(listed | {"items": shown(listed["items"], at=at)})

    @extend_schema(operation_id="draft_sport_event", request=SportEventForm, responses={201: SportEventDetail})
    @idempotent("booking")
    def post(self, request: Request) -> Response:
        """A draft of yours, which nobody else sees until you publish it."""
        at = database_time("booking")
        plan = plan_from(validated(SportEventForm, request), at=at)
        made = organising.draft_sport_event(by=request.user.user_id, plan=plan, at=at)
        return Response(shown_whole(made, at=at), status=201, headers={"Location": f"{request.path}/{made.pk}"})


class MySportEvents(Endpoint):
    """What you organise."""

    access = organiser

    @extend_schema(operation_id="list_organised_sport_events", parameters=PAGE_PARAMETERS, responses=SPORT_EVENTS)
    def get(self, request: Request) -> Response:
        """All of it, drafts and the past too, the latest first."""
        mine = SportEvent.objects.filter(organiser_id=request.user.user_id)
        listed = page(request, mine, order=("-starts_at", "-id"), to_item=lambda one: one)
        return Response(listed | {"items": shown(listed["items"], at=database_time("booking"))})


class OneSportEvent(Endpoint):
    """One sport event."""

    access = {"GET": anyone, "PATCH": organiser}

    @extend_schema(operation_id="show_sport_event", responses=SportEventDetail)
    def get(self, request: Request, event_id: UUID) -> Response:
        """Everything about it. A draft is its organiser's alone."""
        viewer = getattr(request.user, "user_id", None)
        found = searching.sport_event_for(sport_event_id=event_id, viewer_id=viewer)
        return Response(shown_whole(found, at=database_time("booking")))

    @extend_schema(
        operation_id="change_sport_event", request=SportEventChange(partial=True), responses=SportEventDetail
    )
    def patch(self, request: Request, event_id: UUID) -> Response:
        """Change yours. Another time or place asks who has booked; what is sold does not change its price."""
        changes = validated(SportEventChange, request, partial=True)
        if "ticket_types" in changes:
            changes["kinds"] = tuple(kind_from(kind) for kind in changes.pop("ticket_types"))
        if "quotas" in changes:
            changes["quotas"] = {one["ticket_type_id"]: one["quota"] for one in changes["quotas"]}
        if "refund_tiers" in changes:
            changes["refund_tiers"] = [dict(tier) for tier in changes["refund_tiers"]]
        at = database_time("booking")
        changed = organising.change_sport_event(
            sport_event_id=event_id, by=request.user.user_id, changes=changes, at=at
        )
        return Response(shown_whole(changed, at=at))


class Seats(Endpoint):
    """The seats of a numbered event."""

    access = anyone

    @extend_schema(operation_id="list_seats", responses=SeatPlan)
    def get(self, request: Request, event_id: UUID) -> Response:
        """All of them, and which are free."""
        viewer = getattr(request.user, "user_id", None)
        found = searching.sport_event_for(sport_event_id=event_id, viewer_id=viewer)
        return Response({"seats": places.seat_plan(found, at=database_time("booking"))})


class Publication(Endpoint):
    """Publishing a draft."""

    access = organiser

    @extend_schema(operation_id="publish_sport_event", request=None, responses=SportEventDetail)
    def post(self, request: Request, event_id: UUID) -> Response:
        """Put yours into the calendar."""
        at = database_time("booking")
        published = organising.publish_sport_event(sport_event_id=event_id, by=request.user.user_id, at=at)
        return Response(shown_whole(published, at=at))


class CancellationOfEvent(Endpoint):
    """Cancelling a whole event."""

    access = organiser

    @extend_schema(operation_id="cancel_sport_event", request=Reason, responses={202: Cancellation})
    def post(self, request: Request, event_id: UUID) -> Response:
        """It does not take place: everybody is told and gets all their money back, one after the other."""
        mine = organising.of_organiser(sport_event_id=event_id, by=request.user.user_id)
        reason = validated(Reason, request)["reason"]
        cancelled = cancelling.cancel_sport_event(sport_event_id=mine.pk, reason=reason, at=database_time("booking"))
        return Response(_progress(cancelled), status=202)

    @extend_schema(operation_id="show_cancellation", responses=Cancellation)
    def get(self, request: Request, event_id: UUID) -> Response:
        """How far it has come."""
        return Response(_progress(organising.of_organiser(sport_event_id=event_id, by=request.user.user_id)))


def _progress(sport_event: SportEvent) -> dict[str, Any]:
    process = Process.objects.filter(subject_id=sport_event.pk, kind=Process.Kind.CANCEL_SPORT_EVENT).last()
    return {
        "status": sport_event.status,
        "total": process.total if process else 0,
        "done": process.done if process else 0,
        "finished_at": process.finished_at if process else None,
    }


class AllSeries(Endpoint):
    """Recurring events."""

    access = organiser
    limit = {"POST": RateLimit("20/h")}

    @extend_schema(operation_id="start_series", request=SeriesForm, responses={201: SeriesItem})
    @idempotent("booking")
    def post(self, request: Request) -> Response:
        """Events by a rule, at the same local time each; any one of them can be changed or cancelled alone."""
        at = database_time("booking")
        asked = validated(SeriesForm, request)
        made = series.start_series(
            by=request.user.user_id,
            rule=asked["rule"],
            plan=plan_from(asked["sport_event"], at=at),
            publish=asked.get("publish", False),
            at=at,
        )
        return Response(_series(made), status=201)


class OneSeries(Endpoint):
    """One series."""

    access = organiser

    @extend_schema(operation_id="show_series", responses=SeriesItem)
    def get(self, request: Request, series_id: UUID) -> Response:
        """Its rule and its events so far."""
        return Response(_series(series.series_of(series_id=series_id, by=request.user.user_id)))


class EndOfSeries(Endpoint):
    """Ending a series."""

    access = organiser

    @extend_schema(operation_id="end_series", request=Reason, responses={202: Ended})
    def post(self, request: Request, series_id: UUID) -> Response:
        """No more events; those to come are cancelled."""
        reason = validated(Reason, request)["reason"]
        by, at = request.user.user_id, database_time("booking")
        return Response(
            {"cancelled": series.end_series(series_id=series_id, by=by, reason=reason, at=at)}, status=202
        )


def _series(made: Series) -> dict[str, Any]:
    ids = made.sport_events.order_by("recurrence_at").values_list("id", flat=True)
    return {"id": made.pk, "rule": made.rule, "made_until": made.made_until, "sport_event_ids": list(ids)}


urlpatterns = [
    path("events", SportEvents.as_view()),
    path("events/organised", MySportEvents.as_view()),
    path("events/<uuid:event_id>", OneSportEvent.as_view()),
    path("events/<uuid:event_id>/seats", Seats.as_view()),
    path("events/<uuid:event_id>/publication", Publication.as_view()),
    path("events/<uuid:event_id>/cancellation", CancellationOfEvent.as_view()),
    path("series", AllSeries.as_view()),
    path("series/<uuid:series_id>", OneSeries.as_view()),
    path("series/<uuid:series_id>/end", EndOfSeries.as_view()),
]
