"""Holding places (BO-2, BO-5): the one way in which somebody gets any.

Whoever changes the places of a sport event stands in its gate and holds its row lock, so an event is changed by one
at a time, and everybody sees what those before them left. Wishes are answered many at a time, of all events together.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import prefetch_related_objects

from contexts.booking import broadcasting, events, places, releasing, rules
from contexts.booking.models import Booking, DayOwner, DayPlace, Seat, SportEvent, TicketType
from kernel.bus import publish
from kernel.databases import current_context, try_gates, unit_of_work
from kernel.errors import NotFound, Refused
from kernel.events import uuid7
from kernel.gathering import Gathering
from kernel.observability import correlation_id

Then = Callable[[Booking], object]


class SoldOut(Refused):
    """There are not so many places left; the waitlist is open."""


class NotOpenYet(Refused):
    """This event cannot be booked yet."""


class PremiumOnlyUntil(Refused):
    """Only premium members can book this event so early."""


class Closed(Refused):
    """This event cannot be booked any more."""


class Age(Refused):
    """This event is for another age."""


class DailyLimit(Refused):
    """You already have two events on that day."""


class AlreadyBooked(Refused):
    """You already have places at this event."""


class SeatTaken(Refused):
    """Somebody else has this seat."""


class UnknownTicketType(Refused):
    """This event has no such ticket."""

    status = 400


class SeatsMissing(Refused):
    """At this event one chooses seats: name as many as places, each once, of the right ticket type."""

    status = 400


def hold_places(*, sport_event_id: UUID, wish: rules.Wish, at: datetime, then: Then | None = None) -> Booking:
    """Hold the places wished for until `at` + 15 min, or refuse with the reason.

    Wishes of one moment are gathered into one transaction, unless one is open here already; `then` is called inside
    it, with the booking and what it consists of, for what has to be true together with it.
    """
    asked = Asked(sport_event_id, wish, at, then, correlation_id())
    if current_context() is None:
        answer = _gathered.ask(None, asked) or _waiting.ask(sport_event_id, asked)
    else:
        (answer,) = hold_all(sport_event_id=sport_event_id, asked=[asked])
    if isinstance(answer, Refused):
        raise answer
    return answer


class Asked(NamedTuple):
    """A wish, when it came, what is to be done in the transaction that fulfils it, and the request it came with."""

    sport_event_id: UUID
    wish: rules.Wish
    at: datetime
    then: Then | None = None
    correlation_id: str | None = None


Answer = Booking | Refused


@unit_of_work("booking", gate="sport_event_id")
def hold_all(*, sport_event_id: UUID, asked: Sequence[Asked]) -> list[Answer]:
    """Answer wishes for one sport event in the order of their coming: a booking or the reason why not, for each."""
    return _answer_all(asked)


def _hold_at_free_gates(_: Any, asked: Sequence[Asked]) -> list[Answer | None]:
    """Answer wishes for all sport events at whose gates nobody stands; for the others the answer is none."""
    with try_gates("booking", "sport_event_id", {one.sport_event_id for one in asked}) as free:
        answers = iter(_hold_together([one for one in asked if one.sport_event_id in free]))
        return [next(answers) if one.sport_event_id in free else None for one in asked]


def _hold_at_one_gate(sport_event_id: Any, asked: Sequence[Asked]) -> list[Answer]:
    return hold_all(sport_event_id=sport_event_id, asked=asked)


_gathered = Gathering(_hold_at_free_gates, most=rules.WISHES_A_UNIT)
_waiting = Gathering(_hold_at_one_gate, most=rules.WISHES_A_UNIT)
"""Wishes for an event that another process is changing wait for it here, and keep nobody else waiting."""


@unit_of_work("booking")
def _hold_together(asked: Sequence[Asked]) -> list[Answer]:
    return _answer_all(asked)


def _answer_all(asked: Sequence[Asked]) -> list[Answer]:
    """Answer wishes at whose gates the caller stands, in the order of their coming."""
    if not asked:
        return []
    at = max(one.at for one in asked)
    halls = _open_halls(asked, at=at)
    answers = [halls[one.sport_event_id].answer(one) if one.sport_event_id in halls else NotFound() for one in asked]
    granted = _within_the_day([answer for answer in answers if isinstance(answer, _Grant)], at=at)
    _write(list(halls.values()), granted)
    kept = {grant.booking.pk for grant in granted}
    followed = [(grant.asked.then, grant.booking) for grant in granted if grant.asked.then is not None]
    prefetch_related_objects([booking for _, booking in followed], "lines", "seats")
    for then, booking in followed:
        then(booking)
    return [_told(answer, kept) for answer in answers]


@dataclass(frozen=True, kw_only=True)
class _Grant:
    """A wish that can be fulfilled."""

    booking: Booking
    asked: Asked
    hall: "_Hall"

    @property
    def places(self) -> Sequence[rules.Place]:
        """What it takes."""
        return self.asked.wish.places


@dataclass(kw_only=True)
class _Hall:
    """A sport event while its places are given out."""

    sport_event: SportEvent
    types: dict[UUID, TicketType]
    vacancies: rules.Vacancies
    present: set[UUID] = field(default_factory=set)
    seats: dict[str, Seat] = field(default_factory=dict)
    given: list[rules.Place] = field(default_factory=list)

    def answer(self, asked: Asked) -> "_Grant | Refused":
        """Give out what is wished for, or say why not."""
        wish, at = asked.wish, asked.at
        refusal = self._refusal(wish, at=at)
        if refusal is not None:
            return refusal
        booking = self._booking(wish, at=at)
        self.vacancies.take(wish.places)
        self.present.add(wish.user_id)
        for label in wish.seats:
            self.seats[label].booking = booking
        return _Grant(booking=booking, asked=asked, hall=self)

    def take_back(self, grant: _Grant) -> None:
        """These are free again."""
        self.vacancies.give_back(grant.places)
        for label in grant.asked.wish.seats:
            self.seats[label].booking = None

    def _refusal(self, wish: rules.Wish, *, at: datetime) -> Refused | None:
        registration, sport_event = self.sport_event.registration, self.sport_event
        if not sport_event.is_open(at=at):
            return Closed()
        match registration.fault(is_premium=wish.is_premium, age=wish.age, at=at):
            case "closed":
                return Closed(closed_at=registration.closes_at)
            case "not_open_yet":
                opens_at = registration.premium_opens_at if wish.is_premium else registration.opens_at
                return NotOpenYet(opens_at=opens_at)
            case "premium_only_until":
                return PremiumOnlyUntil(opens_at=registration.opens_at)
            case "age":
                return Age(min_age=registration.min_age, max_age=registration.max_age)
        if not self.types.keys() >= {place.ticket_type_id for place in wish.places}:
            return UnknownTicketType()
        if wish.user_id in self.present:
            return AlreadyBooked()
        return self._seats_refusal(wish) or (None if self.vacancies.have(wish.places) else SoldOut())

    def _seats_refusal(self, wish: rules.Wish) -> Refused | None:
        if not self.sport_event.is_numbered:
            return None if not wish.seats else SeatsMissing()
        if len(set(wish.seats)) != wish.quantity or not self.seats.keys() >= set(wish.seats):
            return SeatsMissing()
        if any(self.seats[label].ticket_type_id != p.ticket_type_id for p in wish.places for label in p.seats):
            return SeatsMissing()
        taken = [label for label in wish.seats if self.seats[label].booking is not None]
        if not taken:
            return None
        gone = [label for label, seat in self.seats.items() if seat.booking is not None]
        free = self.sport_event.seats.filter(booking=None, ticket_type__in=[p.ticket_type_id for p in wish.places])
        labels = free.exclude(label__in=gone).order_by("pk").values_list("label", flat=True)
        return SeatTaken(taken=taken, free=list(labels[: rules.MAX_ALTERNATIVES]))

    def _booking(self, wish: rules.Wish, *, at: datetime) -> Booking:
        price = sum(self.types[place.ticket_type_id].price_minor * place.quantity for place in wish.places)
        return Booking(
            id=uuid7(),
            sport_event=self.sport_event,
            user_id=wish.user_id,
            status=Booking.Status.HELD,
            quantity=wish.quantity,
            total_minor=price,
            currency=self.sport_event.currency,
            held_at=at,
            expires_at=at + rules.HOLD,
        )


def _open_halls(asked: Sequence[Asked], *, at: datetime) -> dict[UUID, _Hall]:
    """What has to be known of sport events to answer these wishes: of all with the same few questions.

    Their rows are locked from here on, and what has run out is free.
    """
    known = SportEvent.objects.all_locked({one.sport_event_id for one in asked})
    sport_events = [one for one in known.values() if one.status != SportEvent.Status.DRAFT]
    releasing.release_lapsed_of(sport_events, at=at)
    types: dict[UUID, dict[UUID, TicketType]] = {one.pk: {} for one in sport_events}
    for ticket_type in TicketType.objects.filter(sport_event__in=list(types)):
        types[ticket_type.sport_event_id][ticket_type.pk] = ticket_type
    halls = {
        one.pk: _Hall(
            sport_event=one, types=types[one.pk], vacancies=places.vacancies_of(one, types[one.pk].values())
        )
        for one in sport_events
    }
    here = Booking.objects.active().filter(
        sport_event__in=sport_events, user_id__in=[one.wish.user_id for one in asked]
    )
    for sport_event_id, user_id in here.values_list("sport_event_id", "user_id"):
        halls[sport_event_id].present.add(user_id)
    labels = {label for one in asked for label in one.wish.seats}
    numbered = [one for one in sport_events if one.is_numbered]
    if labels and numbered:
        for seat in Seat.objects.filter(sport_event__in=numbered, label__in=labels):
            halls[seat.sport_event_id].seats[seat.label] = seat
    return halls


def _within_the_day(grants: Sequence[_Grant], *, at: datetime) -> list[_Grant]:
    """Those whose holders have a place left on the event's day; what the others got is free again (BO-4)."""
    owners = [
        DayOwner(one.booking.pk, one.booking.user_id, one.hall.sport_event.local_day, one.booking.expires_at)
        for one in grants
    ]
    served = DayPlace.objects.take(owners, at=at)
    for grant in grants:
        if grant.booking.pk not in served:
            grant.hall.take_back(grant)
    return [grant for grant in grants if grant.booking.pk in served]


def _write(halls: Sequence[_Hall], grants: Sequence[_Grant]) -> None:
    if not grants:
        return
    lines = (
        (grant.booking.pk, ticket_type, quantity, grant.hall.types[ticket_type].price_minor)
        for grant in grants
        for ticket_type, quantity in rules.quantities(grant.places).items()
    )
    Booking.objects.write([grant.booking for grant in grants], lines)
    seats = [grant.hall.seats[label] for grant in grants for label in grant.asked.wish.seats]
    Seat.objects.bulk_update(seats, ["booking"])
    for grant in grants:
        grant.hall.given.extend(grant.places)
    changed = [hall for hall in halls if hall.given]
    places.count_all([(hall.sport_event, hall.given) for hall in changed], held=+1)
    announced = (_announced(grant.booking) for grant in grants)
    publish(*announced, requests=[grant.asked.correlation_id for grant in grants])
    broadcasting.tell_places(*(hall.sport_event for hall in changed))


def _announced(booking: Booking) -> events.SeatHeld:
    assert booking.expires_at is not None
    return events.SeatHeld(
        booking_id=booking.pk,
        sport_event_id=booking.sport_event_id,
        user_id=booking.user_id,
        quantity=booking.quantity,
        expires_at=booking.expires_at,
        occurred_at=booking.held_at,
    )


def _told(answer: "_Grant | Refused", kept: set[UUID]) -> Answer:
    if isinstance(answer, Refused):
        return answer
    return answer.booking if answer.booking.pk in kept else DailyLimit(limit=rules.MAX_EVENTS_A_DAY)
