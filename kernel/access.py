"""Who asks, and what they may: a `Principal` from the signed token alone, policies, and exact rate limits.

No request loads a user row. The token's signature is checked with public keys, so an extracted context verifies
without asking; whether its session still lives is a key in Redis that identity keeps.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
import redis
from django.conf import settings
from django.utils.module_loading import import_string
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from kernel import keys
from kernel.databases import redis_client
from kernel.errors import Refused, TryAgain

ISSUER = AUDIENCE = "stayer"
MFA_IS_RECENT = timedelta(minutes=15)
CONNECTION_LASTS = timedelta(days=90)
"""How long an app that was let in under a second factor may open medical data before it has to ask again."""
TOKENS_CACHED = 10_000
REMEMBERED_S = 1.0
"""How long a process believes that a session lives without asking (the first level of P-9)."""


class NotSignedIn(Refused):
    """Sign in first."""

    status = 401


class TokenInvalid(NotSignedIn):
    """The access token is not valid any more, or never was."""


class Forbidden(Refused):
    """You may not do this."""

    status = 403


class MfaRequired(Forbidden):
    """Medical data open after a recent second factor: POST /api/v1/identity/mfa/step-up."""


class InsufficientScope(Forbidden):
    """The person has not let this app do that."""

    def __init__(self, scope: str) -> None:
        """Names the scope that is needed (RFC 6750 §3.1)."""
        super().__init__(scope=scope)


@dataclass(frozen=True, kw_only=True, slots=True)
class Principal:
    """The member behind a request or socket, as their signed token says."""

    user_id: UUID
    session_id: UUID
    roles: frozenset[str]
    scopes: frozenset[str]
    membership: str
    age_band: str
    mfa_at: datetime | None
    time_zone: str
    amr: frozenset[str] = frozenset()
    app_id: UUID | None = None
    is_authenticated: bool = True


class Anonymous:
    """Nobody in particular."""

    is_authenticated = False


_verified: dict[str, tuple[float, Principal]] = {}
_verified_with = keys.Keys()


def principal_of(token: str) -> Principal:
    """The principal of a valid access token whose session is active; raises `TokenInvalid` otherwise."""
    global _verified_with
    if (with_these := keys.ring().keys()) is not _verified_with or len(_verified) >= TOKENS_CACHED:
        _verified.clear()  # a key that is gone takes its tokens along
        _verified_with = with_these
    known = _verified.get(token)
    if known is None or known[0] <= time.time():
        known = _verified[token] = _verify(token)
    if not session_was_active(known[1].session_id):
        raise TokenInvalid("This session has ended.")
    return known[1]


def _verify(token: str) -> tuple[float, Principal]:
    try:
        claims = jwt.decode(
            token,
            keys.verifying_key(token),
            algorithms=[keys.ALGORITHM],
            audience=AUDIENCE,
            issuer=ISSUER,
            leeway=keys.LEEWAY_S,
            options={"require": ["exp", "iat", "sub", "sid", "jti"]},
        )
        if claims.get("typ") != "access":
            raise TokenInvalid
        return float(claims["exp"]), _principal_from(claims)
    except (jwt.PyJWTError, KeyError, ValueError, TypeError):
        raise TokenInvalid from None


def _principal_from(claims: dict[str, Any]) -> Principal:
    mfa_at, app_id = claims.get("mfa_at"), claims.get("client_id")
    return Principal(
        user_id=UUID(claims["sub"]),
        session_id=UUID(claims["sid"]),
        roles=frozenset(claims.get("roles", ())),
        scopes=frozenset(claims.get("scopes", ())),
        membership=claims.get("membership", "free"),
        age_band=claims.get("age_band", "under_16"),
        mfa_at=datetime.fromtimestamp(mfa_at, UTC) if mfa_at else None,
        time_zone=claims.get("tz", "UTC"),
        amr=frozenset(claims.get("amr", ())),
        app_id=UUID(app_id) if app_id else None,
    )


_active_until: dict[UUID, float] = {}


def session_was_active(session_id: UUID) -> bool:
    """Whether a session lived at most a second ago (`REMEMBERED_S`): what a request is judged by.

    The process that ends a session forgets it at once; others ask Redis again within the second.
    """
    if _active_until.get(session_id, 0.0) > time.monotonic():
        return True
    active = session_is_active(session_id)
    if active:
        if len(_active_until) >= TOKENS_CACHED:
            _active_until.clear()
        _active_until[session_id] = time.monotonic() + REMEMBERED_S
    return active


def forget_session(session_id: UUID) -> None:
    """Ask about this session at its next request: it has just been ended here."""
    _active_until.pop(session_id, None)


def session_is_active(session_id: UUID) -> bool:
    """Whether a session lives now: a key in Redis, and identity's word where Redis has none."""
    key = f"session:{session_id}"
    try:
        cached = redis_client().get(key)
        if cached is not None:
            return bool(cached == b"1")
        active = _ask_identity(session_id)
        # NX: a revocation that was written meanwhile must not be overwritten by what was true before it.
        redis_client().set(key, b"1" if active else b"0", ex=settings.SESSION_CACHED_S, nx=True)
        return active
    except redis.RedisError:
        return _ask_identity(session_id)


def _ask_identity(session_id: UUID) -> bool:
    return bool(import_string(settings.SESSION_CHECK)(session_id=session_id))


class BearerToken(BaseAuthentication):
    """`Authorization: Bearer <access token>`."""

    def authenticate(self, request: Request) -> tuple[Principal, None] | None:
        scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        return principal_of(token.strip()), None

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


@dataclass(frozen=True)
class Policy:
    """A named rule that every endpoint and socket declares: `admit` raises for those who may not enter."""

    name: str
    about: str
    admit: Callable[[Any], None]
    open_to_all: bool = False


def _admit_anyone(principal: Any) -> None:
    pass


def _admit_member(principal: Any) -> None:
    if not isinstance(principal, Principal):
        raise NotSignedIn


def _admit_recent_mfa(principal: Any) -> None:
    _admit_member(principal)
    lasts = CONNECTION_LASTS if principal.app_id else MFA_IS_RECENT
    if principal.mfa_at is None or datetime.now(UTC) - principal.mfa_at > lasts:
        raise MfaRequired


def admit_scope(principal: Any, scope: str | None) -> None:
    """Raise for an app whose person has not granted this scope. People themselves need none."""
    if getattr(principal, "app_id", None) is not None and scope not in principal.scopes:
        raise InsufficientScope(scope or "")


anyone = Policy("anyone", "Open to everybody.", _admit_anyone, open_to_all=True)
member = Policy("member", "For signed-in members.", _admit_member)
recent_mfa = Policy("recent_mfa", "For members with a second factor in the last 15 minutes.", _admit_recent_mfa)


def has_role(role: str) -> Policy:
    """For members who hold this role."""

    def admit(principal: Any) -> None:
        _admit_member(principal)
        if role not in principal.roles:
            raise Forbidden

    return Policy(f"role:{role}", f"For members with the role {role}.", admit)


class RateLimited(Refused):
    """Too many requests; wait as long as Retry-After says."""

    status = 429


# The generic cell rate algorithm: one key holds the theoretical arrival time of the next request.
# Redis runs a script alone, so under any parallelism exactly `limit` requests pass at once.
_GCRA = """
local now = redis.call('TIME')
now = now[1] + now[2] / 1000000
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local due = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local wait = due + interval - burst - now
if wait > 0.0000005 then return tostring(wait) end
redis.call('SET', KEYS[1], string.format('%.6f', due + interval), 'PX', math.ceil((due + interval - now) * 1000))
return '0'
"""

_PERIODS = {"s": 1, "min": 60, "h": 3600, "day": 86400}


class RateLimit:
    """`RateLimit("30/min", by="user")`: at most 30 at once, refilled evenly; exact under parallel requests."""

    def __init__(self, rate: str, *, by: str = "user") -> None:
        count, _, period = rate.partition("/")
        self.count = int(count)
        self.seconds = _PERIODS[period]
        self.by = by

    def check(self, name: str, request: Request) -> None:
        """Count this request or raise `RateLimited` with the seconds to wait."""
        principal: Any = request.user
        by_user = self.by == "user" and isinstance(principal, Principal)
        who = str(principal.user_id) if by_user else address_of(request)
        self.take(f"{name}:{who}")

    def take(self, key: str) -> None:
        """Count one use of `key` or raise `RateLimited`; `TryAgain` when Redis cannot count."""
        try:
            wait = redis_client().eval(_GCRA, 1, f"limit:{key}", self.seconds / self.count, self.seconds)
        except redis.RedisError as error:
            raise TryAgain from error
        if float(wait) > 0:
            refusal = RateLimited()
            refusal.retry_after = float(wait)
            raise refusal


def address_of(request: Any) -> str:
    """The address a request came from; the proxies that `TRUSTED_PROXIES` counts are believed, no others."""
    hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    if settings.TRUSTED_PROXIES and len(hops) >= settings.TRUSTED_PROXIES:
        return str(hops[-settings.TRUSTED_PROXIES].strip())
    return str(request.META.get("REMOTE_ADDR", ""))
