"""Membership: who is premium or PRO, until when, and why (ID-9).

Periods may overlap; at any moment the highest tier among those that run is in force. It is copied to the person,
whose tokens carry it, and announced whenever it changes: on granting, on taking away, and by the clock.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import QuerySet

from contexts.identity import audit, events, rules
from contexts.identity.models import MembershipPeriod, User
from kernel.bus import publish
from kernel.databases import unit_of_work
from kernel.errors import InvalidInput, NotFound

SHOWN = 100
"""The periods a person is shown; nobody has had as many."""


@unit_of_work("identity", isolation="read committed")
def grant(
    *, user_id: UUID, tier: str, until: datetime, reason: str, by: UUID | None, at: datetime
) -> MembershipPeriod:
    """Make somebody premium or PRO from now on; what they have already stays and may outlast it."""
    _ensure_sensible(tier, until=until, reason=reason, at=at)
    person = _locked(user_id)
    period = MembershipPeriod.objects.create(
        user=person, tier=tier, starts_at=at, ends_at=until, reason=reason.strip(), granted_by=by
    )
    _record("membership.granted", person, reason=reason, by=by, at=at, claims={"tier": tier, "until": str(until)})
    _bring_up_to_date(person, at=at)
    return period


@unit_of_work("identity", isolation="read committed")
def take_away(*, user_id: UUID, reason: str, by: UUID | None, at: datetime) -> int:
    """End every period that runs, now; answers how many did."""
    _ensure_reason(reason)
    person = _locked(user_id)
    ended = _running(person, at=at).update(ended_at=at)
    _record("membership.taken_away", person, reason=reason, by=by, at=at, claims={"periods": ended})
    _bring_up_to_date(person, at=at)
    return ended


def expire(*, at: datetime) -> int:
    """Let memberships go whose time is over, or fall to the tier that still runs; answers how many changed."""
    over = User.objects.filter(membership_until__lte=at).values_list("pk", flat=True)
    return sum(_expire_one(user_id=user_id, at=at) for user_id in list(over))


@unit_of_work("identity", isolation="read committed")
def _expire_one(*, user_id: UUID, at: datetime) -> bool:
    return _bring_up_to_date(_locked(user_id), at=at)


def _bring_up_to_date(person: User, *, at: datetime) -> bool:
    """Copy what is in force to the person, and say so if it is something else than before."""
    running = _running(person, at=at).values_list("tier", "starts_at", "ends_at")
    tier, until = rules.membership_in_force(running, at=at)
    if (tier, until) == (person.membership, person.membership_until):
        return False
    person.membership, person.membership_until = tier, until
    person.save(update_fields=["membership", "membership_until"])
    publish(events.MembershipChanged(user_id=person.pk, tier=tier, until=until, occurred_at=at))
    return True


def _running(person: User, *, at: datetime) -> QuerySet[MembershipPeriod]:
    return person.membership_periods.filter(ended_at__isnull=True, ends_at__gt=at)


def _locked(user_id: UUID) -> User:
    person = User.objects.select_for_update(no_key=True).filter(pk=user_id).first()
    if person is None:
        raise NotFound
    return person


def _ensure_sensible(tier: str, *, until: datetime, reason: str, at: datetime) -> None:
    if tier not in rules.MEMBERSHIPS[1:]:
        raise InvalidInput("There is no such tier.", field="tier", code="unknown_tier")
    if not at < until <= at + rules.LONGEST_MEMBERSHIP:
        days = rules.LONGEST_MEMBERSHIP // timedelta(days=1)
        raise InvalidInput("A membership lasts 1 to {days} days.", field="until", code="out_of_range", days=days)
    _ensure_reason(reason)


def _ensure_reason(reason: str) -> None:
    if not 0 < len(reason.strip()) <= rules.LONGEST_REASON:
        raise InvalidInput("Say why, in a few words.", field="reason", code="reason_required")


def _record(
    action: str, person: User, *, reason: str, by: UUID | None, at: datetime, claims: dict[str, object]
) -> None:
    audit.record(
        action=f"identity.{action}",
        actor=by,
        actor_kind="staff" if by else "system",
        subject=person.pk,
        reason=reason.strip(),
        claims=claims,
        at=at,
    )


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What somebody is, until when, and all their periods, the newest first."""

    tier: str
    until: datetime | None
    history: list[MembershipPeriod]


def standing(*, user_id: UUID, at: datetime) -> Standing:
    """A person's membership as it is at a moment."""
    person = User.objects.filter(pk=user_id, is_active=True).first()
    if person is None:
        raise NotFound
    tier = person.membership_at(at)
    until = person.membership_until if tier != rules.MEMBERSHIPS[0] else None
    return Standing(
        tier=tier, until=until, history=list(person.membership_periods.order_by("-starts_at", "-id")[:100])
    )
