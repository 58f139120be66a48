"""Places that become free: by running out, by being cancelled. The waitlist is served in the same transaction.

Everything here wants the sport event's row locked by the caller, whose transaction it belongs to.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from contexts.booking import broadcasting, events, offering, places, rules
from contexts.booking.models import Booking, DayPlace, Seat, SportEvent, Ticket, WaitlistEntry
from kernel.bus import publish
from kernel.databases import unit_of_work


def release_lapsed(sport_event: SportEvent, *, at: datetime) -> int:
    """Free what has run out by `at` and offer it to the waitlist; answers how many bookings that were."""
    return release_lapsed_of([sport_event], at=at)


def release_lapsed_of(sport_events: Sequence[SportEvent], *, at: datetime) -> int:
    """The same for many sport events."""
    lapsed: dict[UUID, list[Booking]] = {one.pk: [] for one in sport_events}
    for booking in Booking.objects.lapsed(at=at).filter(sport_event__in=list(lapsed)).prefetch_related("lines"):
        lapsed[booking.sport_event_id].append(booking)
    for sport_event in sport_events:
        release(sport_event, lapsed[sport_event.pk], status=Booking.Status.EXPIRED, reason="expired", at=at)
    return sum(map(len, lapsed.values()))


def release(sport_event: SportEvent, bookings: Sequence[Booking], *, status: str, reason: str, at: datetime) -> None:
    """End these active bookings: their places, seats, days and tickets go, and the waitlist is served."""
    if not bookings:
        return
    ids = [booking.pk for booking in bookings]
    of_confirmed = [p for b in bookings if b.status == Booking.Status.CONFIRMED for p in b.places]
    places.count(sport_event, of_confirmed, confirmed=-1)
    places.count(sport_event, [p for b in bookings if b.status in rules.EXPIRING for p in b.places], held=-1)
    Seat.objects.filter(booking_id__in=ids).update(booking=None)
    DayPlace.objects.filter(booking_id__in=ids).delete()
    Ticket.objects.filter(booking_id__in=ids).update(voided_at=at)
    WaitlistEntry.objects.filter(booking_id__in=ids, status="offered").update(status="lapsed")
    Booking.objects.filter(pk__in=ids).update(
        status=status, ended_at=at, end_reason=reason, expires_at=None, asked_to_move_at=None
    )
    for booking in bookings:
        booking.status, booking.ended_at, booking.end_reason, booking.expires_at = status, at, reason, None
    if status == Booking.Status.EXPIRED:
        publish(*(_expired(booking, at=at) for booking in bookings))
    offering.serve(sport_event, at=at)
    broadcasting.tell_places(sport_event)


def _expired(booking: Booking, *, at: datetime) -> events.HoldExpired:
    return events.HoldExpired(
        booking_id=booking.pk,
        sport_event_id=booking.sport_event_id,
        user_id=booking.user_id,
        quantity=booking.quantity,
        occurred_at=at,
    )


@unit_of_work("booking", gate="sport_event_id")
def tidy(*, sport_event_id: UUID, at: datetime) -> int:
    """Release what has run out of one sport event; answers how many bookings that were."""
    sport_event = SportEvent.objects.locked(sport_event_id)
    released = release_lapsed(sport_event, at=at)
    if not released:
        offering.serve(sport_event, at=at)
    return released


def with_lapsed(*, at: datetime) -> list[UUID]:
    """The sport events of which something has run out and nobody has come by since."""
    lapsed = Booking.objects.lapsed(at=at).values_list("sport_event_id", flat=True)
    return list(lapsed.order_by("sport_event_id").distinct())
