"""A virtual device on a virtual (or real) radio: advertises, takes subscriptions, notifies, and keeps records."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bumble import att
from bumble.core import UUID, AdvertisingData
from bumble.device import Connection, Device
from bumble.gatt import Characteristic, CharacteristicValue, Service

from device_bridge import gatt, journal
from device_bridge.gatt import general
from device_bridge.gatt.general import Outcome
from device_bridge.virtual.bodies import Body
from device_bridge.virtual.kinds import Kind, Said, packets

ADVERTISE_EVERY_MS = 100.0
BATTERY_LASTS_S = 40 * 3600
MOST_RECORDS = 1_000

SERIAL_NUMBER = 0x2A25

Properties = Characteristic.Properties
Permissions = att.Attribute.Permissions

Told = Callable[[int, bytes, bool], None]
"""Called with each packet: characteristic, bytes, and whether somebody was listening."""


def _refused(_: Connection) -> bytes:
    """As many devices do with what would tell them apart from others of their kind."""
    raise att.ATT_Error(att.ATT_READ_NOT_PERMITTED_ERROR)


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How a device behaves. falls_silent: a characteristic it stops notifying after so many packets, until it is
    subscribed to anew, as some stacks do."""

    name: str
    rate_hz: float = 1.0
    seed: int = 1
    falls_silent: tuple[int, int] | None = None


class Peripheral:
    """One device of a kind, worn by a body of its own."""

    def __init__(self, device: Device, kind: Kind, manner: Manner, *, told: Told | None = None) -> None:
        self._device, self._kind, self._manner = device, kind, manner
        self._told = told or (lambda *_: None)
        self._body = Body(seed=manner.seed)
        self._began = time.monotonic()
        self._clock_ahead = timedelta()
        self._records: list[Said] = []
        self._heard_of: dict[int, int] = {}
        self._telling: set[asyncio.Task[None]] = set()
        self._characteristics: dict[int, Characteristic[bytes]] = {}
        device.add_services([*self._services()])
        device.advertising_data = self._advertisement()

    def _advertisement(self) -> bytes:
        kinds = AdvertisingData.Type
        services = b"".join(bytes(UUID.from_16_bits(number)) for number in self._kind.services)
        parts = (
            (kinds.FLAGS, bytes([0x06])),
            (kinds.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS, services),
            (kinds.COMPLETE_LOCAL_NAME, self._manner.name.encode()),
        )
        return bytes(AdvertisingData(list(parts)))

    def _services(self) -> list[Service]:
        listed = {number: list(parts) for number, parts in self._kind.services.items()}
        if self._kind.records:
            next(iter(listed.values())).append(gatt.RECORD_ACCESS_CONTROL_POINT)
        listed[gatt.DEVICE_INFORMATION_SERVICE] = [0x2A24, SERIAL_NUMBER, 0x2A29]
        if self._kind.sets_clock:
            listed[gatt.CURRENT_TIME_SERVICE] = [gatt.CURRENT_TIME]
        return [
            Service(UUID.from_16_bits(service), [self._characteristic(number) for number in numbers])
            for service, numbers in listed.items()
        ]

    def _characteristic(self, number: int) -> Characteristic[bytes]:
        properties, permissions, value = self._behaviour(number)
        made: Characteristic[bytes] = Characteristic(UUID.from_16_bits(number), properties, permissions, value)
        made.on(Characteristic.EVENT_SUBSCRIPTION, lambda *_: self._heard_of.pop(number, None))
        self._characteristics[number] = made
        return made

    def _behaviour(self, number: int) -> tuple[Properties, Permissions, Any]:
        readable = Permissions.READABLE
        if number == SERIAL_NUMBER:
            return Properties.READ, readable, CharacteristicValue(read=_refused)
        if number in gatt.ABOUT:
            texts = {0x2A24: self._manner.name, 0x2A29: "Stayer virtual devices"}
            return Properties.READ, readable, texts[number].encode()
        if number == gatt.BATTERY_LEVEL:
            level: Any = CharacteristicValue(read=lambda _: bytes([self._battery_percent()]))
            return Properties.READ | Properties.NOTIFY, readable, level
        if number == gatt.CURRENT_TIME:
            return Properties.WRITE, Permissions.WRITEABLE, CharacteristicValue(write=self._set_clock)
        if number == gatt.RECORD_ACCESS_CONTROL_POINT:
            permissions = Permissions.WRITEABLE
            if self._kind.paired:
                permissions |= Permissions.WRITE_REQUIRES_ENCRYPTION
            asked: Any = CharacteristicValue(write=self._asked_for_records)
            return Properties.WRITE | Properties.INDICATE, permissions, asked
        indicated = number in self._kind.indicated
        return Properties.INDICATE if indicated else Properties.NOTIFY, readable, b""

    def _battery_percent(self) -> int:
        return max(1, round(100 - 100 * (time.monotonic() - self._began) / BATTERY_LASTS_S))

    def _now(self) -> datetime:
        """The device's own clock, in the local time it was set to."""
        return (datetime.now() + self._clock_ahead).replace(microsecond=0)  # noqa: DTZ005 - as devices do

    def _set_clock(self, _: Connection, packet: bytes) -> None:
        with contextlib.suppress(gatt.MalformedPacket):
            if (told := general.read_current_time(packet)) is not None:
                self._clock_ahead = told - datetime.now()  # noqa: DTZ005 - as devices do
                self._told(gatt.CURRENT_TIME, packet, True)

    async def live(self) -> None:
        """Advertise, and say what there is to say, for ever."""
        await self._device.power_on()
        await self._device.start_advertising(
            auto_restart=True,
            advertising_interval_min=ADVERTISE_EVERY_MS,
            advertising_interval_max=ADVERTISE_EVERY_MS,
        )
        due, steps, battery_told = time.monotonic(), 0, -1
        while True:
            due += 1 / self._manner.rate_hz
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            self._body.until(time.monotonic() - self._began)
            steps += 1
            if steps % self._kind.every == 0:
                await self._step()
            if gatt.BATTERY_LEVEL in self._characteristics and battery_told != self._battery_percent():
                battery_told = self._battery_percent()
                await self._say(gatt.BATTERY_LEVEL, bytes([battery_told]))

    async def _step(self) -> None:
        said = self._kind.says(self._body, self._now())
        if self._kind.records:
            number = {"record": len(self._records)} if gatt.GLUCOSE_MEASUREMENT in self._characteristics else {}
            if len(self._records) < MOST_RECORDS:
                self._records.append([(characteristic, values | number) for characteristic, values in said])
            return
        for characteristic, values in said:
            for packet in packets(characteristic, values):
                await self._say(characteristic, packet)

    async def _say(self, characteristic: int, packet: bytes) -> None:
        """To everybody who subscribed; what they are to confirm is waited for."""
        if self._is_silent(characteristic):
            return
        attribute = self._characteristics[characteristic]
        bit = 0x02 if attribute.properties & Properties.INDICATE else 0x01
        listening = [
            bearer
            for bearer, wishes in self._device.gatt_server.subscribers.items()
            if wishes.get(attribute.handle, b"\0")[0] & bit
        ]
        self._told(characteristic, packet, bool(listening))
        if not listening:
            return
        self._heard_of[characteristic] = self._heard_of.get(characteristic, 0) + 1
        if bit == 0x01:
            await self._device.notify_subscribers(attribute, packet)
        else:
            await self._device.indicate_subscribers(attribute, packet)

    def _is_silent(self, characteristic: int) -> bool:
        which, after = self._manner.falls_silent or (0, 0)
        return which == characteristic and self._heard_of.get(characteristic, 0) >= after

    def _asked_for_records(self, _: Connection, packet: bytes) -> None:
        try:
            request = general.read_request(packet)
        except gatt.MalformedPacket:
            raise att.ATT_Error(att.ATT_INVALID_PDU_ERROR) from None
        task = asyncio.create_task(self._tell_records(request))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _tell_records(self, request: general.RecordRequest) -> None:
        chosen = self._records[request.since or 0 :]
        for record in chosen:
            for characteristic, values in record:
                await self._say(characteristic, gatt.encode(characteristic, values))
        outcome = Outcome.SUCCESS if chosen else Outcome.NO_RECORDS
        await self._say(gatt.RECORD_ACCESS_CONTROL_POINT, general.answer_records(outcome))
        journal.detail("records_told", count=len(chosen))
