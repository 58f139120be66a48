"""Writes FIT files: for exports that any program reads, and for planned workouts that watches take.

Format: Garmin's Flexible and Interoperable Data Transfer protocol 2.0: a header, definition and data messages, a
CRC-16 over all of them. Values are given raw, as the profile stores them (scaled, offset, semicircles); `None` is
written as the base type's own "invalid".
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import IntEnum
from typing import Final, NamedTuple

from contexts.workout.recordings.fit import crc16

EPOCH: Final = datetime(1989, 12, 31, tzinfo=UTC)
PROTOCOL_2: Final = 0x20
PROFILE: Final = 21_158
LOCAL_TYPES: Final = 16
"""So many message layouts are known to a reader at a time."""


class Base(IntEnum):
    """A FIT base type, by the number that definitions carry."""

    ENUM = 0x00
    SINT8 = 0x01
    UINT8 = 0x02
    STRING = 0x07
    BYTE = 0x0D
    SINT16 = 0x83
    UINT16 = 0x84
    SINT32 = 0x85
    UINT32 = 0x86
    FLOAT32 = 0x88
    UINT32Z = 0x8C


class _Code(NamedTuple):
    code: str
    invalid: int


_CODES: Final = {
    Base.ENUM: _Code("B", 0xFF),
    Base.SINT8: _Code("b", 0x7F),
    Base.UINT8: _Code("B", 0xFF),
    Base.BYTE: _Code("B", 0xFF),
    Base.SINT16: _Code("h", 0x7FFF),
    Base.UINT16: _Code("H", 0xFFFF),
    Base.SINT32: _Code("i", 0x7FFFFFFF),
    Base.UINT32: _Code("I", 0xFFFFFFFF),
    Base.UINT32Z: _Code("I", 0),
}


class Field(NamedTuple):
    """A field of a message: its number in the profile, its type, its raw value."""

    number: int
    base: Base
    value: int | float | str | None

    def packed(self) -> bytes:
        """As it stands in the file, little-endian."""
        if self.base is Base.STRING:
            return str(self.value or "").encode()[:254] + b"\0"
        if self.base is Base.FLOAT32:
            return b"\xff" * 4 if self.value is None else struct.pack("<f", self.value)
        code, invalid = _CODES[self.base]
        return struct.pack("<" + code, invalid if self.value is None else self.value)


class FitWriter:
    """One FIT file, message by message. A layout is defined when it is first used."""

    def __init__(self) -> None:
        self._body = bytearray()
        self._layouts: dict[bytes, int] = {}

    def write(self, message: int, fields: Sequence[Field]) -> None:
        """Add a message by its global number."""
        packed = [field.packed() for field in fields]
        shape = b"".join(
            bytes((field.number, len(raw), field.base)) for field, raw in zip(fields, packed, strict=True)
        )
        layout = struct.pack("<BBHB", 0, 0, message, len(fields)) + shape
        local = self._layouts.get(layout)
        if local is None:
            local = self._define(layout)
        self._body.append(local)
        self._body += b"".join(packed)

    def _define(self, layout: bytes) -> int:
        if len(self._layouts) == LOCAL_TYPES:
            self._layouts.clear()
        local = self._layouts[layout] = len(self._layouts)
        self._body.append(0x40 | local)
        self._body += layout
        return local

    def file(self) -> bytes:
        """The whole file."""
        header = struct.pack("<BBHI4s", 14, PROTOCOL_2, PROFILE, len(self._body), b".FIT")
        header += struct.pack("<H", crc16(header))
        whole = header + bytes(self._body)
        return whole + struct.pack("<H", crc16(whole))


def fit_time(at: datetime) -> int:
    """Whole seconds since the FIT epoch."""
    return round((at - EPOCH).total_seconds())


def semicircles(degrees: float) -> int:
    """Degrees as FIT stores places: 2³¹ to the half circle; the highest number of all means "no place"."""
    return min(round(degrees * 2**31 / 180), 2**31 - 2)
