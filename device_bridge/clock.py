"""The bridge's clock, corrected against the server's.

An answer that says its time bounds how far apart the two clocks are: the server read its own somewhere between our
sending and our receiving (Marzullo 1984). Bounds of several answers are cut with each other, so whole seconds in a
`Date` header narrow down to about the round trip. The correction moves no further than the bounds ask for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from device_bridge.readings import MICROSECONDS

DRIFT = 100e-6
"""How fast two quartz clocks may part: twice the usual 50 ppm."""

SLEW = 2
"""Going back, the corrected clock runs at half speed: nothing ever runs back because of a correction."""


class Clock:
    """Offset of the server's clock from ours, in µs; positive where ours is behind."""

    def __init__(self, offset_us: int = 0) -> None:
        self.offset_us = offset_us
        self.is_known = False
        self._low, self._high = -math.inf, math.inf
        self._learned_us = 0
        self._applied_us = offset_us
        self._latest_us: int | None = None

    def learn(self, *, sent_us: int, received_us: int, server_us: int, resolution_us: int) -> None:
        """Take in an answer: our times of sending and receiving, the server's in between, cut to `resolution_us`."""
        low, high = float(server_us - received_us), float(server_us + resolution_us - sent_us)
        parted = abs(received_us - self._learned_us) * DRIFT
        both = max(low, self._low - parted), min(high, self._high + parted)
        # Bounds that exclude each other say that one of the clocks was set: only the newest answer counts.
        self._low, self._high = both if both[0] <= both[1] else (low, high)
        self._learned_us, self.is_known = received_us, True
        self.offset_us = round(min(max(self.offset_us, self._low), self._high))

    def hear(self, headers: Mapping[str, str], *, sent_us: int, received_us: int) -> None:
        """Learn from the headers of an answer, where they tell the time: X-Server-Time (seconds since 1970, with a
        fraction) or Date."""
        if (told := _server_time_us(headers)) is not None:
            self.learn(sent_us=sent_us, received_us=received_us, server_us=told[0], resolution_us=told[1])

    def correct(self, at_us: int) -> int:
        """The server's time at our `at_us`. For times that only grow, so does the answer."""
        passed = 0 if self._latest_us is None else max(0, at_us - self._latest_us)
        self._latest_us = at_us if self._latest_us is None else max(at_us, self._latest_us)
        self._applied_us = max(self.offset_us, self._applied_us - passed // SLEW)
        return at_us + self._applied_us


def _server_time_us(headers: Mapping[str, str]) -> tuple[int, int] | None:
    """(µs since 1970, how coarse that is)."""
    try:
        if "X-Server-Time" in headers:
            return int(float(headers["X-Server-Time"]) * MICROSECONDS), 1_000
        return int(parsedate_to_datetime(headers["Date"]).timestamp()) * MICROSECONDS, MICROSECONDS
    except (KeyError, ValueError, OverflowError, TypeError):
        return None
