"""From packets to readings: which streams a packet speaks of, and at which instants."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from device_bridge import gatt, journal, motion
from device_bridge.gatt import general
from device_bridge.meanings import (
    FROM_TISSUE,
    NO_VALUE,
    OTHERWISE,
    SAID,
    STORED,
    STREAMS,
    doubts,
    is_of_tissue,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECONDS = 1_000_000

CONTACT_REPEAT_US = 60 * MICROSECONDS
"""An unchanged sensor contact is said again after this long: the stream is a step function, not a beat."""

LINK_ENDED = 0
"""In place of a characteristic: the device is gone, and what it had begun to say ends here."""

MACHINES = frozenset({gatt.TREADMILL_DATA, gatt.CROSS_TRAINER_DATA, gatt.ROWER_DATA, gatt.INDOOR_BIKE_DATA})


@dataclass(frozen=True, slots=True)
class Notification:
    """Bytes of one characteristic (a 16-bit number) as they came in, at `at_us` µs since 1970 UTC.

    peripheral: the address of the device that said it, empty where there is but one.
    """

    characteristic: int
    value: bytes
    at_us: int
    peripheral: str = ""


@dataclass(frozen=True, slots=True)
class Observation:
    """One value of one stream, in the stream's unit.

    record: the number which a stored measurement keeps, however often it is told; with stream and time it is its
    identity. None for what is said once. user: whose it is, where the device tells its users apart. doubts: what
    the device itself says against the value.
    """

    stream: str
    time_us: int
    value: float
    record: int | None = field(default=None, kw_only=True)
    user: int | None = field(default=None, kw_only=True)
    doubts: tuple[str, ...] = field(default=(), kw_only=True)
    peripheral: str = field(default="", kw_only=True)

    @property
    def unit(self) -> str:
        """UCUM."""
        return STREAMS[self.stream]


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


@dataclass(frozen=True, kw_only=True)
class Wearing:
    """How a person uses the devices.

    user: their number on devices shared with others (None: nobody else uses them). What others measure is not sent,
    what nobody in particular has measured is doubted. zone: of the devices' clocks, this machine's own where None.
    """

    wheel_circumference_m: float = motion.DEFAULT_CIRCUMFERENCE_M
    user: int | None = None
    zone: tzinfo | None = None


class Listener:
    """Turns notifications into observations, each device's by what that device said before."""

    def __init__(self, wearing: Wearing | None = None) -> None:
        self._wearing = wearing or Wearing()
        self._devices: dict[str, _Device] = {}

    def observations(self, heard: Notification) -> list[Observation]:
        """All that one notification says; unknown characteristics say nothing. Raises MalformedPacket."""
        device = self._devices.get(heard.peripheral)
        if device is None:
            device = self._devices[heard.peripheral] = _Device(self._wearing, heard.peripheral)
        return list(device.observations(heard))

    @property
    def of_others(self) -> int:
        """Measurements that other users of a device have made, so far."""
        return sum(device.of_others for device in self._devices.values())

    def about(self, peripheral: str = "") -> dict[str, str]:
        """What a device has told of itself: manufacturer, model, serial number, versions."""
        device = self._devices.get(peripheral)
        return dict(device.about) if device else {}


class _Device:
    """One device, and what must be remembered of it to understand its next packet."""

    def __init__(self, wearing: Wearing, peripheral: str) -> None:
        self._wearing, self._peripheral = wearing, peripheral
        self.about: dict[str, str] = {}
        self._joiners: dict[int, gatt.Joiner] = {}
        self._turning: dict[tuple[int, str], motion.Turning] = {}
        self._times: dict[int, int] = {}
        """When each glucose record was measured: its context, which follows, says only the record's number."""
        self.of_others = 0
        self._users: set[int] = set()
        self._contact: bool | None = None
        self._contact_said_us = 0

    def observations(self, heard: Notification) -> Iterator[Observation]:
        if heard.characteristic == LINK_ENDED:
            yield from self._ended()
        elif heard.characteristic in gatt.ABOUT:
            self.about[gatt.ABOUT[heard.characteristic]] = general.text(heard.value)
        elif heard.characteristic in gatt.CHARACTERISTICS:
            said = gatt.decode(heard.characteristic, heard.value)
            for whole, at_us in self._joiner(heard.characteristic).take(said, heard.at_us):
                yield from self._meaning(heard.characteristic, whole, at_us)

    def _joiner(self, characteristic: int) -> gatt.Joiner:
        if characteristic not in self._joiners:
            self._joiners[characteristic] = gatt.Joiner(gatt.CHARACTERISTICS[characteristic])
        return self._joiners[characteristic]

    def _ended(self) -> Iterator[Observation]:
        for characteristic, joiner in self._joiners.items():
            for whole, at_us in joiner.flush():
                yield from self._meaning(characteristic, whole, at_us)
        for turning in self._turning.values():
            turning.forget()

    def _meaning(self, characteristic: int, said: gatt.Values, at_us: int) -> Iterator[Observation]:
        if self._is_somebody_elses(said):
            self.of_others += 1
            return
        against = doubts(characteristic, said)
        if NO_VALUE.intersection(against):
            return
        if self._wearing.user is not None and "user" in said and said["user"] is None:
            against = ("unknown_user", *against)
        if said.get("contact") is False:
            against = ("no_contact", *against)
        time_us, record = at_us, None
        if characteristic in STORED:
            time_us, record = self._measured_at(characteristic, said, at_us), _record_of(characteristic, said)
        yield from self._of_contact(said.get("contact"), at_us)
        for stream, value in self._values(characteristic, said, at_us):
            yield Observation(
                stream,
                time_us,
                value,
                record=record,
                user=said.get("user"),
                doubts=against,
                peripheral=self._peripheral,
            )
        yield from rr_intervals(said.get("rr_ticks", ()), at_us, doubts=against, peripheral=self._peripheral)

    def _is_somebody_elses(self, said: gatt.Values) -> bool:
        ours, theirs = self._wearing.user, said.get("user")
        if theirs is not None and ours is None:
            self._warn_of_several(theirs)
        return ours is not None and theirs is not None and ours != theirs

    def _warn_of_several(self, user: int) -> None:
        """Said once: without a number of the wearer's, everybody's measurements go under theirs."""
        if self._users and user not in self._users and len(self._users) == 1:
            journal.warn("several_users", device=journal.masked(self._peripheral), hint="name the wearer by --user")
        self._users.add(user)

    def _values(self, characteristic: int, said: gatt.Values, at_us: int) -> Iterator[tuple[str, float]]:
        table = FROM_TISSUE if is_of_tissue(characteristic, said) else OTHERWISE.get(characteristic, SAID)
        for name, value in said.items():
            says = table.get(name)
            if says is None or value is None or isinstance(value, gatt.Special):
                continue
            if characteristic in MACHINES and name == "heart_rate" and not value:
                continue  # a machine without a strap says 0; a strap that slipped is another thing
            yield says.stream, says.convert(value) if says.convert else int(value) if value is True else value
        yield from self._derived(characteristic, said, at_us)

    def _derived(self, characteristic: int, said: gatt.Values, at_us: int) -> Iterator[tuple[str, float]]:
        if "crank_revolutions" in said and characteristic != gatt.CYCLING_POWER_VECTOR:
            turns = self._turns(characteristic, "crank", said, at_us)
            if turns is not None:
                yield "cadence", turns * 60
        if "wheel_revolutions" in said:
            turns = self._turns(characteristic, "wheel", said, at_us)
            if turns is not None:
                yield "speed", turns * self._wearing.wheel_circumference_m

    def _turns(self, characteristic: int, what: str, said: gatt.Values, at_us: int) -> float | None:
        key = (characteristic, what)
        if key not in self._turning:
            ticks = 2048 if characteristic == gatt.CYCLING_POWER_MEASUREMENT else 1024
            circumference_m = self._wearing.wheel_circumference_m
            made = motion.wheel(circumference_m, ticks_per_second=ticks) if what == "wheel" else motion.crank()
            self._turning[key] = made
        return self._turning[key].take(said[f"{what}_revolutions"], said[f"{what}_ticks"], at_us)

    def _measured_at(self, characteristic: int, said: gatt.Values, at_us: int) -> int:
        """The device's own time of a stored measurement; its arrival where the device does not know."""
        if characteristic == gatt.GLUCOSE_CONTEXT:
            return self._times.get(said["record"], at_us)
        local = said.get("base_time") or said.get("time")
        if local is None or said.get("clock_not_set"):
            return at_us
        local += timedelta(minutes=said.get("offset_min", 0))
        moment = local.replace(tzinfo=self._wearing.zone) if self._wearing.zone else local.astimezone()
        time_us = (moment - EPOCH) // timedelta(microseconds=1)
        if characteristic == gatt.GLUCOSE_MEASUREMENT:
            self._times[said["record"]] = time_us
        return time_us

    def _of_contact(self, contact: bool | None, at_us: int) -> Iterator[Observation]:
        unchanged = contact == self._contact and 0 <= at_us - self._contact_said_us < CONTACT_REPEAT_US
        if contact is not None and not unchanged:
            self._contact, self._contact_said_us = contact, at_us
            yield Observation("sensor_contact", at_us, int(contact), peripheral=self._peripheral)


def _record_of(characteristic: int, said: gatt.Values) -> int:
    """The number a stored measurement keeps: the device's, or else one drawn from everything it says."""
    record: int | None = said.get("record")
    if record is not None:
        return record
    told: list[Any] = sorted((name, str(value)) for name, value in said.items())
    return zlib.crc32(repr((characteristic, told)).encode()) & 0x7FFF_FFFF


def rr_intervals(
    rr_ticks: tuple[int, ...], at_us: int, *, doubts: tuple[str, ...] = (), peripheral: str = ""
) -> list[Observation]:
    """RR intervals in ms, each timed at the beat which ends it; the last one ends when the packet arrives."""
    found, later_ticks = [], 0
    for ticks in reversed(rr_ticks):
        ends_us = at_us - later_ticks * MICROSECONDS // gatt.RR_TICKS_PER_SECOND
        interval_ms = ticks * 1000 / gatt.RR_TICKS_PER_SECOND
        found.append(Observation("rr_interval", ends_us, interval_ms, doubts=doubts, peripheral=peripheral))
        later_ticks += ticks
    return found[::-1]
