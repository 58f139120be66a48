"""Breaking the glass: staff open one person's data without a grant, for an hour, and say why.

The person is told at once, every look is written down, and another member of staff judges it afterwards. Who may do
either is a permission of Django's: `health.break_glass` and `health.judge_emergency`.
"""

from datetime import datetime
from uuid import UUID

from contexts.health.events import EmergencyAccessJudged, EmergencyAccessOpened
from contexts.health.models import Alert, Device
from contexts.health.models.sharing import EmergencyAccess, Grant
from contexts.health.terms import EMERGENCY_LASTS, LONGEST_REASON
from contexts.identity import services as identity
from kernel.access import MFA_IS_RECENT, MfaRequired
from kernel.bus import publish
from kernel.databases import database_time, unit_of_work
from kernel.errors import InvalidInput, NotFound, Refused

LEAST_REASON = 10


class AlreadyJudged(Refused):
    """Somebody has judged this already."""


class OwnEmergency(Refused):
    """Another one has to judge what you have opened."""

    status = 403


def open_data(*, subject_id: UUID, reason: str, by: UUID, mfa_at: datetime | None) -> EmergencyAccess:
    """Open a person's data for an hour. Raises `MfaRequired`, `InvalidInput` without a reason, `NotFound`."""
    reason = reason.strip()
    if not LEAST_REASON <= len(reason) <= LONGEST_REASON:
        raise InvalidInput("Say why, so that another one can judge it.", field="reason", code="reason_required")
    if subject_id == by or identity.get_member(user_id=subject_id) is None:
        raise NotFound
    return _open(subject_id=subject_id, reason=reason, by=by, mfa_at=mfa_at)


@unit_of_work("health")
def _open(*, subject_id: UUID, reason: str, by: UUID, mfa_at: datetime | None) -> EmergencyAccess:
    at = database_time("health")
    if mfa_at is None or at - mfa_at > MFA_IS_RECENT:
        raise MfaRequired
    made = EmergencyAccess(subject_id=subject_id, opened_by=by, opened_at=at, expires_at=at + EMERGENCY_LASTS)
    made.reason = reason
    made.save(force_insert=True)
    publish(
        EmergencyAccessOpened(emergency_id=made.pk, user_id=subject_id, by=by, until=made.expires_at, occurred_at=at)
    )
    return made


@unit_of_work("health")
def judge(*, emergency_id: UUID, verdict: str, by: UUID) -> EmergencyAccess:
    """Say whether it was justified or abuse, once, and not of one's own."""
    opened = EmergencyAccess.objects.select_for_update().filter(emergency_id=emergency_id).first()
    if opened is None:
        raise NotFound
    if opened.opened_by == by:
        raise OwnEmergency
    if opened.verdict:
        raise AlreadyJudged
    at = database_time("health")
    opened.verdict, opened.judged_by, opened.judged_at = EmergencyAccess.Verdict(verdict), by, at
    opened.save(update_fields=["verdict", "judged_by", "judged_at"])
    publish(
        EmergencyAccessJudged(
            emergency_id=opened.pk, user_id=opened.subject_id, by=by, verdict=verdict, occurred_at=at
        )
    )
    return opened


def person_named(identifier: UUID) -> UUID:
    """Whom staff mean by an id: of an alert or a device its person, else the person's own."""
    alert = Alert.objects.filter(alert_id=identifier).first()
    device = Device.objects.filter(device_id=identifier).first()
    return alert.user_id if alert else device.user_id if device else identifier


def known_to(staff_id: UUID) -> set[UUID]:
    """The people whose names a member of staff may know now: by an open emergency, or because they were let."""
    at = database_time("health")
    opened = EmergencyAccess.objects.filter(opened_by=staff_id, expires_at__gt=at)
    granted = Grant.objects.filter(
        grantee_id=staff_id, expires_at__gt=at, accepted_at__isnull=False, ended_at=None, suspended_at=None
    )
    people = opened.values_list("subject_id", flat=True), granted.values_list("owner_id", flat=True)
    return {person_id for found in people for person_id in found}
