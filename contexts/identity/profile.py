"""What a person says about themselves, and who may see it (ID-7)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from contexts.identity import events
from contexts.identity.models import User
from kernel.bus import publish
from kernel.databases import unit_of_work
from kernel.errors import NotFound

EDITABLE = (
    "display_name",
    "sex",
    "body_mass_kg",
    "hr_max",
    "time_zone",
    "locale",
    "units",
    "about",
    "city",
    "visibility",
)


def get_profile(*, user_id: UUID) -> User:
    """The person, for themselves."""
    person = User.objects.filter(pk=user_id, is_active=True).first()
    if person is None:
        raise NotFound
    return person


@unit_of_work("identity")
def change_profile(*, by: UUID, changes: Mapping[str, Any], at: datetime) -> User:
    """Change some of the `EDITABLE` fields of one's own profile; announces those that did change."""
    person = User.objects.select_for_update(no_key=True).filter(pk=by, is_active=True).first()
    if person is None:
        raise NotFound
    if "visibility" in changes:
        changes = {**changes, "visibility": person.visibility | dict(changes["visibility"])}
    changed = [field for field in EDITABLE if field in changes and getattr(person, field) != changes[field]]
    if changed:
        for field in changed:
            setattr(person, field, changes[field])
        person.save(update_fields=changed)
        publish(events.ProfileUpdated(user_id=person.pk, changed=changed, occurred_at=at))
    return person
