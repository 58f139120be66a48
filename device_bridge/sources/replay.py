"""What a strap said, kept in a file.

One JSON object a line: {"t": seconds, "characteristic": "2a37", "value": hex}, and "peripheral": address where there
was more than one to tell apart.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from device_bridge.endings import Ending
from device_bridge.readings import MICROSECONDS, Notification
from device_bridge.sources import Deliver, wall_clock_us


class BrokenRecording(Ending):
    """A line of the file is not a recorded notification; the message names it."""


class Recorder:
    """Writes what a source delivers; times count from the first notification."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._first_us: int | None = None

    def __call__(self, heard: Notification) -> None:
        self._first_us = heard.at_us if self._first_us is None else self._first_us
        line = {
            "t": (heard.at_us - self._first_us) / MICROSECONDS,
            "characteristic": f"{heard.characteristic:04x}",
            "value": heard.value.hex(),
            **({"peripheral": heard.peripheral} if heard.peripheral else {}),
        }
        self._out.write(json.dumps(line) + "\n")
        self._out.flush()


def recorded(path: Path) -> Iterator[tuple[float, int, bytes, str]]:
    """(seconds, characteristic, bytes, peripheral) of every line. Raises BrokenRecording."""
    with path.open() as lines:
        for number, line in enumerate(lines, start=1):
            try:
                told = json.loads(line)
                value, peripheral = bytes.fromhex(told["value"]), str(told.get("peripheral", ""))
                yield float(told["t"]), int(told["characteristic"], 16), value, peripheral
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise BrokenRecording(f"{path}, line {number}: not a recorded notification") from error


class Replay:
    """A source that plays a recording at its own pace, as if it happened now, and ends with it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def run(self, deliver: Deliver) -> None:
        began = time.monotonic()
        for seconds, characteristic, value, peripheral in recorded(self._path):
            await asyncio.sleep(max(0.0, began + seconds - time.monotonic()))
            deliver(Notification(characteristic, value, wall_clock_us(), peripheral))
