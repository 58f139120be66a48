"""Virtual devices, straps by default: real GATT peripherals on a virtual air, and a radio on a TCP port to hear them.

Every client that connects to the port finds a Bluetooth controller of its own there (HCI over TCP, spoken by
bumble's `tcp-client:HOST:PORT`). When it goes, however it goes, the devices notice as they would when a phone
leaves their reach: the link ends and they advertise again.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from bumble import hci, ll
from bumble.controller import Controller
from bumble.device import Device
from bumble.host import Host
from bumble.link import LocalLink
from bumble.transport.common import StreamPacketSink, StreamPacketSource

from device_bridge import journal
from device_bridge.virtual.kinds import KINDS
from device_bridge.virtual.peripheral import Manner, Peripheral


@dataclass(frozen=True, kw_only=True)
class Worn:
    """How the devices are: name, how many, of which kinds (of `KINDS`, in turn), notifications a second, and the seed
    of bodies and addresses."""

    name: str = "Stayer Strap"
    count: int = 1
    rate_hz: float = 1.0
    seed: int = 1
    kinds: tuple[str, ...] = ("strap",)

    def address(self, index: int) -> str:
        """A static random address, the same for the same seed."""
        return f"C0:57:{self.seed >> 8 & 0xFF:02X}:{self.seed & 0xFF:02X}:00:{index:02X}"

    def name_of(self, index: int) -> str:
        return self.name if self.count == 1 else f"{self.name} {index + 1}"


def peripheral(air: LocalLink, worn: Worn, index: int) -> Peripheral:
    """One device on the air, with a radio of its own."""
    name = worn.name_of(index)
    controller = Controller(name, link=air)
    device = Device(name=name, address=hci.Address(worn.address(index)), host=Host(controller, controller))
    manner = Manner(name=name, rate_hz=worn.rate_hz, seed=worn.seed + index)
    return Peripheral(device, KINDS[worn.kinds[index % len(worn.kinds)]], manner)


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
        """Unplugged: tell each device what its own radio would tell it after the supervision timeout."""
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


async def offer_radio(air: LocalLink, host: str, port: int) -> asyncio.Server:
    """Let whoever connects have a controller on this air."""
    return await asyncio.get_running_loop().create_server(lambda: _Dongle(air), host, port)


async def wear(worn: Worn, *, listen: str) -> None:
    """Put on the devices and offer the radio, until cancelled. Port 0 is any free one; the log names it."""
    host, port = listening_address(listen)
    air = LocalLink()  # type: ignore[no-untyped-call]
    straps = [peripheral(air, worn, index) for index in range(worn.count)]
    server = await offer_radio(air, host, port)
    bound = server.sockets[0].getsockname()[1]
    beating = asyncio.gather(*(strap.live() for strap in straps))
    journal.note("straps_ready", count=worn.count, transport=f"tcp-client:{host}:{bound}")
    async with server:
        await beating
