"""ANT+ sensors through a USB stick, by the package openant: heart rate, power, speed and cadence.

A channel is opened for each kind and searches for any sensor of it. A sensor is known as `ant:<type>:<number>`.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Any

from device_bridge import journal
from device_bridge.sources import Deliver, Heard, NoRadio, wall_clock_us
from device_bridge.sources.ant_pages import PERIODS, BrokenPage, Sensor

FREQUENCY = 57
"""2,457 MHz, where ANT+ is."""
SEARCH_FOR_EVER = 255
CLOSED_WITHIN_S = 0.6

NO_PACKAGE = "ANT+ needs the package openant and libusb: pip install 'openant'"
NO_STICK = "No ANT+ stick here (none plugged in, or this user may not use it: see openant's udev rules)."


class AntStick:
    """A source: the sensors around an ANT+ stick."""

    def __init__(self) -> None:
        self._sensors: dict[tuple[int, int], Sensor] = {}

    async def run(self, deliver: Deliver) -> None:
        """Listen until cancelled. Raises NoRadio without the package or the stick."""
        loop = asyncio.get_running_loop()
        node = await asyncio.to_thread(_node)
        gone: asyncio.Future[None] = loop.create_future()

        def listen() -> None:
            try:
                node.start()
            except Exception as error:  # the stick was pulled out: openant lets libusb's errors through
                journal.warn("stick_lost", kind=type(error).__name__)
            loop.call_soon_threadsafe(lambda: None if gone.done() else gone.set_result(None))

        def said(kind: int, data: Any) -> None:
            loop.call_soon_threadsafe(self._take, kind, bytes(data), deliver)

        try:
            await asyncio.to_thread(_open_channels, node, said)
            threading.Thread(target=listen, daemon=True).start()
            await gone
            raise NoRadio("The ANT+ stick is gone.")
        finally:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(asyncio.to_thread(node.stop), CLOSED_WITHIN_S)

    def _take(self, kind: int, data: bytes, deliver: Deliver) -> None:
        """Eight bytes of page; then, after a flag, the number and type of the sensor."""
        number = data[9] | data[10] << 8 if len(data) >= 13 and data[8] & 0x80 else 0
        sensor = self._sensors.setdefault((kind, number), Sensor(kind))
        try:
            seen = sensor.values(data[:8], wall_clock_us())
        except BrokenPage as error:
            journal.warn("page_ignored", why=error)
            return
        if seen:
            deliver(Heard(device=f"ant:{kind}:{number}", seen=seen))


def _node() -> Any:
    try:
        from openant.easy.node import Node
    except ImportError as error:
        raise NoRadio(NO_PACKAGE) from error
    try:
        return Node()
    except Exception as error:  # DriverNotFound, and whatever libusb says where there is none
        raise NoRadio(NO_STICK) from error


def _open_channels(node: Any, said: Any) -> None:
    from openant.devices import ANTPLUS_NETWORK_KEY
    from openant.easy.channel import Channel

    node.set_network_key(0, ANTPLUS_NETWORK_KEY)
    for kind, period in PERIODS.items():
        channel = node.new_channel(Channel.Type.BIDIRECTIONAL_RECEIVE, 0x00, 0x00)
        channel.on_broadcast_data = channel.on_burst_data = lambda data, kind=kind: said(kind, data)
        channel.set_id(0, kind, 0)
        channel.enable_extended_messages(1)
        channel.set_search_timeout(SEARCH_FOR_EVER)
        channel.set_period(period)
        channel.set_rf_freq(FREQUENCY)
        channel.open()
