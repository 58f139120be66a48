"""Virtual straps: real GATT peripherals on a virtual air, and a radio on a TCP port to listen with.

Every client that connects to the port finds a Bluetooth controller of its own there (HCI over TCP, spoken by
bumble's `tcp-client:HOST:PORT`). When it goes, however it goes, the straps notice as they would when a phone
leaves their reach: the link ends and they advertise again.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from bumble import hci, ll
from bumble.controller import Controller
from bumble.core import AdvertisingData
from bumble.device import Device
from bumble.gatt import GATT_BATTERY_SERVICE, GATT_HEART_RATE_SERVICE
from bumble.host import Host
from bumble.link import LocalLink
from bumble.profiles.battery_service import BatteryService
from bumble.profiles.heart_rate_service import HeartRateService
from bumble.transport.common import StreamPacketSink, StreamPacketSource

from device_bridge import journal
from device_bridge.gatt import RR_TICKS_PER_SECOND
from device_bridge.heart import Heart

ADVERTISE_EVERY_MS = 100.0
BATTERY_LASTS_S = 40 * 3600


@dataclass(frozen=True, kw_only=True)
class Worn:
    """How the straps are: name, how many, notifications a second, and the seed of hearts and addresses."""

    name: str = "Stayer Strap"
    count: int = 1
    rate_hz: float = 1.0
    seed: int = 1

    def address(self, index: int) -> str:
        """A static random address, the same for the same seed."""
        return f"C0:57:{self.seed >> 8 & 0xFF:02X}:{self.seed & 0xFF:02X}:00:{index:02X}"

    def name_of(self, index: int) -> str:
        return self.name if self.count == 1 else f"{self.name} {index + 1}"


class Strap:
    """One peripheral with Heart Rate and Battery service."""

    def __init__(self, air: LocalLink, worn: Worn, index: int) -> None:
        name, address = worn.name_of(index), worn.address(index)
        controller = Controller(name, link=air)
        self._device = Device(name=name, address=hci.Address(address), host=Host(controller, controller))
        self._heart, self._every_s = Heart(seed=worn.seed + index), 1 / worn.rate_hz
        self._began = time.monotonic()
        self._measuring = HeartRateService(
            lambda _: self._measurement(self._began),
            body_sensor_location=HeartRateService.BodySensorLocation.CHEST,
        )
        self._battery = BatteryService(lambda _: self._battery_percent())
        self._device.add_services([self._measuring, self._battery])
        self._device.advertising_data = bytes(
            AdvertisingData(
                [
                    (AdvertisingData.FLAGS, bytes([0x06])),
                    (
                        AdvertisingData.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS,
                        bytes(GATT_HEART_RATE_SERVICE) + bytes(GATT_BATTERY_SERVICE),
                    ),
                    (AdvertisingData.COMPLETE_LOCAL_NAME, name.encode()),
                ]
            )
        )

    async def beat(self) -> None:
        """Advertise, and notify whoever subscribed, for ever."""
        await self._device.power_on()
        await self._device.start_advertising(
            auto_restart=True,
            advertising_interval_min=ADVERTISE_EVERY_MS,
            advertising_interval_max=ADVERTISE_EVERY_MS,
        )
        due, battery_told = time.monotonic(), -1
        while True:
            due += self._every_s
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            await self._device.notify_subscribers(
                self._measuring.heart_rate_measurement_characteristic, self._measurement(time.monotonic())
            )
            if battery_told != (battery_told := self._battery_percent()):
                await self._device.notify_subscribers(self._battery.battery_level_characteristic, battery_told)

    def _measurement(self, now: float) -> HeartRateService.HeartRateMeasurement:
        said = self._heart.until(now - self._began)
        return HeartRateService.HeartRateMeasurement(
            heart_rate=said.bpm,
            sensor_contact_detected=said.contact,
            rr_intervals=[ticks / RR_TICKS_PER_SECOND for ticks in said.rr_ticks] or None,
        )

    def _battery_percent(self) -> int:
        return max(1, round(100 - 100 * (time.monotonic() - self._began) / BATTERY_LASTS_S))


class _Dongle(StreamPacketSource):
    """The far end of one TCP connection: a controller on the air for as long as it lasts."""

    def __init__(self, air: LocalLink) -> None:
        super().__init__()
        self._air = air

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._controller = Controller(
            "radio", host_source=self, host_sink=StreamPacketSink(transport), link=self._air
        )
        journal.note("radio_plugged_in")

    def connection_lost(self, _: Exception | None) -> None:
        """Unplugged: tell each strap what its own radio would tell it after the supervision timeout."""
        for connection in list(self._controller.le_connections.values()):
            connection.send_ll_control_pdu(ll.TerminateInd(hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR))
        self._air.remove_controller(self._controller)
        journal.note("radio_unplugged")


def listening_address(listen: str) -> tuple[str, int]:
    """HOST and PORT of `tcp-server:HOST:PORT`. Raises ValueError."""
    kind, _, where = listen.partition(":")
    host, _, port = where.rpartition(":")
    if kind != "tcp-server" or not host or not port.isdigit() or int(port) > 0xFFFF:
        raise ValueError("--listen takes tcp-server:HOST:PORT")
    return host, int(port)


async def wear(worn: Worn, *, listen: str) -> None:
    """Put on the straps and offer the radio, until cancelled. Port 0 is any free one; the log names it."""
    host, port = listening_address(listen)
    air = LocalLink()  # type: ignore[no-untyped-call]
    straps = [Strap(air, worn, index) for index in range(worn.count)]
    server = await asyncio.get_running_loop().create_server(lambda: _Dongle(air), host, port)
    bound = server.sockets[0].getsockname()[1]
    beating = asyncio.gather(*(strap.beat() for strap in straps))
    journal.note("straps_ready", count=worn.count, transport=f"tcp-client:{host}:{bound}")
    async with server:
        await beating
