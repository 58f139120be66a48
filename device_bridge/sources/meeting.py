"""One connection to one device: what is asked of it at the beginning, and how its silence is understood."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from bleak import BleakClient
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.exc import BleakError, BleakGATTProtocolError, BleakGATTProtocolErrorCode
from bleak.uuids import normalize_uuid_16

from device_bridge import gatt, journal
from device_bridge.gatt import general
from device_bridge.readings import LINK_ENDED, Notification
from device_bridge.sources import Deliver, wall_clock_us

TROUBLE = (BleakError, OSError, EOFError, TimeoutError, AssertionError)
"""What bleak, D-Bus and the stacks below raise when a radio or a device leaves in the middle of a sentence."""

ANSWER_WITHIN_S = 5.0
PAIR_WITHIN_S = 30.0
"""Somebody may have to press a button."""

STRANGER = frozenset(
    {
        BleakGATTProtocolErrorCode.INSUFFICIENT_AUTHENTICATION,
        BleakGATTProtocolErrorCode.INSUFFICIENT_AUTHORIZATION,
        BleakGATTProtocolErrorCode.INSUFFICIENT_ENCRYPTION,
    }
)
"""Answers that mean: pair with me first."""

TOLD = tuple(gatt.CHARACTERISTICS.keys() - {gatt.CURRENT_TIME, gatt.BODY_SENSOR_LOCATION})
"""What is subscribed to wherever a device offers it."""

RESUBSCRIBE_TIMES = 3

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long silence is borne.

    silence_s: a device that streams and says nothing for this long is gone, whatever the radio believes; one that
    does not is asked whether it is there. resubscribe_s: one stream silent for this long, as some stacks drop
    streams, is subscribed to anew. catch_up_s: between two looks for new numbered records while connected.
    rest_s: between two scans while devices are held.
    """

    silence_s: float = 30.0
    resubscribe_s: float = 10.0
    catch_up_s: float = 60.0
    rest_s: float = 10.0


@dataclass
class Acquaintance:
    """What lasts from one meeting with a device to the next."""

    address: str
    told_about_itself: bool = False
    last_record: int | None = None
    streams: set[int] = field(default_factory=set)


class Meeting:
    """Stamps what a connected device says with the wall clock and passes it on; keeps it talking."""

    def __init__(self, client: BleakClient, known: Acquaintance, deliver: Deliver, patience: Patience) -> None:
        self._client, self._known, self._deliver, self._patience = client, known, deliver, patience
        self._last = time.monotonic()
        self._last_of: dict[int, float] = {}
        self._subscribed: dict[int, BleakGATTCharacteristic] = {}
        self._resubscribed: dict[int, int] = {}
        self._outcome: asyncio.Future[general.Outcome] | None = None
        self._paired = False
        self.heard = 0

    async def begin(self) -> None:
        """Who it is, its clock, its subscriptions, its stored records. Raises one of TROUBLE."""
        await self._ask_about_itself()
        await self._set_its_clock()
        if battery := self._found(gatt.BATTERY_LEVEL):
            await self._read(gatt.BATTERY_LEVEL, battery)
        for number in TOLD:
            if (characteristic := self._found(number)) and {"notify", "indicate"} & set(characteristic.properties):
                await self._subscribe(number, characteristic)
        await self._catch_up()

    def _found(self, number: int) -> BleakGATTCharacteristic | None:
        return self._client.services.get_characteristic(normalize_uuid_16(number))

    async def _answer(self, question: Callable[[], Awaitable[T]]) -> T:
        """Ask; pair first where the device answers that it does not talk to strangers."""
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                return await question()
        except BleakGATTProtocolError as refusal:
            if refusal.code not in STRANGER or self._paired:
                raise
        self._paired = True
        async with asyncio.timeout(PAIR_WITHIN_S):
            await self._client.pair()
        journal.note("paired", device=journal.masked(self._known.address))
        async with asyncio.timeout(ANSWER_WITHIN_S):
            return await question()

    async def _ask_about_itself(self) -> None:
        if self._known.told_about_itself:
            return
        for number in gatt.ABOUT:
            if (characteristic := self._found(number)) and "read" in characteristic.properties:
                await self._read(number, characteristic)
        self._known.told_about_itself = True

    async def _read(self, number: int, characteristic: BleakGATTCharacteristic) -> None:
        """What a device will not tell, a serial number say, is no reason to leave it."""
        with contextlib.suppress(BleakGATTProtocolError):
            self.take(number, await self._answer(lambda: self._client.read_gatt_char(characteristic)))

    async def _set_its_clock(self) -> None:
        """Where a device has a clock to set; one that sets its own by itself refuses, and that is fine."""
        clock = self._found(gatt.CURRENT_TIME)
        if clock is None or "write" not in clock.properties:
            return
        with contextlib.suppress(BleakGATTProtocolError):
            local = datetime.now(UTC).astimezone()
            packet = general.current_time(local)
            await self._answer(lambda: self._client.write_gatt_char(clock, packet, response=True))
            journal.detail("clock_set", device=journal.masked(self._known.address))

    async def _subscribe(self, number: int, characteristic: BleakGATTCharacteristic) -> None:
        await self._answer(lambda: self._client.start_notify(characteristic, self._of(number)))
        self._subscribed[number] = characteristic
        self._last_of[number] = time.monotonic()

    def _of(self, number: int) -> Callable[[BleakGATTCharacteristic, bytearray], None]:
        return lambda _, value: self.take(number, value)

    def take(self, number: int, value: bytes | bytearray) -> None:
        """Something the device said."""
        self._last = self._last_of[number] = time.monotonic()
        self._resubscribed.pop(number, None)
        self.heard += 1
        if number in gatt.STREAMING:
            self._known.streams.add(number)
        if number == gatt.GLUCOSE_MEASUREMENT and len(value) >= 3:
            self._known.last_record = int.from_bytes(value[1:3], "little")
        self._deliver(Notification(number, bytes(value), wall_clock_us(), self._known.address))

    def end(self) -> None:
        """The link is gone."""
        self._deliver(Notification(LINK_ENDED, b"", wall_clock_us(), self._known.address))

    async def _catch_up(self) -> None:
        """Have the device tell its stored records: all at first, later from the last one heard.

        The last one is told again, because its context may have been lost with the link; its identity is the same.
        """
        access = self._found(gatt.RECORD_ACCESS_CONTROL_POINT)
        if access is None:
            return
        if gatt.RECORD_ACCESS_CONTROL_POINT not in self._subscribed:
            await self._answer(lambda: self._client.start_notify(access, self._answered))
            self._subscribed[gatt.RECORD_ACCESS_CONTROL_POINT] = access
        before, self._outcome = self.heard, asyncio.get_running_loop().create_future()
        request = general.request_records(general.RecordRequest(self._known.last_record))
        await self._answer(lambda: self._client.write_gatt_char(access, request, response=True))
        outcome = await self._until_told(self._outcome)
        journal.note("records_told", count=self.heard - before, outcome=outcome.name.lower())
        if outcome is general.Outcome.NO_RECORDS:
            self._known.last_record = None  # emptied, perhaps: numbers may begin anew

    def _answered(self, _: BleakGATTCharacteristic, value: bytearray) -> None:
        with contextlib.suppress(gatt.MalformedPacket):
            outcome = general.read_answer(bytes(value))
            if self._outcome is not None and not self._outcome.done():
                self._outcome.set_result(outcome)

    async def _until_told(self, outcome: asyncio.Future[general.Outcome]) -> general.Outcome:
        """Records take as long as they take; only silence in between is trouble."""
        while not outcome.done():
            before = self.heard
            await asyncio.wait({outcome}, timeout=ANSWER_WITHIN_S)
            if not outcome.done() and self.heard == before:
                raise TimeoutError("records do not come to an end")
        return outcome.result()

    async def until_over(self, lost: asyncio.Event) -> None:
        """Return when the device is lost, or silent for too long. Raises one of TROUBLE."""
        next_catch_up = time.monotonic() + self._patience.catch_up_s
        look_s = min(1.0, self._patience.resubscribe_s / 4)
        while not lost.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(look_s):
                    await lost.wait()
                return
            if time.monotonic() - self._last >= self._patience.silence_s and not await self._is_there():
                return
            if not await self._streams_talk():
                return
            if gatt.GLUCOSE_MEASUREMENT in self._subscribed and time.monotonic() >= next_catch_up:
                next_catch_up = time.monotonic() + self._patience.catch_up_s
                await self._catch_up()

    async def _is_there(self) -> bool:
        """Whether a silent device answers. One that streams ought to talk by itself."""
        if gatt.STREAMING & self._subscribed.keys():
            return False
        readable = next(
            (item for item in self._client.services.characteristics.values() if "read" in item.properties), None
        )
        if readable is not None:
            await self._answer(lambda: self._client.read_gatt_char(readable))
            self._last = time.monotonic()
        return readable is not None

    async def _streams_talk(self) -> bool:
        """Subscribe anew to streams that have dried up; False when that does not help."""
        for number in self._known.streams & self._subscribed.keys():
            if time.monotonic() - self._last_of[number] < self._patience.resubscribe_s:
                continue
            self._resubscribed[number] = self._resubscribed.get(number, 0) + 1
            if self._resubscribed[number] > RESUBSCRIBE_TIMES:
                return False
            journal.note("subscribed_anew", characteristic=f"{number:04x}")
            characteristic = self._subscribed[number]
            await self._answer(lambda silent=characteristic: self._client.stop_notify(silent))  # type: ignore[misc]
            await self._subscribe(number, characteristic)
        return True
