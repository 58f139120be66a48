"""Where packets come from: a radio, a recording, or nowhere at all.

A source hands over bytes as a strap sent them and knows nothing of streams, spool or server; so a recording
or a simulated strap passes through the very code that a real one does. What comes by other ways than Bluetooth (a
message, a request, an ANT+ page) is understood where it comes in, and handed over as values.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from device_bridge.endings import Ending, Misuse
from device_bridge.readings import Notification, Observation

Deliver = Callable[["Notification | Heard"], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Values of one device. kept: told True once all are on disk, for a sender who waits for that."""

    device: str
    seen: tuple[Observation, ...]
    kept: asyncio.Future[bool] | None = None


class NoRadio(Ending):
    """What a source listens with is not there: no Bluetooth, no ANT+ stick, no broker's library."""

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
