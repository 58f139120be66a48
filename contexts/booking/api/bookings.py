"""Bookings over HTTP: holding places, checking out, cancelling."""

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.booking import cancelling, organising, paying, reserving, rules
from contexts.booking.models import Booking, SportEvent
from contexts.identity import services as identity
from kernel.access import RateLimit, has_role, member
from kernel.databases import database_time
from kernel.errors import InvalidInput, NotFound
from kernel.http import PAGE_PARAMETERS, Endpoint, Identifier, page, page_of, validated
from kernel.idempotency import Keep, idempotent


class PlaceForm(serializers.Serializer):
    ticket_type_id = Identifier()
    quantity = serializers.IntegerField(min_value=1, max_value=rules.MAX_PLACES, required=False)
    seats = serializers.ListField(
        child=serializers.CharField(max_length=16), required=False, max_length=rules.MAX_PLACES
    )


class BookingForm(serializers.Serializer):
    places = PlaceForm(many=True, min_length=1, max_length=rules.MAX_PLACES)


class CheckoutForm(serializers.Serializer):
    return_url = serializers.CharField(
        max_length=500, required=False, help_text="Where the payment page leads back to: an address of ours."
    )


class Line(serializers.Serializer):
    ticket_type_id = serializers.UUIDField()
    quantity = serializers.IntegerField()
    price_minor = serializers.IntegerField()


class RefundItem(serializers.Serializer):
    amount_minor = serializers.IntegerField()
    reason = serializers.CharField()
    status = serializers.CharField()
    asked_at = serializers.DateTimeField()
    done_at = serializers.DateTimeField(allow_null=True)


class PaymentItem(serializers.Serializer):
    status = serializers.CharField()
    page_url = serializers.CharField(allow_null=True, help_text="Pay here.")
    amount_minor = serializers.IntegerField()
    refunded_minor = serializers.IntegerField()
    refunds = RefundItem(many=True)


class BookingItem(serializers.Serializer):
    id = serializers.UUIDField()
    event_id = serializers.UUIDField()
    title = serializers.CharField()
    starts_at = serializers.DateTimeField()
    time_zone = serializers.CharField()
    status = serializers.ChoiceField(choices=Booking.Status.choices, help_text="As it is true at this instant.")
    is_offer = serializers.BooleanField(help_text="Offered from the waitlist: check out to accept.")
    quantity = serializers.IntegerField()
    total_minor = serializers.IntegerField()
    currency = serializers.CharField()
    held_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    confirmed_at = serializers.DateTimeField(allow_null=True)
    end_reason = serializers.CharField(allow_blank=True)
    asked_to_move_at = serializers.DateTimeField(allow_null=True)


class BookingDetail(BookingItem):
    lines = Line(many=True)
    seats = serializers.ListField(child=serializers.CharField())
    refund_percent = serializers.IntegerField(help_text="So much of the price comes back if you cancel now.")
    payment = PaymentItem(allow_null=True)


class Participant(serializers.Serializer):
    id = serializers.UUIDField()
    user_id = serializers.UUIDField()
    display_name = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(choices=Booking.Status.choices)
    quantity = serializers.IntegerField()
    confirmed_at = serializers.DateTimeField(allow_null=True)


_AS_STORED = tuple(BookingItem().fields.keys() - {"event_id", "title", "starts_at", "time_zone", "status"})
_OF_REFUNDS = tuple(RefundItem().fields)


def item_of(booking: Booking, *, at: datetime) -> dict[str, Any]:
    """A booking as lists show it, true at `at`."""
    sport_event = booking.sport_event
    return {name: getattr(booking, name) for name in _AS_STORED} | {
        "event_id": sport_event.pk,
        "title": sport_event.title,
        "starts_at": sport_event.starts_at,
        "time_zone": sport_event.time_zone,
        "status": booking.stands_at(at),
    }


def detail_of(booking: Booking, *, at: datetime) -> dict[str, Any]:
    """A booking with its places and its money."""
    lines = [
        {"ticket_type_id": line.ticket_type_id, "quantity": line.quantity, "price_minor": line.price_minor}
        for line in sorted(booking.lines.all(), key=lambda line: line.pk)
    ]
    seats = sorted(booking.seats.all(), key=lambda seat: seat.pk) if booking.sport_event.is_numbered else []
    return item_of(booking, at=at) | {
        "lines": lines,
        "seats": [seat.label for seat in seats],
        "refund_percent": cancelling.percent_for(booking, booking.sport_event, at=at),
        "payment": _payment_of(booking),
    }


def _payment_of(booking: Booking) -> dict[str, Any] | None:
    payment = getattr(booking, "payment", None) if booking.status != Booking.Status.HELD else None
    if payment is None:
        return None
    return {
        "status": payment.status,
        "page_url": payment.page_url or None,
        "amount_minor": payment.amount_minor,
        "refunded_minor": payment.refunded_minor,
        "refunds": list(payment.refunds.order_by("id").values(*_OF_REFUNDS)),
    }


def wish_from(request: Request, event_id: UUID) -> rules.Wish:
    """Who asks, and what of them decides: their membership from the token, their age where the event has limits."""
    sport_event = SportEvent.objects.narrow().filter(pk=event_id).first()
    if sport_event is None:
        raise NotFound
    limited = sport_event.min_age is not None or sport_event.max_age is not None
    by = request.user.user_id
    age = identity.get_age(user_id=by, on=sport_event.local_day) if limited else None
    return rules.Wish(user_id=by, places=(), is_premium=request.user.membership in rules.PREMIUM, age=age)


def _who(request: Request) -> rules.Wish:
    return wish_from(request, request.parser_context["kwargs"]["event_id"])


def _place(asked: dict[str, Any]) -> rules.Place:
    seats = tuple(asked.get("seats", ()))
    quantity = asked.get("quantity", len(seats))
    if not quantity or (seats and quantity != len(seats)):
        raise InvalidInput("Say how many places, or name the seats.", field="places", code="quantity_missing")
    return rules.Place(ticket_type_id=asked["ticket_type_id"], quantity=quantity, seats=seats)


class BookingsOfEvent(Endpoint):
    """Places of one event."""

    access = {"GET": has_role("organiser"), "POST": member}
    limit = {"POST": RateLimit("60/min")}

    @extend_schema(operation_id="hold_places", request=BookingForm, responses={201: BookingDetail})
    @idempotent("booking", prepare=_who, keeps=True)
    def post(self, request: Request, who: rules.Wish, event_id: UUID, *, keep: Keep) -> Response:
        """Hold places for 15 minutes. Send an Idempotency-Key: then a repeat holds nothing twice."""
        places = tuple(_place(asked) for asked in validated(BookingForm, request)["places"])
        wish = replace(who, places=places)
        if wish.quantity > rules.MAX_PLACES:
            raise InvalidInput(
                "A booking has at most {most} places.", field="places", code="too_many", most=rules.MAX_PLACES
            )
        at, answers = database_time("booking"), list[Response]()

        def answer(booking: Booking) -> None:
            where = f"/api/v1/booking/bookings/{booking.pk}"
            answers.append(keep(Response(detail_of(booking, at=at), status=201, headers={"Location": where})))

        reserving.hold_places(sport_event_id=event_id, wish=wish, at=at, then=answer)
        return answers[-1]

    @extend_schema(operation_id="list_participants", parameters=PAGE_PARAMETERS, responses=page_of(Participant))
    def get(self, request: Request, event_id: UUID) -> Response:
        """Who has, pays for, holds or had places at your event, in the order of their coming."""
        mine = organising.of_organiser(sport_event_id=event_id, by=request.user.user_id)
        at = database_time("booking")
        listed = page(
            request,
            Booking.objects.filter(sport_event=mine).select_related("sport_event"),
            order=("held_at", "id"),
            to_item=lambda one: item_of(one, at=at) | {"user_id": one.user_id},
        )
        people = identity.get_members(user_ids=[item["user_id"] for item in listed["items"]])
        for item in listed["items"]:
            known = people.get(item["user_id"])
            item["display_name"] = known.display_name if known else None
        return Response(listed | {"items": [Participant(item).data for item in listed["items"]]})


class Bookings(Endpoint):
    """Your bookings."""

    access = member

    @extend_schema(operation_id="list_bookings", parameters=PAGE_PARAMETERS, responses=page_of(BookingItem))
    def get(self, request: Request) -> Response:
        """All of them, the latest first."""
        at = database_time("booking")
        mine = Booking.objects.filter(user_id=request.user.user_id).select_related("sport_event")
        return Response(
            page(request, mine, order=("-held_at", "-id"), to_item=lambda booking: item_of(booking, at=at))
        )


class OneBooking(Endpoint):
    """One booking of yours."""

    access = member

    @extend_schema(operation_id="show_booking", responses=BookingDetail)
    def get(self, request: Request, booking_id: UUID) -> Response:
        """What you have, until when, and where to pay."""
        booking = paying.booking_of(booking_id=booking_id, by=request.user.user_id)
        return Response(detail_of(booking, at=database_time("booking")))


class Checkout(Endpoint):
    """Checking out."""

    access = member
    limit = RateLimit("60/min")

    @extend_schema(operation_id="check_out", request=CheckoutForm, responses=BookingDetail)
    def post(self, request: Request, booking_id: UUID) -> Response:
        """A free event is confirmed; else pay on the page named in the answer, within 30 minutes."""
        asked = validated(CheckoutForm, request)
        booking = paying.check_out(
            booking_id=booking_id,
            by=request.user.user_id,
            return_url=_return_url(asked.get("return_url"), booking_id),
            at=database_time("booking"),
        )
        fresh = paying.booking_of(booking_id=booking.pk, by=request.user.user_id)
        return Response(detail_of(fresh, at=database_time("booking")))


def _return_url(asked: str | None, booking_id: UUID) -> str:
    """Where the payment page leads back to; only to ourselves, else it could lead anybody anywhere."""
    if asked is None:
        return f"{settings.PUBLIC_URL}/booking/#booking={booking_id}"
    if not asked.startswith(f"{settings.PUBLIC_URL}/") or not asked.isprintable() or "\\" in asked:
        raise InvalidInput("This has to be an address of ours.", field="return_url", code="not_ours")
    return asked


class CancellationOfBooking(Endpoint):
    """Giving places back."""

    access = member

    @extend_schema(operation_id="cancel_booking", request=None, responses=BookingDetail)
    def post(self, request: Request, booking_id: UUID) -> Response:
        """The places are free at once; money comes back as the event's policy says. Again: the same answer."""
        by, at = request.user.user_id, database_time("booking")
        cancelling.cancel_booking(booking_id=booking_id, by=by, at=at)
        return Response(detail_of(paying.booking_of(booking_id=booking_id, by=by), at=at))


class AcceptedMove(Endpoint):
    """Keeping places at a moved event."""

    access = member

    @extend_schema(operation_id="accept_move", request=None, responses=BookingDetail)
    def post(self, request: Request, booking_id: UUID) -> Response:
        """You come at the new time or place. Who does not cancels, and gets everything back."""
        by, at = request.user.user_id, database_time("booking")
        return Response(detail_of(organising.accept_move(booking_id=booking_id, by=by, at=at), at=at))


urlpatterns = [
    path("events/<uuid:event_id>/bookings", BookingsOfEvent.as_view()),
    path("bookings", Bookings.as_view()),
    path("bookings/<uuid:booking_id>", OneBooking.as_view()),
    path("bookings/<uuid:booking_id>/checkout", Checkout.as_view()),
    path("bookings/<uuid:booking_id>/cancel", CancellationOfBooking.as_view()),
    path("bookings/<uuid:booking_id>/accepted-move", AcceptedMove.as_view()),
]
