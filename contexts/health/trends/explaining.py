"""What stands behind a derived number: its algorithm and version, its formula, its source, its inputs."""

from dataclasses import dataclass, field
from datetime import date

from contexts.health.rules import Stream


@dataclass(frozen=True, kw_only=True)
class Algorithm:
    """One way to derive numbers. Whatever changes them is another version."""

    name: str
    version: int
    inputs: tuple[Stream, ...]
    unit: str
    formula: str
    source: str
    url: str
    parameters: dict[str, float]

    @property
    def named(self) -> str:
        """As results name it."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, kw_only=True)
class DayValue:
    """What was derived for one day; `low` and `high` bound what is usual for this person, where that is known."""

    day: date
    value: float
    low: float | None = None
    high: float | None = None
    standing: str = ""
    inputs: dict[str, float] = field(default_factory=dict)
