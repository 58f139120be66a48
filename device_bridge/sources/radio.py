"""Finding devices, holding on to them, and finding them again: the same on every radio that bleak can drive."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any, ClassVar, Protocol

from bleak import BleakClient, BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.uuids import normalize_uuid_16

from device_bridge import gatt, journal
from device_bridge.backoff import Backoff
from device_bridge.sources import Deliver, NoRadio
from device_bridge.sources.meeting import TROUBLE, Acquaintance, Meeting, Patience

SCAN_S = 10.0
CONNECT_WITHIN_S = 15.0
OTHERS_S = 0.25
"""After the first device found: how much longer others are listened for. They advertise several times a second."""


class Radio(Protocol):
    """What bleak needs to know to use a radio."""

    may_come_later: bool
    """Whether it is worth waiting for a radio that is not there when we start."""
    absent: str
    """The sentence to say when it is not there."""

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments of BleakScanner."""

    @property
    def client_options(self) -> dict[str, Any]:
        """Keyword arguments of BleakClient."""

    async def close(self) -> None:
        """Let go of the radio."""


class PlatformRadio:
    """The operating system's own Bluetooth: BlueZ over D-Bus on Linux."""

    may_come_later = False
    absent = (
        "No Bluetooth here (no BlueZ answering on D-Bus, or no adapter): "
        "use --transport bumble:<transport> for a USB, serial or virtual radio, replay:FILE, or simulate."
    )
    options: ClassVar[dict[str, Any]] = {}
    client_options: ClassVar[dict[str, Any]] = {}

    async def close(self) -> None:
        """Nothing of ours to close."""


class DeviceListener:
    """A source: devices over one radio, at most `most` at once. Loses them, looks for them again, and leaves a gap
    a gap."""

    def __init__(
        self,
        radio: Radio,
        *,
        address: str | None = None,
        name: str | None = None,
        most: int = 1,
        patience: Patience | None = None,
    ) -> None:
        self._radio, self._address, self._name, self._most = radio, address, name, most
        self._patience = patience or Patience()
        self._has_scanned = False
        self._backoff = Backoff(first_s=0.25, most_s=4.0)
        self._known: dict[str, Acquaintance] = {}
        self._waiting: dict[str, tuple[Backoff, float]] = {}
        """By address: how often it failed, and when it may be tried again."""
        self._held: dict[str, asyncio.Task[None]] = {}
        self._freed = asyncio.Event()

    async def run(self, deliver: Deliver) -> None:
        """Listen until cancelled. Raises NoRadio when there is none at the start."""
        try:
            while True:
                await self._look_around(deliver)
        finally:
            held = list(self._held.values())
            for task in held:
                task.cancel()
            await asyncio.gather(*held, return_exceptions=True)
            with contextlib.suppress(*TROUBLE):
                await self._radio.close()

    async def _look_around(self, deliver: Deliver) -> None:
        """One scan, and a connection to each device it found, while there is room; then a rest."""
        self._freed.clear()
        if len(self._held) >= self._most:
            await self._freed.wait()
        try:
            found = await self._find()
        except TROUBLE as trouble:
            _stop_if_told(trouble)
            if not self._has_scanned and not self._radio.may_come_later:
                raise NoRadio(self._radio.absent) from trouble
            # Only the kind: messages of the stacks below carry whole addresses.
            self._say("radio_trouble", kind=type(trouble).__name__, next="scan again")
            await asyncio.sleep(self._backoff.next_s())
            return
        if not found:
            if not self._held:
                self._say("no_strap_in_reach", next="scan again")
            await self._rest()
            return
        for strap in found[: self._most - len(self._held)]:
            settled = asyncio.Event()
            self._held[strap.address] = asyncio.create_task(self._hold(strap, deliver, settled))
            await settled.wait()  # a radio that is scanning or connecting does neither for another

    async def _rest(self) -> None:
        """Seldom scan beside devices that are held: it costs them air. One that is lost ends the rest."""
        with contextlib.suppress(TimeoutError):
            rest_s = self._patience.rest_s if self._held else self._backoff.next_s()
            async with asyncio.timeout(rest_s):  # `wait_for` would swallow being told to stop at that moment
                await self._freed.wait()

    def _say(self, event: str, **fields: object) -> None:
        """The first failure since a strap was heard is news; the rest are details."""
        (journal.detail if self._backoff.failures else journal.warn)(event, **fields)

    async def _find(self) -> list[BLEDevice]:
        """Wanted devices in reach which are not held: the first, and what else is heard a moment later."""
        found: dict[str, BLEDevice] = {}
        first = asyncio.Event()

        def seen(strap: BLEDevice, said: AdvertisementData) -> None:
            if self._is_wanted(strap, said) and self._is_due(strap.address):
                found[strap.address] = strap
                first.set()

        services = [normalize_uuid_16(number) for number in gatt.MEASURING_SERVICES]
        async with BleakScanner(seen, services, **self._radio.options):
            self._has_scanned = True
            journal.detail("scanning", seconds=SCAN_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SCAN_S):
                    await first.wait()
                if self._most - len(self._held) > 1:
                    await asyncio.sleep(OTHERS_S)
        return list(found.values())

    def _is_wanted(self, strap: BLEDevice, said: AdvertisementData) -> bool:
        right_address = self._address is None or strap.address.lower() == self._address.lower()
        right_name = self._name is None or self._name in (said.local_name, strap.name)
        return right_address and right_name

    def _is_due(self, address: str) -> bool:
        _, not_before = self._waiting.get(address, (None, 0.0))
        return address not in self._held and time.monotonic() >= not_before

    async def _hold(self, strap: BLEDevice, deliver: Deliver, settled: asyncio.Event) -> None:
        """Meet one device, to the end. Any trouble on the way: it may be tried again after a while."""
        backoff, _ = self._waiting.setdefault(strap.address, (Backoff(first_s=0.25, most_s=30.0), 0.0))
        try:
            await self._meet(strap, deliver, settled, backoff)
        except TROUBLE as trouble:
            _stop_if_told(trouble)
            self._say("radio_trouble", kind=type(trouble).__name__, next="scan again")
        finally:
            self._waiting[strap.address] = (backoff, time.monotonic() + backoff.next_s())
            del self._held[strap.address]
            self._freed.set()
            settled.set()

    async def _meet(self, strap: BLEDevice, deliver: Deliver, settled: asyncio.Event, backoff: Backoff) -> None:
        lost = asyncio.Event()
        client = BleakClient(strap, lambda _: lost.set(), timeout=CONNECT_WITHIN_S, **self._radio.client_options)
        known = self._known.setdefault(strap.address, Acquaintance(strap.address))
        meeting = Meeting(client, known, deliver, self._patience)
        try:
            async with client:
                settled.set()
                await meeting.begin()
                backoff.reset()
                self._backoff.reset()
                journal.note("strap_connected", strap=journal.masked(strap.address))
                await meeting.until_over(lost)
        finally:
            if meeting.heard:
                meeting.end()
        journal.note("strap_lost", strap=journal.masked(strap.address), heard=meeting.heard)


def _stop_if_told(trouble: Exception) -> None:
    """Trouble on the way out of a scan or a link takes the place of the cancellation that ended it."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError from trouble
