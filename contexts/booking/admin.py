"""Sport events and bookings for staff: looked at here, changed by actions alone, each of them written down."""

from collections.abc import Callable

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from contexts.booking import cancelling, paying, processes
from contexts.booking.models import (
    Booking,
    Payment,
    Process,
    Refund,
    Seat,
    SportEvent,
    Ticket,
    TicketType,
    WaitlistEntry,
)
from kernel.admin import LookOnly, LookOnlyAdmin
from kernel.databases import database_time
from kernel.errors import Refused


def _each(request: HttpRequest, rows: QuerySet, call: Callable, done: str) -> None:  # type: ignore[type-arg]
    """Call an action for each row, and say what came of it."""
    refused, count = [], 0
    for row in rows:
        try:
            count += bool(call(row))
        except Refused as refusal:
            refused.append(f"{row}: {refusal.code}")
    messages.success(request, f"{count} {done}.")
    for one in refused:
        messages.warning(request, one)


class TicketTypeInline(LookOnly, admin.TabularInline):
    """Capacity by ticket type."""

    model = TicketType
    fields = ("name", "price_minor", "quota", "held", "confirmed")
    extra = 0


class WaitlistInline(LookOnly, admin.TabularInline):
    """Who waits, in their order."""

    model = WaitlistEntry
    fields = ("is_premium", "joined_at", "user_id", "quantity", "ticket_type", "status")
    ordering = ("status", "-is_premium", "joined_at")
    extra = 0


@admin.register(SportEvent)
class SportEventAdmin(LookOnlyAdmin):
    """Capacity at a glance: what is held, confirmed, free, and how many wait."""

    whose = ("organiser_id",)
    list_display = (
        "title",
        "starts_at",
        "status",
        "capacity",
        "held",
        "confirmed",
        "free",
        "waiting",
        "organiser_id",
    )
    list_filter = ("status", "sport")
    search_fields = ("=id", "=organiser_id", "title")
    ordering = ("-starts_at",)
    inlines = (TicketTypeInline, WaitlistInline)
    actions = ("cancel_events",)

    @admin.action(description="Cancel the selected events and return all money", permissions=["cancel"])
    def cancel_events(self, request: HttpRequest, queryset: QuerySet[SportEvent]) -> None:
        """They do not take place."""
        at = database_time("booking")

        def cancel(row: SportEvent) -> bool:
            cancelling.cancel_sport_event(sport_event_id=row.pk, reason="cancelled_by_staff", at=at)
            return True

        _each(request, queryset, cancel, "cancelled")

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Moderators."""
        return request.user.has_perm("booking.delete_sportevent")


class SeatInline(LookOnly, admin.TabularInline):
    """The seats of a booking."""

    model = Seat
    fields = ("label", "ticket_type")
    extra = 0


class TicketInline(LookOnly, admin.TabularInline):
    """The tickets of a booking."""

    model = Ticket
    fields = ("id", "ticket_type", "seat_label", "holder_id", "checked_in_at", "voided_at")
    extra = 0


@admin.register(Booking)
class BookingAdmin(LookOnlyAdmin):
    """Holds, bookings and offers."""

    list_display = ("id", "sport_event", "user_id", "status", "is_offer", "quantity", "expires_at", "end_reason")
    list_filter = ("status", "is_offer")
    search_fields = ("=id", "=user_id", "=sport_event__id")
    ordering = ("-held_at",)
    list_select_related = ("sport_event",)
    inlines = (TicketInline, SeatInline)
    actions = ("cancel_with_refund", "cancel_without_refund")

    @admin.action(description="Cancel the selected bookings and return all money", permissions=["cancel"])
    def cancel_with_refund(self, request: HttpRequest, queryset: QuerySet[Booking]) -> None:
        """Places go to others, money comes back."""
        self._cancel(request, queryset, percent=100)

    @admin.action(description="Cancel the selected bookings without a refund", permissions=["cancel"])
    def cancel_without_refund(self, request: HttpRequest, queryset: QuerySet[Booking]) -> None:
        """Places go to others."""
        self._cancel(request, queryset, percent=0)

    def _cancel(self, request: HttpRequest, queryset: QuerySet[Booking], *, percent: int) -> None:
        at = database_time("booking")

        def cancel(row: Booking) -> bool:
            ended = cancelling.force_cancel(
                sport_event_id=row.sport_event_id,
                booking_id=row.pk,
                percent=percent,
                reason="cancelled_by_staff",
                at=at,
            )
            return ended.end_reason == "cancelled_by_staff"

        _each(request, queryset, cancel, "cancelled")

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Moderators."""
        return request.user.has_perm("booking.delete_booking")


class RefundInline(LookOnly, admin.TabularInline):
    """What went back, and why."""

    model = Refund
    fields = ("amount_minor", "reason", "status", "asked_at", "done_at")
    extra = 0


@admin.register(Payment)
class PaymentAdmin(LookOnlyAdmin):
    """Payments as we know them; the provider's books decide."""

    list_display = (
        "id",
        "booking_id",
        "provider",
        "status",
        "amount_minor",
        "refunded_minor",
        "currency",
        "changed_at",
    )
    list_filter = ("status", "provider")
    search_fields = ("=id", "=booking__id", "=provider_id")
    ordering = ("-created_at",)
    inlines = (RefundInline,)
    actions = ("ask_the_provider",)

    def people_of(self, row: Payment) -> list:  # type: ignore[type-arg]
        """Who paid."""
        return [row.booking.user_id]

    @admin.action(description="Ask the provider what became of the selected payments", permissions=["reconcile"])
    def ask_the_provider(self, request: HttpRequest, queryset: QuerySet[Payment]) -> None:
        """For a webhook that was never heard."""
        at = database_time("booking")
        _each(request, queryset, lambda row: paying.reconcile(payment_id=row.pk, at=at), "brought up to date")

    def has_reconcile_permission(self, request: HttpRequest) -> bool:
        """Operators."""
        return request.user.has_perm("booking.change_payment")


@admin.register(Process)
class ProcessAdmin(LookOnlyAdmin):
    """What is being done about money and cancelled events; what waits for a person has no due date."""

    whose = ()
    list_display = ("id", "kind", "subject_id", "done", "total", "tries", "due_at", "finished_at", "outcome", "error")
    list_filter = ("kind", ("finished_at", admin.EmptyFieldListFilter), ("due_at", admin.EmptyFieldListFilter))
    search_fields = ("=id", "=subject_id")
    ordering = ("-started_at",)
    actions = ("try_again",)

    @admin.action(description="Try the selected processes again", permissions=["retry"])
    def try_again(self, request: HttpRequest, queryset: QuerySet[Process]) -> None:
        """Now, instead of later or never."""
        at = database_time("booking")
        _each(request, queryset, lambda row: processes.try_again(process_id=row.pk, at=at), "tried again")

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """Operators."""
        return request.user.has_perm("booking.change_process")
