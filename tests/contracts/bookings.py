"""Sport events, bookings and tickets for the API's description to be tried with."""

from collections.abc import Callable
from datetime import timedelta
from functools import cached_property
from typing import Any

from django.conf import settings
from django.utils.timezone import now

from contexts.booking import tickets
from contexts.booking.models import Ticket
from contexts.identity import roles
from kernel.relay import Relay
from tests.conftest import Person, make_person, sign_in

OPEN_TO_ALL_COMERS = {"hold_places", "join_waitlist"}
"""Operations on an event of somebody else's that are for everybody."""
OF_THE_ORGANISER = {
    "draft_sport_event",
    "list_organised_sport_events",
    "change_sport_event",
    "publish_sport_event",
    "cancel_sport_event",
    "show_cancellation",
    "list_participants",
    "start_series",
    "show_series",
    "end_series",
    "check_in_tickets",
    "show_admission_list",
}


def form(*, quota: int = 10) -> dict[str, Any]:
    """A free run in ten days."""
    starts = now() + timedelta(days=10)
    return {
        "title": "Park run",
        "sport": "running",
        "venue": "Park",
        "time_zone": "Europe/Riga",
        "starts_at": starts.isoformat(),
        "ends_at": (starts + timedelta(hours=1)).isoformat(),
        "ticket_types": [{"name": "Entry", "price_minor": 0, "quota": quota}],
    }


class Bookings:
    """Olga organises; Anna books; each thing is made when it is first asked for."""

    def __init__(self, world: Any) -> None:
        self.world = world

    @cached_property
    def olga(self) -> Person:
        """The organiser."""
        person = make_person()
        roles.grant_role(user_id=person.user_id, role="organiser")
        person.api.token = sign_in(person.email)["access"]
        return person

    def event(self, *, is_open: bool = True, quota: int = 10) -> dict[str, Any]:
        """An event of Olga's."""
        made: dict[str, Any] = self.world.made("booking/events", form(quota=quota), by=self.olga)
        if is_open:
            self.world.made(f"booking/events/{made['id']}/publication", by=self.olga)
        return made

    @cached_property
    def draft(self) -> dict[str, Any]:
        """What only Olga sees."""
        return self.event(is_open=False)

    @cached_property
    def open_event(self) -> dict[str, Any]:
        """What everybody may book."""
        return self.event()

    @cached_property
    def full_event(self) -> dict[str, Any]:
        """One place, which Boris has."""
        made = self.event(quota=1)
        self.hold(made, by=self.world.boris)
        return made

    @cached_property
    def awaited_event(self) -> dict[str, Any]:
        """The same, and Anna waits."""
        made = self.event(quota=1)
        self.hold(made, by=self.world.boris)
        self.world.made(f"booking/events/{made['id']}/waitlist", {"quantity": 1})
        return made

    @cached_property
    def attended_event(self) -> dict[str, Any]:
        """Anna has tickets for it."""
        made = self.event()
        booking = self.hold(made)
        self.world.made(f"booking/bookings/{booking['id']}/checkout", {})
        return made | {"booking_id": booking["id"]}

    @cached_property
    def booking_id(self) -> str:
        """What Anna holds."""
        return str(self.hold(self.event())["id"])

    @cached_property
    def ticket_id(self) -> str:
        """A ticket of Anna's."""
        self.attended_event  # noqa: B018  (makes it)
        return str(Ticket.objects.get(holder_id=self.world.anna.user_id).pk)

    @cached_property
    def series_id(self) -> str:
        """A series of Olga's."""
        return str(self.world.made("booking/series", self.series_form(), by=self.olga)["id"])

    @cached_property
    def calendar(self) -> dict[str, Any]:
        """A calendar of Anna's."""
        made: dict[str, Any] = self.world.made("booking/calendars", {"name": "Phone"})
        return made

    def hold(self, event: dict[str, Any], *, by: Person | None = None) -> dict[str, Any]:
        """Hold one place."""
        made: dict[str, Any] = self.world.made(f"booking/events/{event['id']}/bookings", self.wish(event), by=by)
        return made

    @staticmethod
    def wish(event: dict[str, Any]) -> dict[str, Any]:
        """One place of the first ticket type."""
        return {"places": [{"ticket_type_id": event["ticket_types"][0]["id"], "quantity": 1}]}

    @staticmethod
    def series_form() -> dict[str, Any]:
        """Three evenings."""
        return {"rule": "FREQ=DAILY;COUNT=3", "publish": False, "sport_event": form()}

    def id_for(self, name: str, operation_id: str) -> str:
        """The thing which a path parameter should name."""
        match name:
            case "event_id":
                return str(self._event_for(operation_id)["id"])
            case "booking_id" if operation_id == "print_tickets":
                return str(self.attended_event["booking_id"])
            case "calendar_id":
                return str(self.calendar["id"])
            case "token":
                return str(self.calendar["url"]).rpartition("/")[2].removesuffix(".ics")
        return str(getattr(self, name))

    def _event_for(self, operation_id: str) -> dict[str, Any]:
        special = {
            "hold_places": "open_event",
            "join_waitlist": "full_event",
            "show_waitlist_standing": "awaited_event",
            "leave_waitlist": "awaited_event",
            "check_in_tickets": "attended_event",
            "show_admission_list": "attended_event",
            "show_sport_event": "open_event",
            "list_seats": "open_event",
        }
        made: dict[str, Any] = getattr(self, special.get(operation_id, "draft"))
        return made

    def calls(self) -> dict[str, Callable[[], dict[str, Any]]]:
        """By operation: what to send."""
        made: dict[str, Callable[[], dict[str, Any]]] = {
            "draft_sport_event": lambda: {"body": form()},
            "change_sport_event": lambda: {"body": {"title": "Forest run"}},
            "cancel_sport_event": lambda: {"body": {"reason": "Storm"}},
            "start_series": lambda: {"body": self.series_form()},
            "end_series": lambda: {"body": {"reason": "Season over"}},
            "hold_places": lambda: {"body": self.wish(self.open_event)},
            "check_out": lambda: {"body": {}},
            "join_waitlist": lambda: {"body": {"quantity": 1}},
            "make_calendar": lambda: {"body": {"name": "Watch"}},
            "check_in_tickets": lambda: {"body": {"scans": [self._scan()]}},
            "transfer_ticket": lambda: {"body": {"user_id": str(self._friend())}},
        }

        def by_olga(operation_id: str) -> dict[str, Any]:
            return made.get(operation_id, dict)() | {"by": self.olga}

        of_hers = {name: (lambda name=name: by_olga(name)) for name in OF_THE_ORGANISER}  # type: ignore[misc]
        return made | of_hers

    def _scan(self) -> dict[str, Any]:
        ticket = Ticket.objects.select_related("sport_event").get(pk=self.ticket_id)
        return {"code": tickets.code_of(ticket), "scan_id": "1", "scanned_at": now().isoformat(), "device": "door"}

    def _friend(self) -> Any:
        Relay(contexts=settings.CONTEXTS).drain()
        return self.world.boris.user_id
