"""What a computed number says of itself, and the register of the algorithms that compute.

Every number leaves the package as a `Derived` (or a `DerivedSeries`): beside its value it names the algorithm and
version that made it, what went in, which parameters held, and what was left out and why. `explain` tells what
stands behind such a name, for numbers of today and for those stored years ago.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Facts = dict[str, float | str]
"""Names and plain values: what went in, or what was assumed."""


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Something that did not count: how much of what, and why, as `reasons.LEFT_OUT` has it."""

    what: str
    count: float
    code: str


@dataclass(frozen=True, slots=True)
class Derived:
    """A computed number, the algorithm that made it, and what went in besides the streams.

    Two are the same when value, algorithm and inputs are; all else follows from these.
    """

    value: float
    algorithm: str
    inputs: Facts = field(default_factory=dict)
    unit: str = field(default="", kw_only=True, compare=False)
    parameters: Facts = field(default_factory=dict, kw_only=True, compare=False)
    exclusions: tuple[Exclusion, ...] = field(default=(), kw_only=True, compare=False)


@dataclass(frozen=True, slots=True)
class DerivedSeries:
    """Computed numbers along seconds, days or whatever `along_unit` says; else like `Derived`."""

    along: tuple[float, ...]
    values: tuple[float, ...]
    algorithm: str
    inputs: Facts = field(default_factory=dict)
    along_unit: str = field(default="s", kw_only=True)
    unit: str = field(default="", kw_only=True)
    parameters: Facts = field(default_factory=dict, kw_only=True)
    exclusions: tuple[Exclusion, ...] = field(default=(), kw_only=True)


class UnknownAlgorithm(LookupError):
    """No algorithm of this name and version has ever computed anything here."""

    code = "unknown_algorithm"


@dataclass(frozen=True, slots=True)
class Algorithm:
    """A formula as it is shown to people: what it computes, where it comes from, what it assumes.

    `name` is `name@version`; a plain name stands for a value that was taken over, not computed. `replaced_by`
    names the successor of an algorithm that computes no more, yet stands behind numbers that were stored.
    """

    name: str
    unit: str
    formula: str
    source: str
    parameters: Mapping[str, float | str] = field(default_factory=dict)
    replaced_by: str | None = None

    def number(
        self,
        value: float,
        inputs: Mapping[str, float | str] | None = None,
        *,
        unit: str | None = None,
        exclusions: Sequence[Exclusion] = (),
        **parameters: float | str,
    ) -> Derived:
        """A number this algorithm has made; `parameters` are those that differ from the algorithm's own."""
        return Derived(
            float(value),
            self.name,
            dict(inputs or {}),
            unit=self.unit if unit is None else unit,
            parameters={**self.parameters, **parameters},
            exclusions=tuple(exclusions),
        )

    def series(
        self,
        along: Sequence[float],
        values: Sequence[float],
        inputs: Mapping[str, float | str] | None = None,
        *,
        along_unit: str = "s",
        exclusions: Sequence[Exclusion] = (),
        **parameters: float | str,
    ) -> DerivedSeries:
        """Numbers this algorithm has made along time or days."""
        return DerivedSeries(
            tuple(along),
            tuple(values),
            self.name,
            dict(inputs or {}),
            along_unit=along_unit,
            unit=self.unit,
            parameters={**self.parameters, **parameters},
            exclusions=tuple(exclusions),
        )


_DECLARED: dict[str, Algorithm] = {}


def declare(
    name: str,
    *,
    unit: str,
    formula: str,
    source: str,
    replaced_by: str | None = None,
    **parameters: float | str,
) -> Algorithm:
    """Enter an algorithm into the register; each name and version is entered once."""
    if name in _DECLARED:
        raise ValueError(f"{name} is declared already: a changed algorithm needs a new version")
    _DECLARED[name] = Algorithm(name, unit, formula, source, parameters, replaced_by)
    return _DECLARED[name]


def explain(name: str) -> Algorithm:
    """What stands behind `name@version`; raises `UnknownAlgorithm`."""
    try:
        return _DECLARED[name]
    except KeyError:
        raise UnknownAlgorithm(name) from None


def algorithms() -> list[Algorithm]:
    """All algorithms by name, those that compute no more too."""
    return sorted(_DECLARED.values(), key=lambda each: each.name)


def superseded() -> set[str]:
    """Names of what computes no more: replaced by another algorithm, or by a higher version of itself."""
    latest: dict[str, int] = {}
    for name in _DECLARED:
        base, at, version = name.rpartition("@")
        if at:
            latest[base] = max(latest.get(base, 0), int(version))
    replaced = {each.name for each in _DECLARED.values() if each.replaced_by}
    return replaced | {
        name for name in _DECLARED if "@" in name and latest[name.rpartition("@")[0]] > int(name.rpartition("@")[2])
    }


DEVICE = declare("device", unit="", formula="as the device says", source="the recording")
MEASURED = declare("measured", unit="", formula="as it was measured", source="the athlete's settings")
