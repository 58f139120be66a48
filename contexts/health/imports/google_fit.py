"""Files of Google Fit in a Takeout («Fit/All Data»): the merged streams, which hold each thing once. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import tzinfo
from typing import Any, Final

import msgspec

from contexts.health.catalogue import Stream
from contexts.health.imports.archives import Unopenable
from contexts.health.imports.listed import UNREADABLE, decoded
from contexts.health.imports.measured import STAGES, Fault, Found, Kept, UnknownType, safely, sequence_of, stored

Read = Callable[[bytes, tzinfo], Iterator[Found]]
TYPES: Final[dict[str, tuple[Stream, str | None]]] = {
    "com.google.heart_rate.bpm": (Stream.heart_rate, None),
    "com.google.step_count.delta": (Stream.steps, None),
    "com.google.calories.expended": (Stream.energy_burned, "kcal"),
    "com.google.weight": (Stream.body_mass, "kg"),
    "com.google.height": (Stream.body_height, "m"),
    "com.google.body.fat.percentage": (Stream.body_fat, "%"),
    "com.google.hydration": (Stream.water_intake, "L"),
    "com.google.power.sample": (Stream.power, "W"),
    "com.google.speed": (Stream.speed, "m/s"),
    "com.google.cycling.pedaling.cadence": (Stream.cadence, None),
}
"""Google, «Fit data types»: each has one field, in this unit."""

SLEEP: Final = "com.google.sleep.segment"
SEGMENTS: Final = {1: "awake", 2: "asleep", 4: "light", 5: "deep", 6: "rem"}
SINCE_1970_US: Final = 946_684_800_000_000
"""2000 in microseconds since 1970."""


class _File(msgspec.Struct):
    points: list[msgspec.Raw] = msgspec.field(name="Data Points")


_file = msgspec.json.Decoder(_File)


def read(data: bytes, zone: tzinfo) -> Iterator[Found]:
    """The points of a stream; Google tells instants, so no time zone is asked for."""
    try:
        points = _file.decode(data).points
    except msgspec.ValidationError:
        raise Unopenable("unexpected_shape") from None
    except UNREADABLE:
        raise Unopenable("corrupt_json") from None
    for raw in points:
        yield from safely(_point, decoded(raw))


def _point(point: Any) -> Iterator[Found]:
    kind = point["dataTypeName"]
    start, end = _micro(point["startTimeNanos"]), _micro(point["endTimeNanos"])
    told = point["fitValue"][0]["value"]
    if kind == SLEEP:
        yield from _segment(told["intVal"], start, end)
        return
    if kind not in TYPES:
        raise UnknownType(kind)
    stream, unit = TYPES[kind]
    value = told["fpVal"] if "fpVal" in told else told["intVal"]
    yield Kept(stream, start, stored(stream, value, unit), sequence_of(kind, end))


def _segment(number: int, start: int, end: int) -> Iterator[Found]:
    lasted = (end - start) / 1e6
    if number not in SEGMENTS or not 0 <= lasted <= 3 * 86_400:
        raise Fault("value_invalid")
    for stream in STAGES[SEGMENTS[number]]:
        yield Kept(stream, start, lasted, sequence_of(SLEEP, end))


def _micro(nanos: Any) -> int:
    if isinstance(nanos, bool) or not isinstance(nanos, int) or not 0 < nanos < 2**63:
        raise Fault("time_invalid")
    return nanos // 1_000 - SINCE_1970_US


SHAPES: tuple[tuple[str, str, Read], ...] = (("google_fit", r"derived_com\.google\..*_merge_.*\.json", read),)
"""Name, what the file is called, how it is read."""
