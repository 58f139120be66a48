"""Roles, and what each may do (ID-4).

| role | may | never |
|---|---|---|
| member | everything that is their own | |
| coach | what athletes have granted: see `coaching.py` | |
| organiser | offer events and sell places | |
| moderator | people, friendships, rooms, messages, points, workouts' outlines, events, | anything medical |
| | bookings; block, hide, cancel | |
| medical_reviewer | which devices send what, their alerts, by pseudonym; publishes norms; in an | messages |
| | emergency opens one person's data for an hour, says why, is judged by another | |
| support | people with masked addresses, their sessions; says why for each person | any content |
| operator | as a moderator; stuck payments, imports, devices, sessions, dead letters, | what was measured |
| | memberships, the security policy, the audit; judges emergency accesses | |
| (superuser) | all of it, and grants roles | |

A role goes into the next token of its person, ten minutes later at the latest. The last four open the
administration too, each through a Django group of the same name; who loses one of these is signed out at once.
"""

from datetime import datetime
from functools import reduce
from operator import or_
from uuid import UUID

from django.contrib.auth.models import Group, Permission
from django.db.models import Q
from django.utils.timezone import now

from contexts.identity import events, rules, sessions
from contexts.identity.models import User
from kernel.bus import publish
from kernel.databases import unit_of_work
from kernel.errors import InvalidInput, NotFound

_MODERATION = {
    "identity": "^(view|block)_(user|address)$",
    "social": "^(view|delete)_",
    "gamification": "^view_",
    "workout": (
        "^(view_(trainingsession|import|importbatch|adoptedplan|segment)|delete_segment"
        "|(view|change)_(exercise|trainingplan))$"
    ),
    "booking": "^(view_.*|delete_(sportevent|booking))$",
}
_REVIEWING = (
    "^(view_(device|certification|calibration|alert|alertrule|emergencyaccess)|(view|add)_normversion"
    "|break_glass|judge_emergency)$"
)
GROUPS: dict[str, dict[str, str]] = {
    "moderator": _MODERATION,
    "medical_reviewer": {"health": _REVIEWING},
    "support": {"identity": "^view_(user|session)$"},
    "operator": _MODERATION
    | {
        "identity": "^((view|block)_(user|address)|(view|change)_session|grant_membership"
        "|(view|add)_securitypolicy|view_(auditentry|membershipperiod))$",
        "health": "^(view_(device|emergencyaccess)|judge_emergency)$",
        "kernel": "^(view|change)_faileddelivery$",
        "workout": "^(view_(trainingsession|import|importbatch)|change_import)$",
        "booking": "^(view_.*|delete_(sportevent|booking)|change_(payment|process))$",
    },
}
"""For each staff role the permissions of its group: by context, a pattern of code names."""


def _permissions(may: dict[str, str]) -> Q:
    named = [Q(content_type__app_label=context, codename__regex=pattern) for context, pattern in may.items()]
    return reduce(or_, named)


@unit_of_work("identity")
def make_groups() -> None:
    """Make the staff groups, or bring their permissions up to date."""
    for name, may in GROUPS.items():
        group, _ = Group.objects.get_or_create(name=name)
        group.permissions.set(Permission.objects.filter(_permissions(may)))


@unit_of_work("identity", isolation="read committed")
def grant_role(*, user_id: UUID, role: str, by: UUID | None = None, at: datetime | None = None) -> User:
    """Give a person a role; a staff role opens the administration to them."""
    person = _locked(user_id, role)
    _set_roles(person, set(person.roles) | {role})
    if role in GROUPS:
        make_groups()
        person.groups.add(Group.objects.get(name=role))
    publish(events.RoleChanged(user_id=user_id, role=role, granted=True, by=by, occurred_at=at or now()))
    return person


@unit_of_work("identity", isolation="read committed")
def withdraw_role(*, user_id: UUID, role: str, by: UUID | None = None, at: datetime | None = None) -> User:
    """Take a role away, and with the last staff role the administration; a former member of staff is signed out."""
    at = at or now()
    person = _locked(user_id, role)
    _set_roles(person, set(person.roles) - {role})
    if role in GROUPS:
        person.groups.remove(*Group.objects.filter(name=role))
        sessions.revoke_all_sessions(user_id=user_id, reason="role_withdrawn", at=at)
    publish(events.RoleChanged(user_id=user_id, role=role, granted=False, by=by, occurred_at=at))
    return person


def _locked(user_id: UUID, role: str) -> User:
    if role not in rules.ROLES:
        raise InvalidInput("There is no such role.", field="role", code="unknown_role")
    person = User.objects.select_for_update(no_key=True).filter(pk=user_id).first()
    if person is None:
        raise NotFound
    return person


def _set_roles(person: User, held: set[str]) -> None:
    person.roles = sorted(held)
    person.is_staff = person.is_superuser or bool(held & rules.STAFF_ROLES)
    person.save(update_fields=["roles", "is_staff"])
