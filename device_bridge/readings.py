"""From packets to readings: which streams a packet speaks of, and at which instants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from device_bridge import gatt

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECONDS = 1_000_000

CONTACT_REPEAT_US = 60 * MICROSECONDS
"""An unchanged sensor contact is said again after this long: the stream is a step function, not a beat."""


@dataclass(frozen=True, slots=True)
class Notification:
    """Bytes of one characteristic (a 16-bit number) as they came in, at `at_us` µs since 1970 UTC."""

    characteristic: int
    value: bytes
    at_us: int


@dataclass(frozen=True, slots=True)
class Observation:
    """One value of one stream: bpm, ms, % or 0/1, as the stream's name says."""

    stream: str
    time_us: int
    value: float


@dataclass(frozen=True, slots=True)
class Reading(Observation):
    """An observation with its lasting identity: (stream, time, sequence) never changes again.

    position: the place in the spool; local, never sent.
    """

    sequence: int
    position: int

    def as_json(self) -> dict[str, object]:
        """The member of `readings` which the health API takes."""
        return {
            "stream": self.stream,
            "time": rfc3339(self.time_us),
            "sequence": self.sequence,
            "value": self.value,
        }


def rfc3339(time_us: int) -> str:
    """UTC with microseconds, ending in Z."""
    moment = EPOCH + timedelta(microseconds=time_us)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


class Listener:
    """Turns notifications into observations; remembers only what the strap last said about skin contact."""

    def __init__(self) -> None:
        self._contact: bool | None = None
        self._contact_said_us = 0

    def observations(self, heard: Notification) -> list[Observation]:
        """All that one notification says; unknown characteristics say nothing. Raises MalformedPacket."""
        if heard.characteristic == gatt.HEART_RATE_MEASUREMENT:
            return list(self._of_heart(gatt.decode_heart_rate(heard.value), heard.at_us))
        if heard.characteristic == gatt.BATTERY_LEVEL:
            return [Observation("battery", heard.at_us, gatt.decode_battery_level(heard.value))]
        return []

    def _of_heart(self, measured: gatt.HeartRate, at_us: int) -> Iterator[Observation]:
        yield from self._of_contact(measured.contact, at_us)
        yield Observation("heart_rate", at_us, measured.bpm)
        yield from rr_intervals(measured.rr_ticks, at_us)

    def _of_contact(self, contact: bool | None, at_us: int) -> Iterator[Observation]:
        unchanged = contact == self._contact and 0 <= at_us - self._contact_said_us < CONTACT_REPEAT_US
        if contact is not None and not unchanged:
            self._contact, self._contact_said_us = contact, at_us
            yield Observation("sensor_contact", at_us, int(contact))


def rr_intervals(rr_ticks: tuple[int, ...], at_us: int) -> list[Observation]:
    """RR intervals in ms, each timed at the beat which ends it; the last one ends when the packet arrives."""
    found, later_ticks = [], 0
    for ticks in reversed(rr_ticks):
        ends_us = at_us - later_ticks * MICROSECONDS // gatt.RR_TICKS_PER_SECOND
        found.append(Observation("rr_interval", ends_us, ticks * 1000 / gatt.RR_TICKS_PER_SECOND))
        later_ticks += ticks
    return found[::-1]
