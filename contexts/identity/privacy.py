"""Privacy zones: circles around a home or a workplace that nobody else is shown a route through (ID-7).

Their centres tell where somebody lives, so they are encrypted at rest and leave this context through one service.
"""

from dataclasses import dataclass
from uuid import UUID

from allauth.mfa.adapter import get_adapter

from contexts.identity import rules
from contexts.identity.models import PrivacyZone, User
from kernel.databases import unit_of_work
from kernel.errors import NotFound, Refused


class TooManyZones(Refused):
    """Ten privacy zones are the most one can have."""


@dataclass(frozen=True, kw_only=True)
class Zone:
    """A circle on the map: degrees and metres."""

    zone_id: UUID
    name: str
    latitude: float
    longitude: float
    radius_m: int


@unit_of_work("identity", isolation="read committed")
def add_zone(*, by: UUID, name: str, latitude: float, longitude: float, radius_m: int) -> Zone:
    """Draw a circle of one's own."""
    person = User.objects.select_for_update(no_key=True).filter(pk=by, is_active=True).first()
    if person is None:
        raise NotFound
    if PrivacyZone.objects.filter(user=person).count() >= rules.MAX_ZONES:
        raise TooManyZones
    sealed = get_adapter().encrypt(f"{latitude!r},{longitude!r}")
    return _opened(PrivacyZone.objects.create(user=person, name=name, sealed_centre=sealed, radius_m=radius_m))


@unit_of_work("identity")
def remove_zone(*, by: UUID, zone_id: UUID) -> None:
    """Remove a circle of one's own."""
    if not PrivacyZone.objects.filter(pk=zone_id, user_id=by).delete()[0]:
        raise NotFound


def zones_of(*, user_ids: list[UUID]) -> dict[UUID, list[Zone]]:
    """The circles of these people, in the order in which they were drawn."""
    zones: dict[UUID, list[Zone]] = {user_id: [] for user_id in user_ids}
    for row in PrivacyZone.objects.filter(user_id__in=user_ids).order_by("pk"):
        zones[row.user_id].append(_opened(row))
    return zones


def _opened(row: PrivacyZone) -> Zone:
    latitude, longitude = map(float, get_adapter().decrypt(row.sealed_centre).split(","))
    return Zone(zone_id=row.pk, name=row.name, latitude=latitude, longitude=longitude, radius_m=row.radius_m)
