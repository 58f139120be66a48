"""Booking's numbers and pure decisions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

HOLD = timedelta(minutes=15)
"""How long places are kept for somebody who has not checked out yet (BO-5)."""

PAYMENT = timedelta(minutes=30)
"""How long a booking waits for its payment (BO-5)."""

OFFER = timedelta(hours=2)
"""How long a freed place is kept for the first of the waitlist."""
SHORTEST_OFFER = timedelta(minutes=15)

PREMIUM_WINDOW = timedelta(hours=24)
"""Premium members book so much earlier (BO-4)."""
PREMIUM = frozenset({"premium", "pro"})

FARTHEST = timedelta(days=5 * 365)
"""Nobody knows the time zones of a later day."""

MAX_EVENTS_A_DAY = 2
"""Events of one local day that somebody may have places at (BO-4); the event's own day counts."""

MAX_PLACES = 10
"""Places of one booking."""
MAX_CAPACITY = 100_000
MAX_NUMBERED = 2_000
MAX_TICKET_TYPES = 20
MAX_PRICE_MINOR = 100_000_000
MAX_ALTERNATIVES = 20
"""Free seats that a refusal names."""

MAX_TITLE, MAX_TEXT = 120, 5_000
CURRENCIES = ("EUR", "USD", "GBP", "CHF", "RUB", "PLN", "SEK", "NOK", "DKK", "CZK", "JPY", "KZT")
SPORTS = ("running", "walking", "cycling", "swimming", "rowing", "strength", "other")

MAX_TIERS = 10
FULL_REFUND = 100
ORGANISER_ROLES = ("organiser",)

ACTIVE = ("held", "pending_payment", "confirmed")
"""States of a booking that has places."""
EXPIRING = ("held", "pending_payment")
"""States that end by themselves."""

WISHES_A_UNIT = 200
"""Wishes for one event that one transaction answers together."""

CANCELLED_A_UNIT = 50
"""Bookings that one transaction of an organiser's cancellation ends."""

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=1), timedelta(minutes=10)
GIVE_UP_AFTER = timedelta(days=3)
"""How long a payment provider is asked again before a person has to look."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """So many places of one ticket type; of a numbered event these seats."""

    ticket_type_id: UUID
    quantity: int
    seats: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Wish:
    """Who wants which places, and what has to be known about them for it."""

    user_id: UUID
    places: tuple[Place, ...]
    is_premium: bool = False
    age: int | None = None

    @property
    def quantity(self) -> int:
        """All places together."""
        return sum(place.quantity for place in self.places)

    @property
    def seats(self) -> list[str]:
        """All seats wished for by name."""
        return [seat for place in self.places for seat in place.seats]


@dataclass(frozen=True, kw_only=True)
class Registration:
    """When and for whom an event is open."""

    opens_at: datetime
    closes_at: datetime
    min_age: int | None = None
    max_age: int | None = None

    @property
    def premium_opens_at(self) -> datetime:
        """From here on premium members may book."""
        return self.opens_at - PREMIUM_WINDOW

    def fault(self, *, is_premium: bool, age: int | None, at: datetime) -> str | None:
        """Why somebody may not book at `at` (`closed`, `not_open_yet` …); none if they may."""
        if at >= self.closes_at:
            return "closed"
        if at < self.premium_opens_at:
            return "not_open_yet"
        if at < self.opens_at and not is_premium:
            return "premium_only_until"
        return None if self.admits(age) else "age"

    def admits(self, age: int | None) -> bool:
        """Whether somebody of this age on the event's day may take part; an unknown age fits no limit."""
        if self.min_age is None and self.max_age is None:
            return True
        return age is not None and (self.min_age or 0) <= age <= (self.max_age or 200)


@dataclass(kw_only=True)
class Vacancies:
    """The free places of one event, by type and altogether, while they are being given out."""

    total: int
    by_type: dict[UUID, int] = field(default_factory=dict)

    def have(self, places: Iterable[Place]) -> bool:
        """Whether all of these are free: judged by the sum of each type, not line by line."""
        wanted = quantities(places)
        if sum(wanted.values()) > self.total:
            return False
        return all(self.by_type.get(ticket_type, 0) >= number for ticket_type, number in wanted.items())

    def take(self, places: Iterable[Place]) -> None:
        """Give these out; `have` must have said yes."""
        self._add(places, -1)

    def give_back(self, places: Iterable[Place]) -> None:
        """These are free again."""
        self._add(places, +1)

    def _add(self, places: Iterable[Place], sign: int) -> None:
        for ticket_type, number in quantities(places).items():
            self.by_type[ticket_type] += sign * number
            self.total += sign * number


def quantities(places: Iterable[Place]) -> dict[UUID, int]:
    """Places by ticket type."""
    numbers: dict[UUID, int] = {}
    for place in places:
        numbers[place.ticket_type_id] = numbers.get(place.ticket_type_id, 0) + place.quantity
    return numbers


def first_fitting(types: Sequence[UUID], *, quantity: int, vacancies: Vacancies) -> UUID | None:
    """The first of these ticket types of which so many places are free."""
    for ticket_type in types:
        if vacancies.have([Place(ticket_type_id=ticket_type, quantity=quantity)]):
            return ticket_type
    return None


def local_day(instant: datetime, time_zone: str) -> date:
    """The day at the venue, whatever the clocks there do that night."""
    return instant.astimezone(ZoneInfo(time_zone)).date()


def refund_percent(tiers: Sequence[Mapping[str, int]], *, starts_at: datetime, at: datetime) -> int:
    """How much of the price somebody gets back who cancels at `at`: of the tiers already reached the best.

    Each tier says `percent` back until `hours` before the start; after the last one nothing comes back.
    """
    left = starts_at - at
    return max((tier["percent"] for tier in tiers if left >= timedelta(hours=tier["hours"])), default=0)


def tiers_fault(tiers: Sequence[Mapping[str, int]]) -> str | None:
    """What is wrong with a cancellation policy: who cancels earlier never gets less."""
    if len(tiers) > MAX_TIERS:
        return "too_many"
    ordered = sorted(tiers, key=lambda tier: tier["hours"])
    if len({tier["hours"] for tier in tiers}) < len(tiers):
        return "twice"
    percents = [tier["percent"] for tier in ordered]
    return None if percents == sorted(percents) else "later_is_better"


def offer_ends(*, at: datetime, closes_at: datetime) -> datetime:
    """Until when an offered place is kept: two hours, less near the end of registration, never under 15 minutes."""
    return max(at + SHORTEST_OFFER, min(at + OFFER, closes_at))


def pause_after(tries: int) -> timedelta:
    """How long to wait before a step is tried again: twice as long each time."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(tries, 20))


def is_enough(confirmed: int, *, minimum: int | None) -> bool:
    """Whether an event takes place with so many participants."""
    return minimum is None or confirmed >= minimum
