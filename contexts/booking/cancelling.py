"""Ending bookings (BO-7): by who has them, by staff, by an organiser for a whole sport event.

Places, days and tickets go in one transaction, and the waitlist is served in it; the money follows as a process.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from contexts.booking import broadcasting, events, paying, processes, releasing, rules
from contexts.booking.models import Booking, Payment, Refund, SportEvent, Ticket, WaitlistEntry
from kernel.bus import publish
from kernel.databases import unit_of_work
from kernel.errors import InvalidInput, NotFound, Refused


class AlreadyUsed(Refused):
    """Somebody has already come with a ticket of this booking."""


class EventOver(Refused):
    """This event has begun or does not take place."""


def cancel_booking(*, booking_id: UUID, by: UUID, at: datetime) -> Booking:
    """Give one's places back; money returns as the event's policy says. Cancelling again changes nothing."""
    mine = paying.booking_of(booking_id=booking_id, by=by)
    return _cancel(sport_event_id=mine.sport_event_id, booking_id=booking_id, at=at)


@unit_of_work("booking", gate="sport_event_id")
def _cancel(*, sport_event_id: UUID, booking_id: UUID, at: datetime) -> Booking:
    sport_event = SportEvent.objects.locked(sport_event_id)
    booking = Booking.objects.get(pk=booking_id)
    if booking.stands_at(at) not in rules.ACTIVE:
        return booking
    if booking.status == Booking.Status.CONFIRMED and at >= sport_event.starts_at:
        raise EventOver
    if Ticket.objects.filter(booking=booking, checked_in_at__isnull=False).exists():
        raise AlreadyUsed
    percent = percent_for(booking, sport_event, at=at)
    end(sport_event, [booking], reason="cancelled_by_participant", percent=percent, at=at)
    return booking


def percent_for(booking: Booking, sport_event: SportEvent, *, at: datetime) -> int:
    """How much of the price comes back: all of it while a move of the event is not accepted."""
    if booking.asked_to_move_at is not None:
        return rules.FULL_REFUND
    return rules.refund_percent(sport_event.refund_tiers, starts_at=sport_event.starts_at, at=at)


@unit_of_work("booking", gate="sport_event_id")
def force_cancel(*, sport_event_id: UUID, booking_id: UUID, percent: int, reason: str, at: datetime) -> Booking:
    """Staff ends a booking and says how much of the price comes back."""
    if not 0 <= percent <= rules.FULL_REFUND:
        raise InvalidInput("From 0 to 100 percent.", field="percent", code="out_of_range")
    sport_event = SportEvent.objects.locked(sport_event_id)
    booking = Booking.objects.filter(pk=booking_id, sport_event_id=sport_event_id).first()
    if booking is None:
        raise NotFound
    if booking.status in rules.ACTIVE:
        end(sport_event, [booking], reason=reason, percent=percent, at=at)
    return booking


def end(sport_event: SportEvent, bookings: Sequence[Booking], *, reason: str, percent: int, at: datetime) -> None:
    """End active bookings, give back `percent` of what was paid, and say so. The event's row must be locked."""
    refunds = {booking.pk: _plan_refund(booking, percent=percent, reason=reason, at=at) for booking in bookings}
    releasing.release(sport_event, bookings, status=Booking.Status.CANCELLED, reason=reason, at=at)
    for booking in bookings:
        publish(
            events.BookingCancelled(
                booking_id=booking.pk,
                sport_event_id=sport_event.pk,
                user_id=booking.user_id,
                quantity=booking.quantity,
                reason=reason,
                refund_minor=refunds[booking.pk],
                currency=booking.currency,
                occurred_at=at,
            )
        )
        frame = {"type": "booking", "booking_id": booking.pk, "status": str(booking.status), "reason": reason}
        broadcasting.tell_person(booking.user_id, frame)


def _plan_refund(booking: Booking, *, percent: int, reason: str, at: datetime) -> int:
    """Write down what has to go back; answers how much."""
    if booking.status != Booking.Status.CONFIRMED or not booking.total_minor or not percent:
        return 0
    payment = Payment.objects.get(booking=booking)
    amount = processes.money_of(payment).share(percent).minor
    if amount:
        refund = Refund.objects.create(payment=payment, amount_minor=amount, reason=reason, asked_at=at)
        processes.start(kind="give_back", subject_id=payment.pk, refund=refund, at=at)
    return amount


@unit_of_work("booking", gate="sport_event_id")
def cancel_sport_event(*, sport_event_id: UUID, reason: str, at: datetime) -> SportEvent:
    """A sport event does not take place: nobody can book it from now on; its bookings end one portion at a time."""
    sport_event = SportEvent.objects.filter(pk=sport_event_id).select_for_update(no_key=True).first()
    if sport_event is None:
        raise NotFound
    if sport_event.status == SportEvent.Status.CANCELLED:
        return sport_event
    if sport_event.status == SportEvent.Status.FINISHED or at >= sport_event.ends_at:
        raise EventOver
    WaitlistEntry.objects.filter(sport_event=sport_event, status="waiting").update(status=WaitlistEntry.Status.LAPSED)
    sport_event.status, sport_event.cancel_reason, sport_event.waiting = SportEvent.Status.CANCELLED, reason, 0
    sport_event.changed_at = at
    sport_event.save(update_fields=["status", "cancel_reason", "waiting", "changed_at"])
    touched = Booking.objects.active().filter(sport_event=sport_event).count()
    processes.start(kind="cancel_sport_event", subject_id=sport_event.pk, total=touched, at=at)
    publish(events.SportEventCancelled(sport_event_id=sport_event.pk, reason=reason, occurred_at=at))
    broadcasting.tell_places(sport_event)
    return sport_event


@unit_of_work("booking", gate="sport_event_id")
def cancel_some(*, sport_event_id: UUID, at: datetime) -> int:
    """End the next bookings of a cancelled sport event, with all their money; answers how many."""
    sport_event = SportEvent.objects.locked(sport_event_id)
    left = Booking.objects.active().filter(sport_event=sport_event).order_by("pk").prefetch_related("lines")
    portion = list(left[: rules.CANCELLED_A_UNIT])
    if portion:
        end(sport_event, portion, reason="event_cancelled", percent=rules.FULL_REFUND, at=at)
    return len(portion)
