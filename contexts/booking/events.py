"""What the booking context announces. What people book is a *sport event* here; an event is a domain event."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from kernel.events import DomainEvent

STREAM = "event-domain-events"


@dataclass(frozen=True, kw_only=True)
class SportEventCreated(DomainEvent, key="sport_event_id"):
    """An organiser has made a sport event (the mission's EventCreated)."""

    sport_event_id: UUID
    organiser_id: UUID
    sport: str
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, kw_only=True)
class SportEventPublished(DomainEvent, key="sport_event_id"):
    """A sport event is in the calendar and can be booked from `opens_at` on."""

    sport_event_id: UUID
    opens_at: datetime


@dataclass(frozen=True, kw_only=True)
class SportEventMoved(DomainEvent, key="sport_event_id"):
    """A sport event takes place at another time or place; who has places is asked whether they keep them."""

    sport_event_id: UUID
    starts_at: datetime
    ends_at: datetime
    former_starts_at: datetime


@dataclass(frozen=True, kw_only=True)
class SportEventCancelled(DomainEvent, key="sport_event_id"):
    """A sport event does not take place (the mission's EventCancelled); its bookings follow one by one."""

    sport_event_id: UUID
    reason: str


@dataclass(frozen=True, kw_only=True)
class SeatHeld(DomainEvent, key="sport_event_id"):
    """Places are kept for somebody until `expires_at`."""

    booking_id: UUID
    sport_event_id: UUID
    user_id: UUID
    quantity: int
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class HoldExpired(DomainEvent, key="sport_event_id"):
    """Nobody paid in time: the places are free again."""

    booking_id: UUID
    sport_event_id: UUID
    user_id: UUID
    quantity: int


@dataclass(frozen=True, kw_only=True)
class BookingConfirmed(DomainEvent, key="sport_event_id"):
    """The places are somebody's."""

    booking_id: UUID
    sport_event_id: UUID
    user_id: UUID
    quantity: int


@dataclass(frozen=True, kw_only=True)
class BookingCancelled(DomainEvent, key="sport_event_id"):
    """A booking has ended: by its owner, the organiser, staff, or because its money could not be taken."""

    booking_id: UUID
    sport_event_id: UUID
    user_id: UUID
    quantity: int
    reason: str
    refund_minor: int
    currency: str


@dataclass(frozen=True, kw_only=True)
class WaitlistOffered(DomainEvent, key="sport_event_id"):
    """Freed places are kept for the first of the waitlist until `expires_at`."""

    entry_id: UUID
    booking_id: UUID
    sport_event_id: UUID
    user_id: UUID
    quantity: int
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class MoneyReturned(DomainEvent, key="booking_id"):
    """A payment, or a part of it, is on its way back to who paid."""

    booking_id: UUID
    user_id: UUID
    refund_minor: int
    currency: str


@dataclass(frozen=True, kw_only=True)
class TicketTransferred(DomainEvent, key="sport_event_id"):
    """A ticket is somebody else's now."""

    ticket_id: UUID
    sport_event_id: UUID
    former_holder_id: UUID
    holder_id: UUID


@dataclass(frozen=True, kw_only=True)
class TicketCheckedIn(DomainEvent, key="sport_event_id"):
    """Who holds this ticket has come."""

    ticket_id: UUID
    sport_event_id: UUID
    holder_id: UUID


@dataclass(frozen=True, kw_only=True)
class PersonalDataExported(DomainEvent, key="user_id"):
    """The booking context has left its part of an export; `rows` counts them by table."""

    user_id: UUID
    export_id: UUID
    rows: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class PersonalDataErased(DomainEvent, key="user_id"):
    """The booking context has nothing about this person any more, but money without a name."""

    user_id: UUID
    erasure_id: UUID
