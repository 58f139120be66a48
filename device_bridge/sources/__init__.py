"""Where packets come from: a radio, a recording, or nowhere at all.

A source hands over bytes as a strap sent them and knows nothing of streams, spool or server; so a recording
or a simulated strap passes through the very code that a real one does.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from device_bridge.endings import Ending, Misuse
from device_bridge.readings import Notification

Deliver = Callable[[Notification], None]


class NoRadio(Ending):
    """There is no Bluetooth to listen with."""

    exit_code = 3


class UnknownTransport(Misuse):
    """The --transport text names nothing we know."""


class Source(Protocol):
    """Something that hears a strap."""

    async def run(self, deliver: Deliver) -> None:
        """Deliver notifications until cancelled; a source with an end returns there. Raises NoRadio."""


def wall_clock_us() -> int:
    """Now, in microseconds since 1970 UTC."""
    return time.time_ns() // 1000
