"""Finding a strap, holding on to it, and finding it again: the same on every radio that bleak can drive."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any, ClassVar, Protocol

from bleak import BleakClient, BleakScanner
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import BleakError
from bleak.uuids import normalize_uuid_16

from device_bridge import gatt, journal
from device_bridge.backoff import Backoff
from device_bridge.readings import Notification
from device_bridge.sources import Deliver, NoRadio, wall_clock_us

SCAN_S = 10.0
CONNECT_WITHIN_S = 15.0
ANSWER_WITHIN_S = 5.0
SILENCE_S = 30.0
"""A strap sends about once a second. One silent for this long is gone, whatever the radio believes."""

TROUBLE = (BleakError, OSError, EOFError, TimeoutError, AssertionError)
"""What bleak, D-Bus and the stacks below raise when a radio or a strap leaves in the middle of a sentence."""


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


class StrapListener:
    """A source: one strap over one radio. Loses it, looks for it again, and leaves a gap a gap."""

    def __init__(self, radio: Radio, *, address: str | None = None, name: str | None = None) -> None:
        self._radio, self._address, self._name = radio, address, name
        self._has_scanned = False
        self._backoff = Backoff(first_s=0.25, most_s=4.0)

    async def run(self, deliver: Deliver) -> None:
        """Listen until cancelled. Raises NoRadio when there is none at the start."""
        try:
            while True:
                await self._one_meeting(deliver)
                await asyncio.sleep(self._backoff.next_s())
        finally:
            with contextlib.suppress(*TROUBLE):
                await self._radio.close()

    async def _one_meeting(self, deliver: Deliver) -> None:
        """Scan, connect, listen to the end. Any trouble on the way but a missing radio: try again."""
        try:
            strap = await self._find()
            if strap is None:
                self._say("no_strap_in_reach", next="scan again")
                return
            await self._listen(strap, deliver)
        except TROUBLE as trouble:
            if not self._has_scanned and not self._radio.may_come_later:
                raise NoRadio(self._radio.absent) from trouble
            # Only the kind: messages of the stacks below carry whole addresses.
            self._say("radio_trouble", kind=type(trouble).__name__, next="scan again")

    def _say(self, event: str, **fields: object) -> None:
        """The first failure since a strap was heard is news; the rest are details."""
        (journal.detail if self._backoff.failures else journal.warn)(event, **fields)

    async def _find(self) -> BLEDevice | None:
        found: asyncio.Future[BLEDevice] = asyncio.get_running_loop().create_future()

        def seen(strap: BLEDevice, said: AdvertisementData) -> None:
            if self._is_wanted(strap, said) and not found.done():
                found.set_result(strap)

        scanner = BleakScanner(seen, [normalize_uuid_16(gatt.HEART_RATE_SERVICE)], **self._radio.options)
        async with scanner:
            self._has_scanned = True
            journal.detail("scanning", seconds=SCAN_S)
            with contextlib.suppress(TimeoutError):
                return await asyncio.wait_for(found, SCAN_S)
        return None

    def _is_wanted(self, strap: BLEDevice, said: AdvertisementData) -> bool:
        right_address = self._address is None or strap.address.lower() == self._address.lower()
        right_name = self._name is None or self._name in (said.local_name, strap.name)
        return right_address and right_name

    async def _listen(self, strap: BLEDevice, deliver: Deliver) -> None:
        lost = asyncio.Event()
        client = BleakClient(strap, lambda _: lost.set(), timeout=CONNECT_WITHIN_S, **self._radio.client_options)
        async with client:
            hearing = _Hearing(deliver)
            await self._subscribe(client, hearing)
            self._backoff.reset()
            journal.note("strap_connected", strap=journal.masked(strap.address))
            await hearing.until_silent(lost)
        journal.note("strap_lost", strap=journal.masked(strap.address), heard=hearing.heard)

    async def _subscribe(self, client: BleakClient, hearing: _Hearing) -> None:
        battery = client.services.get_characteristic(normalize_uuid_16(gatt.BATTERY_LEVEL))
        if battery is not None:
            hearing.take(gatt.BATTERY_LEVEL, await _answer(client.read_gatt_char(battery)))
            if "notify" in battery.properties:
                await _answer(client.start_notify(battery, hearing.of(gatt.BATTERY_LEVEL)))
        heart_rate = normalize_uuid_16(gatt.HEART_RATE_MEASUREMENT)
        await _answer(client.start_notify(heart_rate, hearing.of(gatt.HEART_RATE_MEASUREMENT)))


async def _answer(question: Any) -> Any:
    return await asyncio.wait_for(question, ANSWER_WITHIN_S)


class _Hearing:
    """Stamps what arrives with the wall clock and passes it on; notices silence."""

    def __init__(self, deliver: Deliver) -> None:
        self._deliver = deliver
        self._last = time.monotonic()
        self.heard = 0

    def of(self, characteristic: int) -> Any:
        """A bleak callback for one characteristic."""

        def notified(_: BleakGATTCharacteristic, value: bytearray) -> None:
            self.take(characteristic, value)

        return notified

    def take(self, characteristic: int, value: bytearray) -> None:
        self._last = time.monotonic()
        self.heard += 1
        self._deliver(Notification(characteristic, bytes(value), wall_clock_us()))

    async def until_silent(self, lost: asyncio.Event) -> None:
        """Return when the strap is lost, or has said nothing for SILENCE_S."""
        while not lost.is_set() and (quiet_s := time.monotonic() - self._last) < SILENCE_S:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(lost.wait(), SILENCE_S - quiet_s)
