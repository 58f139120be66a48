"""Providers that vouch for people (OpenID Connect): which there are, and what they say of somebody.

We speak to configured providers alone, never follow a redirect, and read at most a megabyte in ten seconds. Whoever a
provider names is believed only after the signature, issuer, audience, age and nonce of its ID token were checked.
"""

import logging
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
import msgspec
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from django.conf import settings
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from kernel.errors import NotFound, Refused

log = logging.getLogger(__name__)

TIMEOUT_S = 10.0
MAX_ANSWER_BYTES = 1_000_000
KEPT_S = 3600.0
KEYS_ASKED_AGAIN_S = 60.0
ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]
"""Signatures with a provider's private key; never "none", never a secret we share with it."""
LEEWAY_S = 60
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class ProviderAway(Refused):
    """The provider cannot be reached at this moment, or answers nonsense."""

    status = 503
    retry_after = 10.0


class NotVouchedFor(Refused):
    """The provider did not vouch for this sign-in; begin again."""

    status = 400


@dataclass(frozen=True, kw_only=True)
class Provider:
    """A configured provider and who we are to it."""

    name: str
    label: str
    issuer: str
    client_id: str
    client_secret: str = ""


@dataclass(frozen=True, kw_only=True)
class Vouched:
    """Somebody as their provider knows them; `email` only where the provider has verified it."""

    provider: str
    subject: str
    email: str | None
    name: str


def providers() -> list[Provider]:
    """Every provider of this installation."""
    return [Provider(**known) for known in settings.OIDC_PROVIDERS]


def provider_of(name: str) -> Provider:
    """One provider by its name; raises `NotFound`."""
    found = [provider for provider in providers() if provider.name == name]
    if not found:
        raise NotFound
    return found[0]


def callback() -> str:
    """Where providers send people back to."""
    return f"{settings.PUBLIC_URL}/account/external"


def authorization_url(provider: Provider, *, state: str, nonce: str, verifier: str) -> str:
    """Where the person signs in at their provider."""
    return str(
        prepare_grant_uri(
            _endpoint(provider, "authorization_endpoint"),
            client_id=provider.client_id,
            response_type="code",
            redirect_uri=callback(),
            scope=["openid", "email", "profile"],
            state=state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
        )
    )


def vouched_for(provider: Provider, *, code: str, nonce: str, verifier: str, at: datetime) -> Vouched:
    """Exchange the code for what the provider says of the person, and check every word of it."""
    answer = _exchange(provider, code=code, verifier=verifier)
    claims = _checked(provider, answer, nonce=nonce, at=at)
    subject, email = claims.get("sub"), claims.get("email")
    if not isinstance(subject, str) or not 0 < len(subject) <= 255 or not subject.isprintable():
        raise NotVouchedFor
    is_verified = claims.get("email_verified") is True and isinstance(email, str) and "@" in email
    return Vouched(
        provider=provider.name,
        subject=subject,
        email=str(email).strip().lower() if is_verified else None,
        name=str(claims.get("name") or ""),
    )


def _exchange(provider: Provider, *, code: str, verifier: str) -> dict[str, Any]:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": callback(),
        "code_verifier": verifier,
    }
    shown = ClientAuth(provider.client_id, provider.client_secret or None, _authentication(provider))
    url, headers, body = shown.prepare("POST", _endpoint(provider, "token_endpoint"), {}, urlencode(form))
    return _fetch(provider, "POST", url, headers=headers, body=body, refusal=NotVouchedFor)


def _authentication(provider: Provider) -> str:
    """How we show our secret: by HTTP Basic, which every provider must know, unless this one says otherwise."""
    if not provider.client_secret:
        return "none"
    supported = _discovered(provider).get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    return "client_secret_basic" if "client_secret_basic" in supported else "client_secret_post"


def _checked(provider: Provider, answer: Mapping[str, Any], *, nonce: str, at: datetime) -> dict[str, Any]:
    """The claims of the ID token, if all is well with it (OpenID Connect Core §3.1.3.7)."""
    encoded = answer.get("id_token")
    if not isinstance(encoded, str):
        raise NotVouchedFor
    expected = {name: {"essential": True, "value": value} for name, value in _expected(provider).items()}
    params = {"nonce": nonce, "client_id": provider.client_id, "access_token": answer.get("access_token")}
    try:
        token = _verified(provider, encoded)
        claims = CodeIDToken(token.claims, token.header, expected, params)
        claims.validate(now=int(at.timestamp()), leeway=LEEWAY_S)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        log.warning("an ID token was refused", extra={"provider": provider.name, "why": type(error).__name__})
        raise NotVouchedFor from None
    return dict(claims)


def _expected(provider: Provider) -> dict[str, str]:
    return {"iss": provider.issuer, "aud": provider.client_id}


def _verified(provider: Provider, encoded: str) -> jwt.Token:
    """The token if one of the provider's keys signed it; a key we do not know is asked for once a minute at most."""
    try:
        return jwt.decode(encoded, _keys(provider), algorithms=ALGORITHMS)
    except (JoseError, ValueError):
        if not _ask_again(provider):
            raise
        return jwt.decode(encoded, _keys(provider), algorithms=ALGORITHMS)


# --- What providers publish -------------------------------------------------------------------------------------

_published: dict[str, tuple[float, dict[str, Any]]] = {}
"""By address: when it was read, and what it said."""


def _read(provider: Provider, url: str) -> dict[str, Any]:
    read_at, known = _published.get(url, (float("-inf"), {}))
    if time.monotonic() - read_at > KEPT_S:
        known = _fetch(provider, "GET", url)
        _published[url] = time.monotonic(), known
    return known


def _ask_again(provider: Provider) -> bool:
    url = _endpoint(provider, "jwks_uri")
    if time.monotonic() - _published.get(url, (float("-inf"), {}))[0] < KEYS_ASKED_AGAIN_S:
        return False
    _published.pop(url, None)
    return True


def _discovered(provider: Provider) -> dict[str, Any]:
    known = _read(provider, provider.issuer.rstrip("/") + "/.well-known/openid-configuration")
    if known.get("issuer") != provider.issuer:
        raise ProviderAway
    return known


def _keys(provider: Provider) -> KeySet:
    return KeySet.import_key_set(_read(provider, _endpoint(provider, "jwks_uri")))  # type: ignore[arg-type]


def _endpoint(provider: Provider, name: str) -> str:
    url = _discovered(provider).get(name)
    if not isinstance(url, str) or not _is_safe(url, provider):
        raise ProviderAway
    return url


def _is_safe(url: str, provider: Provider) -> bool:
    """Encrypted, or on the very machine a provider of the developer's own runs on."""
    there, issuer = urlsplit(url), urlsplit(provider.issuer)
    if there.scheme == "https":
        return bool(there.hostname)
    return there.scheme == "http" and issuer.hostname in LOOPBACK and there.netloc == issuer.netloc


@cache
def _trusted() -> ssl.SSLContext:
    """The authorities we believe: to read them takes longer than most requests."""
    return httpx.create_ssl_context()


def _fetch(
    provider: Provider,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: str | None = None,
    refusal: type[Refused] = ProviderAway,
) -> dict[str, Any]:
    """One JSON object from a provider; `refusal` is raised where it says no."""
    if not _is_safe(url, provider):
        raise ProviderAway
    asked = {**(headers or {}), "Accept": "application/json", "Accept-Encoding": "identity"}
    if body is not None:
        asked["Content-Type"] = "application/x-www-form-urlencoded"
    try:
        with (
            httpx.Client(timeout=TIMEOUT_S, follow_redirects=False, verify=_trusted()) as client,
            client.stream(method, url, headers=asked, content=body) as response,
        ):
            content = _bounded(response)
    except httpx.HTTPError as error:
        log.warning("a provider cannot be reached", extra={"provider": provider.name, "why": type(error).__name__})
        raise ProviderAway from None
    if 400 <= response.status_code < 500:
        raise refusal
    if response.status_code != 200:
        raise ProviderAway
    try:
        return msgspec.json.decode(content, type=dict[str, Any])
    except msgspec.DecodeError:
        raise ProviderAway from None


def _bounded(response: httpx.Response) -> bytes:
    started, content = time.monotonic(), b""
    for chunk in response.iter_raw():
        content += chunk
        if len(content) > MAX_ANSWER_BYTES or time.monotonic() - started > TIMEOUT_S:
            raise ProviderAway
    return content
