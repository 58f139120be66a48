"""How workouts of a plan grow: rules as data, applied to one occurrence after another.

A rule changes one quantity of one workout: it adds, multiplies or replaces every n sessions or weeks, within bounds,
and, where it says so, only after success. Idea of rules as data: wger's progression algebra; the endurance
quantities and the deload are ours.

What happened decides, in this order:
* done, and the rule's demands are met: a success, which counts towards the next step;
* failed, or the demands are not met: the same values again next time;
* failed twice in a row: the value is lowered by `deload_percent`, and counting begins anew;
* missed or skipped: nothing is learned, nothing changes;
* still to come: taken for a success, so that a plan shows what it leads to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import floor
from typing import Annotated, Any, Final, Literal, TypeAlias
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from contexts.workout.planning import steps as parts
from contexts.workout.planning.steps import Step

FAILS_TO_DELOAD: Final = 2
Quantity: TypeAlias = Literal["weight", "reps", "sets", "duration", "distance", "intensity"]
State: TypeAlias = Literal["planned", "done", "failed", "missed", "skipped"]


class ProgressionRule(Struct, frozen=True, forbid_unknown_fields=True):
    """One rule. Units of `value` and bounds: kilograms, repetitions, sets, seconds, metres, the target's own unit."""

    workout_id: UUID
    changes: Quantity
    operation: Literal["add", "multiply", "replace"]
    value: Annotated[float, Meta(ge=-100_000, le=100_000)]
    every: Annotated[int, Meta(ge=1, le=52)] = 1
    per: Literal["session", "week"] = "session"
    step: Annotated[int, Meta(ge=0, le=parts.MAX_STEPS - 1)] | None = None
    """The step it is for, numbered as `steps.nodes` says; none: every step that has the quantity."""
    after_success: bool = True
    requires_reps: bool = True
    max_rpe: Annotated[float, Meta(ge=1, le=10)] | None = None
    minimum: Annotated[float, Meta(ge=0, le=1_000_000)] | None = None
    maximum: Annotated[float, Meta(ge=0, le=1_000_000)] | None = None
    round_to: Annotated[float, Meta(ge=0.01, le=1_000)] | None = None
    deload_percent: Annotated[float, Meta(ge=0, le=60)] = 10


PLATES_KG: Final = 2.5
"""A pair of the smallest plates of most gyms: a set that is lighter than asked by as much was not done as asked."""


class Result(Struct, frozen=True, forbid_unknown_fields=True):
    """What an athlete did of one strength step: repetitions and, where known, weight of each set, and how hard."""

    step: Annotated[int, Meta(ge=0, le=parts.MAX_STEPS - 1)]
    reps: Annotated[tuple[Annotated[int, Meta(ge=0, le=1000)], ...], Meta(max_length=parts.MOST_SETS)]
    rpe: Annotated[float, Meta(ge=1, le=10)] | None = None
    weights_kg: Annotated[
        tuple[Annotated[float, Meta(ge=0, le=parts.HEAVIEST_KG)] | None, ...], Meta(max_length=parts.MOST_SETS)
    ] = ()

    def weight_of(self, nth: int) -> float | None:
        """The weight of one set, if it was said."""
        return self.weights_kg[nth] if nth < len(self.weights_kg) else None


class Outcome(Struct, frozen=True):
    """What became of one occurrence of a workout."""

    state: State = "planned"
    results: tuple[Result, ...] = ()
    rpe: float | None = None
    from_sets: bool = False
    """Whether the results are those of the session's sets; what an athlete reports goes before."""

    def result_of(self, step: int) -> Result | None:
        """What was reported of a step."""
        return next((one for one in self.results if one.step == step), None)


PLANNED: Final = Outcome()


class RuleFault(Exception):
    """What is wrong with a rule that has the right form."""

    def __init__(self, code: str) -> None:
        """A stable code."""
        self.code = code
        super().__init__(code)


def ensure_sound(rules: Sequence[ProgressionRule], steps: Sequence[Step]) -> None:
    """Raise `RuleFault` where a rule of this workout can have no effect, or two change one quantity of a step."""
    changed: set[tuple[Quantity, int]] = set()
    for rule in rules:
        here = _places(rule, steps)
        if changed & here:
            raise RuleFault("twice")
        changed |= here


def _places(rule: ProgressionRule, steps: Sequence[Step]) -> set[tuple[Quantity, int]]:
    """What a sound rule changes, and of which steps."""
    if rule.minimum is not None and rule.maximum is not None and rule.minimum > rule.maximum:
        raise RuleFault("bounds_out_of_order")
    if rule.operation != "add" and rule.value < 0:
        raise RuleFault("negative")
    found = {
        (rule.changes, number)
        for number, step in enumerate(parts.nodes(steps))
        if _applies(rule, number) and quantity_of(step, rule.changes) is not None
    }
    if not found:
        raise RuleFault("changes_nothing")
    return found


def _applies(rule: ProgressionRule, number: int) -> bool:
    return rule.step is None or rule.step == number


@dataclass(frozen=True, slots=True)
class Level:
    """How far a rule has brought its quantity on one step. `value` is kept unrounded."""

    value: float
    successes: int = 0
    fails: int = 0
    week: int = 1
    """The week of the plan in which it last changed."""


@dataclass(slots=True)
class Progress:
    """How far a workout has come: its steps as first planned, and the levels its rules have reached."""

    steps: tuple[Step, ...]
    rules: tuple[ProgressionRule, ...]
    levels: dict[tuple[int, int], Level] = field(default_factory=dict)
    succeeded: dict[int, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for nth, rule in enumerate(self.rules):
            for number, step in enumerate(parts.nodes(self.steps)):
                first = quantity_of(step, rule.changes)
                if _applies(rule, number) and first is not None:
                    self.levels[nth, number] = Level(value=first)

    def now(self, *, week: int) -> tuple[Step, ...]:
        """The steps of the occurrence that comes next, in this week of the plan; rules by week act here."""
        for place, level in self.levels.items():
            rule = self.rules[place[0]]
            due = rule.per == "week" and week - level.week >= rule.every
            if due and (not rule.after_success or self.succeeded.get(place[0], True)):
                self.levels[place] = replace(level, value=_moved(rule, level.value), week=week)

        def at_level(number: int, step: Step) -> Step:
            for (nth, of), level in self.levels.items():
                if of == number:
                    step = with_quantity(step, self.rules[nth].changes, _rounded(self.rules[nth], level.value))
            return step

        return parts.changed(self.steps, at_level)

    def learn(self, outcome: Outcome, asked: Sequence[Step]) -> None:
        """Take in what became of an occurrence that asked for these steps."""
        if outcome.state in ("missed", "skipped"):
            return
        wanted, sets = list(parts.nodes(asked)), parts.sets_asked(asked)
        for (nth, number), level in self.levels.items():
            rule = self.rules[nth]
            success = met(rule, wanted[number], number, outcome, sets=sets[number])
            self.succeeded[nth] = success
            self.levels[nth, number] = _after(rule, level, success=success)


def _after(rule: ProgressionRule, level: Level, *, success: bool) -> Level:
    fails = 0 if success else level.fails + 1
    if fails >= FAILS_TO_DELOAD:
        return Level(value=_lowered(rule, level.value), week=level.week)
    counted = level.successes + (1 if success or not rule.after_success else 0)
    if rule.per == "session" and counted >= rule.every:
        return Level(value=_moved(rule, level.value), fails=fails, week=level.week)
    return replace(level, successes=counted, fails=fails)


def met(rule: ProgressionRule, step: Step, number: int, outcome: Outcome, *, sets: int) -> bool:
    """Whether an occurrence met the rule's demands on one step."""
    if outcome.state == "planned":
        return True
    result = outcome.result_of(number)
    enough = (
        outcome.state == "done"
        if result is None
        else not rule.requires_reps or all_reps_done(step, result, sets=sets)
    )
    said = result.rpe if result and result.rpe is not None else outcome.rpe
    return enough and (rule.max_rpe is None or (said is not None and said <= rule.max_rpe))


def all_reps_done(step: Step, result: Result, *, sets: int) -> bool:
    """Whether every set, of so many in all rounds, was done with the repetitions and kilograms asked for."""
    if not isinstance(step, parts.StrengthSet):
        return True
    done = enumerate(result.reps[:sets])
    return len(result.reps) >= sets and all(
        reps >= step.reps and not _is_too_light(step, result.weight_of(nth)) for nth, reps in done
    )


def _is_too_light(step: parts.StrengthSet, lifted_kg: float | None) -> bool:
    if lifted_kg is None or not isinstance(step.load, parts.Weight):
        return False
    return lifted_kg <= step.load.kilograms - PLATES_KG


def _moved(rule: ProgressionRule, value: float) -> float:
    """One step of the rule. A value that was outside the bounds from the start is not pulled inside."""
    to = {"add": value + rule.value, "multiply": value * rule.value, "replace": rule.value}[rule.operation]
    if rule.maximum is not None:
        to = min(to, max(rule.maximum, value))
    if rule.minimum is not None:
        to = max(to, min(rule.minimum, value))
    return to


def _lowered(rule: ProgressionRule, value: float) -> float:
    to = value * (1 - rule.deload_percent / 100)
    return to if rule.minimum is None else max(to, min(rule.minimum, value))


def _rounded(rule: ProgressionRule, value: float) -> float:
    """Down to the next multiple; the hair more is for what binary fractions lose."""
    return floor(value / rule.round_to + 1e-9) * rule.round_to if rule.round_to else value


# --- Quantities of steps ------------------------------------------------------------------------------------------

_LIMITS: Final[dict[type, tuple[float, float]]] = {
    parts.HeartRateZone: (1, 5),
    parts.Effort: (1, 10),
    parts.Power: (1, 300),
    parts.Pace: (1, 300),
}


def quantity_of(step: Step, quantity: Quantity) -> float | None:
    """A quantity of a step, or none where it has no such thing; the intensity of a range is its upper end."""
    match quantity, step:
        case "weight", parts.StrengthSet(load=parts.Weight(kilograms=kilograms)):
            return kilograms
        case "reps", parts.StrengthSet(reps=reps):
            return reps
        case "sets", parts.StrengthSet(sets=sets):
            return sets
        case "sets", parts.Repeat(times=times):
            return times
        case "duration", parts.Interval(length=parts.ForTime(seconds=seconds)):
            return seconds
        case "distance", parts.Interval(length=parts.ForDistance(metres=metres)):
            return metres
        case "intensity", parts.StrengthSet(load=parts.PartOfMaximum(percent=percent)):
            return percent
        case "intensity", parts.StrengthSet(load=parts.Effort(high=high)):
            return high
        case "intensity", parts.Interval(target=target) if target is not None:
            return target.high
    return None


def with_quantity(step: Any, quantity: Quantity, value: float) -> Any:
    """The step with this quantity, as near to the value as a step can have it."""
    change = msgspec.structs.replace
    match quantity, step:
        case "weight", _:
            return change(step, load=parts.Weight(kilograms=_within(value, 0, parts.HEAVIEST_KG)))
        case "reps", _:
            return change(step, reps=int(_within(value, 1, 200)))
        case "sets", parts.Repeat():
            return change(step, times=int(_within(value, 2, 99)))
        case "sets", _:
            return change(step, sets=int(_within(value, 1, 20)))
        case "duration", _:
            return change(step, length=parts.ForTime(seconds=_within(value, 1, parts.LONGEST_S)))
        case "distance", _:
            return change(step, length=parts.ForDistance(metres=_within(value, 1, parts.FARTHEST_M)))
        case "intensity", parts.StrengthSet(load=parts.PartOfMaximum()):
            return change(step, load=parts.PartOfMaximum(percent=_within(value, 1, 300)))
        case "intensity", parts.StrengthSet(load=load):
            return change(step, load=_shifted(load, value))
    return change(step, target=_shifted(step.target, value))


def _shifted(target: Any, high: float) -> Any:
    """A range moved as a whole so that it ends here."""
    least, most = _LIMITS[type(target)]
    high = _within(high, least, most)
    low = _within(target.low + high - target.high, least, high)
    if isinstance(target, parts.HeartRateZone):
        return parts.HeartRateZone(low=int(low), high=int(high))
    return msgspec.structs.replace(target, low=low, high=high)


def _within(value: float, least: float, most: float) -> float:
    return max(least, min(most, value))
