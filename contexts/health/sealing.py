"""Secrets and what people write at rest: AES-256-GCM under `FIELD_KEY`, bound to the row they belong to."""

import base64
import hmac
import os
from collections.abc import Callable
from functools import cache
from typing import Any
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


def seal_text(text: str, *, column: str, row_id: UUID) -> bytes:
    """A text as it may be stored in this column (`table.column`) of this row."""
    return seal_in(column, text.encode(), of=row_id)


def unseal_text(sealed: bytes, *, column: str, row_id: UUID) -> str:
    """The text inside; raises `cryptography.exceptions.InvalidTag` in any other place. Nothing sealed is no text."""
    return unseal_in(column, sealed, of=row_id).decode() if sealed else ""


def sealed_in(column: str) -> property:
    """For a model: the attribute that is kept in this binary column, sealed for its row."""

    def get(row: Any) -> str:
        sealed = bytes(getattr(row, column))
        return unseal_text(sealed, column=f"{row._meta.db_table}.{column}", row_id=row.pk)

    def put(row: Any, text: str) -> None:
        setattr(row, column, seal_text(text, column=f"{row._meta.db_table}.{column}", row_id=row.pk))

    return property(get, put)


def shown_texts(table: str, key: str, **texts: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """For an export: rows of a table with these texts in place of the columns in which each is sealed."""

    def shown(row: dict[str, Any]) -> dict[str, Any]:
        plain = {
            name: unseal_text(bytes(row[sealed]), column=f"{table}.{sealed}", row_id=row[key])
            for name, sealed in texts.items()
        }
        return {name: value for name, value in row.items() if name not in texts.values()} | plain

    return shown


def pseudonym(person_id: UUID) -> str:
    """The same for one person always, and nobody's name: whom a row is about, to those who may not know."""
    digest = hmac.digest(
        base64.urlsafe_b64decode(settings.FIELD_KEY), b"health.pseudonym:" + person_id.bytes, "sha256"
    )
    return base64.b32encode(digest[:10]).decode()


def encoded(secret: bytes) -> str:
    """Base64url without padding: the form in which a device is told its secret."""
    return base64.urlsafe_b64encode(secret).rstrip(b"=").decode()


def _bound_to(column: str, row: UUID) -> bytes:
    return f"{column}:".encode() + row.bytes


@cache
def _cipher() -> AESGCM:
    return AESGCM(base64.urlsafe_b64decode(settings.FIELD_KEY))
