"""By what right somebody looks at measurements: they are their own, by a grant, or in an emergency.

A `Sight` is asked for before anything else is; `look` then checks it once more and writes the look down, in one
unit of work, before anything is read. A revocation that has committed before is seen by that unit of work.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from contexts.health import rules
from contexts.health.looking.measurements import ensure_range, note_access
from contexts.health.models.sharing import EmergencyAccess, Grant
from contexts.health.rules import Stream
from contexts.health.terms import OWN_PURPOSES, Purpose, refusal
from contexts.identity import services as identity
from kernel.access import Forbidden, Principal
from kernel.databases import database_time, unit_of_work
from kernel.errors import InvalidInput, NotFound


class GrantInactive(Forbidden):
    """This grant is not accepted yet, has expired, or was ended."""


class GrantSuspended(Forbidden):
    """This grant is suspended: its owner has withdrawn their consent."""


class PurposeNotGranted(Forbidden):
    """This grant is not for that purpose."""


class MetricNotGranted(Forbidden):
    """This grant does not let you see that metric."""


class OutsidePeriod(Forbidden):
    """This grant does not reach that far."""


class EmergencyOver(Forbidden):
    """This emergency access is over."""


_REFUSALS = {
    refused.code: refused
    for refused in (GrantInactive, GrantSuspended, PurposeNotGranted, MetricNotGranted, OutsidePeriod)
}


@dataclass(frozen=True, kw_only=True)
class Sight:
    """Who looks at whose measurements, for what, by what right, and in whose time zone days are days."""

    subject_id: UUID
    by: Principal
    purpose: Purpose
    zone: ZoneInfo
    grant_id: UUID | None = None
    emergency_id: UUID | None = None


def purpose_named(name: str | None, *, of: Collection[Purpose] = tuple(Purpose)) -> Purpose | None:
    """A purpose by its name; raises `InvalidInput` for one that is not of these."""
    if name is None:
        return None
    if name not in {purpose.value for purpose in of}:
        raise InvalidInput("There is no such purpose here.", field="purpose", code="unknown_purpose")
    return Purpose(name)


def own(*, by: Principal, purpose: str | None) -> Sight:
    """One's own measurements."""
    wanted = purpose_named(purpose, of=OWN_PURPOSES) or Purpose.OWN_CARE
    return Sight(subject_id=by.user_id, by=by, purpose=wanted, zone=ZoneInfo(by.time_zone))


def by_grant(*, grant_id: UUID, by: Principal, purpose: str | None) -> Sight:
    """Another's, who has granted it. Asks identity for their consent; so not inside a unit of work."""
    grant = Grant.objects.filter(grant_id=grant_id, grantee_id=by.user_id).first()
    if grant is None:
        raise NotFound
    wanted = purpose_named(purpose)
    if wanted is None:
        raise InvalidInput("Say what for.", field="purpose", code="purpose_required")
    if not identity.has_consent(user_id=grant.owner_id, purpose=rules.PURPOSE):
        raise GrantSuspended
    zone = _zone_of(grant.owner_id)
    return Sight(subject_id=grant.owner_id, by=by, purpose=wanted, zone=zone, grant_id=grant_id)


def by_emergency(*, emergency_id: UUID, by: Principal) -> Sight:
    """Another's, because of an emergency that this member of staff has opened."""
    opened = EmergencyAccess.objects.filter(emergency_id=emergency_id, opened_by=by.user_id).first()
    if opened is None:
        raise NotFound
    zone = _zone_of(opened.subject_id)
    return Sight(subject_id=opened.subject_id, by=by, purpose=Purpose.EMERGENCY, zone=zone, emergency_id=emergency_id)


def _zone_of(person_id: UUID) -> ZoneInfo:
    person = identity.get_member(user_id=person_id)
    if person is None:
        raise NotFound
    return ZoneInfo(person.time_zone)


@unit_of_work("health")
def look(
    sight: Sight, *, streams: Collection[Stream], since: datetime, until: datetime, what: str | None = None
) -> None:
    """Check that these may be seen for this time, and write it down: a row for each stream, or one of that name."""
    ensure_range(since, until)
    at = database_time("health")
    if sight.grant_id is not None:
        _check_grant(sight, sight.grant_id, [stream.name for stream in streams], since=since, until=until, at=at)
    elif sight.emergency_id is not None:
        _check_emergency(sight, sight.emergency_id, at=at)
    for stream in [what] if what else sorted(streams):
        note_access(
            subject_id=sight.subject_id,
            stream=stream,
            since=since,
            until=until,
            by=sight.by,
            at=at,
            purpose=sight.purpose,
            grant_id=sight.grant_id,
            emergency_id=sight.emergency_id,
        )


def _check_grant(
    sight: Sight, grant_id: UUID, metrics: list[str], *, since: datetime, until: datetime, at: datetime
) -> None:
    """The lock makes a look and a revocation wait for each other."""
    grants = Grant.objects.select_for_update(no_key=True)
    grant = grants.filter(grant_id=grant_id, grantee_id=sight.by.user_id, owner_id=sight.subject_id).first()
    if grant is None:
        raise NotFound
    code = refusal(grant.terms, metrics=metrics, purpose=sight.purpose, since=since, until=until, at=at)
    if code is not None:
        raise _REFUSALS[code]


def _check_emergency(sight: Sight, emergency_id: UUID, *, at: datetime) -> None:
    opened = EmergencyAccess.objects.filter(emergency_id=emergency_id, opened_by=sight.by.user_id).first()
    if opened is None or opened.subject_id != sight.subject_id:
        raise NotFound
    if opened.expires_at <= at:
        raise EmergencyOver
