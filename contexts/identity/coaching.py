"""Coaches and athletes: an athlete lets a coach see some of their data, until they take it back."""

from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from contexts.identity import events, rules
from contexts.identity.models import CoachGrant, User
from kernel.access import Principal, recent_mfa
from kernel.bus import publish
from kernel.databases import unit_of_work
from kernel.errors import InvalidInput, NotFound


def grant(*, by: Principal, coach_id: UUID, scopes: list[str], at: datetime) -> CoachGrant:
    """Let a coach see these things from now on, in place of what they could see before.

    Medical data take the athlete's recent second factor: `MfaRequired`. Somebody who is no coach is not found.
    """
    if rules.MEDICAL_SCOPES & set(scopes):
        recent_mfa.admit(by)
    return _grant(athlete_id=by.user_id, coach_id=coach_id, scopes=sorted(set(scopes)), at=at)


@unit_of_work("identity", isolation="read committed")
def _grant(*, athlete_id: UUID, coach_id: UUID, scopes: list[str], at: datetime) -> CoachGrant:
    if not scopes or not set(scopes) <= set(rules.COACH_SCOPES):
        raise InvalidInput("Name what the coach may do.", field="scopes", code="unknown_scope")
    if athlete_id == coach_id:
        raise NotFound
    athlete = User.objects.select_for_update(no_key=True).get(pk=athlete_id)  # one change at a time
    coach = _coaches().filter(pk=coach_id).first()
    if coach is None:
        raise NotFound
    _open(athlete_id, coach_id).update(revoked_at=at)
    made = CoachGrant.objects.create(athlete=athlete, coach=coach, scopes=scopes, granted_at=at)
    publish(events.CoachingChanged(athlete_id=athlete_id, coach_id=coach_id, scopes=scopes, occurred_at=at))
    return made


@unit_of_work("identity", isolation="read committed")
def withdraw(*, athlete_id: UUID, coach_id: UUID, at: datetime) -> None:
    """Let a coach see nothing any more, from this moment on."""
    if not _open(athlete_id, coach_id).update(revoked_at=at):
        raise NotFound
    publish(events.CoachingChanged(athlete_id=athlete_id, coach_id=coach_id, scopes=[], occurred_at=at))


def _coaches() -> QuerySet[User]:
    return User.objects.filter(is_active=True, roles__contains=["coach"])


def _open(athlete_id: UUID, coach_id: UUID) -> QuerySet[CoachGrant]:
    return CoachGrant.objects.filter(athlete_id=athlete_id, coach_id=coach_id, revoked_at__isnull=True)


def coaches_of(*, athlete_id: UUID) -> QuerySet[CoachGrant]:
    """Whom an athlete lets see what."""
    return CoachGrant.objects.select_related("coach").filter(athlete_id=athlete_id, revoked_at__isnull=True)


def athletes_of(*, coach_id: UUID) -> QuerySet[CoachGrant]:
    """Who lets a coach see what."""
    open_ones = CoachGrant.objects.select_related("athlete").filter(coach_id=coach_id, revoked_at__isnull=True)
    return open_ones.filter(athlete__is_active=True)


def scopes_of(*, coach_id: UUID, athlete_ids: list[UUID]) -> dict[UUID, list[str]]:
    """What these athletes let somebody see; nothing for who is no coach any more. Absent: no grant."""
    grants = CoachGrant.objects.filter(
        coach__in=_coaches().filter(pk=coach_id),
        athlete_id__in=athlete_ids,
        athlete__is_active=True,
        revoked_at__isnull=True,
    )
    return dict(grants.values_list("athlete_id", "scopes"))
