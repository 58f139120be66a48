"""Speed and cadence from what sensors count: revolutions, and the time of the last one, both of which wrap."""

from __future__ import annotations

MICROSECONDS = 1_000_000

STANDS_AFTER_US = 3 * MICROSECONDS
"""No new revolution for this long is no motion. A crank at 20 a minute turns once in 3 s."""

MOST_CRANK_RPM = 250.0
MOST_WHEEL_MPS = 40.0
"""Nobody is faster; what seems so is a counter that was reset or a packet gone wrong."""

DEFAULT_CIRCUMFERENCE_M = 2.105
"""A road wheel 25-622 (700 × 25C)."""


class Turning:
    """The rate of one counter, in revolutions a second.

    The first packet primes. Differences are taken modulo the counters' widths, so wrapping is of no account; after a
    silence of a whole turn of the event clock (64 or 32 s) it is ambiguous, and the next packet primes anew.
    """

    def __init__(self, *, count_bits: int, ticks_per_second: int, most_per_second: float) -> None:
        self._counts, self._ticks_per_second = 1 << count_bits, ticks_per_second
        self._most = most_per_second
        self._silence_us = (1 << 16) * MICROSECONDS // ticks_per_second
        self._last: tuple[int, int, int] | None = None
        """Revolutions, event time and arrival of the last event."""
        self._heard_us = 0

    def take(self, revolutions: int, ticks: int, at_us: int) -> float | None:
        """The rate since the last event: 0 when nothing turns any more, None when this packet says nothing new."""
        last, heard_us, self._heard_us = self._last, self._heard_us, at_us
        if last is None or not 0 <= at_us - heard_us < self._silence_us:
            self._last = (revolutions, ticks, at_us)
            return None
        turned, passed = (revolutions - last[0]) % self._counts, (ticks - last[1]) & 0xFFFF
        if not turned or not passed:
            return 0.0 if not turned and at_us - last[2] >= STANDS_AFTER_US else None
        self._last = (revolutions, ticks, at_us)
        if at_us - last[2] >= self._silence_us:
            return None
        rate = turned * self._ticks_per_second / passed
        return rate if rate <= self._most else None

    def forget(self) -> None:
        """The sensor was away: the next packet primes."""
        self._last = None


def wheel(circumference_m: float, *, ticks_per_second: int) -> Turning:
    """A wheel's counter: 32 bits of revolutions."""
    return Turning(count_bits=32, ticks_per_second=ticks_per_second, most_per_second=MOST_WHEEL_MPS / circumference_m)


def crank() -> Turning:
    """A crank's counter: 16 bits of revolutions, times in 1/1024 s."""
    return Turning(count_bits=16, ticks_per_second=1024, most_per_second=MOST_CRANK_RPM / 60)
