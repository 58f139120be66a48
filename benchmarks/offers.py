"""Booking under people: how soon a freed place is offered, and how long one waits among two thousand.

A freed place goes through everything that runs in production: the cancelling request, the outbox, the relay, the
inbox of the handler, Redis, the socket of whose turn it is. The crowd is measured beside the same crowd at a bare
Django view of the same web server: the time that so many requests at once take whatever is done with them.
"""

import asyncio
import json
import statistics
from collections.abc import Sequence
from datetime import timedelta
from time import monotonic
from typing import Any
from uuid import UUID

import httpx
import msgspec
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.booking import make_event
from benchmarks.figures import Figure, percentile
from benchmarks.load import load, request
from benchmarks.people import Person, people
from benchmarks.programs import relay, web_server
from benchmarks.workouts import BARE

OFFERS = 200
CROWD = 2_000
PAUSE_S = 0.05


def run(*, quick: bool) -> list[Figure]:
    """Both."""
    return [*offers(20 if quick else OFFERS), crowd(200 if quick else CROWD)]


def crowd(size: int) -> Figure:
    """So many people at once hold a place of one event, each on a connection of their own."""
    from contexts.booking.models import TicketType

    sport_event_id = make_event()
    ticket_type = TicketType.objects.get(sport_event=sport_event_id).pk
    body = msgspec.json.encode({"places": [{"ticket_type_id": ticket_type, "quantity": 1}]})
    wishes = [
        request(
            "POST",
            f"/api/v1/booking/events/{sport_event_id}/bookings",
            body=body,
            Content_Type="application/json",
            Authorization=f"Bearer {person.token}",
        )
        for person in people(size)
    ]
    with web_server(BARE, "--factory") as port:
        bare = load(port, [request("GET", f"/bare?athlete={UUID(int=0)}")], times=size, connections=size)
    with web_server() as port:
        ours = load(port, wishes, connections=size, status="201")
    return Figure(
        about=f"a hold among {size:,} at once over HTTP, p99",
        ours=ours.p99_ms,
        unit="ms",
        beside="bare Django view",
        limit=bare.p99_ms,
        note=f"p50 {ours.p50_ms:,.0f} ms, {ours.per_second:,.0f} holds/s; the bare view {bare.per_second:,.0f}/s",
    )


def offers(count: int) -> list[Figure]:
    """Somebody cancels, somebody else is offered the place: from sending the one to hearing the other."""
    sport_event_id, bookings, waiting = _full_event(count)
    with web_server() as port, relay():
        taken = asyncio.run(_play(port, sport_event_id, bookings, waiting))
    return [
        Figure(
            about="a cancelled place is offered on a socket, p99",
            ours=percentile(taken, 99),
            unit="ms",
            at_most=1_000,
            note=f"p50 {statistics.median(taken):,.0f} ms; the mark in the handler's inbox is set before",
        )
    ]


def _full_event(count: int) -> tuple[UUID, list[tuple[Person, UUID]], list[Person]]:
    """An event all of whose places are confirmed, and as many who wait."""
    from django.utils.timezone import now

    from contexts.booking import paying, reserving, rules, waitlist
    from contexts.booking.models import TicketType

    at = now()
    sport_event_id = make_event(quota=count)
    place = rules.Place(ticket_type_id=TicketType.objects.get(sport_event=sport_event_id).pk, quantity=1)
    bookings = []
    for person in people(count):
        wish = rules.Wish(user_id=person.user_id, places=(place,))
        held = reserving.hold_places(sport_event_id=sport_event_id, wish=wish, at=at)
        paying.check_out(booking_id=held.pk, by=person.user_id, return_url="", at=at)
        bookings.append((person, held.pk))
    waiting = people(count)
    for number, person in enumerate(waiting):
        wish = rules.Wish(user_id=person.user_id, places=(place,))
        came_at = at + timedelta(milliseconds=number)
        waitlist.join(sport_event_id=sport_event_id, wish=wish, ticket_type_id=None, at=came_at)
    return sport_event_id, bookings, waiting


async def _play(
    port: int, sport_event_id: UUID, bookings: Sequence[tuple[Person, UUID]], waiting: Sequence[Person]
) -> list[float]:
    url = f"ws://127.0.0.1:{port}/ws/v1/booking/events/{sport_event_id}"
    sockets = [
        await connect(url, subprotocols=["stayer.v1", f"bearer.{person.token}"], max_queue=None)  # type: ignore[list-item]
        for person in waiting
    ]
    taken = []
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/api/v1/booking/") as api:
        for (person, booking_id), socket in zip(bookings, sockets, strict=True):
            began = monotonic()
            heard = asyncio.create_task(_offer(socket))
            answer = await api.post(
                f"bookings/{booking_id}/cancel", headers={"Authorization": f"Bearer {person.token}"}
            )
            answer.raise_for_status()
            taken.append(1_000 * (await asyncio.wait_for(heard, 30) - began))
            await asyncio.sleep(PAUSE_S)
    for socket in sockets:
        await socket.close()
    return taken


async def _offer(socket: ClientConnection) -> float:
    """When the offer came."""
    while True:
        frame: dict[str, Any] = json.loads(await socket.recv())
        if frame["type"] == "offer":
            return monotonic()
