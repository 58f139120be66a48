"""Which facts the audit keeps, and in which words: the person they are about, who did it, from where (ID-6)."""

from typing import Any

from contexts.health import events as health
from contexts.health.events import MedicalDataRead
from contexts.identity import audit, events, rules
from contexts.identity.models import Session
from contexts.workout.events import ScheduleViewed, WorkoutViewed
from kernel.events import DomainEvent

KEPT: tuple[type[DomainEvent], ...] = (
    events.UserRegistered,
    events.EmailConfirmed,
    events.UserAuthenticated,
    events.CredentialsChanged,
    events.SessionRevoked,
    events.ProfileUpdated,
    events.MembershipChanged,
    events.CoachingChanged,
    events.ConsentChanged,
    events.RoleChanged,
    events.PersonBlocked,
    events.PersonUnblocked,
    events.SecurityPolicyChanged,
    events.UserExportRequested,
    events.UserErased,
    MedicalDataRead,
    health.GrantGiven,
    health.GrantAccepted,
    health.GrantRevoked,
    health.EmergencyAccessOpened,
    health.EmergencyAccessJudged,
    WorkoutViewed,
    ScheduleViewed,
)


def keep(event: DomainEvent) -> None:
    """Add the fact to the audit; belongs inside an open unit of work of identity."""
    audit.record(action=event.type, at=event.occurred_at, **_entry(event))


def _entry(event: DomainEvent) -> dict[str, Any]:
    match event:
        case events.UserAuthenticated():
            return _own(event.user_id) | _sign_in(event)
        case events.SessionRevoked():
            return _ended(event)
        case events.RoleChanged():
            return _by_staff(event) | {"claims": {"role": event.role, "granted": event.granted}}
        case events.PersonBlocked() | events.PersonUnblocked():
            return _by_staff(event)
        case events.SecurityPolicyChanged():
            kind = "staff" if event.by else "system"
            return {
                "actor": event.by,
                "actor_kind": kind,
                "subject": None,
                "claims": {"version": event.policy_version},
            }
        case events.MembershipChanged():
            return {"actor": None, "actor_kind": "system", "subject": event.user_id, "claims": {"tier": event.tier}}
        case events.CoachingChanged():
            claims = {"coach": str(event.coach_id), "scopes": event.scopes}
            return _own(event.athlete_id) | {"claims": claims}
        case MedicalDataRead():
            return _medical_read(event)
        case health.GrantAccepted():
            return _own(event.owner_id) | {"actor": event.grantee_id, "claims": {"grant": str(event.grant_id)}}
        case health.GrantRevoked():
            actor = event.owner_id if event.ended_by == "owner" else event.grantee_id
            return _own(event.owner_id) | {"actor": actor, "claims": {"grant": str(event.grant_id)}}
        case health.EmergencyAccessOpened() | health.EmergencyAccessJudged():
            claims = {"emergency": str(event.emergency_id), "verdict": getattr(event, "verdict", "")}
            return {"actor": event.by, "actor_kind": "staff", "subject": event.user_id, "claims": claims}
        case WorkoutViewed():
            claims = {"session": str(event.session_id)}
            return {"actor": event.by, "actor_kind": "person", "subject": event.user_id, "claims": claims}
        case ScheduleViewed():
            claims = {"from": str(event.first_day), "to": str(event.last_day)}
            return {"actor": event.by, "actor_kind": "person", "subject": event.user_id, "claims": claims}
    return _own(getattr(event, event.key_field)) | {"claims": _told(event)}


def _own(user_id: Any) -> dict[str, Any]:
    return {"actor": user_id, "actor_kind": "person", "subject": user_id}


def _sign_in(event: events.UserAuthenticated) -> dict[str, Any]:
    session = Session.objects.filter(pk=event.session_id).first()
    if session is None:
        return {"claims": {"session": str(event.session_id)}}
    claims = {
        "session": str(session.pk),
        "with": session.signed_in_with,
        "mfa_at": int(session.mfa_at.timestamp()) if session.mfa_at else None,
    }
    if session.app_id is None:
        return {"network": session.address, "claims": claims}
    return {"actor_kind": "app", "network": session.address, "claims": claims | {"app": str(session.app_id)}}


def _ended(event: events.SessionRevoked) -> dict[str, Any]:
    entry = _own(event.user_id) | {"reason": event.reason, "claims": {"session": str(event.session_id)}}
    if event.reason in rules.ENDED_BY_OTHERS:
        return entry | {"actor": None, "actor_kind": "system"}
    return entry


def _by_staff(event: events.RoleChanged | events.PersonBlocked | events.PersonUnblocked) -> dict[str, Any]:
    return {"actor": event.by, "actor_kind": "staff" if event.by else "system", "subject": event.user_id}


def _medical_read(event: MedicalDataRead) -> dict[str, Any]:
    claims = {"measured": event.measured, "mfa_at": int(event.mfa_at.timestamp()), "access": str(event.access_id)}
    claims["purpose"] = event.purpose
    if event.app_id is not None:
        claims["app"] = str(event.app_id)
    kind = "app" if event.app_id else "staff" if event.purpose == "emergency" else "person"
    return {"actor": event.by, "actor_kind": kind, "subject": event.user_id, "claims": claims}


def _told(event: DomainEvent) -> dict[str, Any]:
    """What the event says beyond whom it is about: names of things and ids, never a person's data."""
    match event:
        case events.CredentialsChanged():
            return {"what": event.what}
        case health.GrantGiven():
            return {"grant": str(event.grant_id), "grantee": str(event.grantee_id)}
        case events.ProfileUpdated():
            return {"changed": event.changed}
        case events.ConsentChanged():
            return {"purpose": event.purpose, "version": event.text_version, "given": event.given}
    return {}
