"""What the sets of a session are of a planned workout: which set was which step's."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Final, NamedTuple
from uuid import UUID

from contexts.workout.planning import steps as parts
from contexts.workout.planning.progression import Result
from contexts.workout.planning.steps import Step

MOST_REPS: Final = 1_000


class Lifted(NamedTuple):
    """One set: the exercise, its repetitions, kilograms, and how hard it was (RPE)."""

    exercise_id: UUID
    reps: int
    weight_kg: float | None = None
    rpe: float | None = None


def results_of(steps: Sequence[Step], sets: Sequence[Lifted]) -> tuple[Result, ...]:
    """A result for each strength step, from the sets in the order in which they were done.

    Steps of one exercise take its sets one after another, each as many as it asks for, the last all that are left.
    A step of which nothing was done has no repetitions. Nothing at all if none of the sets was asked for.
    """
    left: dict[UUID, deque[Lifted]] = defaultdict(deque)
    for one in sets:
        left[one.exercise_id].append(one)
    asked = [(number, step) for number, step in enumerate(parts.nodes(steps)) if isinstance(step, parts.StrengthSet)]
    if not any(left[step.exercise_id] for _, step in asked):
        return ()
    last = {step.exercise_id: number for number, step in asked}
    wanted = parts.sets_asked(steps)
    found = []
    for number, step in asked:
        waiting = left[step.exercise_id]
        count = len(waiting) if last[step.exercise_id] == number else min(wanted[number], len(waiting))
        found.append(_result(number, [waiting.popleft() for _ in range(count)]))
    return tuple(found)


def _result(number: int, done: Sequence[Lifted]) -> Result:
    kept = done[: parts.MOST_SETS]
    return Result(
        step=number,
        reps=tuple(min(one.reps, MOST_REPS) for one in kept),
        rpe=max((one.rpe for one in done if one.rpe is not None), default=None),
        weights_kg=tuple(one.weight_kg for one in kept),
    )
