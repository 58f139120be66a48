"""Holding places (BO-2, BO-5): the one way in which somebody gets any.

Whoever changes the places of a sport event stands in its gate and holds its row lock, so an event is changed by one
at a time, and everybody sees what those before them left. Wishes for one event are answered many at a time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from contexts.booking import broadcasting, events, places, releasing, rules
from contexts.booking.models import Booking, BookingLine, DayPlace, Seat, SportEvent, TicketType
from kernel.bus import publish
from kernel.databases import current_context, unit_of_work
from kernel.errors import NotFound, Refused
from kernel.events import uuid7
from kernel.gathering import Gathering

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

    Wishes of one moment for one event are gathered into one transaction, unless one is open here already; `then` is
    called inside it, for what has to be true together with the booking.
    """
    asked = Asked(wish, at, then)
    if current_context() is None:
        answer = _gathered.ask(sport_event_id, asked)
    else:
        (answer,) = hold_all(sport_event_id=sport_event_id, wishes=[asked])
    if isinstance(answer, Refused):
        raise answer
    return answer


class Asked(NamedTuple):
    """A wish, when it came, and what is to be done in the transaction that fulfils it."""

    wish: rules.Wish
    at: datetime
    then: Then | None = None


@unit_of_work("booking", gate="sport_event_id")
def hold_all(*, sport_event_id: UUID, wishes: Sequence[Asked]) -> list[Booking | Refused]:
    """Answer wishes for one sport event in the order of their coming: a booking or the reason why not, for each."""
    at = max(asked.at for asked in wishes)
    sport_event = SportEvent.objects.filter(pk=sport_event_id).select_for_update(no_key=True).first()
    if sport_event is None or sport_event.status == SportEvent.Status.DRAFT:
        raise NotFound
    releasing.release_lapsed(sport_event, at=at)
    hall = _Hall.of(sport_event, [asked.wish for asked in wishes])
    answers = [hall.answer(asked.wish, at=asked.at) for asked in wishes]
    granted = _within_the_day(hall, [grant for grant in answers if isinstance(grant, _Grant)], at=at)
    _write(hall, granted)
    kept = {grant.booking.pk for grant in granted}
    for asked, answer in zip(wishes, answers, strict=True):
        if asked.then is not None and isinstance(answer, _Grant) and answer.booking.pk in kept:
            asked.then(answer.booking)
    return [_told(answer, kept) for answer in answers]


def _hold_gathered(sport_event_id: Any, wishes: Sequence[Asked]) -> list[Booking | Refused]:
    return hold_all(sport_event_id=sport_event_id, wishes=wishes)


_gathered = Gathering(_hold_gathered, most=rules.WISHES_A_UNIT)


@dataclass(frozen=True, kw_only=True)
class _Grant:
    """A wish that can be fulfilled."""

    booking: Booking
    wish: rules.Wish


@dataclass(kw_only=True)
class _Hall:
    """A sport event while its places are given out."""

    sport_event: SportEvent
    types: dict[UUID, TicketType]
    vacancies: rules.Vacancies
    present: set[UUID]
    seats: dict[str, Seat] = field(default_factory=dict)

    @classmethod
    def of(cls, sport_event: SportEvent, wishes: Sequence[rules.Wish]) -> "_Hall":
        """What has to be known of an event to answer these wishes; its row must be locked."""
        types = {ticket_type.pk: ticket_type for ticket_type in sport_event.ticket_types.all()}
        here = Booking.objects.active().filter(sport_event=sport_event, user_id__in=[wish.user_id for wish in wishes])
        hall = cls(
            sport_event=sport_event,
            types=types,
            vacancies=places.vacancies_of(sport_event, types.values()),
            present=set(here.values_list("user_id", flat=True)),
        )
        if sport_event.is_numbered:
            labels = [label for wish in wishes for label in wish.seats]
            hall.seats = {seat.label: seat for seat in sport_event.seats.filter(label__in=labels)}
        return hall

    def answer(self, wish: rules.Wish, *, at: datetime) -> "_Grant | Refused":
        """Give out what is wished for, or say why not."""
        refusal = self._refusal(wish, at=at)
        if refusal is not None:
            return refusal
        booking = self._booking(wish, at=at)
        self.vacancies.take(wish.places)
        self.present.add(wish.user_id)
        for label in wish.seats:
            self.seats[label].booking = booking
        return _Grant(booking=booking, wish=wish)

    def take_back(self, grant: _Grant) -> None:
        """These are free again."""
        self.vacancies.give_back(grant.wish.places)
        for label in grant.wish.seats:
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


def _within_the_day(hall: _Hall, grants: list[_Grant], *, at: datetime) -> list[_Grant]:
    """Those whose holders have a place left on the event's day; what the others got is free again (BO-4)."""
    owners = [(grant.booking.pk, grant.wish.user_id) for grant in grants]
    served = DayPlace.objects.take(owners, day=hall.sport_event.local_day, until=at + rules.HOLD, at=at)
    for grant in grants:
        if grant.booking.pk not in served:
            hall.take_back(grant)
    return [grant for grant in grants if grant.booking.pk in served]


def _write(hall: _Hall, grants: list[_Grant]) -> None:
    if not grants:
        return
    Booking.objects.write([grant.booking for grant in grants])
    BookingLine.objects.write(
        (grant.booking.pk, ticket_type, quantity, hall.types[ticket_type].price_minor)
        for grant in grants
        for ticket_type, quantity in rules.quantities(grant.wish.places).items()
    )
    Seat.objects.bulk_update([hall.seats[label] for grant in grants for label in grant.wish.seats], ["booking"])
    places.count(hall.sport_event, [place for grant in grants for place in grant.wish.places], held=+1)
    publish(*(_announced(grant.booking) for grant in grants))
    broadcasting.tell_places(hall.sport_event)


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


def _told(answer: "_Grant | Refused", kept: set[UUID]) -> Booking | Refused:
    if isinstance(answer, Refused):
        return answer
    return answer.booking if answer.booking.pk in kept else DailyLimit(limit=rules.MAX_EVENTS_A_DAY)
