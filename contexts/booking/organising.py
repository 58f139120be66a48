"""Making sport events and changing them (BO-1): drafts, publishing, moving, and whether enough people come."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import available_timezones

from contexts.booking import broadcasting, cancelling, events, offering, releasing, rules
from contexts.booking.models import Booking, DayPlace, Seat, SportEvent, TicketType
from kernel.bus import publish
from kernel.databases import unit_of_work
from kernel.errors import InvalidInput, NotFound, Refused


class CapacityTooSmall(Refused):
    """More places than that are taken already."""


class OnlyDrafts(Refused):
    """This can be changed only before the event is published."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A ticket type to be: its price in minor units, and its quota or its seats."""

    name: str
    price_minor: int
    quota: int
    seats: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What an organiser says of a sport event; times are aware instants."""

    title: str
    sport: str
    venue: str
    time_zone: str
    starts_at: datetime
    ends_at: datetime
    opens_at: datetime
    closes_at: datetime
    currency: str
    kinds: tuple[Kind, ...]
    capacity: int | None = None
    description: str = ""
    address: str = ""
    latitude: float | None = None
    longitude: float | None = None
    cover_id: UUID | None = None
    min_age: int | None = None
    max_age: int | None = None
    refund_tiers: list[dict[str, int]] = field(default_factory=list)
    min_participants: int | None = None
    decide_at: datetime | None = None

    @property
    def is_numbered(self) -> bool:
        """Whether its places have names."""
        return any(kind.seats for kind in self.kinds)

    @property
    def places(self) -> int:
        """Its capacity; unsaid, all quotas together."""
        return self.capacity or sum(kind.quota for kind in self.kinds)


OF_THE_EVENT = tuple(one.name for one in fields(Plan) if one.name not in ("kinds", "capacity"))
MOVES = frozenset({"starts_at", "ends_at", "venue", "address", "latitude", "longitude", "time_zone"})
WHENEVER = frozenset({"title", "description", "cover_id", "opens_at", "closes_at", "capacity", "quotas"}) | MOVES
"""What may be changed of an event that is published."""


@unit_of_work("booking")
def draft_sport_event(
    *, by: UUID, plan: Plan, at: datetime, series_id: UUID | None = None, recurrence_at: datetime | None = None
) -> SportEvent:
    """Write a sport event down. Nobody but its organiser sees it until it is published."""
    ensure_sound(plan, at=at)
    sport_event = SportEvent.objects.create(
        organiser_id=by,
        series_id=series_id,
        recurrence_at=recurrence_at,
        capacity=plan.places,
        is_numbered=plan.is_numbered,
        created_at=at,
        changed_at=at,
        **{name: getattr(plan, name) for name in OF_THE_EVENT},
    )
    _write_kinds(sport_event, plan.kinds)
    publish(
        events.SportEventCreated(
            sport_event_id=sport_event.pk,
            organiser_id=by,
            sport=sport_event.sport,
            starts_at=sport_event.starts_at,
            ends_at=sport_event.ends_at,
            occurred_at=at,
        )
    )
    return sport_event


def _write_kinds(sport_event: SportEvent, kinds: Sequence[Kind]) -> None:
    types = [
        TicketType(
            sport_event=sport_event, position=position, name=kind.name, price_minor=kind.price_minor, quota=kind.quota
        )
        for position, kind in enumerate(kinds)
    ]
    TicketType.objects.bulk_create(types)
    Seat.objects.bulk_create(
        Seat(sport_event=sport_event, ticket_type=ticket_type, label=label)
        for ticket_type, kind in zip(types, kinds, strict=True)
        for label in kind.seats
    )


def ensure_sound(plan: Plan, *, at: datetime) -> None:
    """Refuse a plan that cannot be, naming the field at fault."""
    if plan.time_zone not in available_timezones():
        raise InvalidInput("There is no such time zone.", field="time_zone", code="unknown_time_zone")
    if plan.ends_at > at + rules.FARTHEST:
        raise InvalidInput("That is too far ahead.", field="ends_at", code="too_far")
    if not at < plan.starts_at < plan.ends_at:
        raise InvalidInput("It has to begin in the future and end later.", field="ends_at", code="out_of_order")
    if not plan.opens_at < plan.closes_at <= plan.ends_at:
        raise InvalidInput(
            "Registration has to open before it closes, and close before the end.",
            field="closes_at",
            code="out_of_order",
        )
    if plan.decide_at is not None and not at < plan.decide_at < plan.starts_at:
        raise InvalidInput("This has to be decided before the start.", field="decide_at", code="out_of_order")
    if (plan.decide_at is None) != (plan.min_participants is None):
        raise InvalidInput("Say both how many and by when.", field="decide_at", code="incomplete")
    if plan.min_age is not None and plan.max_age is not None and plan.min_age > plan.max_age:
        raise InvalidInput("The youngest cannot be older than the oldest.", field="max_age", code="out_of_order")
    if (plan.latitude is None) != (plan.longitude is None):
        raise InvalidInput("Say both coordinates or none.", field="longitude", code="incomplete")
    if fault := rules.tiers_fault(plan.refund_tiers):
        raise InvalidInput("Who cancels earlier cannot get less back.", field="refund_tiers", code=fault)
    _ensure_sound_kinds(plan)


def _ensure_sound_kinds(plan: Plan) -> None:
    labels = [label for kind in plan.kinds for label in kind.seats]
    if len({kind.name for kind in plan.kinds}) < len(plan.kinds):
        raise InvalidInput("Two ticket types have one name.", field="ticket_types", code="twice")
    if len(set(labels)) < len(labels) or len(labels) > rules.MAX_NUMBERED:
        raise InvalidInput("Each seat has a name of its own.", field="ticket_types", code="seats_not_distinct")
    if plan.is_numbered and any(len(kind.seats) != kind.quota for kind in plan.kinds):
        raise InvalidInput("Either all places have names or none.", field="ticket_types", code="seats_incomplete")
    if any(kind.quota > plan.places for kind in plan.kinds):
        raise InvalidInput("A quota cannot pass the capacity.", field="capacity", code="quota_too_large")


def of_organiser(*, sport_event_id: UUID, by: UUID) -> SportEvent:
    """A sport event of one's own, or `NotFound`."""
    found = SportEvent.objects.filter(pk=sport_event_id, organiser_id=by).first()
    if found is None:
        raise NotFound
    return found


@unit_of_work("booking", gate="sport_event_id")
def publish_sport_event(*, sport_event_id: UUID, by: UUID, at: datetime) -> SportEvent:
    """Put a draft into the calendar. Publishing again changes nothing."""
    of_organiser(sport_event_id=sport_event_id, by=by)
    sport_event = SportEvent.objects.locked(sport_event_id)
    if sport_event.status == SportEvent.Status.DRAFT:
        if sport_event.starts_at <= at:
            raise cancelling.EventOver
        sport_event.status, sport_event.changed_at = SportEvent.Status.PUBLISHED, at
        sport_event.save(update_fields=["status", "changed_at"])
        publish(
            events.SportEventPublished(sport_event_id=sport_event.pk, opens_at=sport_event.opens_at, occurred_at=at)
        )
    return sport_event


@unit_of_work("booking", gate="sport_event_id")
def change_sport_event(*, sport_event_id: UUID, by: UUID, changes: Mapping[str, Any], at: datetime) -> SportEvent:
    """Change what `changes` names. Another time or place of a published event is a move: participants are asked."""
    of_organiser(sport_event_id=sport_event_id, by=by)
    sport_event = SportEvent.objects.locked(sport_event_id)
    if sport_event.status in (SportEvent.Status.CANCELLED, SportEvent.Status.FINISHED):
        raise cancelling.EventOver
    if sport_event.status == SportEvent.Status.PUBLISHED and not changes.keys() <= WHENEVER:
        raise OnlyDrafts(fields=sorted(changes.keys() - WHENEVER))
    releasing.release_lapsed(sport_event, at=at)
    former = {name: getattr(sport_event, name) for name in MOVES}
    for name in changes.keys() - {"capacity", "quotas", "kinds"}:
        setattr(sport_event, name, changes[name])
    if "starts_at" in changes and "closes_at" not in changes:
        sport_event.closes_at += sport_event.starts_at - former["starts_at"]
    sport_event.changed_at = at
    if "kinds" in changes:
        sport_event.ticket_types.all().delete()
        _write_kinds(sport_event, changes["kinds"])
    _change_places(sport_event, changes)
    ensure_sound(plan_of(sport_event), at=at)
    sport_event.save()
    if sport_event.status == SportEvent.Status.PUBLISHED:
        if any(getattr(sport_event, name) != former[name] for name in MOVES):
            _ask_to_move(sport_event, former_starts_at=former["starts_at"], at=at)
        offering.serve(sport_event, at=at)
        broadcasting.tell_places(sport_event)
    return sport_event


def _change_places(sport_event: SportEvent, changes: Mapping[str, Any]) -> None:
    if sport_event.is_numbered and changes.keys() & {"capacity", "quotas"} and "kinds" not in changes:
        raise OnlyDrafts(fields=["capacity"])
    for ticket_type_id, quota in changes.get("quotas", {}).items():
        ticket_type = sport_event.ticket_types.filter(pk=ticket_type_id).first()
        if ticket_type is None:
            raise InvalidInput("This event has no such ticket.", field="quotas", code="unknown_ticket_type")
        if quota < ticket_type.held + ticket_type.confirmed:
            raise CapacityTooSmall(taken=ticket_type.held + ticket_type.confirmed)
        ticket_type.quota = quota
        ticket_type.save(update_fields=["quota"])
    if "kinds" in changes:
        sport_event.is_numbered = any(kind.seats for kind in changes["kinds"])
        sport_event.capacity = sum(kind.quota for kind in changes["kinds"])
    if changes.get("capacity"):
        if changes["capacity"] < sport_event.held + sport_event.confirmed:
            raise CapacityTooSmall(taken=sport_event.held + sport_event.confirmed)
        sport_event.capacity = changes["capacity"]


def plan_of(sport_event: SportEvent) -> Plan:
    """A sport event as its organiser would have said it."""
    kinds = tuple(
        Kind(
            name=one.name,
            price_minor=one.price_minor,
            quota=one.quota,
            seats=tuple(one.seats.order_by("pk").values_list("label", flat=True)) if sport_event.is_numbered else (),
        )
        for one in sport_event.ticket_types.order_by("position")
    )
    values = {name: getattr(sport_event, name) for name in OF_THE_EVENT}
    return Plan(kinds=kinds, capacity=sport_event.capacity, **values)


def _ask_to_move(sport_event: SportEvent, *, former_starts_at: datetime, at: datetime) -> None:
    """Who has places is asked; until they answer, all their money comes back if they cancel.

    Nobody chose the new day, so the event counts towards nobody's two of that day.
    """
    active = Booking.objects.active().filter(sport_event=sport_event)
    active.filter(status=Booking.Status.CONFIRMED).update(asked_to_move_at=at)
    if former_starts_at != sport_event.starts_at:
        DayPlace.objects.filter(booking_id__in=active.values("id")).delete()
    publish(
        events.SportEventMoved(
            sport_event_id=sport_event.pk,
            starts_at=sport_event.starts_at,
            ends_at=sport_event.ends_at,
            former_starts_at=former_starts_at,
            occurred_at=at,
        )
    )


@unit_of_work("booking", isolation="read committed")
def accept_move(*, booking_id: UUID, by: UUID, at: datetime) -> Booking:
    """A participant keeps their places at the moved event. Who does not cancels, with all the money back."""
    booking = Booking.objects.filter(pk=booking_id, user_id=by).select_related("sport_event").first()
    if booking is None:
        raise NotFound
    if booking.asked_to_move_at is not None:
        booking.asked_to_move_at = None
        booking.save(update_fields=["asked_to_move_at"])
    return booking


def decide_due(*, at: datetime) -> int:
    """Look whether enough people take part, where it is time to; answers how many events were decided."""
    due = SportEvent.objects.filter(status=SportEvent.Status.PUBLISHED, decide_at__lte=at)
    return sum(_decide(sport_event_id=sport_event_id, at=at) for sport_event_id in due.values_list("id", flat=True))


@unit_of_work("booking", gate="sport_event_id")
def _decide(*, sport_event_id: UUID, at: datetime) -> int:
    sport_event = SportEvent.objects.locked(sport_event_id)
    if sport_event.decide_at is None or sport_event.status != SportEvent.Status.PUBLISHED:
        return 0
    if not rules.is_enough(sport_event.confirmed, minimum=sport_event.min_participants):
        cancelling.cancel_sport_event(sport_event_id=sport_event_id, reason="too_few_participants", at=at)
    sport_event.decide_at = None
    sport_event.save(update_fields=["decide_at"])
    return 1


@unit_of_work("booking", isolation="read committed")
def finish_over(*, at: datetime) -> int:
    """What has ended is finished; answers how many events that were."""
    over = SportEvent.objects.filter(status=SportEvent.Status.PUBLISHED, ends_at__lte=at)
    return over.update(status=SportEvent.Status.FINISHED, waiting=0)
