"""Offering freed places to those who wait, in their order (BO-3, BO-4).

A place is offered inside the transaction that frees it: nobody else ever sees it free. The offer is a booking in
the state *held* with a deadline of its own; when that passes, the place is free again and goes to the next.
"""

from collections.abc import Sequence
from datetime import datetime

from contexts.booking import events, places, rules
from contexts.booking.models import Booking, BookingLine, Seat, SportEvent, TicketType, WaitlistEntry
from kernel.bus import publish
from kernel.events import uuid7

LOOKED_AT = 500
"""Entries from the front of the queue that one serving looks at for somebody whose wish fits."""


def serve(sport_event: SportEvent, *, at: datetime) -> None:
    """Offer what is free to those who wait, in their order. Who wants more than there is keeps their turn.

    The sport event's row must be locked.
    """
    if not sport_event.waiting or sport_event.free <= 0 or not sport_event.is_open(at=at):
        return
    if at >= sport_event.closes_at:
        return
    types = list(sport_event.ticket_types.order_by("position"))
    vacancies = places.vacancies_of(sport_event, types)
    offers = []
    queue = WaitlistEntry.objects.waiting().filter(sport_event=sport_event)
    if at < sport_event.opens_at:  # who was premium when they joined may not be so any more
        queue = queue.filter(is_premium=True)
    for entry in queue[:LOOKED_AT]:
        if vacancies.total <= 0:
            break
        wanted = [entry.ticket_type_id] if entry.ticket_type_id else [one.pk for one in types]
        ticket_type = rules.first_fitting(wanted, quantity=entry.quantity, vacancies=vacancies)
        if ticket_type is None:
            continue
        vacancies.take([rules.Place(ticket_type_id=ticket_type, quantity=entry.quantity)])
        offers.append((entry, next(one for one in types if one.pk == ticket_type)))
    _offer(sport_event, offers, at=at)


def _offer(sport_event: SportEvent, offers: Sequence[tuple[WaitlistEntry, TicketType]], *, at: datetime) -> None:
    if not offers:
        return
    ends = rules.offer_ends(at=at, closes_at=sport_event.closes_at)
    for entry, ticket_type in offers:
        booking = Booking.objects.create(
            id=uuid7(),
            sport_event=sport_event,
            user_id=entry.user_id,
            status=Booking.Status.HELD,
            is_offer=True,
            quantity=entry.quantity,
            total_minor=ticket_type.price_minor * entry.quantity,
            currency=sport_event.currency,
            held_at=at,
            expires_at=ends,
        )
        BookingLine.objects.create(
            booking=booking, ticket_type=ticket_type, quantity=entry.quantity, price_minor=ticket_type.price_minor
        )
        if sport_event.is_numbered:
            _seat(booking, ticket_type)
        place = rules.Place(ticket_type_id=ticket_type.pk, quantity=entry.quantity)
        places.count(sport_event, [place], held=+1)
        WaitlistEntry.objects.filter(pk=entry.pk).update(status=WaitlistEntry.Status.OFFERED, booking=booking)
        publish(
            events.WaitlistOffered(
                entry_id=entry.pk,
                booking_id=booking.pk,
                sport_event_id=sport_event.pk,
                user_id=entry.user_id,
                quantity=entry.quantity,
                expires_at=ends,
                occurred_at=at,
            )
        )
    places.count_waiting(sport_event, -len(offers))


def _seat(booking: Booking, ticket_type: TicketType) -> None:
    free = Seat.objects.filter(sport_event=booking.sport_event_id, ticket_type=ticket_type, booking=None)
    chosen = list(free.order_by("pk").values_list("pk", flat=True)[: booking.quantity])
    Seat.objects.filter(pk__in=chosen).update(booking=booking)
