"""Who the bridge is to the server: a device id and a secret, and the signature made with them."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import json
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from device_bridge.endings import Misuse


class NoCredentials(Misuse):
    """The device id or its secret is missing or unreadable."""


@dataclass(frozen=True)
class Credentials:
    """A device as the health context registered it. secret: the raw bytes, never shown."""

    device_id: str
    secret: bytes = field(repr=False)

    def authorization(self, *, method: str, path: str, body: bytes, at: float, nonce: str | None = None) -> str:
        """The Authorization header of one request.

        HMAC-SHA256 over method, path without query, SHA-256 of the body, unix seconds and a nonce used once.
        """
        stamp, nonce = str(int(at)), nonce or secrets.token_urlsafe(24)
        signed = "\n".join([method, path, hashlib.sha256(body).hexdigest(), stamp, nonce])
        mac = hmac.new(self.secret, signed.encode(), hashlib.sha256).digest()
        return f"Device {self.device_id}:{stamp}:{nonce}:{_base64url(mac)}"


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def enrolled_devices(file: Path | None) -> list[str]:
    """The keys of the devices that have credentials of their own in FILE.json (its member `devices`)."""
    if file is None:
        return []
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return sorted(json.loads(file.read_text()).get("devices", {}))
    return []


def credentials_of(device: str, *, file: Path) -> Credentials:
    """A device's own credentials in FILE.json; the bridge's for an empty key. Raises NoCredentials."""
    try:
        told = json.loads(file.read_text())
        held = told["devices"][device] if device else told
        return _credentials(held["device_id"], held["secret"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NoCredentials(
            f"{file} does not hold a device_id and a secret" + f" for {device}" * bool(device)
        ) from error


def keep_credentials(file: Path, *, device: str, device_id: str, secret: str) -> None:
    """Write a device's credentials beside those of others, for nobody else's eyes; whole or not at all."""
    told = json.loads(file.read_text()) if file.exists() else {}
    held = {"device_id": device_id, "secret": secret}
    told = told | {"devices": told.get("devices", {}) | {device: held}} if device else told | held
    new = file.with_name(f"{file.name}.new")
    with contextlib.suppress(FileNotFoundError):
        new.unlink()
    opened = os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(opened, "w") as out:
        json.dump(told, out, indent=1)
        out.flush()
        os.fsync(out.fileno())
    new.replace(file)


def find_credentials(*, file: Path | None, environment: Mapping[str, str]) -> Credentials:
    """From FILE.json ({"device_id", "secret"}), or STAYER_DEVICE_ID and STAYER_DEVICE_SECRET."""
    if file is not None:
        return credentials_of("", file=file)
    if "STAYER_DEVICE_ID" in environment and "STAYER_DEVICE_SECRET" in environment:
        return _credentials(environment["STAYER_DEVICE_ID"], environment["STAYER_DEVICE_SECRET"])
    raise NoCredentials("give --credentials FILE.json, or STAYER_DEVICE_ID and STAYER_DEVICE_SECRET")


def _credentials(device_id: str, secret: str) -> Credentials:
    # The id also names the spool file, so nothing but these characters may be in it.
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", str(device_id)):
        raise NoCredentials("the device id is not one that Stayer gives out")
    try:
        raw = base64.b64decode(secret + "=" * (-len(secret) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError, TypeError) as error:
        raise NoCredentials("the device secret is not base64url") from error
    if not raw:
        raise NoCredentials("the device secret is empty")
    return Credentials(device_id, raw)
