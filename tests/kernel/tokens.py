"""Access tokens as identity signs them, made without identity."""

import time
from typing import Any
from uuid import UUID, uuid4

import jwt
from django.conf import settings

from kernel.access import ALGORITHM, AUDIENCE, ISSUER
from kernel.databases import redis_client


def claims_of(user_id: UUID | None = None, **more: Any) -> dict[str, Any]:
    """The claims of a fresh access token."""
    now = int(time.time())
    return {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(user_id or uuid4()),
        "sid": str(uuid4()),
        "jti": str(uuid4()),
        "iat": now,
        "exp": now + 600,
        "typ": "access",
        "roles": [],
        "membership": "free",
        "age_band": "adult",
        "amr": ["pwd"],
        "tz": "UTC",
    } | more


def sign(
    claims: dict[str, Any], *, key: str | None = None, algorithm: str = ALGORITHM, kid: str | None = None
) -> str:
    """A token with these claims."""
    headers = {"kid": settings.TOKEN_KID if kid is None else kid}
    return jwt.encode(
        claims, settings.TOKEN_SIGNING_KEY if key is None else key, algorithm=algorithm, headers=headers
    )


def token_of(user_id: UUID | None = None, **more: Any) -> str:
    """A valid token whose session is active."""
    claims = claims_of(user_id, **more)
    redis_client().set(f"session:{claims['sid']}", b"1")
    return sign(claims)
