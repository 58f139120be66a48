"""The waitlist (BO-3): who stands in it and where. How a freed place finds the first of them is in `offering`."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q

from contexts.booking import broadcasting, places, releasing, reserving, rules
from contexts.booking.models import Booking, SportEvent, WaitlistEntry
from kernel.databases import unit_of_work
from kernel.errors import NotFound, Refused


class AlreadyWaiting(Refused):
    """You already stand on this waitlist."""


class PlacesFree(Refused):
    """There are places: book them."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Where somebody stands: how many come before them, and why it has not been their turn."""

    entry: WaitlistEntry
    position: int | None
    reason: str


@unit_of_work("booking", gate="sport_event_id")
def join(*, sport_event_id: UUID, wish: rules.Wish, ticket_type_id: UUID | None, at: datetime) -> WaitlistEntry:
    """Stand in line for places; of a ticket type or of any. `wish.places` is not looked at but for its quantity."""
    sport_event = SportEvent.objects.filter(pk=sport_event_id).select_for_update(no_key=True).first()
    if sport_event is None or sport_event.status == SportEvent.Status.DRAFT:
        raise NotFound
    releasing.release_lapsed(sport_event, at=at)
    _ensure_welcome(sport_event, wish, ticket_type_id, at=at)
    entry = WaitlistEntry.objects.create(
        sport_event=sport_event,
        user_id=wish.user_id,
        ticket_type_id=ticket_type_id,
        quantity=wish.quantity,
        is_premium=wish.is_premium,
        joined_at=at,
    )
    places.count_waiting(sport_event, +1)
    broadcasting.tell_places(sport_event)
    return entry


def _ensure_welcome(sport_event: SportEvent, wish: rules.Wish, ticket_type_id: UUID | None, *, at: datetime) -> None:
    registration = sport_event.registration
    if not sport_event.is_open(at=at) or at >= registration.closes_at:
        raise reserving.Closed(closed_at=registration.closes_at)
    if not registration.admits(wish.age):
        raise reserving.Age(min_age=registration.min_age, max_age=registration.max_age)
    types = list(sport_event.ticket_types.order_by("position"))
    if ticket_type_id is not None and ticket_type_id not in {one.pk for one in types}:
        raise reserving.UnknownTicketType
    if Booking.objects.active().filter(sport_event=sport_event, user_id=wish.user_id).exists():
        raise reserving.AlreadyBooked
    waiting = Q(sport_event=sport_event, user_id=wish.user_id, status=WaitlistEntry.Status.WAITING)
    if WaitlistEntry.objects.filter(waiting).exists():
        raise AlreadyWaiting
    wanted = [ticket_type_id] if ticket_type_id else [one.pk for one in types]
    free = places.vacancies_of(sport_event, types)
    match registration.fault(is_premium=wish.is_premium, age=wish.age, at=at):
        case "not_open_yet":
            raise reserving.NotOpenYet(opens_at=registration.opens_at)
        case "premium_only_until":
            raise reserving.PremiumOnlyUntil(opens_at=registration.opens_at)
    if rules.first_fitting(wanted, quantity=wish.quantity, vacancies=free):
        raise PlacesFree


@unit_of_work("booking", gate="sport_event_id")
def leave(*, sport_event_id: UUID, by: UUID) -> None:
    """Stand in line no longer."""
    sport_event = SportEvent.objects.filter(pk=sport_event_id).select_for_update(no_key=True).first()
    mine = WaitlistEntry.objects.filter(sport_event_id=sport_event_id, user_id=by, status="waiting")
    if sport_event is None or not mine.update(status=WaitlistEntry.Status.LEFT):
        raise NotFound
    places.count_waiting(sport_event, -1)
    broadcasting.tell_places(sport_event)


def standing_of(*, sport_event_id: UUID, user_id: UUID) -> Standing:
    """Where somebody stands on a waitlist, or `NotFound`."""
    mine = WaitlistEntry.objects.filter(sport_event_id=sport_event_id, user_id=user_id).select_related("booking")
    entry = mine.exclude(status="left").order_by("-joined_at").first()
    if entry is None:
        raise NotFound
    if entry.status != WaitlistEntry.Status.WAITING:
        return Standing(entry=entry, position=None, reason=entry.status)
    before = Q(is_premium=entry.is_premium) & (
        Q(joined_at__lt=entry.joined_at) | Q(joined_at=entry.joined_at, id__lt=entry.pk)
    )
    if not entry.is_premium:
        before |= Q(is_premium=True)
    ahead = WaitlistEntry.objects.waiting().filter(before, sport_event_id=sport_event_id).count()
    sport_event = SportEvent.objects.get(pk=sport_event_id)
    enough = sport_event.free >= entry.quantity
    reason = "others_come_first" if ahead else "ticket_type_full" if enough else "not_enough_free"
    return Standing(entry=entry, position=ahead + 1, reason=reason)


@unit_of_work("booking", isolation="read committed")
def note_membership(*, user_id: UUID, is_premium: bool) -> None:
    """Who becomes premium moves ahead on every waitlist; who is so no longer stands among the others."""
    WaitlistEntry.objects.filter(user_id=user_id, status="waiting").update(is_premium=is_premium)
