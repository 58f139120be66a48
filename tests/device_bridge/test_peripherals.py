"""Virtual devices of every kind; twelve of them in processes of their own, heard over one virtual radio."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path

import pytest
from bumble.controller import Controller
from bumble.device import Device
from bumble.hci import Address
from bumble.host import Host
from bumble.link import LocalLink

from device_bridge import gatt
from device_bridge.meanings import STREAMS
from device_bridge.readings import LINK_ENDED, Listener, Notification
from device_bridge.sources.bumble_radio import BumbleRadio
from device_bridge.sources.meeting import Patience
from device_bridge.sources.radio import DeviceListener
from device_bridge.straps import offer_radio
from device_bridge.virtual.bodies import Body
from device_bridge.virtual.kinds import KINDS, packets
from device_bridge.virtual.peripheral import Manner, Peripheral
from tests.device_bridge.conftest import ROOT
from tests.device_bridge.peripherals import address_of

TWELVE = (
    *("strap", "oximeter", "spot-oximeter", "speed-cadence", "foot-pod", "power-meter"),
    *("bike", "treadmill", "scale", "cuff", "glucose-meter", "watch"),
)
PLAUSIBLE = {
    "heart_rate": (40, 220),
    "rr_interval": (250, 1600),
    "spo2": (90, 100),
    "pulse_rate": (40, 220),
    "cadence": (50, 120),
    "speed": (0.5, 15),
    "power": (0, 400),
    "weight": (40, 110),
    "body_fat": (5, 40),
    "blood_pressure_systolic": (90, 190),
    "blood_pressure_diastolic": (55, 100),
    "glucose": (3.5, 9),
    "body_temperature": (35.5, 39),
    "stroke_rate": (15, 35),
    "step_rate": (90, 200),
}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_device_says_what_a_body_could(name):
    kind, listener, body, found = KINDS[name], Listener(), Body(seed=5), Counter()
    for second in range(1, 120):
        body.until(second)
        for number, values in kind.says(body, datetime.fromisoformat("2026-01-15T12:30")):
            number_of = {"record": second} if number in (gatt.GLUCOSE_MEASUREMENT, gatt.GLUCOSE_CONTEXT) else {}
            for packet in packets(number, values | number_of):
                assert len(packet) <= 40
                for seen in listener.observations(Notification(number, packet, second * 1_000_000)):
                    least, most = PLAUSIBLE.get(seen.stream, (0, 20_000))
                    assert least <= seen.value <= most, seen
                    found[seen.stream] += 1
    assert found
    assert set(found) <= set(STREAMS)
    assert all(count >= 50 for stream, count in found.items() if stream != "sensor_contact")


class World:
    """The devices' processes, one listener in this process, and what it heard."""

    def __init__(self, folder: Path, port: int, *, rate_hz: float) -> None:
        self.folder = folder
        where = [str(port), str(folder), str(rate_hz)]
        self.devices = subprocess.Popen(
            [sys.executable, "-m", "tests.device_bridge.peripherals", *where, *TWELVE],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            text=True,
        )
        patience = Patience(silence_s=4.0, resubscribe_s=0.8, catch_up_s=1.0, rest_s=0.1)
        radio = BumbleRadio(f"tcp-client:127.0.0.1:{port}", pairings=folder / "pairings.json")
        self.listener = DeviceListener(radio, most=len(TWELVE), patience=patience)
        self.heard: list[Notification] = []

    def tell(self, line: str) -> None:
        assert self.devices.stdin is not None
        self.devices.stdin.write(line + "\n")
        self.devices.stdin.flush()

    def links_ended(self, kind: str) -> int:
        return self.count(kind, LINK_ENDED)

    def count(self, kind: str, number: int) -> int:
        address = address_of(TWELVE.index(kind))
        return sum(seen.peripheral == address and seen.characteristic == number for seen in self.heard)

    async def until(self, enough: Callable[[], bool], *, limit_s: float = 60.0) -> None:
        deadline = time.monotonic() + limit_s
        while not enough():
            by_device = Counter((seen.peripheral, f"{seen.characteristic:04x}") for seen in self.heard)
            assert time.monotonic() < deadline, by_device
            await asyncio.sleep(0.05)

    def said(self, kind: str) -> list[tuple[int, bytes]]:
        """All that a device said to a listener, in order."""
        lines = (self.folder / f"{address_of(TWELVE.index(kind))}.jsonl").read_text().splitlines()
        told = [json.loads(line) for line in lines]
        return [(one["characteristic"], bytes.fromhex(one["value"])) for one in told if one["listening"]]

    def heard_of(self, kind: str) -> list[tuple[int, bytes]]:
        address = address_of(TWELVE.index(kind))
        return [(seen.characteristic, seen.value) for seen in self.heard if seen.peripheral == address]


def measured(kind: str, packets: list[tuple[int, bytes]]) -> Counter[tuple[int, bytes]]:
    """Each measurement as often as it is there; a battery is also read, and the rest is no measurement."""
    measuring = set(sum(KINDS[kind].services.values(), ())) - {gatt.BATTERY_LEVEL}
    return Counter(packet for packet in packets if packet[0] in measuring)


async def live_through_losses(world: World) -> None:
    """Everybody is met; links are lost, one device is killed twice, a stream dries up and comes back."""
    await world.until(lambda: len({seen.peripheral for seen in world.heard}) == len(TWELVE))
    for killed in ("treadmill", "speed-cadence"):
        ended = world.links_ended(killed)
        world.tell(f"kill {TWELVE.index(killed)}")
        await world.until(lambda killed=killed, ended=ended: world.links_ended(killed) > ended)
    await world.until(lambda: world.links_ended("strap") >= 2 and world.links_ended("glucose-meter") >= 2)
    await world.until(lambda: world.count("watch", gatt.RSC_MEASUREMENT) > 20)  # it falls silent after 8
    await world.until(lambda: world.count("treadmill", gatt.TREADMILL_DATA) > 20)
    await world.until(lambda: world.count("glucose-meter", gatt.GLUCOSE_MEASUREMENT) > 20)
    await world.until(lambda: world.count("spot-oximeter", gatt.PULSE_OXIMETER_SPOT_CHECK) > 8)
    world.tell("stop")
    await asyncio.to_thread(world.devices.wait, 20)
    await world.until(lambda: world.heard[-1].characteristic == LINK_ENDED)


async def hear(world: World) -> None:
    listening = asyncio.create_task(world.listener.run(world.heard.append))
    try:
        await live_through_losses(world)
    finally:
        listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listening
        world.devices.kill()


def test_twelve_devices_with_losses_and_reconnects_are_each_heard_exactly_once(tmp_path, free_port, caplog):
    world = World(tmp_path, free_port(), rate_hz=8)
    with caplog.at_level(logging.INFO, "device_bridge"):
        asyncio.run(hear(world))
    figures = {}
    for kind in TWELVE:
        said, heard = measured(kind, world.said(kind)), measured(kind, world.heard_of(kind))
        assert not heard - said, f"{kind}: heard what was not said, or twice"
        assert {number for number, _ in heard} == {number for number, _ in said}, kind
        figures[kind] = (said.total(), (said - heard).total(), world.links_ended(kind))
    links = sum(ended for _, _, ended in figures.values())
    once = [figure for kind, figure in figures.items() if not KINDS[kind].records]
    said_packets, lost_packets = sum(said for said, _, _ in once), sum(lost for _, lost, _ in once)
    assert all(said >= 4 for said, _, _ in figures.values()), figures
    assert all(lost <= 2 * ended for _, lost, ended in once), figures  # in the air as the link broke
    assert said_packets > 250, figures
    assert lost_packets <= said_packets / 50, figures
    assert links >= 16, figures
    assert caplog.text.count("paired device=") == 1, "a pairing outlasts its link"
    assert "subscribed_anew characteristic=2a53" in caplog.text
    assert {number for number, _ in world.said("cuff")} >= {gatt.CURRENT_TIME}
    about = Listener()
    for seen in world.heard:
        about.observations(seen)
    assert about.about(address_of(0)) == {"model": "strap", "manufacturer": "Stayer virtual devices"}
    assert (tmp_path / "pairings.json").stat().st_mode & 0o077 == 0
    records_are_whole(world)


def records_are_whole(world: World) -> None:
    """However often a meter told its records: each has one identity, and none is missing."""
    address, listener = address_of(TWELVE.index("glucose-meter")), Listener()
    found = [
        (seen.stream, seen.time_us, seen.record, seen.value)
        for heard in world.heard
        if heard.peripheral == address
        for seen in listener.observations(heard)
        if seen.stream == "glucose"
    ]
    records = {record for _, _, record, _ in found}
    assert records == set(range(max(records) + 1))
    assert len(set(found)) == len(records)
    assert len(found) > len(records)  # the last record is told again after each lost link


@contextlib.asynccontextmanager
async def on_one_air(*worn: tuple[str, Manner]) -> AsyncIterator[str]:
    """Devices in this process; yields the transport that hears them."""
    air, living = LocalLink(), []
    for index, (kind, manner) in enumerate(worn):
        controller = Controller(manner.name, link=air)
        device = Device(manner.name, Address(address_of(index)), host=Host(controller, controller))
        living.append(asyncio.create_task(Peripheral(device, KINDS[kind], manner).live()))
    async with await offer_radio(air, "127.0.0.1", 0) as server:
        yield f"tcp-client:127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for task in living:
            task.cancel()
        await asyncio.gather(*living, return_exceptions=True)


async def hear_until(listener: DeviceListener, enough: Callable[[list[Notification]], bool]) -> list[Notification]:
    """What a listener hears until it is enough, or half a minute is over."""
    heard: list[Notification] = []
    listening, deadline = asyncio.create_task(listener.run(heard.append)), time.monotonic() + 30
    while not enough(heard) and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    seen = list(heard)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    return seen


def test_a_silent_device_is_asked_whether_it_is_there_and_a_silent_stream_is_given_up():
    """A thermometer may say nothing for hours; a strap that says nothing has lost us, whatever its link says."""
    silent = Manner(name="Silent", rate_hz=20, falls_silent=(gatt.HEART_RATE_MEASUREMENT, 0))

    async def meet() -> list[Notification]:
        async with on_one_air(("strap", silent), ("thermometer", Manner(name="Rare", rate_hz=0.01))) as transport:
            patience = Patience(silence_s=0.3, resubscribe_s=0.2, rest_s=0.05)
            listener = DeviceListener(BumbleRadio(transport), most=2, patience=patience)
            return await hear_until(listener, lambda heard: sum(not seen.characteristic for seen in heard) == 2)

    heard = asyncio.run(meet())
    assert {seen.peripheral for seen in heard} == {address_of(0), address_of(1)}
    assert [seen.peripheral for seen in heard if seen.characteristic == LINK_ENDED] == [address_of(0)] * 2


def test_a_pairing_outlasts_the_bridge_and_every_record_is_told_to_the_next_one(tmp_path, caplog):
    async def meet() -> list[list[Notification]]:
        async with on_one_air(("glucose-meter", Manner(name="Meter", rate_hz=40))) as transport:
            told = []
            for _ in range(2):
                radio = BumbleRadio(transport, pairings=tmp_path / "kept" / "pairings.json")
                patience = Patience(catch_up_s=0.1, resubscribe_s=0.4)
                listener = DeviceListener(radio, patience=patience)
                told.append(await hear_until(listener, lambda heard: len(records_of(heard)) > 3))
            return told

    with caplog.at_level(logging.INFO, "device_bridge"):
        first, second = asyncio.run(meet())
    assert caplog.text.count("paired device=") == 1
    assert caplog.text.count("radio_plugged_in") == 2
    assert min(records_of(first)) == min(records_of(second)) == 0
    shared = records_of(first).keys() & records_of(second).keys()
    assert [records_of(first)[record] for record in shared] == [records_of(second)[record] for record in shared]


def records_of(heard: list[Notification]) -> dict[int, bytes]:
    """Glucose measurements by the numbers of their records."""
    number = gatt.GLUCOSE_MEASUREMENT
    return {gatt.decode(number, seen.value)["record"]: seen.value for seen in heard if seen.characteristic == number}
