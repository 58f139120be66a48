"""Lanes: each device that the server knows has a spool, numbers and an uplink of its own.

A lane is found by the device's key: what a source knows it by (a Bluetooth address, a topic's name, `ant:120:4711`).
Devices without credentials of their own go with the bridge's own.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

from device_bridge import journal
from device_bridge.clock import Clock
from device_bridge.credentials import Credentials
from device_bridge.readings import Observation
from device_bridge.spool import DiskRefuses, Spool
from device_bridge.uplink import Unwelcome, Uplink

HELD = 50_000
"""Readings that stay in memory while the disk refuses them: some five hours of a strap with RR intervals."""

RATE_WINDOW_S = 60.0
REMIND_EVERY_S = 60.0
REFUSED_PAUSE_S = 300.0
"""How long a refused device rests before it asks again, while the bridge works on for others."""

FindCredentials = Callable[[], Credentials]
"""Reads a device's credentials anew: they change when its key is rotated."""


class Lane:
    """One device's way from here to the server."""

    def __init__(
        self, *, folder: Path, limit: int, url: str, credentials: FindCredentials, clock: Clock, name: str = ""
    ) -> None:
        """Raises SpoolTrouble, NoCredentials."""
        self.name, self._find, self._url, self._clock = name, credentials, url, clock
        found = credentials()
        self.device_id = found.device_id
        self.spool = Spool(folder, found.device_id, limit=limit)
        self.uplink = Uplink(url=url, credentials=found, spool=self.spool, clock=clock)
        self.refused = ""
        self.held: deque[Observation] = deque()
        self.heard, self.lost = 0, 0
        self.heard_at: float | None = None
        self._recent: deque[tuple[float, int]] = deque()
        self._finishing = asyncio.Event()
        self._next_reminder = 0.0
        self._disk_refused = False

    def keep(self, seen: Iterable[Observation]) -> bool:
        """Everything held and this goes to disk; False when some of it is only in memory, or lost."""
        new = list(seen)
        room = max(0, HELD - len(self.held))
        self.held.extend(new[:room])
        self.lost += len(new) - len(new[:room])
        self._count(len(new))
        if not self.held:
            return True
        try:
            kept = self.spool.append(self.held)
        except DiskRefuses as error:
            self._disk_refused = True
            self._lament("disk_refuses", why=error, held_in_memory=len(self.held), lost=self.lost)
            return False
        if self._disk_refused:
            self._disk_refused, self._next_reminder = False, 0.0
            journal.note("disk_takes_again", kept=kept, lost=self.lost)
        whole = kept == len(self.held)
        self.held.clear()
        if not whole:
            self._lament("spool_full", kept=self.spool.waiting, lost_new_readings=self.spool.overflowed)
        return whole and len(new[:room]) == len(new)

    def _count(self, count: int) -> None:
        if count:
            now = time.monotonic()
            self.heard, self.heard_at = self.heard + count, time.time()
            self._recent.append((now, count))
        self.rate_per_min()

    def rate_per_min(self) -> int:
        """Readings of the last minute."""
        while self._recent and self._recent[0][0] < time.monotonic() - RATE_WINDOW_S:
            self._recent.popleft()
        return sum(count for _, count in self._recent)

    def _lament(self, event: str, **fields: object) -> None:
        if time.monotonic() >= self._next_reminder:
            self._next_reminder = time.monotonic() + REMIND_EVERY_S
            journal.warn(event, **fields)

    def finish(self) -> None:
        """No more readings will come."""
        self._finishing.set()
        self.uplink.finish()

    async def run(self, *, alone: bool) -> None:
        """Deliver; with a rotated key as soon as the old one is refused. A device that is refused ends the bridge
        when it is its only one (raises Unwelcome); else it rests, and what it says waits here."""
        while True:
            try:
                return await self.uplink.run()
            except Unwelcome as unwelcome:
                if self._takes_new_key():
                    continue
                if alone:
                    raise
                if self._finishing.is_set():
                    return None
                journal.warn("device_refused", device_id=self.device_id, why=unwelcome)
                self.refused = str(unwelcome)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._finishing.wait(), REFUSED_PAUSE_S)
            self.refused = ""

    def _takes_new_key(self) -> bool:
        try:
            found = self._find()
        except Exception as error:  # whatever is wrong with the file now, the refusal is what a person should read
            journal.warn("credentials_unreadable", kind=type(error).__name__)
            return False
        if found.secret == self.uplink.credentials.secret or found.device_id != self.device_id:
            return False
        self.uplink.credentials = found
        journal.note("key_rotated", device_id=self.device_id)
        return True
