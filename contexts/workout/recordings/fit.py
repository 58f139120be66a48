"""Reads FIT files: bytes in, columns of records and lists of messages out. Knows the wire, not the meaning.

Source: Garmin FIT protocol. First every message is found, without looking into it: runs of one definition by
comparing header bytes a stride apart, all at once, and messages in turns by walking from header to header. Then each
field of all messages of one definition is taken as one numpy column.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from struct import unpack_from
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import fit_profile as profile
from .fit_layout import Described, Layout, Octets, Rows, definition_end, developer_fields
from .recording import CorruptHeader, Flaw, Limits, TooExpensive, TooManyActivities, TooManyPoints, Values

MAGIC = b".FIT"
CRC_BYTES = 2

FIRST_LOOK, FURTHEST_LOOK = 16, 65_536
"""So many headers are compared at once when the length of a run is sought, four times as many each time."""

WALK_BYTES = 16_384
"""So far messages in turns are followed one by one before a run is sought again."""

MAX_LAYOUTS = 20_000
MAX_CHAINED = 1_000
"""No device writes more definitions or descriptions into a file, or more files into one; a stranger may."""

DEFINITION = 16
"""Headers are sorted by what they announce: the definition of a message, or a message of a local type (0…15)."""

_ANNOUNCED = bytes(
    header >> 5 & 3 if header & 0x80 else DEFINITION if header & 0x40 else header & 15 for header in range(256)
)

CRC_PERIOD = 32_767
CRC_POLYNOMIAL = 0xA001


@cache
def _crc_of_one_bit() -> NDArray[np.uint16]:
    """What a single bit makes of the CRC, by the number of bits after it."""
    crc, after = CRC_POLYNOMIAL, np.empty(CRC_PERIOD, np.uint16)
    for bits in range(CRC_PERIOD):
        after[bits] = crc
        crc = crc >> 1 ^ (CRC_POLYNOMIAL if crc & 1 else 0)
    return after


def crc16(data: bytes) -> int:
    """The CRC of FIT (CRC-16/ARC: x¹⁶+x¹⁵+x²+1, reflected, from 0).

    A CRC from 0 is the exclusive or of what each bit alone would make of it. The polynomial is (x+1)·(x¹⁵+x+1),
    hence x³²⁷⁶⁷ ≡ 1: bits 32,767 apart count alike and may be laid over each other first, and so may bytes.
    """
    octets = np.frombuffer(data, np.uint8)
    padded = np.concatenate([np.zeros(-len(octets) % CRC_PERIOD, np.uint8), octets])
    folded = np.bitwise_xor.reduce(padded.reshape(-1, CRC_PERIOD), axis=0)
    bits = np.unpackbits(folded, bitorder="little").reshape(-1, CRC_PERIOD)
    odd = np.bitwise_xor.reduce(bits, axis=0)[::-1].astype(np.bool_)
    return int(np.bitwise_xor.reduce(_crc_of_one_bit()[odd]))


class _Damaged(Exception):
    """The rest of this FIT file cannot be read; what was read before stands."""


@dataclass(slots=True)
class Records:
    """The record messages of one FIT file as columns in SI units, in file order.

    `timestamp` is in seconds since the FIT epoch; `packed` holds the bytes of `compressed_speed_distance`.
    """

    length: int = 0
    columns: dict[str, Values] = field(default_factory=dict)
    packed: Octets | None = None

    def __len__(self) -> int:
        return self.length


@dataclass(slots=True)
class FitFile:
    """One FIT file; a chained file holds several."""

    octets: Octets
    layouts: dict[int, list[Layout]] = field(default_factory=dict)
    records: Records = field(default_factory=Records)
    skipped: int = 0
    _said: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    _moments: tuple[NDArray[np.int64], Values] | None = None

    def rows(self, message: int) -> list[Rows]:
        """All messages of one number, by definition."""
        return [layout.rows(self.octets) for layout in self.layouts.get(message, ()) if len(layout)]

    def of(self, message: int) -> list[dict[str, Any]]:
        """What we read of all messages of one number, in file order."""
        if message not in self._said:
            self._said[message] = self._read(message)
        return self._said[message]

    def _read(self, message: int) -> list[dict[str, Any]]:
        found: list[tuple[int, dict[str, Any]]] = []
        for rows in self.rows(message):
            wanted, _ = rows.layout.wanted()
            columns = {name: rows.plain(*each) for name, each in wanted.items()}
            if "timestamp" not in columns and rows.compressed().any():
                columns["timestamp"] = [None if at != at else at for at in self.times(rows).tolist()]
            said = (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
            found += zip(rows.offsets.tolist(), said, strict=False)
        found.sort(key=lambda each: each[0])
        return [each for _, each in found]

    def first(self, message: int) -> dict[str, Any]:
        """The first message of a number, or nothing."""
        return next(iter(self.of(message)), {})

    def times(self, rows: Rows) -> Values:
        """When messages without a time of their own were written: the time of the last one that said so."""
        if self._moments is None:
            self._moments = self._clock()
        offsets, times = self._moments
        at = np.searchsorted(offsets, rows.offsets, side="right") - 1
        return np.where(at >= 0, times[at], np.nan) if len(times) else np.full(len(rows), np.nan)

    def _clock(self) -> tuple[NDArray[np.int64], Values]:
        """Every moment at which the file says what time it is.

        A compressed header holds five bits of the time, counted on from the time before.
        """
        offsets, said, full = [], [], []
        for rows in (rows for message in self.layouts for rows in self.rows(message)):
            place, compressed = rows.layout.timestamp(), rows.compressed()
            stated = np.zeros(len(rows), np.bool_)
            value = rows.octets[:, 0].astype(np.int64) & 0x1F
            if place is not None:
                time = rows.elements(place)[:, 0].astype(np.int64)
                stated = time != profile.BASE_TYPES[profile.UINT32].invalid
                value = np.where(stated, time, value)
            kept = stated | compressed
            offsets.append(rows.offsets[kept])
            said.append(value[kept])
            full.append(stated[kept])
        if not offsets:
            return np.zeros(0, np.int64), np.zeros(0)
        order = np.argsort(where := np.concatenate(offsets))
        value, stated = np.concatenate(said)[order], np.concatenate(full)[order]
        steps = np.where(stated, 0, np.diff(value, prepend=value[:1]) & 0x1F)
        steps = np.cumsum(steps)
        base = np.maximum.accumulate(np.where(stated, np.arange(len(value)), -1))
        times = np.where(base >= 0, value[base] + steps - steps[base], np.nan)
        return where[order], times


def _records(file: FitFile) -> Records:
    parts = file.rows(profile.RECORD)
    length = sum(map(len, parts))
    order = np.argsort(np.concatenate([part.offsets for part in parts])) if len(parts) > 1 else None
    records = Records(length)
    first = 0
    for part in parts:
        rows = slice(first, first := first + len(part))
        wanted, _ = part.layout.wanted()
        for name, (wish, place) in wanted.items():
            if wish.whole:
                if records.packed is None:
                    records.packed = np.full((length, profile.PACKED_BYTES), 0xFF, np.uint8)
                if place.size >= profile.PACKED_BYTES:
                    records.packed[rows] = part.whole(place, wish.whole)[:, : profile.PACKED_BYTES]
            else:
                _column(records, name)[rows] = part.values(wish, place)
        if "timestamp" not in wanted:
            _column(records, "timestamp")[rows] = file.times(part)
    if order is not None:
        records.columns = {name: column[order] for name, column in records.columns.items()}
        records.packed = None if records.packed is None else records.packed[order]
    return records


def _column(records: Records, name: str) -> Values:
    column = records.columns.get(name)
    if column is None:
        column = records.columns[name] = np.full(len(records), np.nan)
    return column


class _Scan:
    """Finds the messages in the data part of one FIT file."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.octets: Octets = np.frombuffer(data, np.uint8)
        self.known: dict[tuple[bytes, tuple[Described | None, ...]], Layout] = {}
        self.layouts: dict[int, list[Layout]] = {}
        self.local: list[Layout | None] = [None] * (DEFINITION + 1)
        self.strides = [0] * (DEFINITION + 1)
        self.keep: list[Callable[[int], None]] = [array("q").append] * (DEFINITION + 1)
        self.described: dict[tuple[int, int], Described] = {}
        self.learned: dict[Layout, int] = {}

    def scan(self, at: int, end: int) -> None:
        """Finds messages from `at`; raises _Damaged where the rest cannot be understood."""
        while at < end:
            announced = _ANNOUNCED[self.data[at]]
            if announced == DEFINITION:
                at = self._define(at, end)
                continue
            layout = self.local[announced]
            if layout is None or at + layout.stride > end:
                raise _Damaged
            at = self._walk(self._run(at, end, layout), end)

    def _run(self, at: int, end: int, layout: Layout) -> int:
        """Takes messages of one definition that follow each other; returns their end, or `at` if they are few."""
        stride, octets = layout.stride, self.octets
        second = at + stride
        if second >= end or _ANNOUNCED[self.data[second]] != _ANNOUNCED[self.data[at]]:
            return at
        # A message's header repeats its local type; of a compressed one the five bits of the time differ.
        mask = 0xE0 if octets[at] & 0x80 else 0xFF
        header, look, start = octets[at] & mask, FIRST_LOOK, at
        while room := min((end - at) // stride, look):
            same = octets[at : at + room * stride : stride] & mask == header
            count = room if same.all() else int(same.argmin())
            if at == start and count < FIRST_LOOK:
                break
            layout.offsets.frombytes(np.arange(at, at + count * stride, stride, dtype=np.int64).tobytes())
            at += count * stride
            if count < room:
                break
            look = min(look * 4, FURTHEST_LOOK)
        return at

    def _walk(self, at: int, end: int) -> int:
        """Takes messages one by one until a definition, damage, or far enough; returns where it stopped."""
        data, announced, strides, keep = self.data, _ANNOUNCED, self.strides, self.keep
        far = min(end, at + WALK_BYTES)
        while at < far:
            local = announced[data[at]]
            stop = at + strides[local]
            if stop == at or stop > end:
                break
            keep[local](at)
            at = stop
        return at

    def _define(self, at: int, end: int) -> int:
        stop = definition_end(self.data, at, end)
        if stop is None:
            raise _Damaged
        header, content = self.data[at], self.data[at + 1 : stop]
        described: tuple[Described | None, ...] = ()
        if header & 0x20:
            self._learn()
            described = tuple(self.described.get(field) for field in developer_fields(content))
        # The same bytes mean something else once a developer has described a field anew.
        layout = self.known.get((content, described))
        if layout is None:
            if len(self.known) >= MAX_LAYOUTS:
                raise TooExpensive
            layout = self.known[content, described] = Layout(content, described)
            self.layouts.setdefault(layout.message, []).append(layout)
        local = header & 15
        self.local[local] = layout
        self.strides[local] = layout.stride
        self.keep[local] = layout.offsets.append
        return stop

    def _learn(self) -> None:
        """Takes in the descriptions of developer fields that came since the last time."""
        for layout in self.layouts.get(profile.FIELD_DESCRIPTION, ()):
            first = self.learned.get(layout, 0)
            if len(layout) > MAX_LAYOUTS:
                raise TooExpensive
            if len(layout) > first:
                self.learned[layout] = len(layout)
                self.described |= _descriptions(layout.rows(self.octets, first))


def _descriptions(rows: Rows) -> dict[tuple[int, int], Described]:
    wanted, _ = rows.layout.wanted()
    nothing: list[int | None] = [None] * len(rows)
    said = [
        rows.plain(*wanted[name]) if name in wanted else nothing
        for name in ("developer", "number", "base_type", "native_message", "native_field")
    ]
    return {
        (developer or 0, number or 0): Described(base_type, message, native)
        for developer, number, base_type, message, native in zip(*said, strict=True)
    }


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
        if len(files) >= MAX_CHAINED:
            raise TooManyActivities
        scan = _Scan(data)
        at = _scan_one(scan, header, at, warnings)
        points += sum(len(layout) for message in profile.FIELDS for layout in scan.layouts.get(message, ()))
        if points > limits.max_points:
            raise TooManyPoints
        files.append(_file(scan))
    if any(file.skipped for file in files):
        warnings.append(Flaw("misaligned_fields", "Fields whose size does not fit their type were left out."))
    return files


def _file(scan: _Scan) -> FitFile:
    file = FitFile(scan.octets, scan.layouts)
    file.records = _records(file)
    file.skipped = sum(layout.wanted()[1] for message in profile.FIELDS for layout in scan.layouts.get(message, ()))
    return file


def _scan_one(scan: _Scan, header: _Header, at: int, warnings: list[Flaw]) -> int:
    """Scans the FIT file that begins at `at`; returns where the next one may begin."""
    data = scan.data
    start = at + header.size
    stop = start + header.data_size
    if header.data_size == 0 and len(data) > start + CRC_BYTES:
        # The recorder never came back to fill in the size: the data run to the end of the file.
        stop = len(data) - CRC_BYTES
    complete = stop + CRC_BYTES <= len(data)
    try:
        scan.scan(start, min(stop, len(data)))
    except _Damaged:
        complete = True
        warnings.append(Flaw("corrupt_tail", "The file is damaged; everything recorded before was kept."))
    if not complete:
        warnings.append(Flaw("truncated", "The file ends early; everything recorded before was kept."))
    elif stop + CRC_BYTES <= len(data) and crc16(data[at : stop + CRC_BYTES]):
        warnings.append(Flaw("checksum_mismatch", "The file's checksum does not match; its data were kept."))
    return stop + CRC_BYTES
