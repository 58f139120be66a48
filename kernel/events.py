"""Domain events: facts a context announces, in a published and versioned language.

An event is a frozen, keyword-only dataclass of plain data. Its wire type is derived from where it
stands and what it is called: `contexts.workout.events.WorkoutCompleted` → `workout.completed`, on the
stream `workout-domain-events`. Within a version only optional fields may be added; anything else is a
new version. Medical and personal values travel by reference.
"""

import dataclasses
import os
import sys
import time
import zlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, TypeAlias
from uuid import UUID

import msgspec

from kernel.errors import snake_case

LANES = 16
"""Events with equal keys share a lane, and a lane is relayed in order."""


def uuid7() -> UUID:
    """A time-ordered identifier (RFC 9562 §5.7): 48 bits of Unix milliseconds, 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    value = (milliseconds & (1 << 48) - 1) << 80 | random
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


class UnknownEvent(Exception):
    """No event of this type and version is in the catalogue."""


@dataclass(frozen=True, kw_only=True)
class DomainEvent:
    """Something that has happened. `occurred_at` is the aware instant at which it became true."""

    occurred_at: datetime

    context: ClassVar[str]
    type: ClassVar[str]
    version: ClassVar[int]
    key_field: ClassVar[str]
    stream: ClassVar[str]

    def __init_subclass__(cls, *, key: str, version: int = 1, context: str | None = None) -> None:
        cls.context = context or context_of_module(cls.__module__)
        cls.key_field = key
        cls.version = version
        cls.type = f"{cls.context}.{snake_case(cls.__name__).removeprefix(cls.context + '_')}"
        # The founding documents name some streams differently from their context (booking: `event-domain-events`).
        declared = getattr(sys.modules[cls.__module__], "STREAM", None)
        cls.stream = declared or f"{cls.context}-domain-events"
        _catalogue[cls.type, version] = cls

    @property
    def key(self) -> str:
        """The aggregate this event is about; events with one key are handled in order."""
        return str(getattr(self, self.key_field))

    def payload(self) -> bytes:
        """The event's own fields as JSON. `occurred_at` travels in the envelope."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "occurred_at"}
        return msgspec.json.encode(fields)


EventClass: TypeAlias = type[DomainEvent]

_catalogue: dict[tuple[str, int], EventClass] = {}


def home_of(module: str) -> str:
    """The word a module's endpoints and sockets go by: its context's name, or its package's outside contexts/."""
    parts = module.split(".")
    return parts[1] if parts[0] == "contexts" else parts[0]


def context_of_module(module: str) -> str:
    """The context a module belongs to; events and handlers are at home where they are written."""
    parts = module.split(".")
    if parts[0] != "contexts":
        raise TypeError(f"outside contexts/ say context=…: {module}")
    return parts[1]


def catalogue() -> list[type[DomainEvent]]:
    """Every event known to this process, by type and version."""
    return [_catalogue[name] for name in sorted(_catalogue)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Envelope:
    """An event on its way: who it is, what caused it, and its payload as JSON."""

    event_id: UUID
    type: str
    version: int
    key: str
    occurred_at: datetime
    correlation_id: str
    causation_id: UUID | None
    payload: bytes

    @property
    def event_class(self) -> "EventClass":
        """The dataclass of this type and version; `UnknownEvent` when this process has none."""
        try:
            return _catalogue[self.type, self.version]
        except KeyError:
            raise UnknownEvent(f"{self.type} version {self.version}") from None

    def open(self) -> DomainEvent:
        """The typed event inside. Fields this process does not know are ignored."""
        fields = msgspec.json.decode(self.payload)
        fields["occurred_at"] = self.occurred_at
        return msgspec.convert(fields, self.event_class)


def lane_of(key: str) -> int:
    """The lane in which events of this key keep their order."""
    return zlib.crc32(key.encode()) % LANES


def schema_of(event: type[DomainEvent]) -> dict[str, Any]:
    """JSON Schema of an event's payload, as consumers in any language may rely on it."""
    (reference,), definitions = msgspec.json.schema_components([event])
    schema = definitions.pop(reference["$ref"].rsplit("/", 1)[1])
    schema["properties"].pop("occurred_at")
    schema["required"] = [name for name in schema.get("required", []) if name != "occurred_at"]
    return {"type": event.type, "version": event.version, "stream": event.stream, "key": event.key_field} | {
        "schema": schema | ({"$defs": definitions} if definitions else {})
    }


def breaking_changes(*, released: dict[str, Any], current: dict[str, Any]) -> list[str]:
    """What a consumer of the `released` schemas could trip over in the `current` ones; empty when additive.

    Both map `type@version` to what `schema_of` returns. Within a version only optional fields may be added.
    """
    broken = []
    for name, was in released.items():
        now = current.get(name)
        if now is None:
            broken.append(f"{name} is gone")
            continue
        broken += [f"{name}: {part} changed" for part in ("stream", "key") if was[part] != now[part]]
        broken += [f"{name}: {problem}" for problem in _breaks(was["schema"], now["schema"])]
    return broken


def _breaks(was: dict[str, Any], now: dict[str, Any]) -> list[str]:
    before, after = was["properties"], now["properties"]
    lost = [f"field {field} is gone" for field in before if field not in after]
    changed = [f"field {field} changed" for field in before if field in after and before[field] != after[field]]
    demanded = [f"field {f} is required" for f in now["required"] if f not in was["required"]]
    inner = [
        f"{name} changed" for name, part in was.get("$defs", {}).items() if now.get("$defs", {}).get(name) != part
    ]
    return lost + changed + demanded + inner
