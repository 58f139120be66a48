"""Roles, and what the administration shows to those who have them (ID-4).

A role goes into the next token of its person. Staff roles open the administration as well, through a Django
group of the same name. A moderator sees people and what they say to each other, and nothing that is medical:
no health data, no streams of a workout, no physiology.
"""

from uuid import UUID

from django.contrib.auth.models import Group, Permission
from django.db.models import Q

from contexts.identity import rules
from contexts.identity.models import User
from kernel.databases import unit_of_work
from kernel.errors import InvalidInput, NotFound


def _may(context: str, pattern: str) -> Q:
    return Q(content_type__app_label=context, codename__regex=pattern)


MODERATOR_MAY = (
    _may("identity", "^(view|block)_user$")
    | _may("social", "^(view|delete)_")
    | _may("gamification", "^view_")
    | _may("workout", "^view_(trainingsession|import)$")
)
"""Permissions of the moderators' group. The workout screens these open leave out all that was measured."""

OPERATOR_MAY = MODERATOR_MAY | _may("kernel", "^(view|change)_faileddelivery$") | _may("health", "^view_device$")
"""An operator also sees devices, and replays or discards what the event bus could not deliver."""

GROUPS = {"moderator": MODERATOR_MAY, "operator": OPERATOR_MAY}


@unit_of_work("identity")
def make_groups() -> None:
    """Make the staff groups, or bring their permissions up to date."""
    for name, may in GROUPS.items():
        group, _ = Group.objects.get_or_create(name=name)
        group.permissions.set(Permission.objects.filter(may))


@unit_of_work("identity")
def grant_role(*, user_id: UUID, role: str) -> User:
    """Give a person a role; a staff role opens the administration to them."""
    return _change_roles(user_id, role, granted=True)


@unit_of_work("identity")
def withdraw_role(*, user_id: UUID, role: str) -> User:
    """Take a role away, and with the last staff role the administration."""
    return _change_roles(user_id, role, granted=False)


def _change_roles(user_id: UUID, role: str, *, granted: bool) -> User:
    if role not in rules.ROLES:
        raise InvalidInput("There is no such role.", field="role", code="unknown_role")
    person = User.objects.select_for_update(no_key=True).filter(pk=user_id).first()
    if person is None:
        raise NotFound
    held = set(person.roles) | {role} if granted else set(person.roles) - {role}
    person.roles = sorted(held)
    person.is_staff = person.is_superuser or bool(held & rules.STAFF_ROLES)
    person.save(update_fields=["roles", "is_staff"])
    if role in GROUPS:
        make_groups()
        group = Group.objects.get(name=role)
        (person.groups.add if granted else person.groups.remove)(group)
    return person
