"""Tickets over HTTP: showing them, giving them away, and letting people in with them."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.booking import calendars, checking_in, drawing, tickets
from contexts.booking.models import Ticket
from contexts.identity import services as identity
from kernel.access import RateLimit, has_role, member
from kernel.databases import database_time
from kernel.errors import NotFound
from kernel.http import PAGE_PARAMETERS, Endpoint, Identifier, JsonRenderer, page, page_of, validated

PRINTS = RateLimit("60/min")


class Png(JsonRenderer):
    """Lets clients ask for pictures; what goes wrong is still said in JSON."""

    media_type, format = "image/png", "png"


class Svg(JsonRenderer):
    """Lets clients ask for drawings."""

    media_type, format = "image/svg+xml", "svg"


class Pdf(JsonRenderer):
    """Lets clients ask for documents."""

    media_type, format = "application/pdf", "pdf"


class Ics(JsonRenderer):
    """Lets clients ask for calendars."""

    media_type, format = "text/calendar", "ics"


class TicketItem(serializers.Serializer):
    id = serializers.UUIDField()
    event_id = serializers.UUIDField()
    title = serializers.CharField()
    venue = serializers.CharField()
    address = serializers.CharField()
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    time_zone = serializers.CharField()
    ticket_type = serializers.CharField()
    seat = serializers.CharField(allow_blank=True)
    code = serializers.CharField(allow_null=True, help_text="What the QR code says; null: not valid any more.")
    version = serializers.IntegerField(help_text="Grows with each transfer; codes of former versions are void.")
    checked_in_at = serializers.DateTimeField(allow_null=True)
    voided_at = serializers.DateTimeField(allow_null=True)


class TransferForm(serializers.Serializer):
    user_id = Identifier(help_text="A friend of yours.")


class ScanForm(serializers.Serializer):
    code = serializers.CharField(max_length=200, trim_whitespace=False)
    scanned_at = serializers.DateTimeField(help_text="By the scanner's clock; long ago if it was offline.")
    device = serializers.CharField(max_length=27, help_text="The scanner, by a name of its own.")
    scan_id = serializers.CharField(max_length=36, help_text="The scanner's name for this one scan.")


class ScansForm(serializers.Serializer):
    scans = ScanForm(many=True, min_length=1, max_length=checking_in.MAX_SCANS)


class ScanAnswer(serializers.Serializer):
    device = serializers.CharField()
    scan_id = serializers.CharField()
    result = serializers.ChoiceField(
        choices=checking_in.RESULTS,
        help_text="Exactly one scan of a ticket is answered `checked_in`; that scan, sent again, once more.",
    )
    ticket_id = serializers.UUIDField(allow_null=True)
    ticket_type = serializers.CharField(allow_null=True)
    seat = serializers.CharField(allow_null=True)
    checked_in_at = serializers.DateTimeField(allow_null=True, help_text="When its holder came.")


class ScanAnswers(serializers.Serializer):
    answers = ScanAnswer(many=True, help_text="In the order of the scans.")


class AdmissionListItem(serializers.Serializer):
    jws = serializers.CharField(
        help_text="RS256 by a key of /.well-known/jwks.json, `aud` is `stayer:check-in`. Its `tickets` have `id`, "
        "`version`, `code_sha256` (hex, of the code as scanned), `ticket_type`, `seat`, `checked_in`."
    )
    tickets = serializers.IntegerField()
    expires_at = serializers.DateTimeField()


def shown(ticket: Ticket) -> dict[str, Any]:
    """A ticket as its holder sees it."""
    event = ticket.sport_event
    of_event = ("title", "venue", "address", "starts_at", "ends_at", "time_zone")
    return {name: getattr(event, name) for name in of_event} | {
        "id": ticket.pk,
        "event_id": event.pk,
        "ticket_type": ticket.ticket_type.name,
        "seat": ticket.seat_label,
        "code": None if ticket.voided_at else tickets.code_of(ticket),
        "version": ticket.version,
        "checked_in_at": ticket.checked_in_at,
        "voided_at": ticket.voided_at,
    }


def _file(body: bytes, kind: str, name: str) -> Response:
    return Response(body, content_type=kind, headers={"Content-Disposition": f'inline; filename="{name}"'})


def _pdf(shown_tickets: Sequence[Ticket], *, holder_id: UUID) -> Response:
    holder = identity.get_member(user_id=holder_id)
    sheets = [
        drawing.Sheet(
            sport_event=ticket.sport_event,
            ticket_type=ticket.ticket_type.name,
            seat=ticket.seat_label,
            holder=holder.display_name if holder else "",
            code=tickets.code_of(ticket),
        )
        for ticket in shown_tickets
    ]
    return _file(drawing.ticket_pdf(sheets, at=database_time("booking")), "application/pdf", "ticket.pdf")


class BookingFilter(serializers.Serializer):
    booking_id = Identifier(required=False)


class Tickets(Endpoint):
    """The tickets in your hand."""

    access = member

    @extend_schema(
        operation_id="list_tickets",
        parameters=[*PAGE_PARAMETERS, OpenApiParameter("booking_id", OpenApiTypes.UUID)],
        responses=page_of(TicketItem),
    )
    def get(self, request: Request) -> Response:
        """Yours, whoever booked them; the latest first."""
        asked = BookingFilter(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        mine = tickets.tickets_of(request.user.user_id, asked.validated_data.get("booking_id"))
        return Response(page(request, mine, order=("-id",), to_item=shown))


class OneTicket(Endpoint):
    """One ticket."""

    access = member

    @extend_schema(operation_id="show_ticket", responses=TicketItem)
    def get(self, request: Request, ticket_id: UUID) -> Response:
        """Where to be when, and the code to show there."""
        return Response(shown(tickets.ticket_of(ticket_id=ticket_id, by=request.user.user_id)))


class TicketPng(Endpoint):
    """A ticket's QR code as a picture."""

    access = member
    renderer_classes = [Png, JsonRenderer]

    @extend_schema(operation_id="show_ticket_png", responses={(200, "image/png"): OpenApiTypes.BINARY})
    def get(self, request: Request, ticket_id: UUID) -> Response:
        """PNG, to be shown at the door."""
        ticket = tickets.valid_ticket_of(ticket_id=ticket_id, by=request.user.user_id)
        return _file(drawing.qr_png(tickets.code_of(ticket)), "image/png", "ticket.png")


class TicketSvg(Endpoint):
    """A ticket's QR code as a drawing."""

    access = member
    renderer_classes = [Svg, JsonRenderer]

    @extend_schema(operation_id="show_ticket_svg", responses={(200, "image/svg+xml"): OpenApiTypes.BINARY})
    def get(self, request: Request, ticket_id: UUID) -> Response:
        """SVG, sharp at any size."""
        ticket = tickets.valid_ticket_of(ticket_id=ticket_id, by=request.user.user_id)
        return _file(drawing.qr_svg(tickets.code_of(ticket)), "image/svg+xml", "ticket.svg")


class TicketPdf(Endpoint):
    """A ticket on paper."""

    access = member
    limit = PRINTS
    renderer_classes = [Pdf, JsonRenderer]

    @extend_schema(operation_id="print_ticket", responses={(200, "application/pdf"): OpenApiTypes.BINARY})
    def get(self, request: Request, ticket_id: UUID) -> Response:
        """One page."""
        by = request.user.user_id
        return _pdf([tickets.valid_ticket_of(ticket_id=ticket_id, by=by)], holder_id=by)


class TicketsOfBookingPdf(Endpoint):
    """All tickets of a booking on paper."""

    access = member
    limit = PRINTS
    renderer_classes = [Pdf, JsonRenderer]

    @extend_schema(operation_id="print_tickets", responses={(200, "application/pdf"): OpenApiTypes.BINARY})
    def get(self, request: Request, booking_id: UUID) -> Response:
        """A page for each ticket of the booking that is valid and still in your hand."""
        by = request.user.user_id
        valid = list(tickets.tickets_of(by, booking_id).filter(voided_at__isnull=True).order_by("id"))
        if not valid:
            raise NotFound
        return _pdf(valid, holder_id=by)


class TicketIcs(Endpoint):
    """A ticket for a calendar."""

    access = member
    renderer_classes = [Ics, JsonRenderer]

    @extend_schema(operation_id="show_ticket_ics", responses={(200, "text/calendar"): OpenApiTypes.STR})
    def get(self, request: Request, ticket_id: UUID) -> Response:
        """The event, your place at it, and a reminder."""
        ticket = tickets.ticket_of(ticket_id=ticket_id, by=request.user.user_id)
        return _file(calendars.ics_of_ticket(ticket), "text/calendar; charset=utf-8", "ticket.ics")


class Transfer(Endpoint):
    """Giving a ticket away."""

    access = member
    limit = RateLimit("60/h")

    @extend_schema(operation_id="transfer_ticket", request=TransferForm, responses={204: None})
    def post(self, request: Request, ticket_id: UUID) -> Response:
        """To a friend, before the event begins. Your code of it is void from then on; the friend has a new one."""
        by, to = request.user.user_id, validated(TransferForm, request)["user_id"]
        event = tickets.ticket_of(ticket_id=ticket_id, by=by).sport_event
        is_limited = event.min_age is not None or event.max_age is not None
        age = identity.get_age(user_id=to, on=event.local_day) if is_limited else None
        tickets.transfer(ticket_id=ticket_id, by=by, to=to, age=age, at=database_time("booking"))
        return Response(status=204)


class CheckIns(Endpoint):
    """The door of your event."""

    access = has_role("organiser")
    limit = RateLimit("600/min")

    @extend_schema(operation_id="check_in_tickets", request=ScansForm, responses=ScanAnswers)
    def post(self, request: Request, event_id: UUID) -> Response:
        """Scans of just now, or of a scanner that was offline. Each ticket lets one in once; send any scan again."""
        asked = validated(ScansForm, request)["scans"]
        answers = checking_in.check_in_all(
            sport_event_id=event_id,
            by=request.user.user_id,
            scans=[checking_in.Scan(**scan) for scan in asked],
            at=database_time("booking"),
        )
        return Response({"answers": [_answered(answer) for answer in answers]})


def _answered(answer: checking_in.Answer) -> dict[str, Any]:
    ticket = answer.ticket
    return {
        "device": answer.scan.device,
        "scan_id": answer.scan.scan_id,
        "result": answer.result,
        "ticket_id": ticket.pk if ticket else None,
        "ticket_type": ticket.ticket_type.name if ticket else None,
        "seat": ticket.seat_label if ticket else None,
        "checked_in_at": ticket.checked_in_at if ticket else None,
    }


class Admissions(Endpoint):
    """The list that scanners take along."""

    access = has_role("organiser")
    limit = RateLimit("60/h")

    @extend_schema(operation_id="show_admission_list", responses=AdmissionListItem)
    def get(self, request: Request, event_id: UUID) -> Response:
        """Every valid ticket of your event, signed, for scanners without a network."""
        listed = checking_in.admission_list(
            sport_event_id=event_id, by=request.user.user_id, at=database_time("booking")
        )
        return Response({"jws": listed.jws, "tickets": listed.tickets, "expires_at": listed.expires_at})


urlpatterns = [
    path("tickets", Tickets.as_view()),
    path("tickets/<uuid:ticket_id>", OneTicket.as_view()),
    path("tickets/<uuid:ticket_id>/qr.png", TicketPng.as_view()),
    path("tickets/<uuid:ticket_id>/qr.svg", TicketSvg.as_view()),
    path("tickets/<uuid:ticket_id>/ticket.pdf", TicketPdf.as_view()),
    path("tickets/<uuid:ticket_id>/ticket.ics", TicketIcs.as_view()),
    path("tickets/<uuid:ticket_id>/transfer", Transfer.as_view()),
    path("bookings/<uuid:booking_id>/tickets.pdf", TicketsOfBookingPdf.as_view()),
    path("events/<uuid:event_id>/check-ins", CheckIns.as_view()),
    path("events/<uuid:event_id>/admission-list", Admissions.as_view()),
]
