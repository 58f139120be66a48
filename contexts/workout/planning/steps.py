"""What a planned workout consists of: steps with a length and a target, repeats, strength sets.

Targets are relative wherever they can be, so one workout fits every athlete: zones of the maximal heart rate, per
cent of functional threshold power (FTP), of the speed at threshold pace, of the one-repetition maximum (e1RM).
`resolved` turns them into numbers for one athlete.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, TypeAlias
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from contexts.workout import rules
from contexts.workout.analysis import zones

MAX_STEPS: Final = 50
"""Of one workout, steps inside repeats included; FIT watches take no more."""

HEAVIEST_KG: Final = 1_000.0
LONGEST_S: Final = 86_400
FARTHEST_M: Final = 1_000_000

MOST_SETS: Final = 20
"""Of one step that are asked for, told of and compared, rounds of a repeat included."""

PLATE_KG: Final = 0.5
"""Weights for an athlete are rounded to this."""

Percent = Annotated[float, Meta(ge=1, le=300)]
Zone = Annotated[int, Meta(ge=1, le=5)]
Exertion = Annotated[float, Meta(ge=1, le=10)]
Note = Annotated[str, Meta(max_length=200)]


class _Value(Struct, frozen=True, forbid_unknown_fields=True):
    """An immutable part of a workout; words it does not know are refused."""


class ForTime(_Value, tag="time", tag_field="by", frozen=True):
    """So many seconds."""

    seconds: Annotated[float, Meta(ge=1, le=LONGEST_S)]


class ForDistance(_Value, tag="distance", tag_field="by", frozen=True):
    """So many metres."""

    metres: Annotated[float, Meta(ge=1, le=FARTHEST_M)]


class Open(_Value, tag="open", tag_field="by", frozen=True):
    """Until the athlete says so."""


Length: TypeAlias = ForTime | ForDistance | Open


class HeartRateZone(_Value, tag="heart_rate_zone", tag_field="by", frozen=True):
    """Zones 1 to 5 of the maximal heart rate, as `zones.PERCENT_OF_MAXIMUM` bounds them."""

    low: Zone
    high: Zone


class Power(_Value, tag="power", tag_field="by", frozen=True):
    """Per cent of FTP."""

    low: Percent
    high: Percent


class Pace(_Value, tag="pace", tag_field="by", frozen=True):
    """Per cent of the speed at threshold pace: 100 is threshold, less is slower."""

    low: Percent
    high: Percent


class Effort(_Value, tag="rpe", tag_field="by", frozen=True):
    """Rating of perceived exertion, 1 to 10 (Borg CR10)."""

    low: Exertion
    high: Exertion


Target: TypeAlias = HeartRateZone | Power | Pace | Effort


class Weight(_Value, tag="weight", tag_field="by", frozen=True):
    """Kilograms on the bar."""

    kilograms: Annotated[float, Meta(ge=0, le=HEAVIEST_KG)]


class PartOfMaximum(_Value, tag="e1rm", tag_field="by", frozen=True):
    """Per cent of the estimated one-repetition maximum of the exercise."""

    percent: Percent


Load: TypeAlias = Weight | PartOfMaximum | Effort


class Interval(_Value, frozen=True):
    """One step of endurance; without a target it is as the athlete likes."""

    length: Length
    target: Target | None = None
    note: Note = ""


class Warmup(Interval, tag="warmup", tag_field="kind", frozen=True):
    """To get warm."""


class Work(Interval, tag="work", tag_field="kind", frozen=True):
    """What the workout is for."""


class Recovery(Interval, tag="recovery", tag_field="kind", frozen=True):
    """Between efforts."""


class Cooldown(Interval, tag="cooldown", tag_field="kind", frozen=True):
    """To come to rest."""


class StrengthSet(_Value, tag="strength_set", tag_field="kind", frozen=True):
    """Sets of one exercise; without a load it is done with the body's own weight."""

    exercise_id: UUID
    reps: Annotated[int, Meta(ge=1, le=200)]
    sets: Annotated[int, Meta(ge=1, le=MOST_SETS)] = 1
    load: Load | None = None
    rest_s: Annotated[int, Meta(ge=0, le=1800)] = 0
    note: Note = ""


Leaf: TypeAlias = Warmup | Work | Recovery | Cooldown | StrengthSet


class Repeat(_Value, tag="repeat", tag_field="kind", frozen=True):
    """Steps that are done several times."""

    times: Annotated[int, Meta(ge=2, le=99)]
    steps: Annotated[tuple[Leaf, ...], Meta(min_length=1, max_length=20)]


Step: TypeAlias = Leaf | Repeat
Steps: TypeAlias = Annotated[tuple[Step, ...], Meta(min_length=1, max_length=MAX_STEPS)]


class Thresholds(_Value, frozen=True):
    """What an athlete can do at most: what relative targets are relative to. What is unknown stays open."""

    hr_max: Annotated[int, Meta(ge=100, le=rules.MAX_HEART_RATE)] | None = None
    ftp_w: Annotated[float, Meta(ge=20, le=1_000)] | None = None
    threshold_pace_s_per_km: Annotated[float, Meta(ge=60, le=3_600)] | None = None
    e1rm_kg: dict[UUID, Annotated[float, Meta(ge=1, le=HEAVIEST_KG)]] = msgspec.field(default_factory=dict)

    @property
    def speed_mps(self) -> float | None:
        """The speed at threshold pace in m/s."""
        return 1000 / self.threshold_pace_s_per_km if self.threshold_pace_s_per_km else None


class StepsFault(Exception):
    """What is wrong with steps that have the right form."""

    def __init__(self, code: str) -> None:
        """A stable code."""
        self.code = code
        super().__init__(code)


def read(raw: Any) -> tuple[Step, ...]:
    """Steps from JSON values; raises `msgspec.ValidationError` or `StepsFault`."""
    steps: tuple[Step, ...] = msgspec.convert(raw, type=Steps)
    every = list(nodes(steps))
    if len(every) > MAX_STEPS:
        raise StepsFault("too_many_steps")
    for step in every:
        if _is_upside_down(getattr(step, "target", None)) or _is_upside_down(getattr(step, "load", None)):
            raise StepsFault("out_of_order")
    return steps


def _is_upside_down(target: Any) -> bool:
    return hasattr(target, "low") and target.low > target.high


def plain(value: Any) -> Any:
    """As JSON values."""
    return msgspec.to_builtins(value)


def nodes(steps: Sequence[Step]) -> Iterator[Step]:
    """Every step in the order in which rules and results number them from 0: a repeat, then what is inside it."""
    for step in steps:
        yield step
        if isinstance(step, Repeat):
            yield from step.steps


def changed(steps: Sequence[Step], change: Callable[[int, Any], Any]) -> tuple[Step, ...]:
    """The same steps with each node replaced by what `change(number, node)` makes of it."""
    number = -1

    def one(step: Any) -> Any:
        nonlocal number
        number += 1
        made = change(number, step)
        return msgspec.structs.replace(made, steps=tuple(map(one, step.steps))) if isinstance(step, Repeat) else made

    return tuple(map(one, steps))


def exercises_in(steps: Sequence[Step]) -> set[UUID]:
    """The exercises these steps speak of."""
    return {step.exercise_id for step in nodes(steps) if isinstance(step, StrengthSet)}


def performed(steps: Sequence[Step]) -> Iterator[tuple[Leaf, int]]:
    """Each step that is done, and how often."""
    for step in steps:
        if isinstance(step, Repeat):
            yield from ((inner, step.times) for inner in step.steps)
        else:
            yield step, 1


def sets_asked(steps: Sequence[Step]) -> list[int]:
    """How many sets each node asks for in all rounds, by its number; none of what is no strength set."""
    asked: list[int] = []
    for step in steps:
        times = step.times if isinstance(step, Repeat) else 1
        of = [step, *step.steps] if isinstance(step, Repeat) else [step]
        asked += [min(MOST_SETS, one.sets * times) if isinstance(one, StrengthSet) else 0 for one in of]
    return asked


class Range(_Value, frozen=True):
    """A target in numbers; the unit is a symbol of SI or `bpm`, `rpe`."""

    unit: str
    low: float
    high: float


def range_of(target: Target | Load | None, thresholds: Thresholds, exercise_id: UUID | None = None) -> Range | None:
    """What a target means for this athlete; none where the threshold it is relative to is not known."""
    match target:
        case Effort(low=low, high=high):
            return Range("rpe", low, high)
        case Weight(kilograms=kilograms):
            return Range("kg", kilograms, kilograms)
        case HeartRateZone(low=low, high=high) if thresholds.hr_max:
            bounds = (*zones.PERCENT_OF_MAXIMUM, 1.0)
            return Range("bpm", round(bounds[low - 1] * thresholds.hr_max), round(bounds[high] * thresholds.hr_max))
        case Power(low=low, high=high) if thresholds.ftp_w:
            return Range("W", round(low * thresholds.ftp_w / 100), round(high * thresholds.ftp_w / 100))
        case Pace(low=low, high=high) if thresholds.speed_mps:
            return Range(
                "m/s", round(low * thresholds.speed_mps / 100, 3), round(high * thresholds.speed_mps / 100, 3)
            )
        case PartOfMaximum(percent=percent) if exercise_id in thresholds.e1rm_kg:
            kilograms = round(percent * thresholds.e1rm_kg[exercise_id] / 100 / PLATE_KG) * PLATE_KG
            return Range("kg", kilograms, kilograms)
    return None


def resolved(steps: Sequence[Step], thresholds: Thresholds, names: Mapping[UUID, str]) -> list[dict[str, Any]]:
    """Steps as JSON values, each with its `range` for this athlete, strength sets with the exercise's name."""

    def shown(step: Step) -> dict[str, Any]:
        said: dict[str, Any] = plain(step)
        if isinstance(step, Repeat):
            return said | {"steps": [shown(inner) for inner in step.steps]}
        if isinstance(step, StrengthSet):
            meant = range_of(step.load, thresholds, step.exercise_id)
            return said | {"exercise": names.get(step.exercise_id, ""), "range": plain(meant)}
        return said | {"range": plain(range_of(step.target, thresholds))}

    return [shown(step) for step in steps]
