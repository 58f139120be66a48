"""Apple Health's `export.xml`, record by record: gigabytes in constant memory, from any record on.

The parser is expat and no tree is ever built. The document type that Apple puts before the records is read over: it
may declare elements and attributes, and nothing that could grow (entities, default values) or lie elsewhere.
Correlations repeat records that stand beside them; workouts and routes are workout's to import.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from functools import partial
from typing import IO, Any, Final
from xml.parsers import expat

from contexts.health.catalogue import METRICS, Stream
from contexts.health.imports import healthkit_types as apple
from contexts.health.imports.measured import STAGES, sequence_of, shown_name
from kernel.timescale.columns import EPOCH, MICROSECOND

ROOT: Final = "HealthData"
GO_ON: Final = b"<HealthData>"
FEED_BYTES: Final = 1 << 17
MAX_ELEMENT_BYTES: Final = 1 << 20
"""Of one tag, or of the document type: the parser keeps an unfinished one in memory."""

MAX_DEPTH: Final = 16
PASSED_OVER: Final = frozenset(("ExportDate", "Me", "Correlation", "ActivitySummary"))


class Unreadable(Exception):
    """It is no export that can be read on; `code` says why."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


class Records:
    """Readings of an export, portion by portion. `reached` is where the next portion begins: a byte of the file."""

    def __init__(self, file: IO[bytes], *, reached: int) -> None:
        self._file = file
        self._fed = reached
        self._skipping = reached > 0
        self.reached = reached
        self.ended = False
        self._depth = 0
        self._clear()
        file.seek(reached)
        self._parser = self._new_parser()
        self._begins = 0
        """The byte of the file at which the parser's first byte stands."""
        if reached:
            self._begins = reached - len(GO_ON)
            self._parser.Parse(GO_ON, False)

    def _clear(self) -> None:
        self.read_now = 0
        self.streams: list[int] = []
        self.times: list[int] = []
        self.values: list[float] = []
        self.sequences: list[int] = []
        self.rejected: Counter[str] = Counter()
        self.unknown: Counter[str] = Counter()

    def next_portion(self, most: int) -> bool:
        """Read on until there are at least `most` records, or the file ends; whether it goes on.

        Raises `Unreadable` for damage; what was read before it is there.
        """
        self._clear()
        while not self.ended and self.read_now < most:
            data = self._file.read(FEED_BYTES)
            self._feed(data)
            self.ended = not data
        return not self.ended

    def _feed(self, data: bytes) -> None:
        try:
            self._parser.Parse(data, not data)
        except expat.ExpatError as damage:
            self.ended = True
            raise Unreadable("corrupt_xml") from damage
        except UnicodeError as damage:
            self.ended = True
            raise Unreadable("corrupt_xml") from damage
        self._fed += len(data)
        if data and self._fed - self._begins - max(self._parser.CurrentByteIndex, 0) > MAX_ELEMENT_BYTES:
            raise Unreadable("element_too_long")

    def _new_parser(self) -> Any:
        parser = expat.ParserCreate("utf-8")
        parser.StartElementHandler = self._opened
        parser.EndElementHandler = self._closed
        parser.specified_attributes = True
        parser.EntityDeclHandler = partial(_forbid, "entities_forbidden")
        parser.UnparsedEntityDeclHandler = partial(_forbid, "entities_forbidden")
        parser.ExternalEntityRefHandler = partial(_forbid, "entities_forbidden")
        parser.StartDoctypeDeclHandler = _look_at_doctype
        parser.AttlistDeclHandler = _look_at_attributes
        return parser

    # What the parser calls.

    def _opened(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth != 2:
            if self._depth > MAX_DEPTH or (self._depth == 1 and name != ROOT):
                raise Unreadable("too_deep" if self._depth > 1 else "not_an_export")
            return
        self.reached = self._begins + self._parser.CurrentByteIndex
        if self._skipping:
            self._skipping = False  # the one at which the portion before has ended
            return
        self.read_now += 1
        if name == "Record":
            self._take(attributes)
        elif name not in PASSED_OVER:
            self.unknown[shown_name(attributes.get("workoutActivityType", name))] += 1

    def _closed(self, name: str) -> None:
        self._depth -= 1

    def _take(self, told: dict[str, str]) -> None:
        kind = told.get("type", "")
        unit = told.get("unit")
        way = _ways.get((kind, unit)) or _way(kind, unit)
        try:
            text = told["startDate"]
            time = (datetime.fromisoformat(text[:19] + text[20:]) - EPOCH) // MICROSECOND
            if way is None:
                self._take_other(kind, told, time)
                return
            stream, times, parts, shift = way
            number = float(told["value"]) * times / parts + shift
            if unit == "%" and number > 100:
                self.rejected["value_out_of_range"] += 1  # HealthKit's per cent is a fraction of one
                return
        except (KeyError, TypeError, ValueError, OverflowError):
            self.rejected["value_invalid" if _has_time(told) else "time_invalid"] += 1
            return
        self._keep(stream, time, number, told)

    def _take_other(self, kind: str, told: dict[str, str], time: int) -> None:
        if kind == apple.SLEEP:
            stage = apple.SLEEP_STAGES.get(told["value"])
            text = told["endDate"]
            lasted = ((datetime.fromisoformat(text[:19] + text[20:]) - EPOCH) // MICROSECOND - time) / 1e6
            if stage is None or not 0 <= lasted <= 3 * 86_400:
                self.rejected["value_invalid" if stage is None else "interval_invalid"] += 1
                return
            for stream in STAGES[stage]:
                self._keep(stream, time, lasted, told)
        elif kind in apple.STREAMS:
            self.rejected["unknown_unit"] += 1
        else:
            self.unknown[shown_name(kind)] += 1

    def _keep(self, stream: int, time: int, value: float, told: dict[str, str]) -> None:
        self.streams.append(stream)
        self.times.append(time)
        self.values.append(value)
        self.sequences.append(sequence_of(told.get("sourceName"), told.get("endDate"), told.get("value")))


Way = tuple[int, int, int, float]
_ways: dict[tuple[str, str | None], Way] = {}
"""By type and unit: the metric, and the way to its stored unit as numerator, denominator and shift."""


def _way(kind: str, unit: str | None) -> Way | None:
    stream: Stream | None = apple.STREAMS.get(kind)
    name = None if stream is None else apple.ucum(stream, unit)
    if stream is None or name is None or len(unit or "") > 40:
        return None
    way = METRICS[stream].way(name)
    if way is None:
        return None
    found = int(stream), way.scale.numerator, way.scale.denominator, float(way.shift)
    if len(_ways) < 1_000:
        _ways[kind, unit] = found
    return found


def _has_time(told: dict[str, str]) -> bool:
    try:
        text = told["startDate"]
        return datetime.fromisoformat(text[:19] + text[20:]).tzinfo is not None
    except (KeyError, ValueError):
        return False


def _forbid(code: str, *_: Any) -> Any:
    raise Unreadable(code)


def _look_at_doctype(name: str, system: str | None, public: str | None, internal: bool) -> None:
    if name != ROOT or system or public:
        raise Unreadable("not_an_export" if name != ROOT else "entities_forbidden")


def _look_at_attributes(element: str, attribute: str, kind: str, default: str | None, required: bool) -> None:
    if default is not None:
        raise Unreadable("defaults_forbidden")
