"""On which day stands what: a plan laid out for one athlete, and what becomes of it when days go by.

Deterministic: the same content, start, history and moves give the same schedule. Adaptation, in this order:

* A session that was missed and is `key` is made up once: on the next day without a session in the same week of the
  plan. Without such a day, and for `normal` and `optional` ones, it stays missed.
* A week of which nothing was done though something other than optional was asked for is repeated: the plan becomes
  a week longer, at most `MAX_REPEATED` times. From the second repeat in a row on, durations, distances and sets are
  reduced to `EASED_PERCENT`.
* What failed is repeated or lowered as `progression` says.
* A week's own `volume_percent` (a lighter week, say) scales durations, distances and sets after all rules.

An occurrence has the same name for ever: its week of the athlete's calendar, from 1, and its place in that week,
from 0. What is settled is history and never changes; only what is still to come is laid out anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeAlias
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from contexts.workout.planning import steps as parts
from contexts.workout.planning.progression import (
    PLANNED,
    Outcome,
    Progress,
    ProgressionRule,
    quantity_of,
    with_quantity,
)
from contexts.workout.planning.steps import Step

DAYS_A_WEEK: Final = 7
MAX_WEEKS: Final = 52
MAX_A_DAY: Final = 3
MAX_RULES: Final = 100
MAX_REPEATED: Final = 4
EASED_PERCENT: Final = 80.0
"""Of the usual volume, once a second week in a row was missed."""

Priority: TypeAlias = Literal["key", "normal", "optional"]


class Placed(Struct, frozen=True, forbid_unknown_fields=True):
    """A workout on a day of a plan's week, 1 to 7, counted from the weekday on which the athlete starts."""

    day: Annotated[int, Meta(ge=1, le=DAYS_A_WEEK)]
    workout_id: UUID
    priority: Priority = "normal"


class Week(Struct, frozen=True, forbid_unknown_fields=True):
    """A week of a plan."""

    days: Annotated[tuple[Placed, ...], Meta(max_length=DAYS_A_WEEK * MAX_A_DAY)] = ()
    volume_percent: Annotated[float, Meta(ge=10, le=200)] = 100
    note: Annotated[str, Meta(max_length=300)] = ""

    def in_order(self) -> list[Placed]:
        """Its workouts day by day."""
        return sorted(self.days, key=lambda placed: placed.day)


Weeks: TypeAlias = Annotated[tuple[Week, ...], Meta(min_length=1, max_length=MAX_WEEKS)]
Rules: TypeAlias = Annotated[tuple[ProgressionRule, ...], Meta(max_length=MAX_RULES)]


class Workout(Struct, frozen=True):
    """What an adopted plan keeps of a workout."""

    title: str
    sport: str
    steps: tuple[Step, ...]


class Content(Struct, frozen=True):
    """All of a plan that its schedule follows from; an adopted plan keeps its own, whatever its author changes."""

    weeks: tuple[Week, ...]
    rules: tuple[ProgressionRule, ...]
    workouts: dict[UUID, Workout]
    exercises: dict[UUID, str]


class Slot(NamedTuple):
    """The name of an occurrence: its week of the athlete's calendar from 1, its place in that week from 0."""

    week: int
    place: int


class Occurrence(NamedTuple):
    """One workout on one day."""

    slot: Slot
    day: date
    plan_week: int
    workout_id: UUID
    priority: Priority
    steps: tuple[Step, ...]


class Move(NamedTuple):
    """Another day for an occurrence; void when its week of the calendar holds another week of the plan by now."""

    plan_week: int
    day: date


class Settled(NamedTuple):
    """What became of an occurrence, and which workout it was."""

    workout_id: UUID
    outcome: Outcome


class TooManyADay(Exception):
    """A day of a plan holds more workouts than anybody should do."""


def ensure_sound(weeks: Sequence[Week]) -> None:
    """Raise `TooManyADay` where a day is overfull."""
    for week in weeks:
        taken = [placed.day for placed in week.days]
        if any(taken.count(day) > MAX_A_DAY for day in set(taken)):
            raise TooManyADay


def lay_out(
    content: Content, starts_on: date, *, history: Mapping[Slot, Settled], moves: Mapping[Slot, Move]
) -> list[Occurrence]:
    """The whole schedule, the first day first."""
    progress = {
        workout_id: Progress(
            steps=workout.steps, rules=tuple(rule for rule in content.rules if rule.workout_id == workout_id)
        )
        for workout_id, workout in content.workouts.items()
    }
    laid: list[Occurrence] = []
    plan_week, repeated, in_a_row, calendar_week = 0, 0, 0, 0
    while plan_week < len(content.weeks):
        calendar_week += 1
        week = content.weeks[plan_week]
        volume = week.volume_percent * (EASED_PERCENT if in_a_row >= 2 else 100.0) / 100
        outcomes = []
        for place, placed in enumerate(week.in_order()):
            slot = Slot(calendar_week, place)
            move = moves.get(slot)
            of = progress[placed.workout_id]
            asked = scaled(of.now(week=plan_week + 1), volume)
            settled = history.get(slot, Settled(placed.workout_id, PLANNED))
            outcomes.append((placed.priority, settled.outcome.state))
            if settled.workout_id == placed.workout_id:  # else it was done ahead, before a week was repeated
                of.learn(settled.outcome, asked)
            laid.append(
                Occurrence(
                    slot=slot,
                    day=move.day if move and move.plan_week == plan_week + 1 else day_of(placed, slot, starts_on),
                    plan_week=plan_week + 1,
                    workout_id=placed.workout_id,
                    priority=placed.priority,
                    steps=asked,
                )
            )
        if was_missed(outcomes) and repeated < MAX_REPEATED:
            repeated, in_a_row = repeated + 1, in_a_row + 1
        else:
            plan_week, in_a_row = plan_week + 1, 0
    return sorted(laid, key=lambda one: (one.day, one.slot))


def day_of(placed: Placed, slot: Slot, starts_on: date) -> date:
    """Where the plan lays an occurrence out by itself."""
    return starts_on + timedelta(days=DAYS_A_WEEK * (slot.week - 1) + placed.day - 1)


def was_missed(outcomes: Sequence[tuple[Priority, str]]) -> bool:
    """Whether a week went by without anything done, though something other than optional was asked for."""
    asked = [state for priority, state in outcomes if priority != "optional"]
    return (
        bool(asked)
        and all(state == "missed" for state in asked)
        and all(state in ("missed", "skipped") for _, state in outcomes)
    )


def day_to_make_up(
    priority: Priority, *, slot: Slot, starts_on: date, today: date, taken: set[date], made_up: bool
) -> date | None:
    """Where a missed session goes: the next free day of its week, from today on; none if it stays missed."""
    if priority != "key" or made_up:
        return None
    first = starts_on + timedelta(days=DAYS_A_WEEK * (slot.week - 1))
    days = [first + timedelta(days=nth) for nth in range(DAYS_A_WEEK)]
    return next((day for day in days if day >= today and day not in taken), None)


def scaled(steps: Sequence[Step], percent: float) -> tuple[Step, ...]:
    """The steps with another volume: durations, distances and sets; how hard they are stays."""
    if percent == 100:
        return tuple(steps)

    def change(_: int, step: Any) -> Any:
        for quantity in ("duration", "distance", "sets"):
            value = quantity_of(step, quantity)
            if value is not None:
                step = with_quantity(step, quantity, max(1, round(value * percent / 100)))
        return step

    return parts.changed(steps, change)


def read_content(raw: Any) -> Content:
    """What an adopted plan keeps, from JSON values."""
    return msgspec.convert(raw, type=Content)
