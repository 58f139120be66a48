"""Apps that may act for people: how their makers register them, and how people let go of them (ID-1).

An app's secret is shown once and kept as its SHA-256. An app without one is public: it proves by PKCE alone that it
began what it finishes. Removing an app, or disconnecting from one, ends at once what it may do.
"""

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Max, Min, Q, QuerySet
from django.utils.translation import gettext as _

from contexts.identity import events, rules, sessions
from contexts.identity.models import AuthorizationCode, OAuthApp, Session
from contexts.identity.reauthentication import ensure_recent, own_session
from kernel.bus import publish
from kernel.databases import unit_of_work
from kernel.errors import InvalidInput, NotFound, Refused


class TooManyApps(Refused):
    """You have registered as many apps as one person may; remove one first."""


class PublicApp(Refused):
    """A public app has no secret; register a confidential one."""


@dataclass(frozen=True, kw_only=True)
class RegisteredApp:
    """An app, and its secret in the only moment it is known; none for a public app."""

    app: OAuthApp
    secret: str | None


def digest(secret: str) -> str:
    """What is kept of a secret or code: they are long and random, so that their SHA-256 tells nothing."""
    return hashlib.sha256(secret.encode()).hexdigest()


def own_apps(*, by: UUID) -> QuerySet[OAuthApp]:
    """The apps somebody has registered and not removed."""
    return OAuthApp.objects.filter(owner_id=by, revoked_at__isnull=True)


def own_app(*, app_id: UUID, by: UUID) -> OAuthApp:
    """One of one's apps; raises `NotFound` for any other."""
    app = own_apps(by=by).filter(pk=app_id).first()
    if app is None:
        raise NotFound
    return app


@unit_of_work("identity", isolation="read committed")
def register_app(
    *,
    name: str,
    homepage: str,
    redirect_uris: list[str],
    scopes: list[str],
    confidential: bool,
    by: UUID,
    session_id: UUID,
    at: datetime,
) -> RegisteredApp:
    """A new app; needs a recent sign-in. Raises `InvalidInput` for a redirect URI that is not safe."""
    ensure_recent(own_session(by=by, session_id=session_id), at)
    _ensure_safe(redirect_uris)
    if own_apps(by=by).count() >= rules.MAX_APPS:  # the person's row is locked: no two counts at once
        raise TooManyApps
    secret = secrets.token_urlsafe(32) if confidential else None
    app = OAuthApp.objects.create(
        owner_id=by,
        name=name,
        homepage=homepage,
        redirect_uris=redirect_uris,
        scopes=_in_order(scopes),
        secret_sha256=digest(secret) if secret else "",
        created_at=at,
    )
    return RegisteredApp(app=app, secret=secret)


@unit_of_work("identity", isolation="read committed")
def change_app(*, app_id: UUID, changes: dict[str, Any], by: UUID, session_id: UUID, at: datetime) -> OAuthApp:
    """Change what an app says of itself; what people have granted it stays as they granted it."""
    ensure_recent(own_session(by=by, session_id=session_id), at)
    app = own_app(app_id=app_id, by=by)
    _ensure_safe(changes.get("redirect_uris", []))
    if "scopes" in changes:
        changes = changes | {"scopes": _in_order(changes["scopes"])}
    for field, value in changes.items():
        setattr(app, field, value)
    app.save(update_fields=list(changes))
    return app


@unit_of_work("identity", isolation="read committed")
def new_secret(*, app_id: UUID, by: UUID, session_id: UUID, at: datetime) -> RegisteredApp:
    """Another secret for a confidential app; the one before is good no more."""
    ensure_recent(own_session(by=by, session_id=session_id), at)
    app = own_app(app_id=app_id, by=by)
    if app.is_public:
        raise PublicApp
    secret = secrets.token_urlsafe(32)
    app.secret_sha256 = digest(secret)
    app.save(update_fields=["secret_sha256"])
    return RegisteredApp(app=app, secret=secret)


@unit_of_work("identity", isolation="read committed")
def remove_app(*, app_id: UUID, by: UUID, at: datetime) -> None:
    """Remove one's app: whomever it acts for, it stops now."""
    if not own_apps(by=by).filter(pk=app_id).update(revoked_at=at):
        raise NotFound
    AuthorizationCode.objects.filter(app_id=app_id, used_at__isnull=True).update(used_at=at)
    sessions.end_app(app_id=app_id, at=at)


def _ensure_safe(redirect_uris: Iterable[str]) -> None:
    for uri in redirect_uris:
        if fault := rules.redirect_uri_fault(uri):
            raise InvalidInput(
                _("People can be sent to https, to this machine itself, or to a scheme like com.example.app."),
                field="redirect_uris",
                code=fault,
            )


def _in_order(scopes: Iterable[str]) -> list[str]:
    return [scope for scope in rules.SCOPES if scope in set(scopes)]


# --- Whom people have let in ------------------------------------------------------------------------------------


def connected_apps(*, by: UUID, at: datetime) -> QuerySet[OAuthApp]:
    """The apps that act for somebody at this moment, with `connected_at` and `last_used_at`."""
    acting = Q(sessions__in=sessions.open_sessions(user_id=by, at=at).filter(app__isnull=False).select_related(None))
    dates = {"connected_at": Min("sessions__started_at"), "last_used_at": Max("sessions__last_seen_at")}
    return OAuthApp.objects.filter(acting).annotate(**dates)


def granted_scopes(*, by: UUID, at: datetime) -> dict[UUID, list[str]]:
    """What each app that acts for somebody may do."""
    granted: dict[UUID, set[str]] = {}
    acting = sessions.open_sessions(user_id=by, at=at).filter(app__isnull=False).select_related(None)
    for app_id, scopes in acting.values_list("app_id", "scopes"):
        granted.setdefault(app_id, set()).update(scopes)
    return {app_id: _in_order(scopes) for app_id, scopes in granted.items()}


@unit_of_work("identity", isolation="read committed")
def disconnect(*, app_id: UUID, by: UUID, at: datetime) -> None:
    """Let go of an app: it is refused from now on, and a code on its way to it opens nothing."""
    AuthorizationCode.objects.filter(app_id=app_id, user_id=by, used_at__isnull=True).update(used_at=at)
    if not Session.objects.filter(app_id=app_id, user_id=by, revoked_at__isnull=True).exists():
        raise NotFound
    sessions.disconnect_app(user_id=by, app_id=app_id, at=at)
    publish(events.CredentialsChanged(user_id=by, what="app", occurred_at=at))
