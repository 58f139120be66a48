"""One engine for all characteristics: a table says which fields lie where, this reads and writes them.

Where a field stands depends on the flags before it. Each combination of flags and length is laid out once, as one
compiled `struct`, and looked up from then on.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from device_bridge.gatt.forms import Form, MalformedPacket

Values = dict[str, Any]
"""Values by the names of their fields; a field that a packet does not hold is not there."""

MOST_LAYOUTS = 2_000
"""A device uses a handful; one that sends noise must not fill the memory."""


@dataclass(frozen=True)
class Field:
    """One field. when: bits of the flags that must all be set, unless: bits that must all be clear, for it to stand
    there. older: a form of an earlier edition, told by the length of the packet. repeated: fills the packet."""

    name: str
    form: Form
    unit: str = "1"
    when: int | tuple[int, ...] = ()
    unless: int | tuple[int, ...] = ()
    older: Form | None = None
    repeated: bool = False

    @property
    def set_mask(self) -> int:
        return _mask(self.when)

    @property
    def clear_mask(self) -> int:
        return _mask(self.unless)

    def stands(self, flags: int) -> bool:
        """Whether the field is there under these flags."""
        return flags & self.set_mask == self.set_mask and not flags & self.clear_mask


@dataclass(frozen=True)
class Flag:
    """A meaning of the flags themselves: a bool, or a number of several bits. told_by: the bit without which the
    flag means nothing."""

    name: str
    bit: int
    width: int = 1
    told_by: int | None = None

    def read(self, flags: int) -> Values:
        if self.told_by is not None and not flags >> self.told_by & 1:
            return {}
        raw = flags >> self.bit & ((1 << self.width) - 1)
        return {self.name: raw if self.width > 1 else bool(raw)}

    def written(self, said: Mapping[str, Any]) -> int:
        if self.name not in said:
            return 0
        raw = int(said[self.name])
        if not 0 <= raw < 1 << self.width:
            raise MalformedPacket(f"{self.name} has {self.width} bits")
        return raw << self.bit | (0 if self.told_by is None else 1 << self.told_by)


def _mask(bits: int | tuple[int, ...]) -> int:
    return sum(1 << bit for bit in ((bits,) if isinstance(bits, int) else bits))


@dataclass(frozen=True)
class _Layout:
    """How to read every packet of one length under one combination of flags."""

    unpack: Callable[[bytes], tuple[Any, ...]]
    names: tuple[str, ...]
    conversions: tuple[tuple[str, Callable[[Any], Any]], ...]
    flags: Values


@dataclass(frozen=True)
class Characteristic:
    """A table: `flag_bytes` of flags, then the fields in their order. joined_by: the bit that says more is to come
    in the next packet, or in one field's stead (`Joiner`)."""

    number: int
    name: str
    fields: tuple[Field, ...]
    flag_bytes: int = 1
    flags: tuple[Flag, ...] = ()
    joined_by: int | None = None
    _layouts: dict[tuple[bytes, int], _Layout] = field(default_factory=dict, repr=False, compare=False)

    def decode(self, packet: bytes | bytearray) -> Values:
        """The values of a packet; bytes after the last announced field belong to the future.

        Raises MalformedPacket and nothing else.
        """
        packet = bytes(packet)
        layout = self._layouts.get((packet[: self.flag_bytes], len(packet))) or self._lay_out(packet)
        said = layout.flags.copy()
        said.update(zip(layout.names, layout.unpack(packet), strict=True))
        for name, convert in layout.conversions:
            said[name] = convert(said[name])
        return said

    def _lay_out(self, packet: bytes) -> _Layout:
        if len(packet) < self.flag_bytes:
            raise MalformedPacket(f"{self.name}: no flags in {len(packet)} bytes")
        flags = int.from_bytes(packet[: self.flag_bytes], "little")
        standing = [part for part in self.fields if part.stands(flags)]
        layout = self._laid_out(standing, flags, len(packet))
        if len(self._layouts) >= MOST_LAYOUTS:
            self._layouts.clear()
        self._layouts[packet[: self.flag_bytes], len(packet)] = layout
        return layout

    def _laid_out(self, standing: list[Field], flags: int, length: int) -> _Layout:
        forms = [part.form for part in standing if not part.repeated]
        older = [part.older or part.form for part in standing if not part.repeated]
        repeated = [part for part in standing if part.repeated]
        if len(repeated) > 1:
            raise MalformedPacket(f"{self.name}: two fields claim the rest of the packet")
        if not repeated and older != forms and self._size(older) == length:
            forms = older
        rest = length - self._size(forms)
        if rest < 0:
            raise MalformedPacket(f"{self.name}: ends after {length} bytes")
        conversions = [
            (part.name, form.decode)
            for part, form in zip([part for part in standing if not part.repeated], forms, strict=True)
            if form.decode is not None
        ]
        if repeated:
            conversions.append((repeated[0].name, self._rest(repeated[0], rest)))
        tail = f"{rest}s" if repeated else f"{rest}x"
        return _Layout(
            struct.Struct(f"<{self.flag_bytes}x{''.join(form.code for form in forms)}{tail}").unpack,
            tuple(part.name for part in [*[p for p in standing if not p.repeated], *repeated]),
            tuple(conversions),
            {name: value for flag in self.flags for name, value in flag.read(flags).items()},
        )

    def _size(self, forms: Iterable[Form]) -> int:
        return self.flag_bytes + struct.calcsize("<" + "".join(form.code for form in forms))

    def _rest(self, part: Field, size: int) -> Callable[[bytes], tuple[Any, ...]]:
        """How to read a field that fills the packet to its end."""
        each = struct.calcsize("<" + part.form.code)
        if size % each:
            raise MalformedPacket(f"{self.name}: {part.name} is cut")
        unpack, decode = struct.Struct(f"<{size // each}{part.form.code}").unpack, part.form.decode
        if decode is None:
            return unpack
        return lambda raw: tuple(decode(item) for item in unpack(raw))

    def encode(self, said: Mapping[str, Any]) -> bytes:
        """The packet that says this, in its shortest form; flags follow from which values are there.

        Raises MalformedPacket for a value that does not fit, is missing or has no place.
        """
        flags = self._flags_for(said)
        standing = [part for part in self.fields if part.stands(flags)]
        expected = {part.name for part in standing} | {flag.name for flag in self.flags}
        if missing := {part.name for part in standing} - said.keys():
            raise MalformedPacket(f"{self.name}: {', '.join(sorted(missing))} missing")
        if stray := said.keys() - expected:
            raise MalformedPacket(f"{self.name}: no place for {', '.join(sorted(stray))}")
        written = b"".join(_written(part, said[part.name]) for part in standing)
        return flags.to_bytes(self.flag_bytes, "little") + written

    def _flags_for(self, said: Mapping[str, Any]) -> int:
        flags = 0
        for flag in self.flags:
            flags |= flag.written(said)
        for name in said:
            if part := self._variant(name, said[name]):
                flags |= part.set_mask
        for part in self.fields:
            if not part.set_mask and part.clear_mask and part.name not in said:
                flags |= part.clear_mask
        return flags

    def _variant(self, name: str, value: Any) -> Field | None:
        """Of the fields of this name the first that the value fits."""
        variants = [part for part in self.fields if part.name == name]
        for part in variants[:-1]:
            try:
                _written(part, value)
            except MalformedPacket:
                continue
            return part
        return variants[-1] if variants else None

    def split(self, said: Mapping[str, Any], most_bytes: int) -> list[bytes]:
        """The packets that say this in at most `most_bytes` each: what stands in place of More Data goes last."""
        last = {part.name for part in self.fields if part.clear_mask and not part.set_mask}
        always = {flag.name: said[flag.name] for flag in self.flags if flag.name in said}
        groups: dict[int, Values] = {}
        for part in self.fields:
            if part.name in said and part.name not in last:
                groups.setdefault(part.set_mask, {})[part.name] = said[part.name]
        packets: list[Values] = [{**always, **{name: said[name] for name in last if name in said}}]
        for group in groups.values():
            fitting = (taken for taken in packets if len(self.encode(taken | group)) <= most_bytes)
            found = next(fitting, None)
            if found is None:
                packets.insert(0, {**always, **group})
            else:
                found.update(group)
        return [self.encode(taken) for taken in packets]


def _written(part: Field, value: Any) -> bytes:
    try:
        if part.repeated:
            raws = [part.form.encode(item) for item in value]
            return struct.pack(f"<{len(raws)}{part.form.code}", *raws)
        return struct.pack("<" + part.form.code, part.form.encode(value))
    except MalformedPacket:
        raise
    except (struct.error, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise MalformedPacket(f"{part.name}: {value!r} does not fit its field: {error}") from error
