"""A strap that exists only in this process: for trying the way from here to the server without any radio."""

from __future__ import annotations

import asyncio
import time

from device_bridge import gatt
from device_bridge.heart import Heart
from device_bridge.readings import Notification
from device_bridge.sources import Deliver, wall_clock_us

BATTERY_PERCENT = 87


class Simulation:
    """A source that beats, `rate_hz` notifications a second."""

    def __init__(self, *, rate_hz: float, seed: int) -> None:
        self._every_s, self._seed = 1 / rate_hz, seed

    async def run(self, deliver: Deliver) -> None:
        heart, began, told = Heart(seed=self._seed), time.monotonic(), 0
        deliver(Notification(gatt.BATTERY_LEVEL, bytes([BATTERY_PERCENT]), wall_clock_us()))
        while True:
            told += 1
            await asyncio.sleep(max(0.0, began + told * self._every_s - time.monotonic()))
            packet = gatt.encode(gatt.HEART_RATE_MEASUREMENT, heart.until(told * self._every_s).said())
            deliver(Notification(gatt.HEART_RATE_MEASUREMENT, packet, wall_clock_us()))
