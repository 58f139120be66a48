"""Measurements which a device spreads over several packets, put together again."""

from __future__ import annotations

from device_bridge.gatt.engine import Characteristic, Values

TOGETHER_WITHIN_US = 2_000_000
"""Parts further apart than this belong to different measurements."""


class Joiner:
    """Puts the parts of one characteristic together.

    The bit says that more follows. Some machines set it for want of a speed and never send the rest: until a
    device has shown that it ends what it begins, its parts pass as they are.
    """

    def __init__(self, characteristic: Characteristic) -> None:
        self._characteristic = characteristic
        self._bit = characteristic.joined_by
        mask = 0 if self._bit is None else 1 << self._bit
        instead = (part.name for part in characteristic.fields if mask and part.clear_mask == mask)
        self._field = next(instead, None)
        """What stands in a last part, where the bit means that it does not."""
        self._ends_what_it_begins = self._field is None
        self._held: tuple[Values, int] | None = None

    def take(self, said: Values, at_us: int) -> list[tuple[Values, int]]:
        """One part; returns the measurements which are whole now, each with the arrival of its last part."""
        if self._bit is None:
            return [(said, at_us)]
        more = self._more_follows(said)
        self._ends_what_it_begins |= not more
        held, self._held = self._held, None
        if held and (self._repeats(held[0], said) or not 0 <= at_us - held[1] <= TOGETHER_WITHIN_US):
            return [held, *self.take(said, at_us)]
        whole = self._together(held[0], said) if held else said
        if more and self._ends_what_it_begins and (held is None or self._field is not None):
            self._held = (whole, at_us)
            return []
        return [(whole, at_us)]

    def flush(self) -> list[tuple[Values, int]]:
        """No more will come: what is there of a measurement."""
        held, self._held = self._held, None
        return [held] if held else []

    def _more_follows(self, said: Values) -> bool:
        if self._field is not None:
            return self._field not in said
        return any(said.get(flag.name) for flag in self._characteristic.flags if flag.bit == self._bit)

    def _repeats(self, held: Values, said: Values) -> bool:
        """A field said again begins another measurement; flags, and what always stands, are in every part."""
        always = {part.name for part in self._characteristic.fields if not part.set_mask and not part.clear_mask}
        return bool(held.keys() & said.keys() - always - {flag.name for flag in self._characteristic.flags})

    @staticmethod
    def _together(held: Values, said: Values) -> Values:
        return held | {name: value for name, value in said.items() if value is not None or name not in held}
