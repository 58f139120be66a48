"""What the server's answers to a batch mean."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

LONGEST_WISH_S = 3_600.0
"""A server that asks for a longer pause is asked again after this one."""


@dataclass(frozen=True)
class Confirmed:
    """Every reading of the batch has its answer. rejected: (index in the batch, code)."""

    accepted: int
    duplicates: int
    rejected: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True)
class PartlyRefused:
    """Nothing was stored because of these readings: (index, code). The others may be sent again."""

    rejected: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class TooLarge:
    """The server takes smaller batches."""


@dataclass(frozen=True)
class NotNow:
    """Try again later; after_s is the server's wish, if it has one."""

    reason: str
    after_s: float | None = None


@dataclass(frozen=True)
class Forbidden:
    """401 or 403 with the server's code."""

    status: int
    code: str


Answer = Confirmed | PartlyRefused | TooLarge | NotNow | Forbidden


def read_answer(response: httpx.Response, *, size: int) -> Answer:
    """What a response to `size` readings means. Only an answer that accounts for every reading confirms them:
    a hotel's sign-in page also says 200."""
    told = _json_object(response)
    if response.is_success:
        return _confirmation(told, size) or NotNow("the answer does not account for the readings")
    if response.status_code in (401, 403):
        return Forbidden(response.status_code, str(told.get("code", "")))
    if response.status_code == 413:
        return TooLarge()
    refused = _rejected(told, size)
    if response.is_client_error and refused:
        return PartlyRefused(refused)
    return NotNow(f"HTTP {response.status_code}", _retry_after(response))


def _json_object(response: httpx.Response) -> dict[str, object]:
    try:
        told = response.json()
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _confirmation(told: dict[str, object], size: int) -> Confirmed | None:
    accepted, duplicates, rejected = told.get("accepted"), told.get("duplicates"), _rejected(told, size)
    if not isinstance(accepted, int) or not isinstance(duplicates, int) or rejected is None:
        return None
    whole = accepted + duplicates + len(rejected) == size
    return Confirmed(accepted, duplicates, rejected) if whole else None


def _rejected(told: dict[str, object], size: int) -> tuple[tuple[int, str], ...] | None:
    """The `rejected` member; None when it is absent or does not speak of this batch."""
    try:
        found = {int(item["index"]): str(item["code"]) for item in told["rejected"]}  # type: ignore[attr-defined]
    except (KeyError, TypeError, ValueError):
        return None
    return tuple(found.items()) if all(0 <= index < size for index in found) else None


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds, from either form of the header (RFC 9110 §10.2.3)."""
    wish = response.headers.get("Retry-After", "")
    if wish.isascii() and wish.isdigit():
        return min(float(wish), LONGEST_WISH_S)
    try:
        until = parsedate_to_datetime(wish)
        began = parsedate_to_datetime(response.headers["Date"]) if "Date" in response.headers else datetime.now(UTC)
        return min(max(0.0, (until - began).total_seconds()), LONGEST_WISH_S)
    except (ValueError, TypeError):
        return None


UNWELCOME = {
    "device_unknown": "The server does not know this device: register it again and use the new secret.",
    "consent_required": "The wearer does not agree to health data being processed: readings wait here until they do.",
    "signature_invalid": "The server does not accept this device's secret: check the credentials.",
    "signature_expired": "This machine's clock is more than five minutes away from the server's: set it.",
}


def sentence_for(refusal: Forbidden) -> str:
    """What a person can do about a 401 or 403."""
    otherwise = f"The server forbids this device to send readings (HTTP {refusal.status} {refusal.code})."
    return UNWELCOME.get(refusal.code, otherwise.replace(" )", ")"))
