"""ANT+ data pages, as values: heart rate, bicycle power, speed and cadence.

Layouts: ANT+ device profiles Heart Rate Monitor 2.1, Bicycle Power 4.2, Bicycle Speed and Cadence 2.1; eight bytes a
page, little-endian. Event times are in 1/1024 s and, like counters, run over; only their differences mean anything.
"""

from __future__ import annotations

from collections.abc import Iterator

from device_bridge.readings import MICROSECONDS, Observation

HEART_RATE, POWER = 120, 11
SPEED_AND_CADENCE, CADENCE, SPEED = 121, 122, 123
PERIODS = {HEART_RATE: 8070, POWER: 8182, SPEED_AND_CADENCE: 8086, CADENCE: 8102, SPEED: 8118}
"""Channel periods by device type, in 1/32768 s."""

TICKS = 1024
NO_BYTE = 0xFF
PAGE = 0x7F
"""The rest of the first byte toggles, to show a sensor of the present kind."""
STANDARD_POWER = 0x10
BATTERY_STATUS = 7
CIRCUMFERENCE_M = 2.096
"""Of a 700×23C wheel, the profile's own example."""
STANDSTILL_US = 3 * MICROSECONDS
"""A wheel that says the same event for this long stands still."""
FASTEST_TURNS = 30.0
"""Turns a second that no wheel or crank reaches: the sensor began to count anew."""


class BrokenPage(ValueError):
    """Not eight bytes."""


class Sensor:
    """One sensor of one type: remembers what is needed to understand its next page."""

    def __init__(self, kind: int) -> None:
        self._kind = kind
        self._beat: tuple[int, int] | None = None
        self._power_event: int | None = None
        self._battery: int | None = None
        self._turns = {"cadence": _Turning(), "speed": _Turning()}

    def values(self, page: bytes, at_us: int) -> tuple[Observation, ...]:
        """What a page says anew; pages are sent again and again. Raises BrokenPage."""
        if len(page) != 8:
            raise BrokenPage("an ANT+ page has eight bytes")
        if self._kind == HEART_RATE:
            return tuple(self._of_heart(page, at_us))
        if self._kind == POWER:
            return tuple(self._of_power(page, at_us))
        return tuple(self._of_turning(page, at_us))

    def _of_heart(self, page: bytes, at_us: int) -> Iterator[Observation]:
        if page[0] & PAGE == BATTERY_STATUS and page[1] <= 100 and page[1] != self._battery:
            self._battery = page[1]
            yield Observation("battery", at_us, page[1])
        beat = page[6], _u16(page, 4)
        before, self._beat = self._beat, beat
        if beat == before:
            return
        if page[7]:
            yield Observation("heart_rate", at_us, page[7])
        if before is not None and (beat[0] - before[0]) % 256 == 1 and beat[1] != before[1]:
            yield Observation("rr_interval", at_us, (beat[1] - before[1]) % 65_536 * 1000 / TICKS)

    def _of_power(self, page: bytes, at_us: int) -> Iterator[Observation]:
        if page[0] != STANDARD_POWER or page[1] == self._power_event:
            return
        self._power_event = page[1]
        yield Observation("power", at_us, _u16(page, 6))
        if page[3] != NO_BYTE:
            yield Observation("cadence", at_us, page[3])

    def _of_turning(self, page: bytes, at_us: int) -> Iterator[Observation]:
        if self._kind in (SPEED_AND_CADENCE, CADENCE):
            at = 0 if self._kind == SPEED_AND_CADENCE else 4
            turns = self._turns["cadence"].take(_u16(page, at), _u16(page, at + 2), at_us)
            if turns is not None:
                yield Observation("cadence", at_us, turns * 60)
        if self._kind in (SPEED_AND_CADENCE, SPEED):
            turns = self._turns["speed"].take(_u16(page, 4), _u16(page, 6), at_us)
            if turns is not None:
                yield Observation("speed", at_us, turns * CIRCUMFERENCE_M)


class _Turning:
    """A wheel or a crank, by the time of its last whole turn and the count of turns."""

    def __init__(self) -> None:
        self._last: tuple[int, int] | None = None
        self._turned_us = 0
        self._stands = False

    def take(self, ticks: int, count: int, at_us: int) -> float | None:
        """Turns a second since the turn before; 0 once when it stands still; None when nothing is new."""
        last, self._last = self._last, (ticks, count)
        if last is None:
            self._turned_us = at_us
            return None
        if last == (ticks, count):
            stood = at_us - self._turned_us >= STANDSTILL_US and not self._stands
            self._stands = self._stands or stood
            return 0.0 if stood else None
        passed = at_us - self._turned_us
        self._turned_us, was_standing, self._stands = at_us, self._stands, False
        elapsed = (ticks - last[0]) % 65_536
        # After a stop the event time may have run over, nobody knows how often (it does so each 64 s).
        if was_standing or not elapsed or passed >= 60 * MICROSECONDS:
            return None
        turns = (count - last[1]) % 65_536 * TICKS / elapsed
        return turns if turns <= FASTEST_TURNS else None


def _u16(page: bytes, at: int) -> int:
    return page[at] | page[at + 1] << 8
