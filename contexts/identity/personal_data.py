"""What identity has about a person: the account, the ways into it, what was agreed to, and to whom it was shown."""

from typing import Any
from uuid import UUID

from allauth.account.models import EmailAddress, EmailConfirmation
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session as AdminSession
from django.db.models import Q
from django.utils.timezone import now

from contexts.identity import sessions
from contexts.identity.models import (
    AuditEntry,
    AuditHead,
    AuthorizationCode,
    CoachGrant,
    Consent,
    DataExport,
    Erasure,
    ExternalAccount,
    Friendship,
    GroupMember,
    Lockout,
    MailedLink,
    MembershipPeriod,
    OAuthApp,
    PrivacyZone,
    RefreshToken,
    ScheduledMail,
    SecurityPolicy,
    Session,
    User,
)
from kernel.databases import unit_of_work
from kernel.personal_data import Data, Keep, NotPersonal, Owned, Through, delete_folder, folder_of

SESSIONS_A_UNIT = 200


def _about_in_admin(user_id: UUID) -> Q:
    """What they did in the administration, and what was done there to them: it names them in words."""
    return Q(user_id=user_id) | Q(object_id=str(user_id))


def _without_keys(row: dict[str, Any]) -> dict[str, Any]:
    """An authenticator by the name its person gave it; seeds, codes and keys stay here."""
    return {**row, "data": {"name": row["data"]["name"]} if "name" in row["data"] else {}}


def _with_centre(row: dict[str, Any]) -> dict[str, Any]:
    """A privacy zone with its centre in the clear, for the person who drew it."""
    latitude, longitude = map(float, get_adapter().decrypt(row.pop("sealed_centre")).split(","))
    return {**row, "latitude": latitude, "longitude": longitude}


@unit_of_work("identity", isolation="read committed")
def _remove_connected_apps(user_id: UUID) -> int:
    """End some of the sessions in which a person's apps act for others; the apps go with the last of them."""
    acting = Session.objects.filter(app__owner_id=user_id)
    portion = list(acting.order_by("pk").values_list("pk", flat=True)[:SESSIONS_A_UNIT])
    for session_id in portion:
        sessions.revoke_session(session_id=session_id, reason="erased", at=now())
    RefreshToken.objects.filter(session_id__in=portion).delete()
    acting.filter(pk__in=portion).delete()
    return len(portion) or int(OAuthApp.objects.filter(owner_id=user_id).delete()[0])


DATA: Data = {
    AuthorizationCode: Owned(by="user_id", exports=False),
    OAuthApp: Owned(by="owner_id", erase=Through(_remove_connected_apps), leave_out=("secret_sha256",)),
    RefreshToken: Owned(by="session__user_id", exports=False),
    Session: Owned(by="user_id", leave_out=("pending_totp",)),
    ExternalAccount: Owned(by="user_id"),
    EmailConfirmation: Owned(by="email_address__user_id", exports=False),
    EmailAddress: Owned(by="user_id"),
    Authenticator: Owned(by="user_id", shown=_without_keys),
    MailedLink: Owned(by="user_id", leave_out=("door",)),
    ScheduledMail: Owned(by="user_id"),
    MembershipPeriod: Owned(by="user_id"),
    CoachGrant: Owned(by=("athlete_id", "coach_id")),
    PrivacyZone: Owned(by="user_id", shown=_with_centre),
    Friendship: Owned(by=("user_a", "user_b")),
    GroupMember: Owned(by="user_id"),
    Consent: Owned(by="user_id"),
    DataExport: Owned(by="user_id"),
    LogEntry: Owned(by=_about_in_admin),
    User.groups.through: Owned(by="user_id", exports=False),
    User.user_permissions.through: Owned(by="user_id", exports=False),
    User: Owned(by="id", leave_out=("password",)),
    AuditEntry: Owned(
        by=("subject", "actor"),
        erase=Keep("Who did what to whose data stays written, by identifiers and networks alone."),
        leave_out=("digest",),
    ),
    Erasure: Owned(by="user_id", erase=Keep("That an account was erased has to be shown afterwards."), exports=False),
    AuditHead: NotPersonal("Where the audit ends."),
    SecurityPolicy: NotPersonal("Rules of the house; who made them stands by identifier alone."),
    Lockout: NotPersonal("Counts behind keyed digests, which name nobody, for a day."),
    AdminSession: NotPersonal("Sessions of the administration: the identifier of a member of staff, for half a day."),
    Group: NotPersonal("Sets of permissions."),
    Group.permissions.through: NotPersonal("Sets of permissions."),
    Permission: NotPersonal("Names of what can be permitted."),
    ContentType: NotPersonal("Names of models."),
}


def before_erasing(user_id: UUID) -> None:
    """The archives of a person's exports, finished or not."""
    for export_id in DataExport.objects.filter(user_id=user_id).values_list("pk", flat=True):
        delete_folder(folder_of(export_id))
