"""bleak over bumble: a Bluetooth stack in Python on any HCI transport (USB or serial dongle, virtual radio).

bleak ships no such backend, but takes one: `BleakScanner(backend=…)` and `BleakClient(backend=…)`. One radio
serves one process. Whatever is asked of it ends when the transport does: `guard` raises BleakError at once.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from bleak.args import SizedBuffer
from bleak.assigned_numbers import CharacteristicPropertyName
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient, NotifyCallback
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, AdvertisementDataCallback, BaseBleakScanner
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import BleakError, BleakGATTProtocolError
from bumble import att, core, hci
from bumble.core import AdvertisingData
from bumble.device import Advertisement, Connection, Device, Peer
from bumble.gatt import Characteristic
from bumble.keys import JsonKeyStore
from bumble.transport import open_transport
from bumble.transport.common import Transport

NETWORKED = ("tcp-client", "ws-client", "unix", "udp")
"""Transports whose other end is a process that may start after us or come back."""

MTU = 247
POWER_ON_S = 10.0
ANSWER_S = 5.0
PAIR_S = 20.0

T = TypeVar("T")

PROPERTIES: dict[Characteristic.Properties, CharacteristicPropertyName] = {
    Characteristic.Properties.READ: "read",
    Characteristic.Properties.WRITE_WITHOUT_RESPONSE: "write-without-response",
    Characteristic.Properties.WRITE: "write",
    Characteristic.Properties.NOTIFY: "notify",
    Characteristic.Properties.INDICATE: "indicate",
}


def uuid_text(number: core.UUID) -> str:
    """A bumble UUID in bleak's spelling."""
    return str(uuid.UUID(bytes=number.to_bytes(force_128=True)[::-1]))


class BumbleRadio:
    """One HCI transport and the host on top of it; opened when first needed, again after it went away."""

    def __init__(self, transport: str, *, pairings: Path | None = None) -> None:
        """pairings: a file for the keys of paired devices, made when first needed; without it they are forgotten
        with the transport."""
        self._transport_name, self._pairings = transport, pairings
        self.may_come_later = transport.startswith(NETWORKED)
        self.absent = (
            f"No radio answers at bumble:{transport}: "
            "use another bumble:<transport>, --transport bleak (BlueZ), replay:FILE, or simulate."
        )
        self._transport: Transport | None = None
        self._device: Device | None = None
        self._opening = asyncio.Lock()

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments of BleakScanner."""
        return {"backend": BumbleScanner, "radio": self}

    @property
    def client_options(self) -> dict[str, Any]:
        """Keyword arguments of BleakClient."""
        return {"backend": BumbleClient, "radio": self}

    async def device(self) -> Device:
        """The powered host. Raises BleakError or OSError."""
        async with self._opening:
            if self._device is None or self._gone():
                await self.close()
                self._device = await self._open()
            return self._device

    def _gone(self) -> bool:
        return self._transport is None or self._transport.source.terminated.done()

    async def _open(self) -> Device:
        try:
            async with asyncio.timeout(POWER_ON_S):
                self._transport = await open_transport(self._transport_name)
        except Exception as error:  # each transport's driver has exceptions of its own
            raise BleakError(f"{type(error).__name__}: {error}") from error
        source, sink = self._transport
        device = Device.with_hci("Stayer bridge", self._own_address(), source, sink)
        if self._pairings is not None:
            device.keystore = PrivateKeyStore("bridge", str(self._pairings))
        await self.guard(device.power_on(), limit_s=POWER_ON_S)
        return device

    def _own_address(self) -> hci.Address:
        """A paired device knows us by our address: it is kept beside the keys."""
        if self._pairings is None:
            return hci.Address.generate_static_address()
        kept = self._pairings.with_suffix(".address")
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            kept.write_text(hci.Address.generate_static_address().to_string(with_type_qualifier=False))
        return hci.Address(kept.read_text())

    async def guard(self, work: Awaitable[T], *, limit_s: float = ANSWER_S) -> T:
        """Wait for work on this radio. BleakError when it fails, takes too long, or the radio goes away."""
        task = asyncio.ensure_future(work)
        try:
            ending = self._transport.source.terminated if self._transport else None
            awaited: set[asyncio.Future[Any]] = {task, ending} if ending else {task}
            await asyncio.wait(awaited, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise BleakError("the radio went away" if self._gone() else "the radio does not answer")
            if task.cancelled():  # bumble cancels an open question when its connection ends
                raise BleakError("the strap went away")
            return task.result()
        except att.ATT_Error as error:
            raise BleakGATTProtocolError(error.error_code) from error
        except (core.BaseBumbleError, asyncio.InvalidStateError, TimeoutError) as error:
            raise BleakError(str(error) or type(error).__name__) from error
        finally:
            task.cancel()

    async def close(self) -> None:
        """Let go of the transport."""
        transport, self._transport, self._device = self._transport, None, None
        if transport is not None:
            await transport.close()


class PrivateKeyStore(JsonKeyStore):
    """Keys of paired devices in a file that nobody else on the machine may read."""

    async def save(self, db: dict[str, dict[str, dict[str, Any]]]) -> None:
        self.directory_name.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.filename.with_name(self.filename.name + ".tmp").touch(mode=0o600)
        await super().save(db)


class BumbleScanner(BaseBleakScanner):
    """Scans with a BumbleRadio."""

    def __init__(
        self,
        detection_callback: AdvertisementDataCallback | None,
        service_uuids: list[str] | None,
        scanning_mode: str = "active",
        *,
        radio: BumbleRadio,
        **_: Any,
    ) -> None:
        super().__init__(detection_callback, service_uuids)
        self._radio, self._active = radio, scanning_mode == "active"
        self._device: Device | None = None

    async def start(self) -> None:
        self.seen_devices = {}
        self._device = await self._radio.device()
        self._device.on("advertisement", self._heard)
        await self._radio.guard(self._device.start_scanning(active=self._active, filter_duplicates=False))

    async def stop(self) -> None:
        device, self._device = self._device, None
        if device is not None:
            device.remove_listener("advertisement", self._heard)
            await self._radio.guard(device.stop_scanning())

    def _heard(self, heard: Advertisement) -> None:
        said = advertisement_data(heard)
        address = heard.address.to_string(with_type_qualifier=False)
        strap = self.create_or_update_device(address, address, said.local_name, heard.address, said)
        if self.is_allowed_uuid(said.service_uuids):
            self.call_detection_callbacks(strap, said)


def advertisement_data(heard: Advertisement) -> AdvertisementData:
    """bumble's advertisement in bleak's form."""
    data, kinds = heard.data, AdvertisingData.Type
    lists = (
        kinds.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS,
        kinds.INCOMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS,
        kinds.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
        kinds.INCOMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
    )
    return AdvertisementData(
        local_name=data.get(kinds.COMPLETE_LOCAL_NAME) or data.get(kinds.SHORTENED_LOCAL_NAME),
        manufacturer_data={},
        service_data={},
        service_uuids=[uuid_text(number) for kind in lists for number in data.get(kind) or []],  # type: ignore[union-attr, arg-type]
        tx_power=None,
        rssi=heard.rssi,
        platform_data=(heard,),
    )


class BumbleClient(BaseBleakClient):
    """Talks GATT through a BumbleRadio, to a strap that a BumbleScanner found."""

    def __init__(self, strap: BLEDevice | str, *, radio: BumbleRadio, **options: Any) -> None:
        super().__init__(strap, disconnected_callback=options["disconnected_callback"], timeout=options["timeout"])
        self._radio = radio
        self._where = strap.details if isinstance(strap, BLEDevice) else hci.Address(strap)
        self._name = strap.name if isinstance(strap, BLEDevice) else None
        self._connection: Connection | None = None
        self._subscribers: dict[int, Callable[[bytes], None]] = {}

    @property
    def name(self) -> str:
        return self._name or self.address

    @property
    def mtu_size(self) -> int:
        return self._connection.att_mtu if self._connection else 23

    @property
    def is_connected(self) -> bool:
        return self._connection is not None

    async def connect(self, pair: bool, **_: Any) -> None:
        device = await self._radio.device()
        connecting = device.connect(self._where, timeout=self._timeout)
        connection = await self._radio.guard(connecting, limit_s=self._timeout + 1)
        connection.on("disconnection", self._disconnected)
        self._connection = connection
        await self._take_up_pairing(device, connection)
        peer = Peer(connection)
        await self._radio.guard(peer.request_mtu(MTU))
        await self._radio.guard(peer.discover_all())  # type: ignore[no-untyped-call]
        self.services = self._collected(peer)

    async def _take_up_pairing(self, device: Device, connection: Connection) -> None:
        """Encrypt with the keys of an earlier meeting; a device that has lost its own will be paired with anew."""
        store = device.keystore
        if store is None or await store.get(str(connection.peer_address)) is None:
            return
        try:
            await self._radio.guard(connection.encrypt())
        except BleakError:
            if self._connection is None:
                raise
            await store.delete(str(connection.peer_address))

    def _disconnected(self, _: int) -> None:
        was, self._connection = self._connection, None
        if was is not None and self._disconnected_callback is not None:
            self._disconnected_callback()

    def _collected(self, peer: Peer) -> BleakGATTServiceCollection:
        """What discovery found, in bleak's form."""
        found = BleakGATTServiceCollection()
        for service in peer.services:
            ours = BleakGATTService(service, service.handle, uuid_text(service.uuid))
            found.add_service(ours)
            for item in service.characteristics:
                kinds = [name for kind, name in PROPERTIES.items() if item.properties & kind]
                characteristic = BleakGATTCharacteristic(
                    item, item.handle, uuid_text(item.uuid), kinds, lambda: self.mtu_size - 3, ours
                )
                found.add_characteristic(characteristic)
                for part in item.descriptors:
                    found.add_descriptor(BleakGATTDescriptor(part, part.handle, uuid_text(part.type), characteristic))
        return found

    async def disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await self._radio.guard(connection.disconnect(), limit_s=1.0)

    async def pair(self, *_: Any, **__: Any) -> None:
        """Without a display or a keyboard: "just works", which is what sensors have."""
        connection = self._connected()
        await self._radio.guard(connection.pair(), limit_s=PAIR_S)

    async def unpair(self) -> None:
        device, connection = await self._radio.device(), self._connected()
        if device.keystore is not None:
            await device.keystore.delete(str(connection.peer_address))

    def _connected(self) -> Connection:
        if self._connection is None:
            raise BleakError("the strap went away")
        return self._connection

    async def read_gatt_char(self, characteristic: BleakGATTCharacteristic, **_: Any) -> bytearray:
        return bytearray(await self._radio.guard(characteristic.obj.read_value()))

    async def read_gatt_descriptor(self, descriptor: BleakGATTDescriptor, **_: Any) -> bytearray:
        return bytearray(await self._radio.guard(descriptor.obj.read_value()))

    async def write_gatt_char(
        self, characteristic: BleakGATTCharacteristic, data: SizedBuffer, response: bool
    ) -> None:
        await self._radio.guard(characteristic.obj.write_value(bytes(data), with_response=response))

    async def write_gatt_descriptor(self, descriptor: BleakGATTDescriptor, data: SizedBuffer) -> None:
        await self._radio.guard(descriptor.obj.write_value(bytes(data), with_response=True))

    async def start_notify(self, characteristic: BleakGATTCharacteristic, callback: NotifyCallback, **_: Any) -> None:
        def subscriber(value: bytes) -> None:
            callback(bytearray(value))

        self._subscribers[characteristic.handle] = subscriber
        await self._radio.guard(characteristic.obj.subscribe(subscriber))

    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        subscriber = self._subscribers.pop(characteristic.handle, None)
        await self._radio.guard(characteristic.obj.unsubscribe(subscriber))
