"""How one context proves to another that it is one: a token for one minute and one audience.

Contexts that share a process sign with the platform's ring; one that runs by itself has keys of its own, which can
speak for it alone.

A service token opens the few doors that say `service_of(…)`, and nothing of a person's. Inside its minute it may be
used again: what these doors answer can be asked twice.
"""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import jwt
from django.conf import settings
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from kernel import keys
from kernel.access import Forbidden, NotSignedIn, Policy, TokenInvalid
from kernel.errors import TryAgain

LIFETIME = timedelta(seconds=60)
ASKED_WITHIN_S = 2.0


@dataclass(frozen=True, kw_only=True)
class ServicePrincipal:
    """A context that asks on its own account."""

    context: str
    is_authenticated: bool = True


def service_token(*, audience: str, issuer: str | None = None) -> str:
    """A token with which context `issuer` asks `audience`; unsaid, it is the one whose own key this process has."""
    now = datetime.now(UTC)
    kid, key = keys.service_signing_key(at=now)
    asks = issuer or keys.owner_of(kid) or settings.CONTEXTS[0]
    claims = {"iss": _name(asks), "aud": _name(audience), "typ": "service", "jti": secrets.token_hex(16)}
    times = {"iat": now, "exp": now + LIFETIME}
    return jwt.encode(claims | times, key, algorithm=keys.ALGORITHM, headers={"kid": kid})


def _name(context: str) -> str:
    return f"stayer:{context}"


def service_of_token(token: str, *, audience: str) -> ServicePrincipal:
    """Who asks; raises `TokenInvalid` for anything but a living service token for this audience."""
    try:
        kid, key = keys.named_key(token)
        claims = jwt.decode(
            token,
            key,
            algorithms=[keys.ALGORITHM],
            audience=_name(audience),
            leeway=keys.LEEWAY_S,
            options={"require": ["exp", "iat", "iss", "aud", "jti"]},
        )
    except (jwt.PyJWTError, KeyError, ValueError):
        raise TokenInvalid from None
    issuer, owner = str(claims["iss"]), keys.owner_of(kid)
    is_its_own = owner is None or issuer == _name(owner)
    if claims.get("typ") != "service" or not issuer.startswith("stayer:") or not is_its_own:
        raise TokenInvalid
    return ServicePrincipal(context=issuer.removeprefix("stayer:"))


class ServiceToken(BaseAuthentication):
    """`Authorization: Service <token>`; the audience is the context of the view."""

    def authenticate(self, request: Request) -> tuple[ServicePrincipal, None] | None:
        scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != "service":
            return None
        view: Any = (request.parser_context or {})["view"]
        return service_of_token(token.strip(), audience=view.context()), None

    def authenticate_header(self, request: Request) -> str:
        return "Service"


def service_of(*contexts: str) -> Policy:
    """For these contexts, asking on their own account; for any context where none is named."""

    def admit(principal: Any) -> None:
        if not isinstance(principal, ServicePrincipal):
            raise NotSignedIn
        if contexts and principal.context not in contexts:
            raise Forbidden

    names = ", ".join(contexts) or "other contexts"
    return Policy("service", f"For {names} with a service token.", admit)


def session_is_active(*, session_id: UUID) -> bool:
    """`SESSION_CHECK` of a context that runs by itself: asks identity over HTTP; refuses while it does not answer."""
    try:
        answer = httpx.post(
            f"{settings.IDENTITY_URL}/api/v1/identity/internal/session-checks",
            json={"session_ids": [str(session_id)]},
            headers={"Authorization": f"Service {service_token(audience='identity')}"},
            timeout=ASKED_WITHIN_S,
        )
        return str(session_id) in answer.raise_for_status().json()["active"]
    except (httpx.HTTPError, ValueError, TypeError, KeyError) as error:
        raise TryAgain("Whether you are still signed in cannot be told at this moment.") from error
