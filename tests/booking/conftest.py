"""Sport events, people who book them, and the payment sandbox that takes their money."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connections
from django.test import Client
from django.utils.timezone import now

from contexts.booking import organising, processes, rules, settling  # noqa: F401  (settling registers its steps)
from contexts.booking.models import Booking, DayPlace, SportEvent
from contexts.identity import roles
from kernel import payments
from kernel.events import uuid7
from tests.conftest import Person, make_person, sign_in
from tests.payments.sandbox import SandboxProcess, running_sandbox

BOOKING = "/api/v1/booking"
FREE = organising.Kind(name="Entry", price_minor=0, quota=10)
PAID = organising.Kind(name="Entry", price_minor=2_500, quota=10)


def plan(**changes: Any) -> organising.Plan:
    """A run in Riga in ten days, open to everybody."""
    at = now()
    usual: dict[str, Any] = {
        "title": "Sunrise run",
        "sport": "running",
        "venue": "Mežaparks",
        "time_zone": "Europe/Riga",
        "starts_at": at + timedelta(days=10),
        "ends_at": at + timedelta(days=10, hours=2),
        "opens_at": at - timedelta(days=1),
        "closes_at": at + timedelta(days=10),
        "currency": "EUR",
        "kinds": (FREE,),
        "refund_tiers": [{"hours": 48, "percent": 100}, {"hours": 24, "percent": 50}],
    }
    return organising.Plan(**usual | changes)


def make_event(*, organiser_id: UUID | None = None, is_open: bool = True, **changes: Any) -> SportEvent:
    """A published sport event."""
    by = organiser_id or UUID(int=1)
    made = organising.draft_sport_event(by=by, plan=plan(**changes), at=now())
    if is_open:
        organising.publish_sport_event(sport_event_id=made.pk, by=by, at=now())
    return SportEvent.objects.get(pk=made.pk)


def wish(sport_event: SportEvent, *, user_id: UUID | None = None, quantity: int = 1, **more: Any) -> rules.Wish:
    """So many places of the event's first ticket type."""
    first = sport_event.ticket_types.order_by("position").first()
    assert first is not None
    place = rules.Place(ticket_type_id=first.pk, quantity=quantity, seats=more.pop("seats", ()))
    return rules.Wish(user_id=user_id or uuid7(), places=(place,), **more)


def asked(sport_event: SportEvent, quantity: int = 1, **more: Any) -> dict[str, Any]:
    """The body that asks for places of the first ticket type."""
    first = sport_event.ticket_types.order_by("position").first()
    assert first is not None
    return {"places": [{"ticket_type_id": str(first.pk), "quantity": quantity} | more]}


def book(person: Person, sport_event: SportEvent, quantity: int = 1, **more: Any) -> Any:
    """Hold places over HTTP."""
    return person.api.post(f"{BOOKING}/events/{sport_event.pk}/bookings", asked(sport_event, quantity, **more))


def check_out(person: Person, booking_id: str) -> Any:
    """Check out over HTTP."""
    return person.api.post(f"{BOOKING}/bookings/{booking_id}/checkout", {})


def run_out(booking_id: Any, *, ago: timedelta = timedelta(seconds=1)) -> None:
    """The time of a booking is over since `ago`."""
    Booking.objects.filter(pk=booking_id).update(expires_at=now() - ago)
    DayPlace.objects.filter(booking_id=booking_id).update(until=now() - ago)


def counts_add_up(sport_event: SportEvent) -> bool:
    """Whether the counters say what the bookings say, and no more places are given than there are."""
    fresh = SportEvent.objects.get(pk=sport_event.pk)
    active = list(Booking.objects.active().filter(sport_event=fresh))
    held = sum(one.quantity for one in active if one.status in rules.EXPIRING)
    confirmed = sum(one.quantity for one in active if one.status == "confirmed")
    types = list(fresh.ticket_types.all())
    return (
        (fresh.held, fresh.confirmed) == (held, confirmed)
        and sum(one.held for one in types) == held
        and sum(one.confirmed for one in types) == confirmed
        and held + confirmed <= fresh.capacity
    )


def at_once(calls: list[Callable[[], Any]], *, threads: int) -> list[Any]:
    """What these calls answer, or the exceptions they raise, made at the same time on connections of their own."""

    def call(one: Callable[[], Any]) -> Any:
        try:
            return one()
        except Exception as error:
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(call, calls))


@pytest.fixture
def organiser(db: None) -> Person:
    """Somebody who may organise sport events."""
    person = make_person()
    roles.grant_role(user_id=person.user_id, role="organiser")
    person.api.token = sign_in(person.email)["access"]
    return person


@pytest.fixture
def sandbox(tmp_path: Any, settings: Any, transactional_db: None) -> Iterator[SandboxProcess]:
    """The payment sandbox, whose webhooks reach our endpoint."""

    def hears(body: bytes, headers: dict[str, str]) -> int:
        try:
            answer = Client().post(f"{BOOKING}/payments/webhook", body, "application/json", headers=headers)
            return int(answer.status_code)
        finally:
            connections.close_all()

    with running_sandbox(tmp_path, hears) as process:
        settings.PAYMENT_SANDBOX_URL = process.url
        payments.provider.cache_clear()
        yield process
    payments.provider.cache_clear()


def settle(*, at: datetime | None = None) -> None:
    """Everything that is due is done."""
    moment = at or now()
    while processes.advance_due(at=moment):
        pass
