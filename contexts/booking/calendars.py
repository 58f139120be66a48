"""Calendars for any program (RFC 5545): of what can be booked, and of what one has booked oneself."""

import hashlib
import secrets
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from uuid import UUID
from zoneinfo import ZoneInfo

import icalendar
from django.conf import settings
from django.db.models import Q

from contexts.booking import searching
from contexts.booking.models import CalendarFeed, SportEvent, Ticket
from kernel.databases import unit_of_work
from kernel.errors import NotFound, Refused

MAX_EVENTS = 500
MAX_FEEDS = 10
TOKEN_BYTES = 32
REFRESH = timedelta(hours=1)
"""How often a program that subscribes should look again."""
KEEPS_PAST = timedelta(days=90)
"""So long the past stays in a personal calendar."""
REMINDER = timedelta(hours=2)
YEAR, KNOWN_AHEAD = timedelta(days=366), timedelta(days=5 * 366)
NOTED_AGAIN_AFTER = timedelta(hours=1)


class TooManyCalendars(Refused):
    """You have as many calendars as one can have; revoke one first."""


def ics_of(sport_events: Iterable[SportEvent], name: str) -> bytes:
    """A calendar of these sport events. What has not changed gives the same bytes again."""
    return _written([_entry(one) for one in sport_events], name=name)


def ics_of_ticket(ticket: Ticket) -> bytes:
    """One ticket's event for a phone's calendar, with what to look for at the door and a reminder."""
    entry = _entry(ticket.sport_event)
    place = " · ".join(filter(None, [ticket.ticket_type.name, ticket.seat_label]))
    entry["description"] = _text("\n\n".join(filter(None, [place, ticket.sport_event.description])))
    if ticket.voided_at is not None:
        entry["status"] = _text("CANCELLED")
    alarm = icalendar.Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("description", _text(ticket.sport_event.title))
    alarm.add("trigger", -REMINDER)
    entry.add_component(alarm)
    return _written([entry], name=ticket.sport_event.title)


def _entry(sport_event: SportEvent) -> icalendar.Event:
    zone = ZoneInfo(sport_event.time_zone)
    entry = icalendar.Event()
    entry.add("uid", f"{sport_event.pk}@{_host()}")
    entry.add("dtstamp", sport_event.changed_at)
    entry.add("last-modified", sport_event.changed_at)
    # Programs take a change only with a higher number; seconds since it was made only grow, and fit 32 bits.
    entry.add("sequence", int((sport_event.changed_at - sport_event.created_at).total_seconds()))
    entry.add("summary", _text(sport_event.title))
    entry.add("dtstart", _local(sport_event.starts_at, zone))
    entry.add("dtend", _local(sport_event.ends_at, zone))
    entry.add("location", _text(", ".join(filter(None, [sport_event.venue, sport_event.address]))))
    if sport_event.latitude is not None and sport_event.longitude is not None:
        entry.add("geo", (sport_event.latitude, sport_event.longitude))
    if sport_event.description:
        entry.add("description", _text(sport_event.description))
    entry.add("status", "CANCELLED" if sport_event.status == SportEvent.Status.CANCELLED else "CONFIRMED")
    entry.add("url", f"{settings.PUBLIC_URL}/booking/#event={sport_event.pk}")
    return entry


def _local(instant: datetime, zone: ZoneInfo) -> datetime:
    """As the clocks there show it; in UTC where they show it twice, for which RFC 5545 has no word."""
    local = instant.astimezone(zone)
    return local.astimezone(UTC) if local.fold else local


def _written(entries: Sequence[icalendar.Event], *, name: str) -> bytes:
    calendar = icalendar.Calendar()
    calendar.add("prodid", "-//Stayer//Calendar//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    for key in ("name", "x-wr-calname"):  # RFC 7986, and what programs read that are older
        calendar.add(key, _text(name))
    calendar.add("refresh-interval", REFRESH, parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", icalendar.vDuration(REFRESH))
    for entry in entries:
        calendar.add_component(entry)
    if entries:
        first, last = min(entry.start for entry in entries), max(entry.start for entry in entries)
        # An event far ahead must not make every calendar list the clock changes of centuries.
        calendar.add_missing_timezones(first - YEAR, min(last, first + KNOWN_AHEAD) + YEAR)
    return calendar.to_ical()


def _text(said: str) -> icalendar.vText:
    """What somebody has written, as one line: with a control character it could begin a line of its own."""
    lines = said.replace("\r\n", "\n").replace("\r", "\n")
    return icalendar.vText("".join(one for one in lines if one == "\n" or unicodedata.category(one) != "Cc"))


def _host() -> str:
    return urlsplit(settings.PUBLIC_URL).hostname or "stayer"


def public_events(filters: searching.Filters, *, at: datetime) -> list[SportEvent]:
    """What can be found with these filters, the next first, as much as a calendar holds."""
    return list(searching.find(filters, at=at).order_by("starts_at", "id")[:MAX_EVENTS])


def events_of(user_id: UUID, *, at: datetime) -> list[SportEvent]:
    """Where somebody has places or a ticket; what an organiser has called off stays, to be crossed out."""
    booked = SportEvent.objects.filter(bookings__user_id=user_id, bookings__status="confirmed")
    held = Ticket.objects.filter(holder_id=user_id)
    in_hand = held.filter(Q(voided_at__isnull=True) | Q(booking__end_reason="event_cancelled"))
    theirs = SportEvent.objects.filter(Q(pk__in=booked.values("pk")) | Q(pk__in=in_hand.values("sport_event")))
    return list(theirs.filter(ends_at__gte=at - KEEPS_PAST).order_by("starts_at", "id")[:MAX_EVENTS])


@unit_of_work("booking", gate="user_id", isolation="read committed")
def make_feed(*, user_id: UUID, name: str, at: datetime) -> tuple[CalendarFeed, str]:
    """A personal calendar, and the token that opens it, which nobody is told again; raises `TooManyCalendars`."""
    if CalendarFeed.objects.filter(user_id=user_id).count() >= MAX_FEEDS:
        raise TooManyCalendars(most=MAX_FEEDS)
    token = secrets.token_urlsafe(TOKEN_BYTES)
    feed = CalendarFeed.objects.create(user_id=user_id, name=name, token_sha256=_digest(token), created_at=at)
    return feed, token


def feed_of(token: str) -> CalendarFeed:
    """The personal calendar this token opens, or `NotFound`."""
    found = CalendarFeed.objects.filter(token_sha256=_digest(token)).first()
    if found is None:
        raise NotFound
    return found


@unit_of_work("booking", isolation="read committed")
def note_read(*, feed_id: UUID, at: datetime) -> None:
    """A program has looked: who thinks of revoking a calendar sees whether it is in use. Once an hour is enough."""
    stale = Q(read_at__isnull=True) | Q(read_at__lt=at - NOTED_AGAIN_AFTER)
    CalendarFeed.objects.filter(stale, pk=feed_id).update(read_at=at)


@unit_of_work("booking", isolation="read committed")
def revoke_feed(*, calendar_id: UUID, by: UUID) -> None:
    """Close a personal calendar of one's own for good: its address leads nowhere from now on; else `NotFound`."""
    gone, _ = CalendarFeed.objects.filter(pk=calendar_id, user_id=by).delete()
    if not gone:
        raise NotFound


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
