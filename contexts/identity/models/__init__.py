"""Identity's aggregates, by subject."""

from contexts.identity.models.accountability import (
    AuditEntry,
    AuditHead,
    Consent,
    DataExport,
    Erasure,
    SecurityPolicy,
)
from contexts.identity.models.connections import AuthorizationCode, ExternalAccount, OAuthApp
from contexts.identity.models.people import (
    CoachGrant,
    Friendship,
    GroupMember,
    MembershipPeriod,
    PrivacyZone,
    User,
)
from contexts.identity.models.sessions import Lockout, MailedLink, RefreshToken, ScheduledMail, Session

__all__ = [
    "AuditEntry",
    "AuditHead",
    "AuthorizationCode",
    "CoachGrant",
    "Consent",
    "DataExport",
    "Erasure",
    "ExternalAccount",
    "Friendship",
    "GroupMember",
    "Lockout",
    "MailedLink",
    "MembershipPeriod",
    "OAuthApp",
    "PrivacyZone",
    "RefreshToken",
    "ScheduledMail",
    "SecurityPolicy",
    "Session",
    "User",
]
