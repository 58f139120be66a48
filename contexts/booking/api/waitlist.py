"""The waitlist over HTTP."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.booking import rules, waitlist
from contexts.booking.api.bookings import wish_from
from contexts.booking.models import WaitlistEntry
from kernel.access import member
from kernel.databases import database_time
from kernel.http import Endpoint, Identifier, validated

REASONS = ("others_come_first", "not_enough_free", "ticket_type_full", "offered", "taken", "lapsed")


class WaitlistForm(serializers.Serializer):
    quantity = serializers.IntegerField(min_value=1, max_value=rules.MAX_PLACES)
    ticket_type_id = Identifier(required=False, allow_null=True, help_text="Unsaid: any will do.")


class StandingItem(serializers.Serializer):
    status = serializers.ChoiceField(choices=WaitlistEntry.Status.choices)
    position = serializers.IntegerField(allow_null=True, help_text="1: you are next. Premium members come first.")
    reason = serializers.ChoiceField(choices=REASONS, help_text="Why it has not been your turn, or what came of it.")
    quantity = serializers.IntegerField()
    ticket_type_id = serializers.UUIDField(allow_null=True)
    joined_at = serializers.DateTimeField()
    booking_id = serializers.UUIDField(allow_null=True, help_text="What was offered to you.")
    expires_at = serializers.DateTimeField(allow_null=True, help_text="Until when the offer is yours.")


def _shown(standing: waitlist.Standing) -> dict[str, Any]:
    entry = standing.entry
    offered = entry.booking if entry.status == WaitlistEntry.Status.OFFERED else None
    return {
        "status": entry.status,
        "position": standing.position,
        "reason": standing.reason,
        "quantity": entry.quantity,
        "ticket_type_id": entry.ticket_type_id,
        "joined_at": entry.joined_at,
        "booking_id": entry.booking_id,
        "expires_at": offered.expires_at if offered else None,
    }


class Waitlist(Endpoint):
    """Your place in the queue of an event."""

    access = member

    @extend_schema(operation_id="show_waitlist_standing", responses=StandingItem)
    def get(self, request: Request, event_id: UUID) -> Response:
        """Where you stand and why."""
        return Response(_shown(waitlist.standing_of(sport_event_id=event_id, user_id=request.user.user_id)))

    @extend_schema(operation_id="join_waitlist", request=WaitlistForm, responses={201: StandingItem})
    def post(self, request: Request, event_id: UUID) -> Response:
        """Stand in line. A freed place is held for you before anybody else can see it."""
        asked = validated(WaitlistForm, request)
        ticket_type_id = asked.get("ticket_type_id")
        wanted = rules.Place(ticket_type_id=ticket_type_id or event_id, quantity=asked["quantity"])
        wish = replace(wish_from(request, event_id), places=(wanted,))
        at = database_time("booking")
        waitlist.join(sport_event_id=event_id, wish=wish, ticket_type_id=ticket_type_id, at=at)
        standing = waitlist.standing_of(sport_event_id=event_id, user_id=request.user.user_id)
        return Response(_shown(standing), status=201)

    @extend_schema(operation_id="leave_waitlist", responses={204: None})
    def delete(self, request: Request, event_id: UUID) -> Response:
        """Wait no longer. An offer is declined by cancelling its booking."""
        waitlist.leave(sport_event_id=event_id, by=request.user.user_id)
        return Response(status=204)


urlpatterns = [path("events/<uuid:event_id>/waitlist", Waitlist.as_view())]
