"""Secrets at rest: AES-256-GCM under `FIELD_KEY`, bound to what they belong to: a device, a person's cold files."""

import base64
import os
from functools import cache
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

SECRET_BYTES = 32
NONCE_BYTES = 12
DEVICE_SECRET = "health_device.sealed_secret"  # noqa: S105  (a column)
VERSION = b"\x01"
"""Written before each sealed secret, so that the key or the cipher can change later."""


def new_secret() -> bytes:
    """A secret for a device to sign with."""
    return os.urandom(SECRET_BYTES)


def seal(secret: bytes, *, device_id: UUID) -> bytes:
    """The secret as it may be stored; a row copied to another device does not open there."""
    return seal_in(DEVICE_SECRET, secret, of=device_id)


def unseal(sealed: bytes, *, device_id: UUID) -> bytes:
    """The secret inside; raises `cryptography.exceptions.InvalidTag` if key, device or bytes are not the same."""
    return unseal_in(DEVICE_SECRET, sealed, of=device_id)


def seal_in(column: str, content: bytes, *, of: UUID) -> bytes:
    """What belongs into a column of the row of this id; it opens in no other row or column."""
    return seal_bound(content, bound_to=_bound_to(column, of))


def unseal_in(column: str, sealed: bytes, *, of: UUID) -> bytes:
    """What `seal_in` was given; raises `InvalidTag` if anything is not the same."""
    return unseal_bound(sealed, bound_to=_bound_to(column, of))


def seal_bound(secret: bytes, *, bound_to: bytes, cipher: AESGCM | None = None) -> bytes:
    """The bytes as they may be stored; they open only where they are said to be bound to the same again.

    Under `FIELD_KEY`, or under the key of another cipher.
    """
    nonce = os.urandom(NONCE_BYTES)
    return VERSION + nonce + (cipher or _cipher()).encrypt(nonce, secret, bound_to)


def unseal_bound(sealed: bytes, *, bound_to: bytes, cipher: AESGCM | None = None) -> bytes:
    """What `seal_bound` was given; raises `cryptography.exceptions.InvalidTag` as `unseal`."""
    nonce, sealed_part = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
    return (cipher or _cipher()).decrypt(nonce, sealed_part, bound_to)


def encoded(secret: bytes) -> str:
    """Base64url without padding: the form in which a device is told its secret."""
    return base64.urlsafe_b64encode(secret).rstrip(b"=").decode()


def _bound_to(column: str, row: UUID) -> bytes:
    return f"{column}:".encode() + row.bytes


@cache
def _cipher() -> AESGCM:
    return AESGCM(base64.urlsafe_b64decode(settings.FIELD_KEY))
