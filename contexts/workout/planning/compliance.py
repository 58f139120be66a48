"""How near what was done came to what was planned: 0 to 100, with its parts explained.

Each part is compared with what the steps ask for; what the plan leaves open, or the session does not tell, is no
part of the score. Within ±10 % is as planned. Less counts in proportion; more loses evenly, down to nothing at
twice as much: too much is not as planned either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from contexts.workout.planning import steps as parts
from contexts.workout.planning.progression import Outcome, all_reps_done
from contexts.workout.planning.steps import Step, Thresholds

TOLERANCE: Final = 0.1
WEIGHTS: Final = {"duration": 40, "distance": 40, "repetitions": 60, "weight": 20, "intensity": 20}
"""Relative weights; those of the parts that can be compared share the whole."""

FAILED_BELOW: Final = 50.0
"""A session with a lower score has not done what the plan asked for."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a session says of itself: seconds, metres, seconds below zone 1 and in zones 1 to 5."""

    duration_s: float | None = None
    distance_m: float | None = None
    hr_zones_s: Sequence[float] | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One comparison. `unit` says what `planned` and `done` are; `score` is 0 to 100."""

    name: str
    unit: str
    planned: float
    done: float
    score: float
    weight: int


@dataclass(frozen=True, slots=True)
class Compliance:
    """The score, and what it was made of."""

    score: float
    parts: list[Part]


def compare(asked: Sequence[Step], done: Done, outcome: Outcome, thresholds: Thresholds) -> Compliance | None:
    """How a session complied; none if there is nothing to compare."""
    found = [_duration(asked, done), _distance(asked, done), _repetitions(asked, outcome)]
    found += [_weight(asked, outcome, thresholds), _intensity(asked, done, outcome, thresholds)]
    compared = [part for part in found if part is not None]
    if not compared:
        return None
    whole = sum(part.weight for part in compared)
    return Compliance(score=round(sum(part.score * part.weight for part in compared) / whole, 1), parts=compared)


def near(planned: float, done: float) -> float:
    """0 to 100: how near a number came to what was planned."""
    ratio = done / planned
    if ratio < 1 - TOLERANCE:
        return max(0.0, 100 * ratio / (1 - TOLERANCE))
    if ratio > 1 + TOLERANCE:
        return max(0.0, 100 * (2 - ratio) / (1 - TOLERANCE))
    return 100.0


def planned_seconds(steps: Sequence[Step]) -> float | None:
    """How long the steps take; none if one of them has no time."""
    lengths = [(step.length, times) for step, times in parts.performed(steps) if isinstance(step, parts.Interval)]
    seconds = [length.seconds * times for length, times in lengths if isinstance(length, parts.ForTime)]
    every = sum(1 for _ in parts.performed(steps))
    return sum(seconds) if seconds and len(seconds) == every else None


def planned_metres(steps: Sequence[Step]) -> float | None:
    """How far the steps go; none if one of them has no distance."""
    lengths = [(step.length, times) for step, times in parts.performed(steps) if isinstance(step, parts.Interval)]
    metres = [length.metres * times for length, times in lengths if isinstance(length, parts.ForDistance)]
    every = sum(1 for _ in parts.performed(steps))
    return sum(metres) if metres and len(metres) == every else None


def all_sets_done(steps: Sequence[Step], outcome: Outcome) -> bool:
    """Whether no strength step was reported with fewer repetitions than it asked for."""
    wanted = list(zip(parts.nodes(steps), parts.sets_asked(steps), strict=True))
    return all(
        one.step >= len(wanted) or all_reps_done(wanted[one.step][0], one, sets=wanted[one.step][1])
        for one in outcome.results
    )


def _part(name: str, unit: str, planned: float | None, done: float | None) -> Part | None:
    if not planned or done is None:
        return None
    return Part(name, unit, round(planned, 2), round(done, 2), round(near(planned, done), 1), WEIGHTS[name])


def _duration(asked: Sequence[Step], done: Done) -> Part | None:
    return _part("duration", "s", planned_seconds(asked), done.duration_s)


def _distance(asked: Sequence[Step], done: Done) -> Part | None:
    return _part("distance", "m", planned_metres(asked), done.distance_m)


def _repetitions(asked: Sequence[Step], outcome: Outcome) -> Part | None:
    """Repetitions in excess of those planned make up for nothing: a set counts at most in full."""
    if not outcome.results:
        return None
    planned = counted = 0
    for number, (step, sets) in enumerate(zip(parts.nodes(asked), parts.sets_asked(asked), strict=True)):
        result = outcome.result_of(number)
        if isinstance(step, parts.StrengthSet):
            planned += sets * step.reps
            counted += sum(min(reps, step.reps) for reps in result.reps[:sets]) if result else 0
    return _part("repetitions", "", planned, counted)


def _weight(asked: Sequence[Step], outcome: Outcome, thresholds: Thresholds) -> Part | None:
    """The mean weight of a repetition, in the sets of which it is known, against the one that was asked for."""
    planned = lifted = counted = 0.0
    for number, (step, sets) in enumerate(zip(parts.nodes(asked), parts.sets_asked(asked), strict=True)):
        result = outcome.result_of(number)
        if not isinstance(step, parts.StrengthSet) or result is None:
            continue
        meant = parts.range_of(step.load, thresholds, step.exercise_id)
        for nth, reps in enumerate(result.reps[:sets]):
            weight = result.weight_of(nth)
            if meant is not None and meant.unit == "kg" and weight is not None:
                planned, lifted, counted = planned + reps * meant.low, lifted + reps * weight, counted + reps
    return _part("weight", "kg", planned / counted, lifted / counted) if counted else None


def _intensity(asked: Sequence[Step], done: Done, outcome: Outcome, thresholds: Thresholds) -> Part | None:
    """By the zones of the heart rate, else by mean speed, else by perceived exertion: the first that can be."""
    return _by_zones(asked, done) or _by_speed(asked, done, thresholds) or _by_effort(asked, outcome)


def _timed(asked: Sequence[Step], kind: type) -> list[tuple[object, float]] | None:
    """The targets with their seconds; none unless every step is timed and has a target of this kind."""
    found: list[tuple[object, float]] = []
    for step, times in parts.performed(asked):
        if not isinstance(step, parts.Interval) or not isinstance(step.length, parts.ForTime):
            return None
        if not isinstance(step.target, kind):
            return None
        found.append((step.target, step.length.seconds * times))
    return found


def _by_zones(asked: Sequence[Step], done: Done) -> Part | None:
    """Seconds in the zones that were asked for; a step over several zones may be done in any of them."""
    timed = _timed(asked, parts.HeartRateZone)
    if timed is None or not done.hr_zones_s or not sum(done.hr_zones_s):
        return None
    left = list(done.hr_zones_s)
    inside = 0.0
    for target, seconds in sorted(timed, key=lambda one: one[0].high - one[0].low):  # type: ignore[attr-defined]
        for zone in range(target.low, target.high + 1):  # type: ignore[attr-defined]
            taken = min(left[zone], seconds)
            left[zone], seconds, inside = left[zone] - taken, seconds - taken, inside + taken
    return _part("intensity", "s in zones", sum(seconds for _, seconds in timed), inside)


def _by_speed(asked: Sequence[Step], done: Done, thresholds: Thresholds) -> Part | None:
    timed = _timed(asked, parts.Pace)
    if timed is None or not thresholds.speed_mps or not done.distance_m or not done.duration_s:
        return None
    metres = 0.0
    for target, seconds in timed:
        meant = parts.range_of(target, thresholds)  # type: ignore[arg-type]
        assert meant is not None
        metres += (meant.low + meant.high) / 2 * seconds
    planned = metres / sum(seconds for _, seconds in timed)
    return _part("intensity", "m/s", planned, done.distance_m / done.duration_s)


def _by_effort(asked: Sequence[Step], outcome: Outcome) -> Part | None:
    """The hardest effort that was asked for against the one that was felt."""
    targets = [getattr(step, "target", None) or getattr(step, "load", None) for step, _ in parts.performed(asked)]
    efforts = [target.high for target in targets if isinstance(target, parts.Effort)]
    return _part("intensity", "rpe", max(efforts, default=None), outcome.rpe)
