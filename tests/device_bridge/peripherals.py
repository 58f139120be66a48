"""An air and one process for each virtual device on it; some lose their links, some are killed and come back.

`python -m tests.device_bridge.peripherals PORT FOLDER RATE kind…`: each device writes what it says to
FOLDER/<address>.jsonl before it says it. One line on standard input, "stop", ends them; "kill N" kills the device of
that index and starts it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from bumble.device import Device
from bumble.hci import Address
from bumble.link import LocalLink
from bumble.transport import open_transport

from device_bridge import gatt, journal
from device_bridge.straps import offer_radio
from device_bridge.virtual.kinds import KINDS
from device_bridge.virtual.peripheral import Manner, Peripheral

LOSES_ITS_LINK = {"glucose-meter": 1.5, "strap": 2.0, "bike": 2.5, "cuff": 2.0, "spot-oximeter": 1.5}
"""Seconds between losses, give or take; a meter's falls into the telling of its records."""
FALLS_SILENT = {"watch": (gatt.RSC_MEASUREMENT, 8)}
FLUSH_S = 0.3


def address_of(index: int) -> str:
    return f"C0:57:00:0A:00:{index:02X}"


async def lose_links(device: Device, every_s: float, chance: random.Random) -> None:
    while True:
        await asyncio.sleep(every_s * chance.uniform(0.7, 1.3))
        for connection in list(device.connections.values()):
            with contextlib.suppress(Exception):
                await connection.disconnect()


async def be(index: int, kind: str, port: int, folder: Path, rate_hz: float) -> None:
    """One device, until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    while True:
        try:
            source, sink = await open_transport(f"tcp-client:127.0.0.1:{port}")
            break
        except OSError:
            await asyncio.sleep(0.05)
    device = Device.with_hci(kind, Address(address_of(index)), source, sink)
    said = os.open(folder / f"{address_of(index)}.jsonl", os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    def told(number: int, packet: bytes, heard: bool) -> None:
        line = {"characteristic": number, "value": packet.hex(), "listening": heard}
        os.write(said, (json.dumps(line) + "\n").encode())

    manner = Manner(name=kind[:14], rate_hz=rate_hz, seed=index, falls_silent=FALLS_SILENT.get(kind))
    living = [asyncio.create_task(Peripheral(device, KINDS[kind], manner, told=told).live())]
    if kind in LOSES_ITS_LINK:
        living.append(asyncio.create_task(lose_links(device, LOSES_ITS_LINK[kind], random.Random(index))))
    await stop.wait()
    for task in living:
        task.cancel()
    await asyncio.sleep(FLUSH_S)
    os._exit(0)


async def carry(port: int) -> None:
    """The air between them all."""
    air = LocalLink()
    async with await offer_radio(air, "127.0.0.1", port):
        await asyncio.Event().wait()


def fork(work: Coroutine[Any, Any, None]) -> int:
    """The work in a process of its own: the imports are paid for once."""
    child = os.fork()
    if child:
        work.close()
        return child
    try:
        asyncio.run(work)
    finally:
        os._exit(1)


def main() -> None:
    journal.open_journal(verbose=False)
    port, folder, rate_hz, kinds = int(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), sys.argv[4:]
    air = fork(carry(port))
    devices = [fork(be(index, kind, port, folder, rate_hz)) for index, kind in enumerate(kinds)]
    print("devices_ready", flush=True)
    for line in sys.stdin:
        what, _, number = line.strip().partition(" ")
        if what == "stop":
            break
        index = int(number)
        os.kill(devices[index], signal.SIGKILL)
        os.waitpid(devices[index], 0)
        devices[index] = fork(be(index, kinds[index], port, folder, rate_hz))
    for child in devices:
        os.kill(child, signal.SIGTERM)
    for child in devices:
        os.waitpid(child, 0)
    os.kill(air, signal.SIGKILL)


if __name__ == "__main__":
    main()
