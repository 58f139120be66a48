"""Access tokens as identity signs them, made without identity."""

import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import jwt
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kernel.access import AUDIENCE, ISSUER
from kernel.databases import redis_client
from kernel.keys import ALGORITHM, signing_key
from kernel.service_tokens import service_token

KID, SIGNING_KEY = signing_key(at=datetime.now(UTC))
PUBLIC_PEM = SIGNING_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


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
    claims: dict[str, Any], *, key: Any = None, algorithm: str = ALGORITHM, kid: str | None = None, **headers: Any
) -> str:
    """A token with these claims, and more in its header."""
    headers |= {"kid": KID if kid is None else kid}
    return jwt.encode(claims, SIGNING_KEY if key is None else key, algorithm=algorithm, headers=headers)


def token_of(user_id: UUID | None = None, **more: Any) -> str:
    """A valid token whose session is active."""
    claims = claims_of(user_id, **more)
    redis_client().set(f"session:{claims['sid']}", b"1")
    return sign(claims)


def service_authorization(*, audience: str, issuer: str = "workout") -> str:
    """The `Authorization` header of a context that asks another."""
    return f"Service {service_token(issuer=issuer, audience=audience)}"
