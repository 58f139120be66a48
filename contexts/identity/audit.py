"""The audit: who did what, on whose data, from where and why, sealed entry by entry (ID-6).

Each entry's digest covers the entry and the digest before it, so a change anywhere shows from there on; the head
remembers how long the chain is, so a cut at its end shows too. Writers stand in line for the head's row. At READ
COMMITTED the next one reads what the one before has committed; at REPEATABLE READ its snapshot is too old for
that, PostgreSQL says so, and the unit of work runs again. Either way positions are gapless and never fork.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

from django.db.models import Q, QuerySet

from contexts.identity import rules
from contexts.identity.models import AuditEntry, AuditHead, OAuthApp, User
from kernel.databases import require_unit_of_work, unit_of_work
from kernel.errors import NotFound, Refused
from kernel.observability import correlation_id

ActorKind = Literal["person", "staff", "app", "system"]


class ReasonRequired(Refused):
    """Say why you need to look at this."""

    status = 403


@dataclass(frozen=True, kw_only=True)
class Look:
    """Somebody of the staff looks at a screen: at these people's data, or at a list of nobody in particular."""

    action: str
    model: str
    actor: UUID
    subjects: list[UUID]
    reason: str = ""
    network: str = ""


def record(
    *,
    action: str,
    actor: UUID | None,
    actor_kind: ActorKind,
    subject: UUID | None,
    at: datetime,
    network: str = "",
    reason: str = "",
    claims: dict[str, Any] | None = None,
) -> AuditEntry:
    """Add an entry; belongs inside an open unit of work of identity, as late in it as can be: others wait."""
    require_unit_of_work("identity")
    head = _locked_head()
    entry = AuditEntry(
        position=head.position + 1,
        at=at,
        actor=actor,
        actor_kind=actor_kind,
        action=action,
        subject=subject,
        network=network,
        reason=reason,
        claims=claims or {},
        correlation_id=correlation_id(),
    )
    entry.digest = digest_of(entry, after=head.digest)
    entry.save(force_insert=True)
    head.position, head.digest = entry.position, entry.digest
    head.save(update_fields=["position", "digest"])
    return entry


def _locked_head() -> AuditHead:
    head = AuditHead.objects.select_for_update().first()
    if head is None:
        AuditHead.objects.bulk_create([AuditHead()], ignore_conflicts=True)
        head = AuditHead.objects.select_for_update().get()
    return head


def digest_of(entry: AuditEntry, *, after: str) -> str:
    """What seals an entry: SHA-256 over the digest before it and the entry as JSON, written as PostgreSQL writes it.

    So the database can compute the same, without us (see the invariant X7).
    """
    row = {
        "position": entry.position,
        "at": entry.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "actor": str(entry.actor) if entry.actor else None,
        "actor_kind": entry.actor_kind,
        "action": entry.action,
        "subject": str(entry.subject) if entry.subject else None,
        "network": entry.network,
        "reason": entry.reason,
        "claims": entry.claims,
        "correlation_id": entry.correlation_id,
    }
    return hashlib.sha256((after + json.dumps(_in_order(row), ensure_ascii=False)).encode()).hexdigest()


def _in_order(value: Any) -> Any:
    """Keys in the order of `jsonb`: the shorter first, those of one length by their bytes."""
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: (len(name.encode()), name.encode()))
        return {name: _in_order(value[name]) for name in names}
    return [_in_order(item) for item in value] if isinstance(value, list) else value


def first_bad_position() -> int | None:
    """Walk the whole chain: the first position that is missing, changed or cut off; none if all is as written."""
    position, digest = 0, ""
    for entry in _chain():
        if entry.position != position + 1 or entry.digest != digest_of(entry, after=digest):
            return position + 1
        position, digest = entry.position, entry.digest
    head = AuditHead.objects.first() or AuditHead()
    return None if (head.position, head.digest) == (position, digest) else position + 1


def _chain() -> Iterator[AuditEntry]:
    return AuditEntry.objects.order_by("position").iterator(chunk_size=1000)


@unit_of_work("identity", isolation="read committed")
def record_look(look: Look, *, at: datetime) -> None:
    """Write down a look of the staff, before anything is shown. Support says why: `ReasonRequired` otherwise."""
    staff = User.objects.filter(pk=look.actor, is_staff=True, is_active=True).first()
    if staff is None:
        raise NotFound
    roles = sorted(set(staff.roles) & rules.STAFF_ROLES) or ["superuser"]
    if rules.must_say_why(roles, action=look.action) and not look.reason.strip():
        raise ReasonRequired
    everybody: list[UUID | None] = [*look.subjects] or [None]
    for subject in everybody:
        record(
            action=look.action,
            actor=staff.pk,
            actor_kind="staff",
            subject=subject,
            network=look.network,
            reason=look.reason.strip()[:200],
            claims={"roles": roles, "screen": look.model},
            at=at,
        )


def entries_about(*, user_id: UUID) -> QuerySet[AuditEntry]:
    """Everything that was done with a person's data, or by them."""
    return AuditEntry.objects.filter(Q(subject=user_id) | Q(actor=user_id))


@dataclass(frozen=True, kw_only=True)
class Seen:
    """An entry as the person it is about may see it: staff by their role, apps by their name, nobody else by name."""

    position: int
    at: datetime
    action: str
    actor_kind: str
    is_self: bool
    role: str | None
    app: str | None


def as_seen(entry: AuditEntry, *, by: UUID, app_names: dict[str, str]) -> Seen:
    """What `by` may know of an entry about them; names of apps are looked up once for each `app_names`."""
    staff_roles = entry.claims.get("roles", []) if entry.actor_kind == "staff" else []
    app_id = entry.claims.get("app")
    if app_id and app_id not in app_names:
        app_names[app_id] = OAuthApp.objects.filter(pk=app_id).values_list("name", flat=True).first() or ""
    return Seen(
        position=entry.position,
        at=entry.at,
        action=entry.action,
        actor_kind=entry.actor_kind,
        is_self=entry.actor == by,
        role=staff_roles[0] if staff_roles else None,
        app=app_names.get(app_id) or None,
    )
