"""Requests signed by a device.

    Authorization: Device <device_id>:<unix seconds>:<nonce>:<signature>

The signature is base64url (no padding) of HMAC-SHA256, under the device's secret, of these five lines: the
method, the path without its query, the SHA-256 of the body in hex, the unix seconds and the nonce. What was
signed is handed to the view as `request.auth`, so nothing else can be read in its place.
"""

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Sequence
from typing import Any, NamedTuple, Self
from uuid import UUID

import redis
from django.utils.timezone import now
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from contexts.health import rules
from contexts.health.worn.devices import KnownDevice, known_device, look_again, take_over
from kernel.access import NotSignedIn, Policy
from kernel.databases import redis_client
from kernel.errors import TryAgain
from kernel.http import read_body

UUID_FORM = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
HEADER_FORM = re.compile(rf"Device ({UUID_FORM}):([0-9]{{1,12}}):([A-Za-z0-9_-]{{16,64}}):([A-Za-z0-9_-]{{43}})")


class SignatureInvalid(NotSignedIn):
    """The signature is not this device's signature of this request."""


class SignatureExpired(NotSignedIn):
    """The signature is dated more than five minutes from now; look at the device's clock."""


class NonceReused(NotSignedIn):
    """This nonce has been used; sign each request with a new one."""


class DeviceUnknown(NotSignedIn):
    """This device is not connected, or not any more."""


class DevicePrincipal:
    """The device behind a request, on behalf of its owner."""

    __slots__ = ("device",)

    is_authenticated = True

    def __init__(self, device: KnownDevice) -> None:
        self.device = device


class Claim(NamedTuple):
    """What an `Authorization` header says: who signed, when, with which nonce, and the signature."""

    device_id: UUID
    seconds: str
    nonce: str
    signature: str

    @classmethod
    def told_in(cls, header: str) -> Self | None:
        """The claim of a header; None for one that is not of our form."""
        parts = HEADER_FORM.fullmatch(header)
        if parts is None:
            return None
        device_id, seconds, nonce, signature = parts.groups()
        return cls(UUID(device_id), seconds, nonce, signature)

    @property
    def is_dated_now(self) -> bool:
        """Whether it is dated within the tolerance."""
        return abs(time.time() - int(self.seconds)) <= rules.SIGNATURE_TOLERANCE.total_seconds()

    @property
    def nonce_key(self) -> str:
        """Where in Redis the nonce is remembered."""
        return f"nonce:{self.device_id}:{self.nonce}"

    def is_by(self, secret: bytes | None, *, method: str, path: str, body: bytes) -> bool:
        """Whether this secret signed it for this request."""
        if secret is None:
            return False
        return hmac.compare_digest(sign(secret, method, path, body, self.seconds, self.nonce), self.signature)


class DeviceSignature(BaseAuthentication):
    """Takes the device from the signature; refuses what is forged, stale or repeated."""

    def authenticate(self, request: Request) -> tuple[DevicePrincipal, bytes] | None:
        header = request.META.get("HTTP_AUTHORIZATION", "")
        if not header.startswith("Device "):
            return None
        claim = Claim.told_in(header)
        if claim is None:
            raise SignatureInvalid
        if not claim.is_dated_now:
            raise SignatureExpired
        device = known_device(claim.device_id)
        if device is None:
            raise DeviceUnknown
        body = read_body(request._request, limit=rules.MAX_BODY_BYTES)
        signed: dict[str, Any] = {"method": request.method or "", "path": request.path, "body": body}
        used_next = False
        if not claim.is_by(device.secret, **signed):
            # The key may have been rotated in another process since this one looked at the device.
            device = look_again(device)
            if device is None:
                raise DeviceUnknown
            used_next = not claim.is_by(device.secret, **signed)
            if used_next and not (claim.is_by(device.next_secret, **signed) and not _has_lapsed(device)):
                raise SignatureInvalid
        if spend([claim]) != [True]:
            raise NonceReused
        if used_next and device.next_secret is not None:
            take_over(device_id=device.device_id, secret=device.next_secret)
        return DevicePrincipal(device), body

    def authenticate_header(self, request: Request) -> str:
        return "Device"


def _has_lapsed(device: KnownDevice) -> bool:
    return device.next_until is None or device.next_until <= now()


def sign(secret: bytes, method: str, path: str, body: bytes, seconds: str, nonce: str) -> str:
    """The signature of a request."""
    lines = f"{method}\n{path}\n{hashlib.sha256(body).hexdigest()}\n{seconds}\n{nonce}"
    return base64.urlsafe_b64encode(hmac.digest(secret, lines.encode(), "sha256")).rstrip(b"=").decode()


def spend(claims: Sequence[Claim]) -> list[bool]:
    """Use the nonces; tells of each whether it was fresh, which it is once.

    Without Redis nobody can say that, so the devices are asked to try again.
    """
    try:
        with redis_client().pipeline(transaction=False) as asking:
            for claim in claims:
                asking.set(claim.nonce_key, b"1", ex=rules.NONCE_KEPT, nx=True)
            return [bool(fresh) for fresh in asking.execute()]
    except redis.RedisError as error:
        raise TryAgain from error


def give_back(claims: Sequence[Claim]) -> None:
    """Let these nonces be used: what they were spent for has not been done."""
    if claims:
        redis_client().delete(*(claim.nonce_key for claim in claims))


def _admit_device(principal: Any) -> None:
    if not isinstance(principal, DevicePrincipal):
        raise NotSignedIn


device = Policy("device", "For connected devices, which sign each request with their secret.", _admit_device)
