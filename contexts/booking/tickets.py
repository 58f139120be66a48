"""Tickets: the signed code that lets somebody in, and giving one to a friend.

A code is `STAYER:1:<ticket>:<version>:<mac>`. It is never kept: it can be written again from the ticket at any time,
and a transfer raises the version, so that what the former holder has on paper opens no door.
"""

import base64
import functools
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db.models import QuerySet

from contexts.booking import cancelling, events, friends, reserving
from contexts.booking.models import SportEvent, Ticket
from kernel.bus import publish
from kernel.databases import unit_of_work
from kernel.errors import NotFound, Refused

SCHEME = "STAYER:1"
"""Begins each code: a scanner knows ours, and what is signed can change later."""
MAC_BYTES = 16
_CODE = re.compile(r"STAYER:1:([0-9a-f]{32}):([1-9][0-9]{0,4}):([A-Za-z0-9_-]{22})", re.ASCII)


class TicketInvalid(Refused):
    """This is not a ticket of ours."""

    status = 422


class TicketVoid(Refused):
    """This ticket is not valid any more."""


class NotFriends(Refused):
    """Tickets can be given to friends only."""

    status = 403


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What a genuine code says: this ticket, as its holder of then had it."""

    ticket_id: UUID
    version: int


def code_of(ticket: Ticket) -> str:
    """The text for the ticket's QR code."""
    return code_for(ticket.pk, ticket.version)


def code_for(ticket_id: UUID, version: int) -> str:
    """The code of a ticket of which only this is known."""
    said = f"{SCHEME}:{ticket_id.hex}:{version}"
    return f"{said}:{_mac(said)}"


def ticket_behind(code: str) -> Claim:
    """The ticket a code was written for; raises `TicketInvalid` for a code that is not ours to the last letter."""
    found = _CODE.fullmatch(code)
    if found is None:
        raise TicketInvalid
    said, _, mac = code.rpartition(":")
    # Compared as text: base64 has several spellings of the last byte, and only one of them is ours.
    if not hmac.compare_digest(mac, _mac(said)):
        raise TicketInvalid
    return Claim(ticket_id=UUID(found[1]), version=int(found[2]))


def _mac(said: str) -> str:
    digest = hmac.new(_key(), said.encode(), hashlib.sha256).digest()[:MAC_BYTES]
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@functools.cache
def _key() -> bytes:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"booking.tickets")
    return derived.derive(settings.FIELD_KEY.encode())


def tickets_of(user_id: UUID, booking_id: UUID | None = None) -> QuerySet[Ticket]:
    """The tickets in somebody's hand, whoever booked them; of one booking if it is named."""
    held = Ticket.objects.filter(holder_id=user_id).select_related("sport_event", "ticket_type")
    return held if booking_id is None else held.filter(booking_id=booking_id)


def ticket_of(*, ticket_id: UUID, by: UUID) -> Ticket:
    """A ticket in one's own hand, or `NotFound`."""
    found = tickets_of(by).filter(pk=ticket_id).first()
    if found is None:
        raise NotFound
    return found


def valid_ticket_of(*, ticket_id: UUID, by: UUID) -> Ticket:
    """A ticket in one's own hand that can still be shown at the door; raises `TicketVoid` otherwise."""
    ticket = ticket_of(ticket_id=ticket_id, by=by)
    if ticket.voided_at is not None:
        raise TicketVoid
    return ticket


@unit_of_work("booking", isolation="read committed")
def transfer(*, ticket_id: UUID, by: UUID, to: UUID, age: int | None, at: datetime) -> Ticket:
    """Give a ticket to a friend, who is `age` on the event's day; the giver's code is void from then on.

    The booking, its money and the right to cancel it stay with who booked. So does the place in a day: the limit of
    two events a day counts what one books, and a gift takes nothing of the friend's.
    """
    mine = Ticket.objects.filter(pk=ticket_id, holder_id=by)
    # A check-in or a cancellation at this moment waits for the row, or we for it: never both.
    ticket = mine.select_for_update(no_key=True, of=("self",)).select_related("sport_event").first()
    if ticket is None:
        raise NotFound
    if not friends.are_friends(by, to):
        raise NotFriends
    _ensure_movable(ticket, at=at)
    _ensure_age(ticket.sport_event, age)
    ticket.holder_id, ticket.version = to, ticket.version + 1
    ticket.save(update_fields=["holder_id", "version"])
    publish(
        events.TicketTransferred(
            ticket_id=ticket.pk,
            sport_event_id=ticket.sport_event_id,
            former_holder_id=by,
            holder_id=to,
            occurred_at=at,
        )
    )
    return ticket


def _ensure_movable(ticket: Ticket, *, at: datetime) -> None:
    if ticket.checked_in_at is not None:
        raise cancelling.AlreadyUsed
    if ticket.voided_at is not None or ticket.sport_event.status == SportEvent.Status.CANCELLED:
        raise TicketVoid
    if at >= ticket.sport_event.starts_at:
        raise cancelling.EventOver


def _ensure_age(sport_event: SportEvent, age: int | None) -> None:
    registration = sport_event.registration
    if not registration.admits(age):
        raise reserving.Age(min_age=registration.min_age, max_age=registration.max_age)
