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
from typing import Any
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


class DeviceSignature(BaseAuthentication):
    """Takes the device from the signature; refuses what is forged, stale or repeated."""

    def authenticate(self, request: Request) -> tuple[DevicePrincipal, bytes] | None:
        header = request.META.get("HTTP_AUTHORIZATION", "")
        if not header.startswith("Device "):
            return None
        parts = HEADER_FORM.fullmatch(header)
        if parts is None:
            raise SignatureInvalid
        device_id, seconds, nonce, signature = parts.groups()
        if abs(time.time() - int(seconds)) > rules.SIGNATURE_TOLERANCE.total_seconds():
            raise SignatureExpired
        device = known_device(UUID(device_id))
        if device is None:
            raise DeviceUnknown
        body = read_body(request._request, limit=rules.MAX_BODY_BYTES)

        def is_by(secret: bytes | None) -> bool:
            if secret is None:
                return False
            expected = sign(secret, request.method or "", request.path, body, seconds, nonce)
            return hmac.compare_digest(expected, signature)

        used_next = False
        if not is_by(device.secret):
            # The key may have been rotated in another process since this one looked at the device.
            device = look_again(device)
            if device is None:
                raise DeviceUnknown
            used_next = not is_by(device.secret)
            if used_next and not (is_by(device.next_secret) and not _has_lapsed(device)):
                raise SignatureInvalid
        _spend(nonce, device_id=device_id)
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


def _spend(nonce: str, *, device_id: str) -> None:
    """Use the nonce, once. Without Redis nobody can say whether it is fresh, so the device is asked to try again."""
    try:
        fresh = redis_client().set(f"nonce:{device_id}:{nonce}", b"1", ex=rules.NONCE_KEPT, nx=True)
    except redis.RedisError as error:
        raise TryAgain from error
    if not fresh:
        raise NonceReused


def _admit_device(principal: Any) -> None:
    if not isinstance(principal, DevicePrincipal):
        raise NotSignedIn


device = Policy("device", "For connected devices, which sign each request with their secret.", _admit_device)
