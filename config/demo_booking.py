"""The demo's sport events: a run with many places, bikes to choose among, and a workshop that is full.

Made by its organiser and booked by the athletes through the API, at every start only what is missing: events are
found again by their titles as long as they are to come.
"""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

CARD = "4242424242424242"
"""The sandbox's card that works."""
SANDBOX_PATIENCE_S = 20.0
WORKSHOP = "Running technique workshop"
TAKERS = ("Boris", "Chloe")
WAITS = "Dmitri"
EVENTS: list[dict[str, Any]] = [
    {
        "title": "Morning park run",
        "description": "Five kilometres at your own pace, tea afterwards. Dogs and prams are welcome.",
        "sport": "running",
        "venue": "Riverside Park",
        "address": "At the old boathouse",
        "in_days": 3,
        "hour": 7,
        "ticket_types": [{"name": "Runner", "price_minor": 0, "quota": 200}],
    },
    {
        "title": "Spin class",
        "description": "Fifty minutes on the bike, with hills. Bring a towel.",
        "sport": "cycling",
        "venue": "Studio North",
        "address": "Mill Lane 4, first floor",
        "in_days": 5,
        "hour": 16,
        "ticket_types": [{"name": "Bike", "price_minor": 1200, "seats": [f"Bike {n}" for n in range(1, 13)]}],
        "refund_tiers": [{"hours": 48, "percent": 100}, {"hours": 24, "percent": 50}],
    },
    {
        "title": WORKSHOP,
        "description": "Two runners, one coach, a camera and a treadmill.",
        "sport": "running",
        "venue": "Studio North",
        "address": "Mill Lane 4, ground floor",
        "in_days": 9,
        "hour": 15,
        "ticket_types": [{"name": "Participant", "price_minor": 4900, "quota": 2}],
        "refund_tiers": [{"hours": 72, "percent": 100}, {"hours": 24, "percent": 30}],
    },
]


class Client(Protocol):
    """A signed-in person's HTTP client, as `config.demo` has it."""

    def get(self, path: str, **query: Any) -> Any:
        """What a GET answers."""

    def send(self, method: str, path: str, body: Any = None, *, fine: tuple[int, ...] = (), **more: Any) -> Any:
        """What a POST or PATCH answers."""

    def pay(self, page_url: str, card: str) -> None:
        """Pay on the provider's page."""


def fill_the_calendar(clients: Mapping[str, Client], say: Callable[[str], None]) -> None:
    """Publish what is missing; let the workshop be full, with somebody waiting."""
    organiser = clients["Olga"]
    organised = organiser.get("booking/events/organised", limit=100)["items"]
    coming = {event["title"]: event for event in organised if _is_coming(event)}
    for plan in EVENTS:
        event = coming.get(plan["title"]) or organiser.send("POST", "booking/events", _form(plan))
        if event["status"] == "draft":
            organiser.send("POST", f"booking/events/{event['id']}/publication")
        coming[plan["title"]] = event
    say("the calendar is filled")
    workshop = coming[WORKSHOP]["id"]
    for name in TAKERS:
        _book(clients[name], workshop)
    clients[WAITS].send("POST", f"booking/events/{workshop}/waitlist", {"quantity": 1}, fine=(409,))
    say("the workshop is full, somebody waits for it")


def _is_coming(event: Mapping[str, Any]) -> bool:
    begins = datetime.fromisoformat(event["starts_at"])
    return event["status"] in ("draft", "published") and begins > datetime.now(UTC)


def _form(plan: Mapping[str, Any]) -> dict[str, Any]:
    """What the API wants to know of an event."""
    day = datetime.now(UTC) + timedelta(days=plan["in_days"])
    starts_at = day.replace(hour=plan["hour"], minute=0, second=0, microsecond=0)
    times = {"starts_at": starts_at.isoformat(), "ends_at": (starts_at + timedelta(hours=1)).isoformat()}
    said = {name: value for name, value in plan.items() if name not in ("in_days", "hour")}
    return said | times | {"time_zone": "Europe/Berlin", "currency": "EUR"}


def _book(client: Client, event_id: str) -> None:
    """A place for one, paid for; what an earlier run has done stays."""
    known = [one for one in client.get("booking/bookings", limit=100)["items"] if one["event_id"] == event_id]
    if any(one["status"] == "confirmed" for one in known):
        return
    active = [one for one in known if one["status"] in ("held", "pending_payment")]
    booking = active[0] if active else _hold(client, event_id)
    if booking is None:
        return
    checked_out = _check_out(client, booking["id"])
    payment = checked_out and checked_out["payment"]
    if payment and payment["status"] == "open" and payment["page_url"]:
        client.pay(payment["page_url"], CARD)


def _hold(client: Client, event_id: str) -> Any:
    """One place held; none where somebody else was faster."""
    (kind,) = client.get(f"booking/events/{event_id}")["ticket_types"]
    places = [{"ticket_type_id": kind["id"], "quantity": 1}]
    answer = client.send("POST", f"booking/events/{event_id}/bookings", {"places": places}, fine=(409,))
    return answer if "id" in answer else None


def _check_out(client: Client, booking_id: str) -> Any:
    """The booking with its payment page; the sandbox may still be starting."""
    deadline = time.monotonic() + SANDBOX_PATIENCE_S
    while True:
        answer = client.send("POST", f"booking/bookings/{booking_id}/checkout", fine=(409, 503))
        if "payment" in answer or time.monotonic() > deadline:
            return answer if "payment" in answer else None
        time.sleep(0.2)
