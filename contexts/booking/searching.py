"""Finding sport events: by sport, time, words, free places, and distance from a point."""

import math
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.contrib.postgres.search import SearchQuery
from django.db.models import (
    BooleanField,
    Case,
    F,
    FloatField,
    Func,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
    When,
)
from django.db.models.functions import ACos, Coalesce, Cos, Least, Radians, Sin

from contexts.booking.models import Booking, SportEvent
from kernel.errors import NotFound

EARTH_RADIUS_KM = 6371.0088
"""Mean radius (IUGG)."""
KM_A_DEGREE = math.pi * EARTH_RADIUS_KM / 180
FARTHEST_KM = 500


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What somebody looks for; unsaid is any. `near` is a latitude and a longitude."""

    sport: str | None = None
    starts_after: datetime | None = None
    starts_before: datetime | None = None
    text: str | None = None
    free_places: int | None = None
    near: tuple[float, float] | None = None
    radius_km: float = 25
    organiser_id: UUID | None = None


def find(filters: Filters, *, at: datetime) -> QuerySet[SportEvent]:
    """The published sport events that fit and have not ended, to be ordered by `starts_at` and `id`."""
    found: QuerySet[SportEvent] = SportEvent.objects.filter(
        status=SportEvent.Status.PUBLISHED, starts_at__gte=filters.starts_after or at
    )
    if filters.sport:
        found = found.filter(sport=filters.sport)
    if filters.starts_before:
        found = found.filter(starts_at__lt=filters.starts_before)
    if filters.organiser_id:
        found = found.filter(organiser_id=filters.organiser_id)
    if filters.text:
        found = found.filter(words=SearchQuery(filters.text, search_type="websearch", config="simple"))
    if filters.near:
        found = _near(found, *filters.near, radius_km=filters.radius_km)
    if filters.free_places:
        found = _with_free(found, at=at).filter(Q(free_now__gte=filters.free_places))
    return found


def _with_free(found: QuerySet[SportEvent], *, at: datetime) -> QuerySet[SportEvent]:
    """What has run out is free even where nobody has tidied up, unless somebody waits for it."""
    lapsed = Booking.objects.lapsed(at=at).filter(sport_event=OuterRef("pk")).order_by().values("sport_event")
    run_out = Coalesce(Subquery(lapsed.annotate(freed=Sum("quantity")).values("freed")), 0)
    free = F("capacity") - F("held") - F("confirmed")
    return found.annotate(free_now=Case(When(waiting=0, then=free + run_out), default=free))


class _Inside(Func):
    """`point <@ box`, which the index answers."""

    template = "(%(expressions)s)"
    arg_joiner = " <@ "
    output_field = BooleanField()


def _near(
    found: QuerySet[SportEvent], latitude: float, longitude: float, *, radius_km: float
) -> QuerySet[SportEvent]:
    """Within so many kilometres on the great circle; a box found by the index comes first."""
    up = radius_km / KM_A_DEGREE
    aside = min(180.0, up / max(0.01, math.cos(math.radians(min(89.0, abs(latitude) + up)))))
    boxes = Q(_inside(longitude - aside, latitude - up, longitude + aside, latitude + up))
    for turn in (-360, 360):  # a circle may reach over the date line
        if abs(longitude + math.copysign(aside, -turn)) > 180:
            boxes |= Q(_inside(longitude - aside + turn, latitude - up, longitude + aside + turn, latitude + up))
    here, there = Radians(Value(latitude, FloatField())), Radians(F("latitude"))
    turned = Radians(F("longitude") - Value(longitude, FloatField()))
    cosine = Sin(here) * Sin(there) + Cos(here) * Cos(there) * Cos(turned)
    distance = ACos(Least(cosine, Value(1.0))) * EARTH_RADIUS_KM
    return found.filter(boxes).annotate(distance_km=distance).filter(distance_km__lte=radius_km)


def _inside(west: float, south: float, east: float, north: float) -> _Inside:
    def corner(x: float, y: float) -> Func:
        return Func(Value(x, FloatField()), Value(y, FloatField()), function="point")

    place = Func(F("longitude"), F("latitude"), function="point")
    return _Inside(place, Func(corner(west, south), corner(east, north), function="box"))


def sport_event_for(*, sport_event_id: UUID, viewer_id: UUID | None) -> SportEvent:
    """One sport event, a draft for its organiser alone; `NotFound` otherwise."""
    found = SportEvent.objects.filter(pk=sport_event_id).first()
    if found is None or (found.status == SportEvent.Status.DRAFT and found.organiser_id != viewer_id):
        raise NotFound
    return found
