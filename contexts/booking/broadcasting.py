"""Free places, live: frames for those who watch a sport event, and for the one whose turn it is."""

from functools import partial
from typing import Any
from uuid import UUID

from contexts.booking.models import SportEvent
from kernel.databases import run_after_commit
from kernel.realtime import push, push_all


def group_of(sport_event_id: UUID) -> str:
    """The name under which sockets listen to a sport event."""
    return f"booking.event.{sport_event_id}"


def personal_group(user_id: UUID) -> str:
    """The name under which a person's sockets listen to what concerns this person alone."""
    return f"booking.person.{user_id}"


def tell_places(*sport_events: SportEvent) -> None:
    """Say how many places are free once the change is real: once for a transaction, as its end has it."""

    def tell() -> None:
        push_all({group_of(one.pk): places_frame(one) for one in sport_events})

    run_after_commit(tell, once=f"places of {[one.pk for one in sport_events]}")


def places_frame(sport_event: SportEvent) -> dict[str, Any]:
    """The counts of a sport event, as its row has them."""
    return {
        "type": "places",
        "sport_event_id": sport_event.pk,
        "free": sport_event.free,
        "capacity": sport_event.capacity,
        "waiting": sport_event.waiting,
        "status": str(sport_event.status),
    }


def tell_person(user_id: UUID, frame: dict[str, Any]) -> None:
    """Say something to one person's sockets, once it is real."""
    run_after_commit(partial(push, personal_group(user_id), frame))
