"""The two tokens: a short access token that says everything, a refresh token that says almost nothing.

Both are signed with RS256 and carry the key's id (`kid`), so that others verify them without asking and keys
can be changed without signing anybody out.
"""

import functools
import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import jwt
from django.utils.timezone import now
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError, TokenError
from rest_framework_simplejwt.tokens import Token

from contexts.identity import rules
from contexts.identity.models import Session
from kernel import keys
from kernel.access import AUDIENCE, ISSUER


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """What a client gets; `expires_in` is the access token's life in seconds."""

    access: str
    refresh: str
    expires_in: int = int(rules.ACCESS_LIFETIME.total_seconds())


@dataclass(frozen=True, kw_only=True)
class AccessGrant:
    """An access token alone, after a step-up."""

    access: str
    expires_in: int = int(rules.ACCESS_LIFETIME.total_seconds())


class KeyRing(TokenBackend):
    """Signs with the ring's newest active key and verifies with any key of the ring."""

    def encode(self, payload: dict[str, Any]) -> str:
        """The signed token, its key named in the header."""
        claims = {**payload, "iss": self.issuer, "aud": self.audience}
        kid, key = keys.signing_key(at=now())
        return jwt.encode(claims, key, algorithm=self.algorithm, headers={"kid": kid})

    def get_verifying_key(self, token: Any) -> Any:
        """The ring's key the header names; a name from outside the ring is refused, never looked up."""
        try:
            return keys.verifying_key(token)
        except (KeyError, jwt.PyJWTError):
            raise TokenBackendError("unknown key") from None


@functools.cache
def key_ring() -> KeyRing:
    """The ring of this process."""
    return KeyRing(keys.ALGORITHM, issuer=ISSUER, audience=AUDIENCE)


class _RingToken(Token):
    @property
    def token_backend(self) -> TokenBackend:
        return key_ring()


class AccessJWT(_RingToken):
    """Good for ten minutes; carries all that a request needs to be judged."""

    token_type = "access"  # noqa: S105
    lifetime = rules.ACCESS_LIFETIME


class RefreshJWT(_RingToken):
    """Good once, within two weeks."""

    token_type = "refresh"  # noqa: S105
    lifetime = rules.REFRESH_LIFETIME


def access_token(session: Session, *, at: datetime) -> str:
    """An access token for the session, with its person's claims as they are now."""
    person = session.user
    token = AccessJWT()
    _begin(token, session, at=at)
    token.payload |= {
        "roles": person.held_roles,
        "membership": person.membership_at(at),
        "age_band": rules.age_band(person.age(on=at.date())),
        "amr": rules.methods_of(session.signed_in_with, second_factor=session.mfa_with if session.mfa_at else ""),
        "mfa_at": int(session.mfa_at.timestamp()) if session.mfa_at else None,
        "tz": person.time_zone,
        "scopes": session.scopes,
    }
    if session.app_id is not None:
        token["client_id"], token["roles"] = str(session.app_id), ["member"]
    return str(token)


def refresh_token(session: Session, *, at: datetime) -> RefreshJWT:
    """A refresh token for the session; its string form goes to the client, its digest into the database."""
    token = RefreshJWT()
    _begin(token, session, at=at)
    return token


def _begin(token: Token, session: Session, *, at: datetime) -> None:
    token.set_iat(at_time=at)
    token.set_exp(from_time=at)
    token["sub"], token["sid"] = str(session.user_id), str(session.pk)


def read_refresh(token: str) -> str | None:
    """The digest of a genuine, living refresh token; nothing for anything else."""
    try:
        return digest(RefreshJWT(token))  # type: ignore[arg-type]
    except TokenError:
        return None


def digest(token: Token) -> str:
    """What is kept of a refresh token: the SHA-256 of its id."""
    return hashlib.sha256(str(token["jti"]).encode()).hexdigest()
