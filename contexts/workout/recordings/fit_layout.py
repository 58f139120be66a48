"""How the messages of one FIT definition lie in the file, and their fields as numpy columns.

Source: Garmin FIT protocol, "Definition Message" and "Developer Data". A definition is kept as its bytes and read
when a field is asked for: a hostile file may hold a definition for every few bytes.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import fit_profile as profile
from .recording import Values

FIELDS_AT = 5
"""Where the fields begin in a definition after its header byte; each takes three bytes."""

Octets = NDArray[np.uint8]


class Described(NamedTuple):
    """What a `field_description` message says of a developer field; None where it says nothing."""

    base_type: int | None
    native_message: int | None
    native_field: int | None


class Place(NamedTuple):
    """Where a field lies in a message, header byte included."""

    number: int
    base: profile.BaseType
    at: int
    size: int
    developer: int | None = None
    described: Described | None = None

    @property
    def aligned(self) -> bool:
        """Whether whole elements of the base type fit the field."""
        return self.size % self.base.size == 0


def definition_end(data: bytes, at: int, end: int) -> int | None:
    """Where the definition message at `at` ends, or None where the file ends before it does."""
    if at + 1 + FIELDS_AT > end:
        return None
    stop = at + 1 + FIELDS_AT + 3 * data[at + FIELDS_AT]
    if data[at] & 0x20:
        stop = stop + 1 + 3 * data[stop] if stop < end else end + 1
    return stop if stop <= end else None


Wanted = dict[str, tuple[profile.Field, Place]]


def developer_fields(content: bytes) -> Iterator[tuple[int, int]]:
    """The developers' fields of a definition: index of the developer and number of the field."""
    first = FIELDS_AT + 3 * content[4] + 1
    return zip(content[first + 2 :: 3], content[first::3], strict=True)


class Layout:
    """One definition, and where in the file the messages stand that follow it."""

    __slots__ = ("_content", "_described", "_native", "_order", "message", "offsets", "stride")

    def __init__(self, content: bytes, described: tuple[Described | None, ...]) -> None:
        """`content` is the definition message without its header byte; `described` are its developers' fields."""
        self._content = content
        self._described = described
        self._order = ">" if content[1] else "<"
        self._native = FIELDS_AT + 3 * content[4]
        self.message = int.from_bytes(content[2:4], "big" if content[1] else "little")
        self.stride = 1 + sum(content[FIELDS_AT + 1 : self._native : 3]) + sum(content[self._native + 2 :: 3])
        self.offsets = array("q")

    def __len__(self) -> int:
        return len(self.offsets)

    def places(self) -> Iterator[Place]:
        """Every field that takes room, in the order of the message; the developers' fields come last."""
        content, at = self._content, 1
        for nth in range(FIELDS_AT, self._native, 3):
            number, size, base_type = content[nth : nth + 3]
            if number == profile.TIMESTAMP and size == 4:
                base_type = profile.UINT32
            if size:
                yield Place(number, profile.BASE_TYPES.get(base_type & 0x1F, profile.UNKNOWN), at, size)
            at += size
        for nth, described in zip(range(self._native + 1, len(content), 3), self._described, strict=True):
            number, size, developer = content[nth : nth + 3]
            base_type = described.base_type if described and described.base_type is not None else profile.BYTE
            if size:
                base = profile.BASE_TYPES.get(base_type & 0x1F, profile.UNKNOWN)
                yield Place(number, base, at, size, developer, described)
            at += size

    def timestamp(self) -> Place | None:
        """Where the full time stands, if the messages carry one."""
        content, at = self._content, 1
        for nth in range(FIELDS_AT, self._native, 3):
            if content[nth] == profile.TIMESTAMP and content[nth + 1] == 4:
                return Place(profile.TIMESTAMP, profile.BASE_TYPES[profile.UINT32], at, 4)
            at += content[nth + 1]
        return None

    def wanted(self) -> tuple[Wanted, int]:
        """The fields we read, by name, and how many were left out because their size does not fit their type.

        A developer's field stands in for a native one that is not there.
        """
        known = profile.FIELDS.get(self.message, {})
        wanted: Wanted = {}
        skipped = 0
        for place in self.places():
            field = self._stands_in(place.described) if place.developer is not None else known.get(place.number)
            if field is None or (place.developer is not None and field.name in wanted):
                continue
            if field.whole:
                wanted[field.name] = field, place
            elif place.base.code != "S" and place.base is not profile.UNKNOWN:
                skipped += not place.aligned
                if place.aligned:
                    wanted[field.name] = field, place
        return wanted, skipped

    def _stands_in(self, described: Described | None) -> profile.Field | None:
        if described is None or described.native_message != profile.RECORD or self.message != profile.RECORD:
            return None
        name = profile.NATIVE_OVERRIDES.get(-1 if described.native_field is None else described.native_field)
        return profile.Field(name) if name else None

    def rows(self, octets: Octets, first: int = 0) -> Rows:
        """The messages from the `first` on as rows of bytes; a view of the file where they follow each other."""
        # A copy, for an array that lends its memory cannot grow.
        offsets = np.frombuffer(self.offsets, np.int64)[first:].copy()
        count, stride = len(offsets), self.stride
        if count and offsets[-1] - offsets[0] == (count - 1) * stride:
            taken = octets[offsets[0] : offsets[0] + count * stride]
        else:
            every = np.ndarray((len(octets) - stride + 1,), f"V{stride}", octets, 0, (1,))
            taken = every[offsets].view(np.uint8)
        return Rows(self, offsets, taken.reshape(count, stride))


@dataclass(slots=True)
class Rows:
    """Messages of one definition: one row of bytes each, and where in the file it began."""

    layout: Layout
    offsets: NDArray[np.int64]
    octets: Octets

    def __len__(self) -> int:
        return len(self.offsets)

    def compressed(self) -> NDArray[np.bool_]:
        """Which messages have a header with the low five bits of their time."""
        return self.octets[:, 0] >= 0x80

    def elements(self, place: Place) -> NDArray[Any]:
        """The raw elements of a field, a row per message. Text is one element; what does not fit is bytes."""
        base = place.base if place.aligned else profile.BASE_TYPES[profile.BYTE]
        if base.code == "S":
            return self._view(f"S{place.size}", place, place.size)
        return self._view(f"{self.layout._order}{base.code}", place, base.size)

    def whole(self, place: Place, code: str) -> NDArray[Any]:
        """All of a field as elements of the type the profile gives it, whatever the definition calls it."""
        return self._view(f"{self.layout._order}{code}", place, int(code[1]))

    def _view(self, dtype: str, place: Place, size: int) -> NDArray[Any]:
        shape = len(self), place.size // size
        return np.ndarray(shape, dtype, self.octets, place.at, (self.layout.stride, size))

    def values(self, field: profile.Field, place: Place) -> Values:
        """The first element of a field in its unit."""
        raw = self.elements(place)[:, 0]
        values = raw.astype(np.float64)
        values[missing(raw, place.base)] = np.nan
        if field.scale != 1:
            values /= field.scale
            values -= field.offset
        return values

    def plain(self, field: profile.Field, place: Place) -> list[Any]:
        """As `values`, one plain number or None a message, whole numbers staying whole; bytes where all is kept."""
        if field.whole == "text":
            return [bytes(row) for row in self.octets[:, place.at : place.at + place.size]]
        if field.whole:
            return self.whole(place, field.whole).tolist()
        raw = self.elements(place)[:, 0]
        found: list[Any] = (self.values(field, place) if field.scale != 1 else raw).tolist()
        for row in np.flatnonzero(missing(raw, place.base)).tolist():
            found[row] = None
        return found


def missing(raw: NDArray[Any], base: profile.BaseType) -> NDArray[np.bool_]:
    """Where an element says "no value"; of fractions, where it is no number."""
    return ~np.isfinite(raw) if base.invalid is None else raw == base.invalid
