"""From held places to confirmed ones: check-out, the provider's page, its word that the money is there (BO-2, BO-8).

The provider is asked outside of transactions, under the payment's own identifier: asking twice is asking once.
"""

from datetime import datetime
from uuid import UUID

from contexts.booking import broadcasting, events, places, processes, releasing, reserving, rules
from contexts.booking.models import Booking, DayOwner, DayPlace, Payment, SportEvent, Ticket, WaitlistEntry
from kernel import payments
from kernel.bus import publish
from kernel.databases import unit_of_work
from kernel.errors import NotFound, Refused, TryAgain


class HoldOver(Refused):
    """The time to check out is over, and the places are free again."""

    code = "hold_expired"


class NotHeld(Refused):
    """This booking has ended."""

    code = "booking_ended"


class PaymentRefused(Refused):
    """The payment provider does not take this payment."""


class ProviderAway(TryAgain):
    """The payment provider does not answer at this moment; the places stay held. Try again."""

    code = "payment_provider_unavailable"


def booking_of(*, booking_id: UUID, by: UUID) -> Booking:
    """A booking of one's own, or `NotFound`."""
    found = Booking.objects.filter(pk=booking_id, user_id=by).select_related("sport_event").first()
    if found is None:
        raise NotFound
    return found


def check_out(*, booking_id: UUID, by: UUID, return_url: str, at: datetime) -> Booking:
    """Confirm what costs nothing; for the rest open the provider's page. Again: the same page.

    Raises `HoldOver` when the time is over, `DailyLimit` where an offer finds the day full.
    """
    mine = booking_of(booking_id=booking_id, by=by)
    booking = _prepare(sport_event_id=mine.sport_event_id, booking_id=booking_id, return_url=return_url, at=at)
    if booking.status == Booking.Status.PENDING_PAYMENT and not booking.payment.page_url:
        _open_page(booking, at=at)
    return booking


@unit_of_work("booking", gate="sport_event_id")
def _prepare(*, sport_event_id: UUID, booking_id: UUID, return_url: str, at: datetime) -> Booking:
    sport_event = SportEvent.objects.locked(sport_event_id)
    booking = Booking.objects.select_related("sport_event").get(pk=booking_id)
    _ensure_alive(booking, at=at)
    if booking.status != Booking.Status.HELD:
        return booking
    until = at + rules.PAYMENT if booking.total_minor else None
    _keep_day(sport_event, booking, until=until, at=at)
    WaitlistEntry.objects.filter(booking=booking).update(status=WaitlistEntry.Status.TAKEN)
    if not booking.total_minor:
        confirm(sport_event, booking, at=at)
        return booking
    booking.status, booking.expires_at = Booking.Status.PENDING_PAYMENT, until
    booking.save(update_fields=["status", "expires_at"])
    Payment.objects.create(
        booking=booking,
        provider=payments.provider().name,
        amount_minor=booking.total_minor,
        currency=booking.currency,
        description=f"{booking.quantity} × {sport_event.title}",
        return_url=return_url,
        created_at=at,
        changed_at=at,
    )
    return booking


def _ensure_alive(booking: Booking, *, at: datetime) -> None:
    match booking.stands_at(at):
        case Booking.Status.EXPIRED:
            raise HoldOver
        case Booking.Status.CANCELLED:
            raise NotHeld


def _keep_day(sport_event: SportEvent, booking: Booking, *, until: datetime | None, at: datetime) -> None:
    """The booking's place in its owner's day lasts as long as the booking; an offer gets one here (BO-4)."""
    if DayPlace.objects.filter(booking_id=booking.pk).update(until=until):
        return
    if not DayPlace.objects.take([DayOwner(booking.pk, booking.user_id, sport_event.local_day, until)], at=at):
        raise reserving.DailyLimit(limit=rules.MAX_EVENTS_A_DAY)


def _open_page(booking: Booking, *, at: datetime) -> None:
    payment = booking.payment
    assert booking.expires_at is not None
    try:
        opened = payments.provider().authorise(
            payment_id=payment.pk,
            amount=payments.Money(minor=payment.amount_minor, currency=payment.currency),
            description=payment.description,
            return_url=payment.return_url,
            expires_at=booking.expires_at,
        )
    except payments.ProviderUnavailable as error:
        raise ProviderAway from error
    except payments.ProviderRefused as error:
        raise PaymentRefused(reason=error.code) from error
    payment.provider_id, payment.page_url = opened.provider_id, opened.page_url
    _note_page(payment_id=payment.pk, provider_id=opened.provider_id, page_url=opened.page_url, at=at)


@unit_of_work("booking", isolation="read committed")
def _note_page(*, payment_id: UUID, provider_id: str, page_url: str, at: datetime) -> None:
    Payment.objects.filter(pk=payment_id).update(provider_id=provider_id, page_url=page_url, changed_at=at)


def confirm(sport_event: SportEvent, booking: Booking, *, at: datetime) -> None:
    """The held places are the booking's for good, with a ticket for each. The event's row must be locked."""
    places.count(sport_event, booking.places, held=-1, confirmed=+1)
    booking.status, booking.confirmed_at, booking.expires_at = Booking.Status.CONFIRMED, at, None
    booking.save(update_fields=["status", "confirmed_at", "expires_at"])
    DayPlace.objects.filter(booking_id=booking.pk).update(until=None)
    _write_tickets(booking)
    publish(
        events.BookingConfirmed(
            booking_id=booking.pk,
            sport_event_id=sport_event.pk,
            user_id=booking.user_id,
            quantity=booking.quantity,
            occurred_at=at,
        )
    )
    frame = {"type": "booking", "booking_id": booking.pk, "status": str(booking.status)}
    broadcasting.tell_person(booking.user_id, frame)
    broadcasting.tell_places(sport_event)


def _write_tickets(booking: Booking) -> None:
    seats: dict[UUID, list[str]] = {}
    for ticket_type_id, label in booking.seats.order_by("pk").values_list("ticket_type_id", "label"):
        seats.setdefault(ticket_type_id, []).append(label)
    Ticket.objects.bulk_create(
        Ticket(
            booking=booking,
            sport_event_id=booking.sport_event_id,
            ticket_type_id=place.ticket_type_id,
            seat_label=seats[place.ticket_type_id][number] if place.ticket_type_id in seats else "",
            holder_id=booking.user_id,
        )
        for place in booking.places
        for number in range(place.quantity)
    )


def note_webhook(told: payments.WebhookEvent, *, at: datetime) -> None:
    """What the provider says has happened. The same word twice changes nothing; a payment not ours is not ours."""
    known = Payment.objects.filter(pk=told.payment_id) if told.payment_id else None
    payment = known.select_related("booking").first() if known is not None else None
    if payment is None:
        payment = Payment.objects.filter(provider_id=told.provider_id).select_related("booking").first()
    if payment is None:
        return
    if told.kind == "payment.authorised":
        note_authorised(
            sport_event_id=payment.booking.sport_event_id, payment_id=payment.pk, provider_id=told.provider_id, at=at
        )
    elif told.kind == "refund.failed" and told.refund_id:
        processes.note_refund_failed(refund_id=told.refund_id, at=at)


@unit_of_work("booking", gate="sport_event_id")
def note_authorised(*, sport_event_id: UUID, payment_id: UUID, provider_id: str, at: datetime) -> None:
    """The money can be taken: either the booking is confirmed, or the money goes back; never both, never neither."""
    sport_event = SportEvent.objects.locked(sport_event_id)
    payment = Payment.objects.select_for_update().get(pk=payment_id)
    if payment.status != Payment.Status.OPEN:
        return
    payment.status, payment.provider_id, payment.changed_at = Payment.Status.AUTHORISED, provider_id, at
    payment.save(update_fields=["status", "provider_id", "changed_at"])
    releasing.release_lapsed(sport_event, at=at)
    booking = Booking.objects.get(pk=payment.booking_id)
    is_kept = booking.status == Booking.Status.PENDING_PAYMENT or _take_again(sport_event, booking, at=at)
    if is_kept:
        confirm(sport_event, booking, at=at)
        processes.start(kind="settle", subject_id=payment.pk, at=at)
    else:
        processes.start(kind="give_back", subject_id=payment.pk, at=at)


def _take_again(sport_event: SportEvent, booking: Booking, *, at: datetime) -> bool:
    """Whether an expired booking could have its places once more: nobody took them and nobody waits for them."""
    if booking.status != Booking.Status.EXPIRED or sport_event.is_numbered or sport_event.waiting:
        return False
    if not sport_event.is_open(at=at):
        return False
    mine = Booking.objects.active().filter(sport_event=sport_event, user_id=booking.user_id)
    vacancies = places.vacancies_of(sport_event, sport_event.ticket_types.all())
    if mine.exists() or not vacancies.have(booking.places):
        return False
    if not DayPlace.objects.take([DayOwner(booking.pk, booking.user_id, sport_event.local_day, None)], at=at):
        return False
    booking.ended_at, booking.end_reason = None, ""
    booking.save(update_fields=["ended_at", "end_reason"])
    places.count(sport_event, booking.places, held=+1)
    return True


def reconcile(*, payment_id: UUID, at: datetime) -> bool:
    """Ask the provider about a payment whose webhook may have been lost; answers whether that was news."""
    payment = Payment.objects.select_related("booking").get(pk=payment_id)
    if payment.status != Payment.Status.OPEN or not payment.provider_id:
        return False
    try:
        found = payments.provider().look(provider_id=payment.provider_id)
    except payments.ProviderUnavailable as error:
        raise ProviderAway from error
    if found.status != "authorised":
        return False
    note_authorised(
        sport_event_id=payment.booking.sport_event_id, payment_id=payment_id, provider_id=payment.provider_id, at=at
    )
    return True
