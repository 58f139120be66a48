"""Any values a characteristic can say, drawn from its own table."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from hypothesis import strategies as st

from device_bridge import gatt
from device_bridge.gatt.engine import Field
from device_bridge.gatt.forms import DATE_TIME, MalformedPacket

SIZES = {"B": 1, "b": 1, "H": 2, "h": 2, "I": 4, "3s": 3, "7s": 7}
BETWEEN = datetime.fromisoformat("2000-01-01"), datetime.fromisoformat("2036-01-01")
TIMES = st.datetimes(*BETWEEN).map(lambda time: time.replace(microsecond=0))


def values_of(form: Any) -> st.SearchStrategy[Any]:
    """Whatever the form reads from some bytes."""
    if form is DATE_TIME:
        return TIMES | st.none()
    size = SIZES[form.code]
    signed = form.code in "bh"

    def read(raw: bytes) -> Any:
        item = raw if form.code.endswith("s") else int.from_bytes(raw, "little", signed=signed)
        try:
            return form.decode(item) if form.decode else item
        except MalformedPacket:
            return MalformedPacket

    return st.binary(min_size=size, max_size=size).map(read).filter(lambda value: value is not MalformedPacket)


def value_of(part: Field) -> st.SearchStrategy[Any]:
    if part.name in ("time", "time_shown") and part.form.code == "I":
        return TIMES
    each = values_of(part.form)
    return st.lists(each, max_size=9).map(tuple) if part.repeated else each


@st.composite
def said(draw: st.DrawFn, table: gatt.Characteristic) -> gatt.Values:
    """Values that one packet can hold: a choice of flags, and what stands under it."""
    flags = draw(st.integers(0, (1 << 8 * table.flag_bytes) - 1)) if table.flag_bytes else 0
    standing = [part for part in table.fields if part.stands(flags)]
    if sum(part.repeated for part in standing) > 1:
        standing = standing[:-1]
    values: gatt.Values = {name: value for flag in table.flags for name, value in flag.read(flags).items()}
    return values | {part.name: draw(value_of(part)) for part in standing}
