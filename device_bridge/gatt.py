"""What a heart-rate strap says over GATT, as values and back.

Layouts: Bluetooth Heart Rate Service 1.0 (0x180D) and Battery Service 1.0 (0x180F); little-endian throughout.
Pure functions without I/O. A decoder raises `MalformedPacket` and nothing else, whatever bytes come in.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

HEART_RATE_SERVICE = 0x180D
HEART_RATE_MEASUREMENT = 0x2A37
BODY_SENSOR_LOCATION = 0x2A38
BATTERY_SERVICE = 0x180F
BATTERY_LEVEL = 0x2A19

RATE_IS_U16 = 1 << 0
CONTACT_DETECTED = 1 << 1
CONTACT_SUPPORTED = 1 << 2
ENERGY_PRESENT = 1 << 3
RR_PRESENT = 1 << 4

RR_TICKS_PER_SECOND = 1024


class MalformedPacket(ValueError):
    """The bytes do not hold what the characteristic promises."""


class SensorLocation(IntEnum):
    """Body Sensor Location 0x2A38."""

    OTHER = 0
    CHEST = 1
    WRIST = 2
    FINGER = 3
    HAND = 4
    EAR_LOBE = 5
    FOOT = 6


@dataclass(frozen=True, kw_only=True)
class HeartRate:
    """One Heart Rate Measurement.

    bpm: beats a minute, 0..65535. contact: None where the strap cannot tell. energy_kj: kilojoules since
    the last reset, None when absent. rr_ticks: beat-to-beat intervals in 1/1024 s, the oldest first.
    """

    bpm: int
    contact: bool | None = None
    energy_kj: int | None = None
    rr_ticks: tuple[int, ...] = ()


def decode_heart_rate(packet: bytes) -> HeartRate:
    """Read 0x2A37 in any of its forms; bytes after the last announced field belong to the future."""
    try:
        return _decode_heart_rate(bytes(packet))
    except (struct.error, IndexError) as error:
        raise MalformedPacket(f"a heart rate measurement ends after {len(packet)} bytes") from error


def _decode_heart_rate(packet: bytes) -> HeartRate:
    flags, at = packet[0], 1
    wide = bool(flags & RATE_IS_U16)
    (bpm,) = struct.unpack_from("<H" if wide else "<B", packet, at)
    at += 2 if wide else 1
    energy = None
    if flags & ENERGY_PRESENT:
        (energy,) = struct.unpack_from("<H", packet, at)
        at += 2
    return HeartRate(
        bpm=bpm,
        contact=bool(flags & CONTACT_DETECTED) if flags & CONTACT_SUPPORTED else None,
        energy_kj=energy,
        rr_ticks=_rr_ticks(packet[at:]) if flags & RR_PRESENT else (),
    )


def _rr_ticks(rest: bytes) -> tuple[int, ...]:
    """RR intervals fill the packet to its end, two bytes each."""
    if len(rest) % 2:
        raise MalformedPacket("an RR interval is cut in half")
    return struct.unpack(f"<{len(rest) // 2}H", rest)


def encode_heart_rate(heart_rate: HeartRate) -> bytes:
    """Write 0x2A37 in its shortest form. Raises MalformedPacket for values which do not fit their field."""
    flags = RATE_IS_U16 if heart_rate.bpm > 0xFF else 0
    if heart_rate.contact is not None:
        flags |= CONTACT_SUPPORTED | (CONTACT_DETECTED if heart_rate.contact else 0)
    flags |= ENERGY_PRESENT if heart_rate.energy_kj is not None else 0
    flags |= RR_PRESENT if heart_rate.rr_ticks else 0
    layout = "<B" + ("H" if flags & RATE_IS_U16 else "B")
    layout += ("H" if flags & ENERGY_PRESENT else "") + "H" * len(heart_rate.rr_ticks)
    energy = () if heart_rate.energy_kj is None else (heart_rate.energy_kj,)
    try:
        return struct.pack(layout, flags, heart_rate.bpm, *energy, *heart_rate.rr_ticks)
    except struct.error as error:
        raise MalformedPacket(f"a value does not fit its field: {error}") from error


def decode_battery_level(packet: bytes) -> int:
    """Read 0x2A19: per cent, 0..100."""
    if len(packet) != 1 or packet[0] > 100:
        raise MalformedPacket("a battery level is one byte from 0 to 100")
    return packet[0]


def decode_sensor_location(packet: bytes) -> SensorLocation:
    """Read 0x2A38. Places which the specification does not name yet are OTHER."""
    if len(packet) != 1:
        raise MalformedPacket("a sensor location is one byte")
    return SensorLocation(packet[0]) if packet[0] <= SensorLocation.FOOT else SensorLocation.OTHER
