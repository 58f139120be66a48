"""What oauthlib asks us about apps, codes and tokens while it judges a request (RFC 6749, 7009, 7636, 7662).

oauthlib knows the protocol; the answers here come from our rows. Every app shows PKCE with S256, and one that has a
secret shows that too, in the header or in the form but not in both.
"""

import base64
import binascii
import hmac
from datetime import datetime
from typing import Any
from urllib.parse import unquote_plus
from uuid import UUID

from oauthlib.oauth2 import RequestValidator
from oauthlib.oauth2.rfc6749 import errors
from rest_framework_simplejwt.exceptions import TokenError

from contexts.identity import rules, sessions, tokens
from contexts.identity.models import AuthorizationCode, OAuthApp, RefreshToken, Session
from contexts.identity.oauth_apps import digest

GRANTS = ("authorization_code", "refresh_token")


class Validator(RequestValidator):
    """Judges requests at one moment."""

    def __init__(self, *, at: datetime) -> None:
        """Codes and tokens are good or over at `at`."""
        super().__init__()
        self.at = at

    # --- The app ------------------------------------------------------------------------------------------------

    def validate_client_id(self, client_id: str, request: Any, *args: Any, **kwargs: Any) -> bool:
        """Whether there is such an app."""
        request.client = living_app(client_id)
        return request.client is not None

    def client_authentication_required(self, request: Any, *args: Any, **kwargs: Any) -> bool:
        """An app that has a secret shows it; one that shows a secret has it looked at."""
        if "Authorization" in request.headers or request.client_secret:
            return True
        app = living_app(request.client_id)
        return app is not None and not app.is_public

    def authenticate_client(self, request: Any, *args: Any, **kwargs: Any) -> bool:
        """Whether the secret is the app's."""
        client_id, secret = _credentials(request)
        app = living_app(client_id)
        if app is None or app.is_public or not hmac.compare_digest(app.secret_sha256, digest(secret)):
            return False
        request.client, request.client_id = app, app.client_id
        return True

    def authenticate_client_id(self, client_id: str, request: Any, *args: Any, **kwargs: Any) -> bool:
        """Whether the app is one that has no secret to show."""
        app = living_app(client_id)
        request.client = app
        return app is not None and app.is_public

    def validate_grant_type(self, client_id: str, grant_type: str, client: Any, request: Any, *_: Any) -> bool:
        """Codes and refresh tokens, nothing else."""
        return grant_type in GRANTS

    # --- Asking a person ----------------------------------------------------------------------------------------

    def validate_redirect_uri(self, client_id: str, redirect_uri: str, request: Any, *_: Any, **kwargs: Any) -> bool:
        """Whether the app has registered this address."""
        return any(rules.redirect_uri_fits(known, asked=redirect_uri) for known in request.client.redirect_uris)

    def get_default_redirect_uri(self, client_id: str, request: Any, *args: Any, **kwargs: Any) -> None:
        """An app always says where to."""
        return

    def validate_response_type(self, client_id: str, response_type: str, client: Any, request: Any, *_: Any) -> bool:
        """A code, never a token."""
        return response_type == "code"

    def is_pkce_required(self, client_id: str, request: Any) -> bool:
        """By everybody."""
        return True

    def get_default_scopes(self, client_id: str, request: Any, *args: Any, **kwargs: Any) -> list[str]:
        """Nothing is granted that was not asked for."""
        return []

    def validate_scopes(self, client_id: str, scopes: list[str], client: Any, request: Any, *_: Any) -> bool:
        """Whether the app asks for something, and for nothing it was not registered for."""
        return bool(scopes) and set(scopes) <= set(client.scopes)

    def save_authorization_code(self, client_id: str, code: dict[str, str], request: Any, *_: Any) -> None:
        """Keep the digest of a code with what it stands for. Inside an open unit of work."""
        AuthorizationCode.objects.create(
            code_sha256=digest(code["code"]),
            app=request.client,
            user_id=request.user_id,
            redirect_uri=request.redirect_uri,
            scopes=[scope for scope in rules.SCOPES if scope in request.scopes],
            code_challenge=request.code_challenge,
            mfa_at=request.mfa_at,
            issued_at=self.at,
            expires_at=self.at + rules.AUTHORIZATION_CODE_LIFETIME,
        )

    # --- A code for tokens --------------------------------------------------------------------------------------

    def validate_code(self, client_id: str, code: str, client: Any, request: Any, *_: Any, **kwargs: Any) -> bool:
        """Whether the code is the app's and still good. A second use ends what the first one opened."""
        known = AuthorizationCode.objects.filter(pk=digest(code), app=client).first()
        if known is None:
            return False
        if known.used_at is not None:
            end_what_it_opened(known, at=self.at)
            return False
        request.grant, request.user, request.scopes = known, known.user_id, known.scopes
        return known.expires_at > self.at

    def get_code_challenge(self, code: str, request: Any) -> str:
        """What the verifier has to fit."""
        return str(request.grant.code_challenge)

    def get_code_challenge_method(self, code: str, request: Any) -> str:
        """Always by SHA-256."""
        return "S256"

    def confirm_redirect_uri(
        self, client_id: str, code: str, redirect_uri: str, client: Any, request: Any, *args: Any, **kwargs: Any
    ) -> bool:
        """The address has to be the one the code was sent to."""
        if redirect_uri != request.grant.redirect_uri:
            raise errors.InvalidGrantError(description="The code was sent to another address.", request=request)
        return True

    # --- Refreshing, revoking, looking --------------------------------------------------------------------------

    def validate_refresh_token(self, refresh_token: str, client: Any, request: Any, *_: Any, **kwargs: Any) -> bool:
        """Whether the token was given to this app; whether it is still good is decided when it is spent."""
        row = _refresh_row(refresh_token, app=client)
        if row is not None:
            request.original_scopes = row.session.scopes
        return row is not None

    def get_original_scopes(self, refresh_token: str, request: Any, *args: Any, **kwargs: Any) -> list[str]:
        """What the person granted."""
        return list(request.original_scopes)

    def save_token(self, token: Any, request: Any, *args: Any, **kwargs: Any) -> None:
        """The session and the token's digest are rows already."""

    def invalidate_authorization_code(
        self, client_id: str, code: str, request: Any, *args: Any, **kwargs: Any
    ) -> None:
        """It was spent in the moment it was exchanged."""

    def revoke_token(self, token: str, token_type_hint: str, request: Any, *args: Any, **kwargs: Any) -> None:
        """End the session of the app's own token, whichever of the two it is."""
        session_id = self._session_of(token, app=request.client)
        if session_id is not None:
            sessions.revoke_session(session_id=session_id, reason="app_disconnected", at=self.at)

    def _session_of(self, token: str, *, app: OAuthApp) -> UUID | None:
        row = _refresh_row(token, app=app)
        if row is not None:
            return row.session_id
        claims = _access_claims(token)
        return UUID(claims["sid"]) if claims and claims.get("client_id") == app.client_id else None

    def introspect_token(self, token: str, token_type_hint: str, request: Any, *_: Any) -> dict[str, Any] | None:
        """What a confidential app may know of its own token; nothing of any other (RFC 7662 §2.2)."""
        if request.client.is_public:
            raise errors.InvalidClientError(request=request)
        row = _refresh_row(token, app=request.client)
        if row is not None:
            is_good = row.used_at is None and row.expires_at > self.at and row.session.is_open
            return (
                _told(row.session, exp=row.expires_at, iat=row.issued_at, kind="refresh_token") if is_good else None
            )
        claims = _access_claims(token)
        if not claims or claims.get("client_id") != request.client.client_id:
            return None
        session = Session.objects.select_related("user").filter(pk=claims["sid"]).first()
        if session is None or not session.is_open:
            return None
        return _told(session, exp=claims["exp"], iat=claims["iat"], kind="Bearer")


def living_app(client_id: str | None) -> OAuthApp | None:
    """The app of this id, unless it was removed or its maker was blocked."""
    try:
        known = UUID(client_id or "")
    except ValueError:
        return None
    if str(known) != client_id:
        return None
    return OAuthApp.objects.filter(pk=known, revoked_at__isnull=True, owner__is_active=True).first()


def end_what_it_opened(code: AuthorizationCode, *, at: datetime) -> None:
    """Somebody has a copy of this code: nobody keeps what it opened (RFC 6749 §4.1.2)."""
    if code.session_id is not None:
        sessions.revoke_session(session_id=code.session_id, reason="code_replayed", at=at)


def _credentials(request: Any) -> tuple[str, str]:
    """The id and secret an app shows; nothing where it shows them twice, or cannot be read."""
    header = request.headers.get("Authorization")
    if header is None:
        return request.client_id or "", request.client_secret or ""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic" or request.client_secret:
        return "", ""
    try:
        client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    is_same = request.client_id in (None, "", client_id)
    return (unquote_plus(client_id), unquote_plus(secret)) if is_same else ("", "")


def _refresh_row(token: str, *, app: OAuthApp) -> RefreshToken | None:
    known = tokens.read_refresh(token)
    if known is None:
        return None
    return RefreshToken.objects.select_related("session__user").filter(pk=known, session__app=app).first()


def _access_claims(token: str) -> dict[str, Any] | None:
    try:
        return tokens.AccessJWT(token).payload  # type: ignore[arg-type]
    except TokenError:
        return None


def _told(session: Session, *, exp: datetime | int, iat: datetime | int, kind: str) -> dict[str, Any]:
    seconds = [int(moment.timestamp()) if isinstance(moment, datetime) else moment for moment in (exp, iat)]
    return {
        "scope": " ".join(session.scopes),
        "client_id": str(session.app_id),
        "token_type": kind,
        "sub": str(session.user_id),
        "exp": seconds[0],
        "iat": seconds[1],
    }
