"""The way up: signed batches from the spool to the health API, again and again until the server confirms."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter

import httpx

from device_bridge import journal
from device_bridge.answers import (
    Answer,
    Confirmed,
    Forbidden,
    NotNow,
    PartlyRefused,
    TooLarge,
    read_answer,
    sentence_for,
)
from device_bridge.backoff import Backoff
from device_bridge.clock import Clock
from device_bridge.credentials import Credentials
from device_bridge.endings import Ending
from device_bridge.naming import body_of
from device_bridge.readings import MICROSECONDS, Reading
from device_bridge.spool import DiskRefuses, Spool

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


class Uplink:
    """Empties the spool into the server, in order, for as long as `run` runs."""

    def __init__(
        self,
        *,
        url: str,
        credentials: Credentials,
        spool: Spool,
        backoff: Backoff | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._url = httpx.URL(url.rstrip("/") + READINGS_PATH)
        self.credentials, self._spool = credentials, spool
        self._clock = clock or Clock()
        self._backoff = backoff or Backoff(first_s=0.25, most_s=15.0)
        self._batch_size = MOST_READINGS
        self._news, self._finishing = asyncio.Event(), asyncio.Event()
        self._next_post, self._next_reminder, self._next_account = 0.0, 0.0, 0.0
        self._resigned = False
        self.totals: Counter[str] = Counter()
        self.last_error = ""
        self.delivered_at: float | None = None

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
                async with asyncio.timeout(wait_s):
                    await self._finishing.wait()

    async def _deliver_or_wait(self, http: httpx.AsyncClient, batch: list[Reading]) -> None:
        try:
            await self._deliver(http, batch)
        except DiskRefuses as error:
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
        body = body_of(batch)
        sent_us = time.time_ns() // 1000
        at = (sent_us + self._clock.offset_us) / MICROSECONDS
        signature = self.credentials.authorization(method="POST", path=self._url.path, body=body, at=at)
        headers = {"Authorization": signature, "Content-Type": "application/json"}
        try:
            response = await http.post(self._url, content=body, headers=headers)
        except httpx.HTTPError as error:
            return NotNow(type(error).__name__)
        answer = read_answer(response, size=len(batch))
        if not isinstance(answer, NotNow):  # what is not the health API's own word does not set our clock
            self._clock.hear(response.headers, sent_us=sent_us, received_us=time.time_ns() // 1000)
        return answer

    async def _settle(self, batch: list[Reading], answer: Confirmed) -> None:
        self._drop(batch, answer.rejected)
        await asyncio.to_thread(self._spool.forget, batch)
        self.totals.update(accepted=answer.accepted, duplicates=answer.duplicates)
        if self._backoff.failures:
            journal.note("delivery_resumes", waiting=self._spool.waiting)
        self._backoff.reset()
        self._resigned, self._next_reminder = False, 0.0
        self.last_error, self.delivered_at = "", time.time()
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
        self.last_error = sentence_for(refusal)
        raise Unwelcome(self.last_error)

    async def _wait(self, answer: NotNow) -> None:
        wait_s = self._backoff.next_s()
        self.last_error = answer.reason
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
