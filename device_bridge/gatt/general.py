"""What any device has: battery, who made it, a clock to set, and a control point for stored records.

Layouts: Battery 1.0, Device Information 1.1, Current Time 1.1 and Glucose 1.0.1 services; little-endian.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

from device_bridge.gatt.engine import Characteristic, Field
from device_bridge.gatt.forms import DATE_TIME, U8, Form, MalformedPacket

BATTERY_LEVEL = 0x2A19
CURRENT_TIME = 0x2A2B
BODY_SENSOR_LOCATION = 0x2A38
RECORD_ACCESS_CONTROL_POINT = 0x2A52

ABOUT = {
    0x2A24: "model",
    0x2A25: "serial_number",
    0x2A26: "firmware",
    0x2A27: "hardware",
    0x2A28: "software",
    0x2A29: "manufacturer",
}
"""The texts of the Device Information service."""


class SensorLocation(IntEnum):
    """Body Sensor Location 0x2A38."""

    OTHER = 0
    CHEST = 1
    WRIST = 2
    FINGER = 3
    HAND = 4
    EAR_LOBE = 5
    FOOT = 6


def _within(most: int, what: str) -> Callable[[int], int]:
    def check(raw: int) -> int:
        if not 0 <= raw <= most:
            raise MalformedPacket(f"{what} is at most {most}")
        return raw

    return check


PERCENTAGE = Form("B", _within(100, "a percentage"), _within(100, "a percentage"))
LOCATION = Form("B", lambda raw: SensorLocation(raw if raw <= SensorLocation.FOOT else 0))
"""Places which the specification does not name yet are OTHER."""

CLOCK = Characteristic(
    CURRENT_TIME,
    "current time",
    (Field("time", DATE_TIME), Field("weekday", U8), Field("fraction", U8, "s/256"), Field("reason", U8)),
    flag_bytes=0,
)

GENERAL = (
    Characteristic(BATTERY_LEVEL, "battery level", (Field("battery", PERCENTAGE, "%"),), flag_bytes=0),
    Characteristic(BODY_SENSOR_LOCATION, "sensor location", (Field("location", LOCATION),), flag_bytes=0),
    CLOCK,
)


def current_time(local: datetime) -> bytes:
    """What to write to 0x2A2B: local time, rounded to 1/256 s downwards; adjusted by an external reference."""
    values = {
        "time": local.replace(microsecond=0, tzinfo=None),
        "weekday": local.isoweekday(),
        "fraction": local.microsecond * 256 // 1_000_000,
        "reason": 1 << 1,
    }
    return CLOCK.encode(values)


def read_current_time(packet: bytes) -> datetime | None:
    """The local time of 0x2A2B, None where the device does not know it. Raises MalformedPacket."""
    said = CLOCK.decode(packet)
    time: datetime | None = said["time"]
    return time and time + timedelta(seconds=said["fraction"] / 256)


def text(packet: bytes) -> str:
    """A text of the Device Information service: UTF-8, often padded with zeros. Raises MalformedPacket."""
    try:
        return bytes(packet).decode().rstrip("\0 ")
    except UnicodeDecodeError as error:
        raise MalformedPacket("a text is not UTF-8") from error


class Outcome(IntEnum):
    """What a Record Access Control Point answers to a request."""

    SUCCESS = 1
    UNSUPPORTED = 2
    INVALID_OPERATOR = 3
    UNSUPPORTED_OPERATOR = 4
    INVALID_OPERAND = 5
    NO_RECORDS = 6
    ABORTED = 7
    NOT_COMPLETED = 8
    UNSUPPORTED_OPERAND = 9


REPORT, RESPONSE = 1, 6
ALL_RECORDS, FROM_A_RECORD = 1, 3
BY_RECORD_NUMBER = 1


@dataclass(frozen=True)
class RecordRequest:
    """Report stored records: all, or those whose number is `since` or greater."""

    since: int | None = None


def request_records(request: RecordRequest) -> bytes:
    """What to write to 0x2A52."""
    if request.since is None:
        return bytes([REPORT, ALL_RECORDS])
    if not 0 <= request.since <= 0xFFFF:
        raise MalformedPacket("a record number has two bytes")
    return bytes([REPORT, FROM_A_RECORD, BY_RECORD_NUMBER]) + request.since.to_bytes(2, "little")


def read_request(packet: bytes) -> RecordRequest:
    """What a device reads from 0x2A52. Raises MalformedPacket for requests other than these two."""
    packet = bytes(packet)
    if packet == bytes([REPORT, ALL_RECORDS]):
        return RecordRequest()
    if len(packet) == 5 and packet[:3] == bytes([REPORT, FROM_A_RECORD, BY_RECORD_NUMBER]):
        return RecordRequest(int.from_bytes(packet[3:], "little"))
    raise MalformedPacket("not a request for stored records that we make")


def answer_records(outcome: Outcome) -> bytes:
    """What a device indicates on 0x2A52 once all records are told."""
    return bytes([RESPONSE, 0, REPORT, outcome])


def read_answer(packet: bytes) -> Outcome:
    """The outcome of a request to report records. Raises MalformedPacket for anything else."""
    packet = bytes(packet)
    if len(packet) != 4 or packet[:3] != bytes([RESPONSE, 0, REPORT]):
        raise MalformedPacket("not an answer to a request for stored records")
    try:
        return Outcome(packet[3])
    except ValueError as error:
        raise MalformedPacket(f"no outcome has the code {packet[3]}") from error
