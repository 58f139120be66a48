"""How single values lie in a packet: integers with a scale, IEEE 11073 floats, times, texts, packed fields.

A form is one item of `struct` and two functions, from the raw item to the value and back. Values are in the unit
the field declares; `None` stands for the bit pattern that a characteristic keeps for "not available".
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any


class MalformedPacket(ValueError):
    """The bytes do not hold what the characteristic promises, or a value does not fit its field."""


class Special(Enum):
    """What an IEEE 11073 float says instead of a number."""

    NOT_A_NUMBER = "not a number"
    NOT_AT_THIS_RESOLUTION = "not at this resolution"
    POSITIVE_INFINITY = "+infinity"
    NEGATIVE_INFINITY = "-infinity"
    RESERVED = "reserved"


@dataclass(frozen=True)
class Form:
    """One struct item. decode None: the item is the value. Both functions may raise MalformedPacket."""

    code: str
    decode: Callable[[Any], Any] | None = None
    encode: Callable[[Any], Any] = lambda value: value


def integer(code: str, *, missing: int | None = None) -> Form:
    """An integer of a struct code; `missing` is the pattern for "not available"."""
    return scaled(code, missing=missing)


def scaled(code: str, multiplier: int = 1, divisor: int = 1, *, missing: int | None = None) -> Form:
    """raw · multiplier / divisor. Dividing keeps decimals exact: 155.88 is 31176 / 200, not 31176 · 0.005."""

    def decode(raw: int) -> float | None:
        if raw == missing:
            return None
        return raw * multiplier / divisor if divisor != 1 else raw * multiplier

    def encode(value: float | None) -> int:
        if value is None:
            if missing is None:
                raise MalformedPacket("a field without a pattern for it cannot be unavailable")
            return missing
        raw = round(value * divisor / multiplier)
        if raw == missing:
            raise MalformedPacket(f"{value} is the pattern for not available")
        return raw

    plain = multiplier == divisor == 1 and missing is None
    return Form(code, None if plain else decode, encode)


def unsigned24(*, missing: int | None = None) -> Form:
    """Three bytes, which struct has no code for."""
    inner = integer("I", missing=missing)
    decode = inner.decode or int

    def to_bytes(value: int | None) -> bytes:
        raw: int = inner.encode(value)
        return raw.to_bytes(3, "little")

    return Form("3s", lambda raw: decode(int.from_bytes(raw, "little")), to_bytes)


def medical_float(code: str, *, mantissa_bits: int, exponent_bits: int, usual_exponent: int = 0) -> Form:
    """An IEEE 11073-20601 float: a decimal exponent above a mantissa, both in two's complement.

    The special values have an exponent of 0. `usual_exponent` is the one devices write where it is exact.
    """
    top, whole = 1 << (mantissa_bits - 1), 1 << mantissa_bits
    least, most = -(1 << (exponent_bits - 1)), (1 << (exponent_bits - 1)) - 1
    special = {
        top - 1: Special.NOT_A_NUMBER,
        top: Special.NOT_AT_THIS_RESOLUTION,
        top - 2: Special.POSITIVE_INFINITY,
        top + 2: Special.NEGATIVE_INFINITY,
        top + 1: Special.RESERVED,
    }
    raw_of = {meaning: raw for raw, meaning in special.items()}

    def decode(raw: int) -> float | Special:
        if raw in special:
            return special[raw]
        mantissa, exponent = raw & (whole - 1), raw >> mantissa_bits
        mantissa -= whole if mantissa >= top else 0
        exponent -= 1 << exponent_bits if exponent > most else 0
        return float(mantissa * 10**exponent) if exponent >= 0 else mantissa / 10**-exponent

    def packed(mantissa: int, exponent: int) -> int | None:
        raw = (exponent % (1 << exponent_bits)) << mantissa_bits | mantissa % whole
        return raw if -top <= mantissa < top and raw not in special else None

    def encode(value: float | Special) -> int:
        if isinstance(value, Special):
            return raw_of[value]
        if not math.isfinite(value):
            raise MalformedPacket(f"{value} is written as a Special")
        exact = Decimal(repr(float(value)))
        for exponent in (usual_exponent, *range(0, least - 1, -1), *range(1, most + 1)):
            mantissa = exact.scaleb(-exponent)
            if mantissa == mantissa.to_integral_value():
                raw = packed(int(mantissa), exponent)
                if raw is not None:
                    return raw
        for exponent in range(least, most + 1):
            raw = packed(round(exact.scaleb(-exponent)), exponent)
            if raw is not None:
                return raw
        raise MalformedPacket(f"{value} does not fit a float of {mantissa_bits + exponent_bits} bits")

    return Form(code, decode, encode)


def sfloat(usual_exponent: int = 0) -> Form:
    """The 16-bit float: 4 bits of exponent, 12 of mantissa."""
    return medical_float("H", mantissa_bits=12, exponent_bits=4, usual_exponent=usual_exponent)


def float32() -> Form:
    """The 32-bit float: 8 bits of exponent, 24 of mantissa."""
    return medical_float("I", mantissa_bits=24, exponent_bits=8)


def _date_time(raw: bytes) -> datetime | None:
    year, month, day = int.from_bytes(raw[:2], "little"), raw[2], raw[3]
    if not (year and month and day):
        return None
    try:
        return datetime(year, month, day, *raw[4:7])  # noqa: DTZ001 - a device knows no time zone
    except ValueError as error:
        raise MalformedPacket(f"no such time: {error}") from error


def _date_time_bytes(value: datetime | None) -> bytes:
    if value is None:
        return bytes(7)
    parts = (value.month, value.day, value.hour, value.minute, value.second)
    return value.year.to_bytes(2, "little") + bytes(parts)


DATE_TIME = Form("7s", _date_time, _date_time_bytes)
"""Date Time 0x2A08: seven bytes of local time; a year, month or day of 0 is an unknown one, read as None."""


def seconds_since(year: int) -> Form:
    """uint32 seconds since the beginning of a year, local time."""
    begin = datetime(year, 1, 1)  # noqa: DTZ001 - a device knows no time zone
    return Form(
        "I",
        lambda raw: begin + timedelta(seconds=raw),
        lambda value: round((value - begin).total_seconds()),
    )


def pair(code: str, bits: int) -> Form:
    """Two unsigned numbers in one item, the lower bits first."""
    width = {"B": 1, "3s": 3}[code]
    mask = (1 << bits) - 1

    def decode(raw: int | bytes) -> tuple[int, int]:
        number = int.from_bytes(raw, "little") if isinstance(raw, bytes) else raw
        return number & mask, number >> bits

    def encode(value: tuple[int, int]) -> int | bytes:
        low, high = value
        if not (0 <= low <= mask and 0 <= high < 1 << (8 * width - bits)):
            raise MalformedPacket(f"{value} does not fit its bits")
        number = high << bits | low
        return number if code == "B" else number.to_bytes(width, "little")

    return Form(code, decode, encode)


U8, I8, U16, I16, U32 = (integer(code) for code in "BbHhI")
U24 = unsigned24()
SFLOAT, FLOAT = sfloat(), float32()
