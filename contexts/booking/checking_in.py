"""At the door: each ticket lets one in once, whether the scanner is online or tells of it later.

A scanner that goes offline takes the admission list along: it knows a genuine code by its digest, and whom the list
is from by the platform's public keys. What it has seen it sends when it can; sending it twice changes nothing.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import jwt

from contexts.booking import events, organising, rules, tickets
from contexts.booking.models import SportEvent, Ticket
from kernel import keys
from kernel.access import ISSUER
from kernel.bus import publish
from kernel.databases import unit_of_work

MAX_SCANS = 500
"""Scans of one request."""
AROUND = timedelta(days=1)
"""A scan belongs to the event's days, or to so much before and after them."""
CLOCKS_DIFFER = timedelta(minutes=2)
"""So far a scanner's clock may be ahead of ours."""
AUDIENCE = "stayer:check-in"
LIST_OUTLASTS = timedelta(days=1)

Result = Literal["checked_in", "already_checked_in", "invalid", "void", "other_event", "out_of_time"]
RESULTS: tuple[Result, ...] = ("checked_in", "already_checked_in", "invalid", "void", "other_event", "out_of_time")


@dataclass(frozen=True, kw_only=True)
class Scan:
    """A code that a scanner has seen. `scan_id` is the scanner's own name for this one look at it."""

    code: str
    scanned_at: datetime
    device: str
    scan_id: str

    @property
    def key(self) -> str:
        """The scan's name among those of all scanners."""
        return f"{self.device}/{self.scan_id}"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a scan is answered; the ticket is told only to the event it is for."""

    scan: Scan
    result: Result
    ticket: Ticket | None = None


@unit_of_work("booking", isolation="read committed")
def check_in_all(*, sport_event_id: UUID, by: UUID, scans: Sequence[Scan], at: datetime) -> list[Answer]:
    """Answer scans of one event's door, seen just now or long ago, in the order in which they are given.

    Of several scans of one ticket the first to reach us lets its holder in, and the earliest says when they came.
    """
    sport_event = organising.of_organiser(sport_event_id=sport_event_id, by=by)
    door = _Door.of(sport_event, scans, by=by)
    in_time = sorted(range(len(scans)), key=lambda place: scans[place].scanned_at)
    answers = {place: door.answer(scans[place], at=at) for place in in_time}
    Ticket.objects.bulk_update(door.changed.values(), ["checked_in_at", "checked_in_by", "scan_id"])
    publish(*(_announced(ticket, at=at) for ticket in door.admitted))
    return [answers[place] for place in range(len(scans))]


@dataclass(kw_only=True)
class _Door:
    """The tickets in question, their rows locked: parallel scanners of one ticket wait here for each other."""

    sport_event: SportEvent
    by: UUID
    claims: Mapping[str, tickets.Claim]
    here: Mapping[UUID, Ticket]
    elsewhere: frozenset[UUID]
    changed: dict[UUID, Ticket] = field(default_factory=dict)
    admitted: list[Ticket] = field(default_factory=list)

    @classmethod
    def of(cls, sport_event: SportEvent, scans: Iterable[Scan], *, by: UUID) -> "_Door":
        """What has to be known to answer these scans."""
        claims = {code: claim for code in {scan.code for scan in scans} if (claim := _claim(code)) is not None}
        named = Ticket.objects.filter(pk__in={claim.ticket_id for claim in claims.values()})
        # In one order, so that two scanners with the same tickets do not wait for each other.
        locked = named.filter(sport_event=sport_event).select_for_update(no_key=True, of=("self",)).order_by("pk")
        elsewhere = named.exclude(sport_event=sport_event).values_list("pk", flat=True)
        return cls(
            sport_event=sport_event,
            by=by,
            claims=claims,
            here={ticket.pk: ticket for ticket in locked.select_related("ticket_type")},
            elsewhere=frozenset(elsewhere),
        )

    def answer(self, scan: Scan, *, at: datetime) -> Answer:
        """Let in, or say why not."""
        claim = self.claims.get(scan.code)
        ticket = self.here.get(claim.ticket_id) if claim else None
        if claim is None or ticket is None:
            known = claim is not None and claim.ticket_id in self.elsewhere
            return Answer(scan=scan, result="other_event" if known else "invalid")
        if ticket.scan_id == scan.key:
            return Answer(scan=scan, result="checked_in", ticket=ticket)
        if ticket.voided_at or ticket.version != claim.version or self.sport_event.status == "cancelled":
            return Answer(scan=scan, result="void", ticket=ticket)
        if not is_timely(self.sport_event, scan.scanned_at, at=at):
            return Answer(scan=scan, result="out_of_time", ticket=ticket)
        return Answer(scan=scan, result=self._admit(ticket, scan, at=at), ticket=ticket)

    def _admit(self, ticket: Ticket, scan: Scan, *, at: datetime) -> Result:
        came_at = min(scan.scanned_at, at)
        is_first = ticket.checked_in_at is None
        if ticket.checked_in_at is None or came_at < ticket.checked_in_at:
            ticket.checked_in_at = came_at
            self.changed[ticket.pk] = ticket
        if is_first:
            ticket.checked_in_by, ticket.scan_id = self.by, scan.key
            self.admitted.append(ticket)
        return "checked_in" if is_first else "already_checked_in"


def _claim(code: str) -> tickets.Claim | None:
    try:
        return tickets.ticket_behind(code)
    except tickets.TicketInvalid:
        return None


def is_timely(sport_event: SportEvent, scanned_at: datetime, *, at: datetime) -> bool:
    """Whether somebody can have come then: not in the future, and on the event's days or next to them."""
    if scanned_at > at + CLOCKS_DIFFER:
        return False
    day = rules.local_day(scanned_at, sport_event.time_zone)
    last_day = rules.local_day(sport_event.ends_at, sport_event.time_zone)
    return sport_event.local_day - AROUND <= day <= last_day + AROUND


def _announced(ticket: Ticket, *, at: datetime) -> events.TicketCheckedIn:
    return events.TicketCheckedIn(
        ticket_id=ticket.pk,
        sport_event_id=ticket.sport_event_id,
        holder_id=ticket.holder_id,
        occurred_at=ticket.checked_in_at or at,
    )


@dataclass(frozen=True, kw_only=True)
class AdmissionList:
    """Every ticket that lets somebody in, signed: a compact JWS (RFC 7515)."""

    jws: str
    tickets: int
    expires_at: datetime


def admission_list(*, sport_event_id: UUID, by: UUID, at: datetime) -> AdmissionList:
    """What a scanner needs offline. It holds digests: who finds it cannot print tickets, nor learn who comes."""
    sport_event = organising.of_organiser(sport_event_id=sport_event_id, by=by)
    valid = [] if sport_event.status == SportEvent.Status.CANCELLED else _valid_tickets(sport_event)
    expires_at = sport_event.ends_at + LIST_OUTLASTS
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "typ": "admission-list",
        "sub": str(sport_event.pk),
        "iat": at,
        "exp": expires_at,
        "title": sport_event.title,
        "tickets": valid,
    }
    # A context that runs by itself has keys of its own, which the platform publishes with the others.
    kid, key = keys.service_signing_key(at=at)
    jws = jwt.encode(claims, key, algorithm=keys.ALGORITHM, headers={"kid": kid})
    return AdmissionList(jws=jws, tickets=len(valid), expires_at=expires_at)


def _valid_tickets(sport_event: SportEvent) -> list[dict[str, Any]]:
    rows = Ticket.objects.filter(sport_event=sport_event, voided_at__isnull=True).order_by("pk")
    columns = rows.values_list("pk", "version", "ticket_type__name", "seat_label", "checked_in_at")
    return [
        {
            "id": str(ticket_id),
            "version": version,
            "code_sha256": hashlib.sha256(tickets.code_for(ticket_id, version).encode()).hexdigest(),
            "ticket_type": kind,
            "seat": seat,
            "checked_in": checked_in_at is not None,
        }
        for ticket_id, version, kind, seat, checked_in_at in columns.iterator()
    ]
