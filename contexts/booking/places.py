"""The count of a sport event's places. Who changes it holds the event's row locked, in a transaction of their own."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import F, Sum

from contexts.booking import rules
from contexts.booking.models import Booking, SportEvent, TicketType


def vacancies_of(sport_event: SportEvent, types: Iterable[TicketType]) -> rules.Vacancies:
    """The free places of a sport event, as its rows count them."""
    by_type = {one.pk: one.quota - one.held - one.confirmed for one in types}
    return rules.Vacancies(total=sport_event.free, by_type=by_type)


def count(sport_event: SportEvent, places: Iterable[rules.Place], *, held: int = 0, confirmed: int = 0) -> None:
    """Move these places into or out of the counts (+1, −1). The database refuses a count that cannot be."""
    count_all([(sport_event, places)], held=held, confirmed=confirmed)


def count_all(
    changed: Iterable[tuple[SportEvent, Iterable[rules.Place]]], *, held: int = 0, confirmed: int = 0
) -> None:
    """The same for places of many sport events."""
    by_type: dict[UUID, int] = {}
    by_event: dict[UUID, int] = {}
    for sport_event, places in changed:
        numbers = rules.quantities(places)
        by_type |= numbers
        total = by_event[sport_event.pk] = sum(numbers.values())
        sport_event.held += held * total
        sport_event.confirmed += confirmed * total
    if by_type:
        SportEvent.objects.move_places(by_event, by_type, held=held, confirmed=confirmed)


def free_places(sport_events: Sequence[SportEvent], *, at: datetime) -> dict[UUID, int]:
    """The places a newcomer may have at `at`: what has run out is free, tidied up or not, unless somebody waits."""
    lapsed = Booking.objects.lapsed(at=at).filter(sport_event__in=sport_events)
    run_out: dict[UUID, int] = dict(lapsed.values_list("sport_event_id").annotate(freed=Sum("quantity")))
    return {one.pk: one.free + (0 if one.waiting else run_out.get(one.pk, 0)) for one in sport_events}


def count_waiting(sport_event: SportEvent, number: int) -> None:
    """So many more stand on the waitlist."""
    SportEvent.objects.filter(pk=sport_event.pk).update(waiting=F("waiting") + number)
    sport_event.waiting += number


def seat_plan(sport_event: SportEvent, *, at: datetime) -> list[dict[str, Any]]:
    """Every seat of a numbered event, and whether a newcomer may have it at `at`."""
    lapsed = set(Booking.objects.lapsed(at=at).filter(sport_event=sport_event).values_list("id", flat=True))
    opens = lapsed if not sport_event.waiting else set()
    rows = sport_event.seats.order_by("pk").values_list("label", "ticket_type_id", "booking_id")
    return [
        {"label": label, "ticket_type_id": kind, "is_free": booking_id is None or booking_id in opens}
        for label, kind, booking_id in rows
    ]
