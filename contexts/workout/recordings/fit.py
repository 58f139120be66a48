"""Reads FIT files: bytes in, columns of records and lists of messages out. Knows the wire, not the meaning.

Source: Garmin FIT protocol. Written for speed where it counts: a run of messages of one definition is
unpacked at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from struct import Struct, unpack_from
from typing import Any

from . import fit_profile as profile
from .recording import Column, CorruptHeader, Flaw, Limits, TooManyPoints

MAGIC = b".FIT"
CRC_BYTES = 2
LOOK_AHEAD = 1024
"""So many messages are compared at once when the length of a run is sought."""

FLUSH_ROWS = 16_384
"""So many raw rows are held before they become columns: bounds memory."""

_CRC_PERIOD = 32_767
_CRC_NIBBLES = (
    0x0000, 0xCC01, 0xD801, 0x1400, 0xF001, 0x3C00, 0x2800, 0xE401,
    0xA001, 0x6C00, 0x7800, 0xB401, 0x5000, 0x9C01, 0x8801, 0x4400,
)  # fmt: skip


def crc16(data: bytes) -> int:
    """The CRC of FIT (CRC-16/ARC: x¹⁶+x¹⁵+x²+1, reflected, from 0).

    The polynomial is (x+1)·(x¹⁵+x+1), hence x³²⁷⁶⁷ ≡ 1: pieces of 32,767 bytes may be laid over each other by
    exclusive or before the slow loop starts, so its cost does not grow with the file.
    """
    first = len(data) % _CRC_PERIOD
    folded = int.from_bytes(data[:first], "big")
    for start in range(first, len(data), _CRC_PERIOD):
        folded ^= int.from_bytes(data[start : start + _CRC_PERIOD], "big")
    crc = 0
    for byte in folded.to_bytes(min(len(data), _CRC_PERIOD), "big"):
        crc ^= byte
        crc = (crc >> 4) ^ _CRC_NIBBLES[crc & 15]
        crc = (crc >> 4) ^ _CRC_NIBBLES[crc & 15]
    return crc


class _Damaged(Exception):
    """The rest of this FIT file cannot be read; what was read before stands."""


@dataclass(slots=True)
class Records:
    """The record messages of one FIT file as columns in SI units; `timestamp` in seconds since the FIT epoch.

    Rows lie in order of definition until `in_file_order`; `ordinals` say where in the file each row stood.
    """

    columns: dict[str, Column] = field(default_factory=dict)
    ordinals: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.ordinals)

    def add(self, columns: dict[str, Column], ordinals: list[int]) -> None:
        """Appends rows; columns not named are missing in them."""
        for name in columns.keys() | self.columns.keys():
            known = self.columns.setdefault(name, [None] * len(self))
            known.extend(columns.get(name) or [None] * len(ordinals))
        self.ordinals += ordinals

    def in_file_order(self) -> None:
        """Puts the rows into the order in which the device wrote them."""
        rows = sorted(range(len(self)), key=self.ordinals.__getitem__)
        self.columns = {name: [column[row] for row in rows] for name, column in self.columns.items()}
        self.ordinals.sort()


@dataclass(slots=True)
class FitFile:
    """One FIT file; a chained file holds several."""

    records: Records = field(default_factory=Records)
    messages: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    skipped: int = 0

    def of(self, message: int) -> list[dict[str, Any]]:
        """All messages of one number, in file order."""
        return self.messages.get(message, [])

    def first(self, message: int) -> dict[str, Any]:
        """The first message of a number, or nothing."""
        return next(iter(self.of(message)), {})


@dataclass(slots=True)
class _Wanted:
    """One field to be taken out of a message."""

    field: profile.Field
    base: profile.BaseType
    layout: str

    def value(self, raw: Any) -> Any:
        """The value in its unit, or None where the device said that it had none."""
        if isinstance(raw, bytes):
            return raw
        if raw == self.base.invalid or (self.base.invalid is None and not math.isfinite(raw)):
            return None
        return raw / self.field.scale - self.field.offset if self.field.scale != 1 else raw

    def column(self, raw: Iterable[Any]) -> list[Any]:
        """As `value`, for a whole column."""
        scale, offset, invalid = self.field.scale, self.field.offset, self.base.invalid
        if invalid is None or self.field.whole:
            return [self.value(each) for each in raw]
        if scale == 1:
            return [None if each == invalid else each for each in raw]
        return [None if each == invalid else each / scale - offset for each in raw]


class _Definition:
    """How messages of one local type lie in the file, until it is defined anew."""

    def __init__(self, message: int, order: str, fields: list[tuple[int, int, int]], extra: list[_Extra]) -> None:
        self.message = message
        self.order = order
        self.wanted: list[_Wanted] = []
        self.timestamp_at: int | None = None
        self.misaligned = 0
        self.rows: list[tuple[Any, ...]] = []
        self.times: list[float | None] = []
        self.ordinals: list[int] = []
        layout, at = [], 1
        for number, size, base_type in fields:
            layout.append(self._place(number, size, base_type, at))
            at += size
        for description, size in extra:
            layout.append(self._place_extra(description, size))
            at += size
        self.stride = at
        self.struct = Struct(f"{order}x{''.join(layout)}")
        self.timestamp = Struct(f"{order}I")

    def _place(self, number: int, size: int, base_type: int, at: int) -> str:
        base = profile.BASE_TYPES.get(base_type & 0x1F)
        if number == profile.TIMESTAMP and size == 4:
            base, self.timestamp_at = profile.BASE_TYPES[0x06], at
        wanted = profile.FIELDS.get(self.message, {}).get(number)
        if base is None or wanted is None or size == 0:
            return f"{size}x"
        return self._take(wanted, base, size)

    def _place_extra(self, description: dict[str, Any] | None, size: int) -> str:
        name = profile.NATIVE_OVERRIDES.get((description or {}).get("native_field", -1))
        base = profile.BASE_TYPES.get(((description or {}).get("base_type") or 0x0D) & 0x1F)
        if description is None or self.message != profile.RECORD or name is None or base is None or base.code == "s":
            return f"{size}x"
        taken = {each.field.name for each in self.wanted}
        if description.get("native_message") != profile.RECORD or name in taken or size == 0:
            return f"{size}x"
        return self._take(profile.Field(name), base, size)

    def _take(self, wanted: profile.Field, base: profile.BaseType, size: int) -> str:
        if base.code == "s" or wanted.whole:
            self.wanted.append(_Wanted(wanted._replace(whole=True), base, f"{size}s"))
            return f"{size}s"
        if size % base.size:
            self.misaligned += 1
            return f"{size}x"
        self.wanted.append(_Wanted(wanted, base, base.code))
        return base.code + (f"{size - base.size}x" if size > base.size else "")

    def columns(self) -> dict[str, Column]:
        """The rows held, as columns; they are held no longer."""
        columns = {
            wanted.field.name: wanted.column(raw)
            for wanted, raw in zip(self.wanted, zip(*self.rows, strict=True), strict=False)
        }
        if self.timestamp_at is None:
            columns["timestamp"] = self.times
        self.rows, self.times, self.ordinals = [], [], []
        return columns


_Extra = tuple[dict[str, Any] | None, int]


class _Reader:
    """Reads the data part of one FIT file."""

    def __init__(self, data: bytes, limits: Limits) -> None:
        self.data = data
        self.view = memoryview(data)
        self.limits = limits
        self.file = FitFile()
        self.local: dict[int, _Definition] = {}
        self.known: dict[bytes, _Definition] = {}
        self.described: dict[tuple[int, int], dict[str, Any]] = {}
        self.last_time: int | None = None
        self.taken = 0

    def read(self, at: int, end: int) -> None:
        """Reads messages from `at`; raises _Damaged where the rest cannot be understood."""
        data = self.data
        try:
            while at < end:
                header = data[at]
                if header & 0x80:
                    at = self._run(at, end, self.local.get(header >> 5 & 3), 1, self._later(header & 0x1F))
                elif header & 0x40:
                    at = self._define(at, end, developer=bool(header & 0x20))
                else:
                    at = self._run(at, end, self.local.get(header & 15), LOOK_AHEAD, None)
        finally:
            for definition in self.known.values():
                self._flush(definition)
            self.file.records.in_file_order()

    def _later(self, offset: int) -> int | None:
        """The time a compressed header means: five bits, counted on from the last full time."""
        if self.last_time is not None:
            self.last_time += (offset - self.last_time) & 0x1F
        return self.last_time

    def _define(self, at: int, end: int, *, developer: bool) -> int:
        data = self.data
        fields_end = at + 6 + 3 * data[at + 5] if at + 6 <= end else end + 1
        stop = fields_end
        if developer:
            stop = fields_end + 1 + 3 * data[fields_end] if fields_end < end else end + 1
        if stop > end:
            raise _Damaged
        raw = data[at:stop]
        definition = self.known.get(raw)
        if definition is None:
            definition = self.known[raw] = self._definition(raw, fields_end - at)
            self.file.skipped += definition.misaligned
        self.local[raw[0] & 15] = definition
        return stop

    def _definition(self, raw: bytes, fields_end: int) -> _Definition:
        order = ">" if raw[2] else "<"
        (message,) = unpack_from(order + "H", raw, 3)
        fields = [(raw[at], raw[at + 1], raw[at + 2]) for at in range(6, fields_end, 3)]
        extra = [
            (self.described.get((raw[at + 2], raw[at])), raw[at + 1]) for at in range(fields_end + 1, len(raw), 3)
        ]
        return _Definition(message, order, fields, extra)

    def _run(self, at: int, end: int, definition: _Definition | None, most: int, time: int | None) -> int:
        """Takes as many messages of one definition as follow each other; returns where they end."""
        if definition is None:
            raise _Damaged
        stride = definition.stride
        room = min((end - at) // stride, most)
        if room == 0:
            raise _Damaged
        count = 1
        if room > 1 and self.data[at + stride] == self.data[at]:
            headers = self.data[at : at + stride * room : stride]
            count = len(headers) - len(headers.lstrip(headers[:1]))
        stop = at + count * stride
        if definition.timestamp_at is not None:
            (last,) = definition.timestamp.unpack_from(self.data, stop - stride + definition.timestamp_at)
            self.last_time = self.last_time if last == 0xFFFFFFFF else last
        if definition.wanted or definition.message == profile.RECORD:
            self._take(definition, self.view[at:stop], count)
        return stop

    def _take(self, definition: _Definition, raw: memoryview, count: int) -> None:
        self.taken += count
        if self.taken > self.limits.max_points:
            raise TooManyPoints
        if definition.message == profile.RECORD:
            definition.ordinals.extend(range(self.taken - count, self.taken))
            definition.rows.extend(definition.struct.iter_unpack(raw))
            if definition.timestamp_at is None:
                definition.times.extend([self.last_time] * count)
            if len(definition.rows) >= FLUSH_ROWS:
                self._flush(definition)
            return
        kept = self.file.messages.setdefault(definition.message, [])
        for row in definition.struct.iter_unpack(raw):
            message = {
                wanted.field.name: wanted.value(value) for wanted, value in zip(definition.wanted, row, strict=True)
            }
            message["order"] = definition.order
            kept.append(message)
            if definition.message == profile.FIELD_DESCRIPTION:
                self.described[message.get("developer") or 0, message.get("number") or 0] = message

    def _flush(self, definition: _Definition) -> None:
        if definition.rows:
            ordinals = definition.ordinals
            self.file.records.add(definition.columns(), ordinals)


@dataclass(slots=True)
class _Header:
    size: int
    data_size: int


def _header(data: bytes, at: int) -> _Header | None:
    if len(data) - at < 12 or data[at] < 12 or data[at + 8 : at + 12] != MAGIC:
        return None
    (data_size,) = unpack_from("<I", data, at + 4)
    return _Header(data[at], data_size)


def decode(data: bytes, limits: Limits, warnings: list[Flaw]) -> list[FitFile]:
    """Every FIT file chained in `data`; damage after the first header is answered with a warning."""
    if _header(data, 0) is None:
        raise CorruptHeader
    files: list[FitFile] = []
    at = points = 0
    while at < len(data):
        header = _header(data, at)
        if header is None:
            warnings.append(Flaw("corrupt_tail", "What follows the first activity is damaged and was left out."))
            break
        reader = _Reader(data, limits)
        reader.taken = points
        at = _read_one(reader, header, at, warnings)
        points = reader.taken
        files.append(reader.file)
    if any(file.skipped for file in files):
        warnings.append(Flaw("misaligned_fields", "Fields whose size does not fit their type were left out."))
    return files


def _read_one(reader: _Reader, header: _Header, at: int, warnings: list[Flaw]) -> int:
    """Reads the FIT file that begins at `at`; returns where the next one may begin."""
    data = reader.data
    start = at + header.size
    stop = start + header.data_size
    if header.data_size == 0 and len(data) > start + CRC_BYTES:
        # The recorder never came back to fill in the size: the data run to the end of the file.
        stop = len(data) - CRC_BYTES
    complete = stop + CRC_BYTES <= len(data)
    try:
        reader.read(start, min(stop, len(data)))
    except _Damaged:
        complete = True
        warnings.append(Flaw("corrupt_tail", "The file is damaged; everything recorded before was kept."))
    if not complete:
        warnings.append(Flaw("truncated", "The file ends early; everything recorded before was kept."))
    elif stop + CRC_BYTES <= len(data) and crc16(data[at : stop + CRC_BYTES]):
        warnings.append(Flaw("checksum_mismatch", "The file's checksum does not match; its data were kept."))
    return stop + CRC_BYTES
