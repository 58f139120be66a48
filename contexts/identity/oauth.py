"""Our authorization server (OAuth 2.0, RFC 6749): a person lets an app act for them until they stop it.

Codes with PKCE and refresh tokens, no other grant. What comes of a code is a session like any other, with an app and
scopes: its tokens are rotated, counted and cut off as everybody's are. What oauthlib has to know of our rows is in
`oauth_validator`; apps themselves are in `oauth_apps`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from oauthlib.common import add_params_to_uri
from oauthlib.oauth2 import (
    AuthorizationCodeGrant,
    AuthorizationEndpoint,
    FatalClientError,
    IntrospectEndpoint,
    OAuth2Error,
    RefreshTokenGrant,
    RevocationEndpoint,
    TokenEndpoint,
)
from oauthlib.oauth2.rfc6749 import errors
from oauthlib.oauth2.rfc6749.grant_types.authorization_code import code_challenge_method_s256

from contexts.identity import events, rules, sessions
from contexts.identity.models import AuthorizationCode, OAuthApp, Session, User
from contexts.identity.oauth_validator import GRANTS, Validator, end_what_it_opened
from contexts.identity.sessions import Origin
from contexts.identity.tokens import Tokens
from kernel.access import MFA_IS_RECENT, MfaRequired
from kernel.bus import publish
from kernel.databases import unit_of_work
from kernel.errors import NotFound, Refused

TOKEN_ENDPOINT = "/api/v1/identity/oauth/"  # noqa: S105
PAGE = "/oauth/authorize"

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")


class AppRequestInvalid(Refused):
    """The app asks in a way that cannot be granted."""

    status = 400


@dataclass(frozen=True, kw_only=True)
class Request:
    """What an app asks of a person, judged and found to be in order."""

    app: OAuthApp
    scopes: list[str]
    redirect_uri: str

    @property
    def is_medical(self) -> bool:
        """Whether saying yes takes a second factor."""
        return not rules.MEDICAL_SCOPES.isdisjoint(self.scopes)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What goes back to an app, in the words of the protocol."""

    status: int
    body: str
    headers: Mapping[str, str]


def issuer() -> str:
    """By which name apps know us (RFC 8414)."""
    return str(settings.PUBLIC_URL)


# --- Consent ----------------------------------------------------------------------------------------------------


def describe(*, asked: Mapping[str, list[str]], at: datetime) -> Request:
    """What the app asks for; raises `AppRequestInvalid`, with `redirect_to` where the app may be told."""
    try:
        scopes, told = _server(Origin(address=""), at).validate_authorization_request(_uri(asked))
    except OAuth2Error as error:
        raise _refusal(error, asked) from None
    request = told["request"]
    granted = [scope for scope in rules.SCOPES if scope in scopes]
    return Request(app=request.client, scopes=granted, redirect_uri=request.redirect_uri)


@unit_of_work("identity", isolation="read committed")
def decide(*, asked: Mapping[str, list[str]], approve: bool, by: UUID, session_id: UUID, at: datetime) -> str:
    """Let the app in, or do not; answers where to send the browser.

    Raises `AppRequestInvalid`; `MfaRequired` for medical scopes without a recent second factor.
    """
    wanted = describe(asked=asked, at=at)
    session = Session.objects.filter(pk=session_id, user_id=by, revoked_at__isnull=True, app__isnull=True).first()
    if session is None:
        raise NotFound
    if not approve:
        denied = errors.AccessDeniedError(state=_first(asked, "state"))
        return _with_issuer(add_params_to_uri(wanted.redirect_uri, denied.twotuples))
    if wanted.is_medical and (session.mfa_at is None or at - session.mfa_at > MFA_IS_RECENT):
        raise MfaRequired
    who = {"user_id": by, "mfa_at": session.mfa_at if wanted.is_medical else None}
    headers, _, _ = _server(Origin(address=""), at).create_authorization_response(
        _uri(asked), scopes=wanted.scopes, credentials=who
    )
    return _with_issuer(headers["Location"])


def _refusal(error: OAuth2Error, asked: Mapping[str, list[str]]) -> AppRequestInvalid:
    told = {"error": error.error, "error_description": error.description or ""}
    if isinstance(error, FatalClientError):
        return AppRequestInvalid(**told)  # nobody is sent to an address that is not the app's
    location = add_params_to_uri(_first(asked, "redirect_uri") or "", error.twotuples)
    return AppRequestInvalid(**told, redirect_to=_with_issuer(location))


def _uri(asked: Mapping[str, list[str]]) -> str:
    return f"{issuer()}{PAGE}?{urlencode(asked, doseq=True)}"


def _first(asked: Mapping[str, list[str]], name: str) -> str | None:
    return next(iter(asked.get(name, [])), None)


def _with_issuer(location: str) -> str:
    """Say who answers, so that an app that knows several of us cannot mix them up (RFC 9207)."""
    return str(add_params_to_uri(location, [("iss", issuer())]))


# --- What apps call themselves ----------------------------------------------------------------------------------


def give_tokens(*, form: str, authorization: str | None, origin: Origin, at: datetime) -> Answer:
    """Exchange a code or a refresh token for tokens."""
    server = _server(origin, at)
    return _answer(server.create_token_response, "token", form=form, authorization=authorization)


def revoke_token(*, form: str, authorization: str | None, at: datetime) -> Answer:
    """End the session of a token (RFC 7009)."""
    server = _server(Origin(address=""), at)
    return _answer(server.create_revocation_response, "revoke", form=form, authorization=authorization)


def introspect_token(*, form: str, authorization: str | None, at: datetime) -> Answer:
    """Say whether a token is good (RFC 7662)."""
    server = _server(Origin(address=""), at)
    return _answer(server.create_introspect_response, "introspect", form=form, authorization=authorization)


def _answer(act: Any, name: str, *, form: str, authorization: str | None) -> Answer:
    shown = {"Authorization": authorization} if authorization is not None else {}
    try:
        headers, body, status = act(issuer() + TOKEN_ENDPOINT + name, "POST", form, shown)
    except OAuth2Error as error:
        headers, body, status = dict(error.headers), error.json, error.status_code
    kept = {name: value for name, value in headers.items() if name == "WWW-Authenticate"}
    if status == 401:
        kept["WWW-Authenticate"] = 'Basic realm="stayer"'
    return Answer(status=status, body=body or "", headers=kept)


class _CodeGrant(AuthorizationCodeGrant):
    """Codes whose challenge is a SHA-256: a plain one protects nobody."""

    _code_challenge_methods = {"S256": code_challenge_method_s256}

    def __init__(self, validator: Validator) -> None:
        super().__init__(validator, pre_auth=[self._ensure_challenge])

    def _ensure_challenge(self, request: Any) -> dict[str, Any]:
        if request.code_challenge and not _CHALLENGE.fullmatch(request.code_challenge):
            raise errors.InvalidRequestError(description="The code challenge is no SHA-256.", request=request)
        return {}


class _Sessions:
    """Makes tokens where oauthlib would: they belong to a session of ours."""

    def __init__(self, *, origin: Origin, at: datetime) -> None:
        self.origin, self.at = origin, at

    def create_token(self, request: Any, refresh_token: bool = False, **kwargs: Any) -> dict[str, Any]:
        """The answer of the token endpoint; raises `InvalidGrantError` for what was good a moment ago."""
        made = self._refresh(request) if request.grant_type == "refresh_token" else self._exchange(request)
        if made is None:
            raise errors.InvalidGrantError(request=request)
        scopes = request.original_scopes if request.grant_type == "refresh_token" else request.grant.scopes
        return {
            "access_token": made.access,
            "token_type": "Bearer",
            "expires_in": made.expires_in,
            "refresh_token": made.refresh,
            "scope": " ".join(scopes),
        }

    def _refresh(self, request: Any) -> Tokens | None:
        try:
            return sessions.refresh(token=request.refresh_token, app_id=request.client.pk, at=self.at)
        except (sessions.InvalidRefreshToken, sessions.RefreshTokenReused):
            return None

    def _exchange(self, request: Any) -> Tokens | None:
        return _exchange(code_sha256=request.grant.pk, origin=self.origin, at=self.at)


class _Server(AuthorizationEndpoint, TokenEndpoint, RevocationEndpoint, IntrospectEndpoint):
    """oauthlib's endpoints with the grants we have."""

    def __init__(self, *, origin: Origin, at: datetime) -> None:
        validator, made = Validator(at=at), _Sessions(origin=origin, at=at)
        codes = _CodeGrant(validator)
        grants = {"authorization_code": codes, "refresh_token": RefreshTokenGrant(validator)}
        AuthorizationEndpoint.__init__(
            self, default_response_type="code", default_token_type=made, response_types={"code": codes}
        )
        TokenEndpoint.__init__(
            self, default_grant_type="authorization_code", default_token_type=made, grant_types=grants
        )
        RevocationEndpoint.__init__(self, validator)
        IntrospectEndpoint.__init__(self, validator)


def _server(origin: Origin, at: datetime) -> _Server:
    return _Server(origin=origin, at=at)


@unit_of_work("identity", isolation="read committed")
def _exchange(*, code_sha256: str, origin: Origin, at: datetime) -> Tokens | None:
    # UPDATE … WHERE used_at IS NULL: of any number of parallel uses the database lets one through.
    used_now = AuthorizationCode.objects.filter(pk=code_sha256, used_at__isnull=True).update(used_at=at)
    code = AuthorizationCode.objects.get(pk=code_sha256)
    if not used_now:
        end_what_it_opened(code, at=at)
        return None
    app = OAuthApp.objects.select_for_update(no_key=True).filter(pk=code.app_id, revoked_at__isnull=True).first()
    person = User.objects.select_for_update(no_key=True).filter(pk=code.user_id, is_active=True).first()
    if app is None or person is None or _has_new_password(person, since=code.issued_at):
        return None
    return _let_in(app, person, code=code, origin=origin, at=at)


def _has_new_password(person: User, *, since: datetime) -> bool:
    """Whoever changes the password wants everybody out: a code on its way counts as somebody."""
    return person.password_changed_at is not None and person.password_changed_at > since


def _let_in(app: OAuthApp, person: User, *, code: AuthorizationCode, origin: Origin, at: datetime) -> Tokens:
    session = sessions.begin(person=person, origin=origin, mfa_at=code.mfa_at, at=at, signed_in_with="app")
    session.app, session.scopes = app, code.scopes
    session.save(update_fields=["app", "scopes"])
    code.session = session
    code.save(update_fields=["session"])
    publish(
        events.UserAuthenticated(user_id=person.pk, session_id=session.pk, occurred_at=at),
        events.CredentialsChanged(user_id=person.pk, what="app", occurred_at=at),
    )
    return sessions.issue(session, at=at)


@unit_of_work("identity", isolation="read committed")
def forget_old_codes(*, at: datetime) -> int:
    """Delete codes whose second use need not be feared any more; answers how many."""
    return int(AuthorizationCode.objects.filter(expires_at__lt=at - rules.CODES_KEPT).delete()[0])


def metadata() -> dict[str, Any]:
    """What an app has to know of us (RFC 8414)."""
    secrets = ["client_secret_basic", "client_secret_post"]
    return {
        "issuer": issuer(),
        "authorization_endpoint": issuer() + PAGE,
        "token_endpoint": f"{issuer()}{TOKEN_ENDPOINT}token",
        "revocation_endpoint": f"{issuer()}{TOKEN_ENDPOINT}revoke",
        "introspection_endpoint": f"{issuer()}{TOKEN_ENDPOINT}introspect",
        "jwks_uri": f"{issuer()}/.well-known/jwks.json",
        "scopes_supported": list(rules.SCOPES),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": list(GRANTS),
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": [*secrets, "none"],
        "revocation_endpoint_auth_methods_supported": [*secrets, "none"],
        "introspection_endpoint_auth_methods_supported": secrets,
        "authorization_response_iss_parameter_supported": True,
    }
