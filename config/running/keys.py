"""The platform's secrets: given by the environment, or made once and kept for their owner's eyes."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from config.running.private import private_text

TOKEN_KEY_BITS = 2048


def keys_for(folder: Path, given: Mapping[str, str]) -> dict[str, str]:
    """Environment variables for what `given` does not hold, from files below `folder`/keys (mode 0600).

    SECRET_KEY (Django), TOKEN_KEYS (a folder of RSA keys: access tokens), FIELD_KEY (32 bytes, urlsafe base64:
    secrets at rest), and what the payment sandbox and we know each other by (PAYMENT_API_KEY,
    PAYMENT_WEBHOOK_SECRET). Losing `FIELD_KEY` means losing what it encrypts.
    """
    keys = folder / "keys"
    wanted: dict[str, str] = {}
    if not given.get("SECRET_KEY"):
        wanted["SECRET_KEY"] = private_text(keys / "secret", lambda: secrets.token_urlsafe(50))
    if not given.get("FIELD_KEY"):
        wanted["FIELD_KEY"] = private_text(keys / "field", _field_key)
    if not given.get("TOKEN_KEYS") and not given.get("TOKEN_JWKS_URL"):
        wanted["TOKEN_KEYS"] = str(_ring(keys))
    for name, file in (("PAYMENT_API_KEY", "payments"), ("PAYMENT_WEBHOOK_SECRET", "webhooks")):
        if not given.get(name):
            wanted[name] = private_text(keys / file, lambda: secrets.token_urlsafe(32))
    return wanted


def _field_key() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


def _ring(keys: Path) -> Path:
    """The key ring with at least one key; a single key of an earlier release goes on under its name."""
    ring = keys / "tokens"
    ring.mkdir(parents=True, exist_ok=True, mode=0o700)
    if (keys / "token.pem").is_file():
        (keys / "token.pem").rename(ring / "1.pem")
    if not any(ring.glob("*.pem")):
        private_text(ring / "1.pem", _token_key)
    return ring


def _token_key() -> str:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=TOKEN_KEY_BITS)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
