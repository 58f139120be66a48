"""The bridge itself: source → spool → server, each at its own pace, and an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable

from device_bridge import journal
from device_bridge.gatt import MalformedPacket
from device_bridge.readings import Listener, Notification, Observation
from device_bridge.sources import Source
from device_bridge.spool import Spool
from device_bridge.uplink import Uplink

LEAVE_STRAP_S = 0.7
LAST_DELIVERY_S = 0.8
"""Together with the write to disk in between, a bridge told to stop is gone within two seconds."""

REMIND_EVERY_S = 60.0


class Bridge:
    """Carries what a source hears into the spool, and the spool to the server."""

    def __init__(self, *, source: Source, spool: Spool, uplink: Uplink) -> None:
        self._source, self._spool, self._uplink = source, spool, uplink
        self._heard: asyncio.Queue[Notification | None] = asyncio.Queue()
        self._listener = Listener()
        self._next_reminder = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`, or until a source with an end has ended and everything is delivered.

        Raises NoRadio, Unwelcome, and what a source raises; whatever was heard is on disk by then.
        """
        listening = asyncio.create_task(self._source.run(self._heard.put_nowait))
        writing = asyncio.create_task(self._write())
        delivering = asyncio.create_task(self._uplink.run())
        stopping = asyncio.create_task(stop.wait())
        working = {listening, writing, delivering, stopping}
        try:
            ended, _ = await asyncio.wait(working, return_when=asyncio.FIRST_COMPLETED)
            if ended == {listening} and not listening.exception():
                self._heard.put_nowait(None)
                await writing
                self._uplink.finish()
                await asyncio.wait({delivering, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            await self._end(listening, writing, delivering)
        for task in (listening, writing, delivering):
            if task.done() and not task.cancelled():
                task.result()

    async def _end(
        self, listening: asyncio.Task[None], writing: asyncio.Task[None], delivering: asyncio.Task[None]
    ) -> None:
        """Strap first, then the disk, then one last try to deliver; each with its share of two seconds."""
        listening.cancel()
        await _settled(listening, LEAVE_STRAP_S)
        self._heard.put_nowait(None)
        await asyncio.wait({writing})
        self._uplink.finish()
        await _settled(delivering, LAST_DELIVERY_S)
        journal.note("stopped", waiting=self._spool.waiting)

    async def _write(self) -> None:
        """Everything heard goes to disk; what arrived during one write goes with the next."""
        while True:
            batch = [await self._heard.get()]
            while not self._heard.empty():
                batch.append(self._heard.get_nowait())
            await self._keep([seen for heard in batch if heard for seen in self._understood(heard)])
            if None in batch:
                return

    def _understood(self, heard: Notification) -> list[Observation]:
        try:
            return self._listener.observations(heard)
        except MalformedPacket as error:
            journal.warn("packet_ignored", characteristic=f"{heard.characteristic:04x}", why=error)
            return []

    async def _keep(self, seen: list[Observation]) -> None:
        if not seen:
            return
        if await asyncio.to_thread(self._spool.append, seen) < len(seen):
            self._lament()
        self._uplink.wake()

    def _lament(self) -> None:
        if time.monotonic() >= self._next_reminder:
            self._next_reminder = time.monotonic() + REMIND_EVERY_S
            journal.warn("spool_full", kept=self._spool.waiting, lost_new_readings=self._spool.overflowed)


async def _settled(task: Awaitable[object], limit_s: float) -> None:
    """Give a task its last moments, then cancel it; its result is looked at elsewhere."""
    task = asyncio.ensure_future(task)
    await asyncio.wait({task}, timeout=limit_s)
    if not task.done():
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await asyncio.wait({task}, timeout=limit_s)
