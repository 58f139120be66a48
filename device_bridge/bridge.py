"""The bridge itself: source → spool → server, each at its own pace, and an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Awaitable, Mapping
from itertools import groupby

from device_bridge import journal
from device_bridge.clock import Clock
from device_bridge.gatt import MalformedPacket
from device_bridge.introducing import Introducer
from device_bridge.lanes import Lane
from device_bridge.readings import Listener, Notification, Observation, Wearing
from device_bridge.sources import Heard, Source
from device_bridge.status import Board

LEAVE_STRAP_S = 0.7
LAST_DELIVERY_S = 0.8
"""Together with the write to disk in between, a bridge told to stop is gone within two seconds."""

TRY_DISK_AGAIN_S = 2.0


class Bridge:
    """Carries what a source hears into the spools, and the spools to the server."""

    def __init__(
        self,
        *,
        source: Source,
        lanes: Mapping[str, Lane],
        clock: Clock | None = None,
        board: Board | None = None,
        wearing: Wearing | None = None,
        introducer: Introducer | None = None,
    ) -> None:
        """Lanes by the key of their device; the one of all others is under the empty key, if there is one. With an
        introducer others get lanes of their own."""
        self._source, self._lanes = source, dict(lanes)
        self._clock, self._board = clock or Clock(), board
        self._heard: asyncio.Queue[Notification | Heard | None] = asyncio.Queue()
        self._listener = Listener(wearing)
        if board is not None:
            board.of_others = lambda: self._listener.of_others
        self._introducer = introducer
        self._delivering: set[asyncio.Task[None]] = set()
        self._strangers = 0
        self._unkept: list[tuple[Lane, asyncio.Future[bool]]] = []

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`, or until a source with an end has ended and everything is delivered.

        Raises NoRadio, Unwelcome, and what a source raises; whatever was heard is on disk by then.
        """
        listening = asyncio.create_task(self._source.run(self._heard.put_nowait))
        writing = asyncio.create_task(self._write())
        delivering = asyncio.create_task(self._deliver())
        stopping = asyncio.create_task(stop.wait())
        telling = asyncio.create_task(self._board.keep_telling()) if self._board else None
        working = {listening, writing, delivering, stopping}
        try:
            ended, _ = await asyncio.wait(working, return_when=asyncio.FIRST_COMPLETED)
            if ended == {listening} and not listening.exception():
                self._heard.put_nowait(None)
                await writing
                self._finish()
                await asyncio.wait({delivering, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            await self._end(listening, writing, delivering)
            if telling:
                telling.cancel()
        for task in (listening, writing, delivering):
            if task.done() and not task.cancelled():
                task.result()

    async def _deliver(self) -> None:
        """Until every lane is done; new ones may come meanwhile."""
        for lane in self._lanes.values():
            self._delivering.add(asyncio.create_task(lane.run(alone=len(self._lanes) == 1)))
        try:
            while self._delivering:
                done, _ = await asyncio.wait(self._delivering, return_when=asyncio.FIRST_COMPLETED)
                self._delivering -= done
                for task in done:
                    task.result()
        finally:
            for task in self._delivering:
                task.cancel()
            await asyncio.gather(*self._delivering, return_exceptions=True)

    def _finish(self) -> None:
        for lane in self._lanes.values():
            lane.finish()

    async def _end(
        self, listening: asyncio.Task[None], writing: asyncio.Task[None], delivering: asyncio.Task[None]
    ) -> None:
        """Strap first, then the disk, then one last try to deliver; each with its share of two seconds."""
        listening.cancel()
        await _settled(listening, LEAVE_STRAP_S)
        self._heard.put_nowait(None)
        await asyncio.wait({writing})
        self._finish()
        await _settled(delivering, LAST_DELIVERY_S)
        lanes = self._lanes.values()
        lost = sum(len(lane.held) for lane in lanes)
        told = {"lost_in_memory": lost} if lost else {}
        journal.note("stopped", **told, waiting=sum(lane.spool.waiting for lane in lanes))

    async def _write(self) -> None:
        """Everything heard goes to disk; what arrived during one write goes with the next."""
        while True:
            batch: list[Notification | Heard | None] = []
            with contextlib.suppress(TimeoutError):
                is_held = any(lane.held for lane in self._lanes.values())
                batch = [await asyncio.wait_for(self._heard.get(), TRY_DISK_AGAIN_S if is_held else None)]
            while not self._heard.empty():
                batch.append(self._heard.get_nowait())
            await self._keep([heard for heard in batch if heard is not None])
            if None in batch:
                return

    async def _keep(self, batch: list[Notification | Heard]) -> None:
        if self._introducer:
            await self._introduce(batch)
        by_lane: dict[str, list[Observation]] = {name: [] for name, lane in self._lanes.items() if lane.held}
        for name, group in groupby(batch, key=self._lane_of):
            if name is not None:
                by_lane.setdefault(name, []).extend(seen for heard in group for seen in self._understood(heard))
        for heard in batch:
            if isinstance(heard, Heard) and heard.kept is not None:
                self._promise(heard.kept, self._lane_of(heard))
        for name, seen in by_lane.items():
            lane = self._lanes[name]
            if seen or lane.held:
                await asyncio.to_thread(lane.keep, seen)
                lane.uplink.wake()
        self._unkept = [(lane, kept) for lane, kept in self._unkept if not _told(lane, kept)]

    async def _introduce(self, batch: list[Notification | Heard]) -> None:
        """Lanes of their own for devices that are heard for the first time."""
        assert self._introducer is not None
        for heard in batch:
            if self._own_lane_of(heard) is None and (met := await self._introducer.lane_for(heard)):
                key, lane = met
                self._lanes[key] = lane
                self._delivering.add(asyncio.create_task(lane.run(alone=False)))

    def _promise(self, kept: asyncio.Future[bool], name: str | None) -> None:
        if name is not None:
            self._unkept.append((self._lanes[name], kept))
        elif not kept.done():
            kept.set_result(False)

    def _lane_of(self, heard: Notification | Heard) -> str | None:
        """The lane of a device: its own, or that of all others. None where nobody may speak for it."""
        own = self._own_lane_of(heard)
        if own is not None:
            return own
        if "" in self._lanes and not (self._introducer and self._introducer.is_let_go(_key_of(heard))):
            return ""
        self._strangers += 1
        if self._strangers == 1:
            journal.warn("device_not_enrolled", device=journal.masked(_key_of(heard)))
        return None

    def _own_lane_of(self, heard: Notification | Heard) -> str | None:
        # Where a source has but one device, its packets do not name it: the key is empty, and the lane the bridge's.
        key = _key_of(heard)
        return next((name for name in (key, key.lower()) if name in self._lanes), None)

    def _understood(self, heard: Notification | Heard) -> list[Observation]:
        if isinstance(heard, Heard):
            return [self._corrected(seen) for seen in heard.seen]
        try:
            return self._listener.observations(dataclasses.replace(heard, at_us=self._clock.correct(heard.at_us)))
        except MalformedPacket as error:
            journal.warn("packet_ignored", characteristic=f"{heard.characteristic:04x}", why=error)
            return []

    def _corrected(self, seen: Observation) -> Observation:
        """A time of the sender's own stays as it is; an arrival is by our clock."""
        if seen.record is not None:
            return seen
        return dataclasses.replace(seen, time_us=self._clock.correct(seen.time_us))


def _key_of(heard: Notification | Heard) -> str:
    return heard.device if isinstance(heard, Heard) else heard.peripheral


def _told(lane: Lane, kept: asyncio.Future[bool]) -> bool:
    """Tell who waits for it, once everything of the lane is on disk."""
    if not kept.done() and not lane.held:
        kept.set_result(True)
    return kept.done()


async def _settled(task: Awaitable[object], limit_s: float) -> None:
    """Give a task its last moments, then cancel it; its result is looked at elsewhere."""
    task = asyncio.ensure_future(task)
    await asyncio.wait({task}, timeout=limit_s)
    if not task.done():
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await asyncio.wait({task}, timeout=limit_s)
