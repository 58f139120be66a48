"""Signatures of webhooks: `t=<seconds>,v1=<hex HMAC-SHA256 of "<t>.<body>">`, as Stripe writes them."""

import hashlib
import hmac
from datetime import datetime

from kernel.payments import SignatureInvalid

TOLERANCE_S = 300
"""How old a signature may be: an older one has been recorded by somebody."""


def sign(body: bytes, *, secret: str, at: datetime) -> str:
    """The header for these bytes."""
    stamp = int(at.timestamp())
    return f"t={stamp},v1={_digest(body, secret, str(stamp))}"


def verify(body: bytes, *, header: str, secret: str, at: datetime) -> None:
    """Raise `SignatureInvalid` unless the header signs these bytes and is fresh."""
    parts = [part.partition("=") for part in header.split(",")]
    stamps = [value for name, _, value in parts if name.strip() == "t"]
    given = [value for name, _, value in parts if name.strip() == "v1"]
    if len(stamps) != 1 or not (stamps[0].isascii() and stamps[0].isdecimal() and len(stamps[0]) <= 12):
        raise SignatureInvalid
    expected = _digest(body, secret, stamps[0])
    matches = [hmac.compare_digest(expected.encode(), one.encode()) for one in given]
    if not secret or not any(matches) or abs(at.timestamp() - int(stamps[0])) > TOLERANCE_S:
        raise SignatureInvalid


def _digest(body: bytes, secret: str, stamp: str) -> str:
    return hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
