"""Enrolling this bridge by the short code the app shows, and changing its key."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Mapping
from pathlib import Path

import httpx

from device_bridge.answers import Forbidden, sentence_for
from device_bridge.credentials import Credentials, credentials_of, keep_credentials
from device_bridge.endings import Ending

API = "/api/v1/health"
ANSWER_WITHIN_S = 15.0
KIND = "bridge"
NAME_LENGTH = 80


class NotEnrolled(Ending):
    """The server did not take the code, or could not be asked."""

    exit_code = 4
    code = ""
    """The server's, where it gave one."""


def enrol(*, url: str, code: str, file: Path, device: str, kind: str) -> str:
    """Redeem a code and write the credentials of `device` (empty: the bridge itself); answers its id."""
    name = (f"{device} · {platform.node()}" if device else f"Stayer bridge · {platform.node()}")[:NAME_LENGTH]
    told = _asked(url, f"{API}/enrolments/redeem", {"code": code, "name": name, "kind": kind})
    keep_credentials(file, device=device, device_id=str(told["device_id"]), secret=str(told["secret"]))
    return str(told["device_id"])


def connect(
    *, url: str, bridge: Credentials, device: str, name: str, kind: str, file: Path, at: float, within_s: float
) -> str:
    """Ask for a device of its own for what this bridge hears as `device`; answers its id. Raises NotEnrolled.

    at: the server's time, in seconds since 1970. within_s: how long the server may take.
    """
    form = {"key": device, "name": name, "kind": kind}
    told = _asked(url, f"{API}/bridge-devices", form, signer=bridge, at=at, within_s=within_s)
    keep_credentials(file, device=device, device_id=str(told["device_id"]), secret=str(told["secret"]))
    return str(told["device_id"])


def rotate(*, url: str, file: Path, device: str) -> str:
    """Ask for a new key with the old one, write it down, and use it: from then on the old one is worth nothing."""
    old = credentials_of(device, file=file)
    path = f"{API}/devices/{old.device_id}/rotate"
    told = _asked(url, path, {}, signer=old)
    keep_credentials(file, device=device, device_id=old.device_id, secret=str(told["secret"]))
    _use(url, credentials_of(device, file=file))
    return old.device_id


def _use(url: str, new: Credentials) -> None:
    """A batch without readings is refused for that; but its signature was looked at, and the new key is in use."""
    answer = _post(url, f"{API}/readings", {"readings": []}, signer=new)
    if answer.status_code in (401, 403):
        raise NotEnrolled("The server does not take the new key yet: try again with --confirm.")


def confirm(*, url: str, file: Path, device: str) -> None:
    """Use a key which was written down, but whose first use did not arrive."""
    _use(url, credentials_of(device, file=file))


def _asked(
    url: str,
    path: str,
    body: dict[str, str],
    *,
    signer: Credentials | None = None,
    at: float | None = None,
    within_s: float = ANSWER_WITHIN_S,
) -> dict[str, object]:
    answer = _post(url, path, body, signer=signer, at=at, within_s=within_s)
    try:
        told = answer.json()
    except ValueError:
        told = {}
    if not isinstance(told, dict):
        told = {}
    if answer.is_success and {"secret"} <= told.keys():
        return told
    refusal = NotEnrolled(_why(answer, told))
    refusal.code = str(told.get("code", ""))
    raise refusal


def _why(answer: httpx.Response, told: dict[str, object]) -> str:
    if answer.status_code == 404:
        return "The server does not know this code: codes are good for ten minutes, once. Ask the app for a new one."
    if answer.status_code == 429:
        return f"Too many codes were tried: wait {answer.headers.get('Retry-After', 'some')} seconds."
    if answer.status_code == 401:
        return sentence_for(Forbidden(401, str(told.get("code", ""))))
    return f"The server answers HTTP {answer.status_code} {told.get('code', '')}".rstrip() + "."


def _post(
    url: str,
    path: str,
    body: Mapping[str, object],
    *,
    signer: Credentials | None,
    at: float | None = None,
    within_s: float = ANSWER_WITHIN_S,
) -> httpx.Response:
    where = httpx.URL(url.rstrip("/") + path)
    content = json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    if signer is not None:
        signed_at = time.time() if at is None else at
        headers["Authorization"] = signer.authorization(method="POST", path=where.path, body=content, at=signed_at)
    try:
        return httpx.post(where, content=content, headers=headers, timeout=within_s)
    except httpx.HTTPError as error:
        raise NotEnrolled(f"The server cannot be asked ({type(error).__name__}).") from error
