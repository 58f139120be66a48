"""Grants: an owner gives one, the other one accepts it, either ends it. Nothing of them is remembered anywhere."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from contexts.health import rules
from contexts.health.events import GrantAccepted, GrantGiven, GrantRevoked
from contexts.health.models import Access
from contexts.health.models.sharing import EmergencyAccess, Grant
from contexts.health.terms import GRANTABLE, LONGEST_GRANT, MAX_GRANTS, Role, metrics_of
from contexts.health.worn.devices import ConsentRequired
from contexts.identity import services as identity
from kernel.bus import publish
from kernel.databases import database_time, unit_of_work
from kernel.errors import InvalidInput, NotFound, Refused

Ended = Grant.Ended


class TooManyGrants(Refused):
    """You share with as many as fit; revoke a grant first."""


class GrantOver(Refused):
    """This grant is over."""


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What an owner offers to whom."""

    grantee_id: UUID
    role: Role
    metrics: Collection[str]
    kinds: Collection[str]
    purposes: Collection[str]
    since: datetime | None
    until: datetime | None
    expires_at: datetime


def ensure_may_give(*, owner_id: UUID, grantee_id: UUID) -> None:
    """Raise `ConsentRequired` or, for nobody, `NotFound`; asked before a unit of work opens."""
    if not identity.has_consent(user_id=owner_id, purpose=rules.PURPOSE):
        raise ConsentRequired(purpose=rules.PURPOSE)
    if owner_id == grantee_id or identity.get_member(user_id=grantee_id) is None:
        raise NotFound


@unit_of_work("health")
def give(*, offer: Offer, by: UUID) -> Grant:
    """Let somebody look, once they accept. Raises `InvalidInput` for what cannot be granted."""
    at = database_time("health")
    metrics = metrics_of(offer.metrics, offer.kinds)
    _ensure_sensible(offer, metrics, at=at)
    if Grant.objects.filter(owner_id=by, ended_at=None, expires_at__gt=at).count() >= MAX_GRANTS:
        raise TooManyGrants
    made = Grant.objects.create(
        owner_id=by,
        grantee_id=offer.grantee_id,
        role=offer.role,
        metrics=metrics,
        purposes=sorted(set(offer.purposes)),
        since=offer.since,
        until=offer.until,
        made_at=at,
        expires_at=offer.expires_at,
    )
    publish(
        GrantGiven(
            grant_id=made.pk,
            owner_id=by,
            grantee_id=offer.grantee_id,
            expires_at=offer.expires_at,
            occurred_at=at,
        )
    )
    return made


def _ensure_sensible(offer: Offer, metrics: list[str], *, at: datetime) -> None:
    if not metrics:
        raise InvalidInput("Name what may be seen.", field="metrics", code="nothing_granted")
    if not offer.purposes or not set(offer.purposes) <= GRANTABLE[offer.role]:
        raise InvalidInput("That purpose is not one of this role.", field="purposes", code="purpose_not_grantable")
    if not at < offer.expires_at <= at + LONGEST_GRANT:
        days = LONGEST_GRANT.days
        raise InvalidInput(
            "A grant lasts at most {days} days.", field="expires_at", code="expiry_out_of_range", days=days
        )
    if offer.since is not None and offer.until is not None and offer.until <= offer.since:
        raise InvalidInput("The range ends before it begins.", field="until", code="range_empty")


@unit_of_work("health")
def accept(*, grant_id: UUID, by: UUID) -> Grant:
    """Take what was offered; from now on it counts. Accepting again changes nothing."""
    grant, at = _locked(grant_id, by), database_time("health")
    if grant.grantee_id != by:
        raise NotFound
    if grant.ended_at is not None or grant.expires_at <= at:
        raise GrantOver
    if grant.accepted_at is None:
        grant.accepted_at = at
        grant.save(update_fields=["accepted_at"])
        publish(GrantAccepted(grant_id=grant.pk, owner_id=grant.owner_id, grantee_id=by, occurred_at=at))
    return grant


@unit_of_work("health")
def end(*, grant_id: UUID, by: UUID) -> None:
    """Revoke what one has given, or give back what one was given. From the commit on nothing opens by it."""
    grant, at = _locked(grant_id, by), database_time("health")
    if grant.ended_at is not None:
        return
    grant.ended_at, grant.ended_by = at, Ended.OWNER if by == grant.owner_id else Ended.GRANTEE
    grant.save(update_fields=["ended_at", "ended_by"])
    publish(
        GrantRevoked(
            grant_id=grant.pk,
            owner_id=grant.owner_id,
            grantee_id=grant.grantee_id,
            ended_by=grant.ended_by,
            occurred_at=at,
        )
    )


@unit_of_work("health")
def suspend(*, owner_id: UUID, at: datetime) -> None:
    """Consent is withdrawn: nobody looks by this person's grants until it is given again."""
    Grant.objects.filter(owner_id=owner_id, suspended_at=None).update(suspended_at=at)


@unit_of_work("health")
def resume(*, owner_id: UUID) -> None:
    """Consent is given again."""
    Grant.objects.filter(owner_id=owner_id).update(suspended_at=None)


def _locked(grant_id: UUID, by: UUID) -> Grant:
    grant = Grant.objects.select_for_update().filter(grant_id=grant_id).first()
    if grant is None or by not in (grant.owner_id, grant.grantee_id):
        raise NotFound
    return grant


def given_by(owner_id: UUID) -> QuerySet[Grant]:
    """What a person has given to others, what is over too."""
    return Grant.objects.filter(owner_id=owner_id)


def given_to(grantee_id: UUID) -> QuerySet[Grant]:
    """What others have given a person."""
    return Grant.objects.filter(grantee_id=grantee_id)


def accesses_to(owner_id: UUID) -> QuerySet[Access]:
    """Every look at a person's data: who, when, at what, for what, by what right."""
    return Access.objects.filter(subject_id=owner_id)


def emergencies_of(owner_id: UUID) -> QuerySet[EmergencyAccess]:
    """Every time somebody has opened a person's data in an emergency."""
    return EmergencyAccess.objects.filter(subject_id=owner_id)
