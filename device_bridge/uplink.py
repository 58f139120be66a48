"""The way up: signed batches from the spool to the health API, again and again until the server confirms."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import time
from collections import Counter
from dataclasses import dataclass

import httpx

from device_bridge import journal
from device_bridge.backoff import Backoff
from device_bridge.credentials import Credentials
from device_bridge.endings import Ending
from device_bridge.readings import Reading
from device_bridge.spool import Spool

READINGS_PATH = "/api/v1/health/readings"
MOST_READINGS = 5_000
"""The most the server takes in one request."""
PACE_S = 1.0
"""A reading waits at most this long for its request: one a second, sooner when a batch is full."""
ANSWER_WITHIN_S = 15.0
REMIND_EVERY_S = 60.0


class Unwelcome(Ending):
    """The server will not take anything from this device; the message says what a person can do."""

    exit_code = 4


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
    wish = response.headers.get("Retry-After", "")
    return min(float(wish), 120.0) if wish.isascii() and wish.isdigit() else None


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


class Uplink:
    """Empties the spool into the server, in order, for as long as `run` runs."""

    def __init__(self, *, url: str, credentials: Credentials, spool: Spool, backoff: Backoff | None = None) -> None:
        self._url = httpx.URL(url.rstrip("/") + READINGS_PATH)
        self._credentials, self._spool = credentials, spool
        self._backoff = backoff or Backoff(first_s=0.25, most_s=15.0)
        self._batch_size = MOST_READINGS
        self._news, self._finishing = asyncio.Event(), asyncio.Event()
        self._next_post, self._next_reminder, self._next_account = 0.0, 0.0, 0.0
        self._resigned = False
        self.totals: Counter[str] = Counter()

    def wake(self) -> None:
        """The spool has grown."""
        self._news.set()

    def finish(self) -> None:
        """No more readings will come: `run` returns once the spool is empty, without pacing itself."""
        self._finishing.set()
        self._news.set()

    async def run(self) -> None:
        """Deliver. Raises Unwelcome when the server refuses the device itself."""
        async with httpx.AsyncClient(timeout=httpx.Timeout(ANSWER_WITHIN_S, connect=5.0)) as http:
            while True:
                self._news.clear()
                await self._pace()
                batch = await asyncio.to_thread(self._spool.oldest, self._batch_size)
                if batch:
                    await self._deliver_or_wait(http, batch)
                elif self._finishing.is_set():
                    return
                else:
                    await self._news.wait()

    async def _pace(self) -> None:
        """At most one request a second, so that batches fill; a full batch or the end need not wait."""
        wait_s = self._next_post - time.monotonic()
        if wait_s > 0 and self._spool.waiting < self._batch_size:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._finishing.wait(), wait_s)

    async def _deliver_or_wait(self, http: httpx.AsyncClient, batch: list[Reading]) -> None:
        try:
            await self._deliver(http, batch)
        except sqlite3.OperationalError as error:  # a full disk cannot even forget; the server will see duplicates
            await self._wait(NotNow(f"spool: {error}"))

    async def _deliver(self, http: httpx.AsyncClient, batch: list[Reading]) -> None:
        self._next_post = time.monotonic() + PACE_S
        match await self._post(http, batch):
            case Confirmed() as answer:
                await self._settle(batch, answer)
            case PartlyRefused(rejected):
                self._drop(batch, rejected)
                await asyncio.to_thread(self._spool.forget, [batch[index] for index, _ in rejected])
            case TooLarge() if len(batch) > 1:
                self._batch_size = (len(batch) + 1) // 2
                journal.note("batch_too_large", readings=len(batch), next_size=self._batch_size)
            case TooLarge():
                await self._wait(NotNow("HTTP 413 for a single reading"))
            case Forbidden() as refusal:
                self._sign_again_or_leave(refusal)
            case NotNow() as answer:
                await self._wait(answer)

    async def _post(self, http: httpx.AsyncClient, batch: list[Reading]) -> Answer:
        body = json.dumps({"readings": [reading.as_json() for reading in batch]}, separators=(",", ":")).encode()
        signature = self._credentials.authorization(method="POST", path=self._url.path, body=body, at=time.time())
        headers = {"Authorization": signature, "Content-Type": "application/json"}
        try:
            response = await http.post(self._url, content=body, headers=headers)
        except httpx.HTTPError as error:
            return NotNow(type(error).__name__)
        return read_answer(response, size=len(batch))

    async def _settle(self, batch: list[Reading], answer: Confirmed) -> None:
        self._drop(batch, answer.rejected)
        await asyncio.to_thread(self._spool.forget, batch)
        self.totals.update(accepted=answer.accepted, duplicates=answer.duplicates)
        if self._backoff.failures:
            journal.note("delivery_resumes", waiting=self._spool.waiting)
        self._backoff.reset()
        self._resigned, self._next_reminder = False, 0.0
        self._account()

    def _drop(self, batch: list[Reading], rejected: tuple[tuple[int, str], ...]) -> None:
        """Readings which the server will never take: counted and logged by stream and code, no values."""
        if not rejected:
            return
        self.totals["rejected"] += len(rejected)
        for (stream, code), count in Counter((batch[index].stream, code) for index, code in rejected).items():
            journal.warn("readings_rejected", stream=stream, code=code, count=count)

    def _sign_again_or_leave(self, refusal: Forbidden) -> None:
        """A request that slept on its way is late once; a fresh signature tells that from a wrong clock."""
        if refusal.code in ("signature_expired", "nonce_reused") and not self._resigned:
            self._resigned = True
            return
        raise Unwelcome(sentence_for(refusal))

    async def _wait(self, answer: NotNow) -> None:
        wait_s = self._backoff.next_s()
        if time.monotonic() >= self._next_reminder:
            self._next_reminder = time.monotonic() + REMIND_EVERY_S
            journal.warn("delivery_waits", reason=answer.reason, waiting=self._spool.waiting, room=self._spool.limit)
        await asyncio.sleep(wait_s if answer.after_s is None else answer.after_s + wait_s)

    def _account(self) -> None:
        """A line a minute on how it goes."""
        journal.detail("delivered", waiting=self._spool.waiting, **self.totals)
        if time.monotonic() >= self._next_account:
            self._next_account = time.monotonic() + REMIND_EVERY_S
            journal.note("delivering", waiting=self._spool.waiting, **self.totals)
