"""Booking's aggregates: a sport event with its places, the bookings of it, the queue for it, the money."""

from contexts.booking.models.bookings import Booking, BookingLine, DayOwner, DayPlace, Ticket
from contexts.booking.models.calendars import CalendarFeed
from contexts.booking.models.friends import Friendship
from contexts.booking.models.money import Payment, Process, Refund
from contexts.booking.models.sport_events import Seat, Series, SportEvent, TicketType
from contexts.booking.models.waiting import WaitlistEntry

__all__ = [
    "Booking",
    "BookingLine",
    "CalendarFeed",
    "DayOwner",
    "DayPlace",
    "Friendship",
    "Payment",
    "Process",
    "Refund",
    "Seat",
    "Series",
    "SportEvent",
    "Ticket",
    "TicketType",
    "WaitlistEntry",
]
