"""What booking has about a person: bookings, tickets, places in queues, what they organise; money without a name."""

from uuid import UUID

from django.db.models import Model
from django.utils.timezone import now

from contexts.booking import cancelling, waitlist
from contexts.booking.models import (
    Booking,
    BookingLine,
    CalendarFeed,
    DayPlace,
    Friendship,
    Payment,
    Process,
    Refund,
    Seat,
    Series,
    SportEvent,
    Ticket,
    TicketType,
    WaitlistEntry,
)
from kernel.databases import unit_of_work
from kernel.events import uuid7
from kernel.personal_data import ROWS_A_UNIT, Data, Keep, NotPersonal, Owned, Through

_MONEY = "What was paid and returned has to be kept for the books; it names nobody."


def _pseudonym(model: type[Model], column: str) -> Through:
    """Rows stay for the books and the counts, each with an owner of its own whom nobody is."""

    @unit_of_work("booking", isolation="read committed")
    def portion(user_id: UUID) -> int:
        rows = list(model._default_manager.filter(**{column: user_id})[:ROWS_A_UNIT])
        for row in rows:
            model._default_manager.filter(pk=row.pk).update(**{column: uuid7()})
        return len(rows)

    return Through(portion)


@unit_of_work("booking", isolation="read committed")
def _forget_tickets(user_id: UUID) -> int:
    held = Ticket.objects.filter(holder_id=user_id)
    changed = held.update(holder_id=uuid7())
    return changed + Ticket.objects.filter(checked_in_by=user_id).update(checked_in_by=uuid7())


DATA: Data = {
    CalendarFeed: Owned(by="user_id", leave_out=("token_sha256",)),
    WaitlistEntry: Owned(by="user_id"),
    DayPlace: Owned(by="user_id"),
    Friendship: Owned(by=("user_a", "user_b")),
    Refund: Owned(by="payment__booking__user_id", erase=Keep(_MONEY)),
    Payment: Owned(by="booking__user_id", erase=Keep(_MONEY), leave_out=("page_url", "return_url")),
    BookingLine: Owned(by="booking__user_id", erase=Keep(_MONEY)),
    Ticket: Owned(by=("holder_id", "checked_in_by"), erase=Through(_forget_tickets)),
    Booking: Owned(by="user_id", erase=_pseudonym(Booking, "user_id")),
    SportEvent: Owned(by="organiser_id", erase=_pseudonym(SportEvent, "organiser_id"), leave_out=("words",)),
    Series: Owned(by="organiser_id", erase=_pseudonym(Series, "organiser_id")),
    Seat: NotPersonal("Seats and the bookings they belong to, by identifier."),
    TicketType: NotPersonal("Prices and counts."),
    Process: NotPersonal("What has to be done to a payment, by identifier."),
}


def before_erasing(user_id: UUID) -> None:
    """What is still to come ends as if the person had cancelled it: places go to others, money comes back."""
    at = now()
    for sport_event_id in WaitlistEntry.objects.filter(user_id=user_id, status="waiting").values_list(
        "sport_event_id", flat=True
    ):
        waitlist.leave(sport_event_id=sport_event_id, by=user_id)
    for booking_id in (
        Booking.objects.active().filter(user_id=user_id, sport_event__starts_at__gt=at).values_list("id", flat=True)
    ):
        cancelling.cancel_booking(booking_id=booking_id, by=user_id, at=at)
    theirs = SportEvent.objects.filter(organiser_id=user_id, status__in=("draft", "published"), ends_at__gt=at)
    for sport_event_id in theirs.values_list("id", flat=True):
        cancelling.cancel_sport_event(sport_event_id=sport_event_id, reason="organiser_left", at=at)
