"""Planned workouts as FIT files, which watches take and lead the athlete through.

Format: FIT profile, messages `file_id` (type 5, workout), `workout`, `workout_step`. Heart rate and power are given
in per cent, which the watch resolves by the athlete's own settings: 0–100 % of the maximal heart rate, 0–1000 % of
FTP. A speed has no relative form in FIT, so pace stays open where the threshold pace is not known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from contexts.workout.analysis import zones
from contexts.workout.planning import steps as parts
from contexts.workout.planning.steps import Step, Thresholds
from contexts.workout.recordings.fit_writing import Base, Field, FitWriter, fit_time

FILE_ID, WORKOUT, WORKOUT_STEP = 0, 26, 27
"""Global message numbers."""

TYPE_WORKOUT: Final = 5
DEVELOPMENT: Final = 255
"""The manufacturer's number for whoever has none of their own."""

SPORTS: Final = {
    "running": (1, 0),
    "cycling": (2, 0),
    "swimming": (5, 0),
    "walking": (11, 0),
    "rowing": (15, 0),
    "strength": (10, 20),
    "other": (0, 0),
}
"""Sport and sub-sport by the profile; strength is training, strength_training."""

LONGEST_NAME: Final = 40

TIME, DISTANCE, OPEN_END, REPEAT, REPS = 0, 1, 5, 6, 29
"""wkt_step_duration."""
SPEED, HEART_RATE, NO_TARGET, POWER = 0, 1, 2, 4
"""wkt_step_target."""
INTENSITIES: Final = {parts.Work: 0, parts.Warmup: 2, parts.Cooldown: 3, parts.Recovery: 4}
ACTIVE, REST = 0, 1
KILOGRAM: Final = 1
"""fit_base_unit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Row:
    """A workout_step in the profile's raw units: ms, cm, repetitions; targets as their kind says."""

    duration: int
    value: int | None = None
    target: int = NO_TARGET
    target_value: int = 0
    low: int | None = None
    high: int | None = None
    intensity: int | None = None
    name: str = ""
    weight: int | None = None

    def fields(self, index: int) -> list[Field]:
        """As the message holds them."""
        return [
            Field(254, Base.UINT16, index),
            Field(0, Base.STRING, _named(self.name)),
            Field(1, Base.ENUM, self.duration),
            Field(2, Base.UINT32, self.value),
            Field(3, Base.ENUM, self.target),
            Field(4, Base.UINT32, self.target_value),
            Field(5, Base.UINT32, self.low),
            Field(6, Base.UINT32, self.high),
            Field(7, Base.ENUM, self.intensity),
            Field(12, Base.UINT16, self.weight),
            Field(13, Base.UINT16, None if self.weight is None else KILOGRAM),
        ]


@dataclass(slots=True)
class _Rows:
    """Steps as FIT counts them: a repeat is a row after the steps it leads back to."""

    thresholds: Thresholds
    names: Mapping[UUID, str]
    rows: list[_Row] = field(default_factory=list)

    def add(self, step: Step) -> None:
        first = len(self.rows)
        match step:
            case parts.Repeat(times=times, steps=inner):
                for one in inner:
                    self.add(one)
                self._back_to(first, times)
            case parts.StrengthSet():
                self._add_set(step)
                if step.sets > 1:
                    self._back_to(first, step.sets)
            case parts.Interval():
                self._add_interval(step)

    def _back_to(self, first: int, times: int) -> None:
        self.rows.append(_Row(duration=REPEAT, value=first, target_value=times))

    def _add_set(self, step: parts.StrengthSet) -> None:
        meant = parts.range_of(step.load, self.thresholds, step.exercise_id)
        weight = round(meant.high * 100) if meant and meant.unit == "kg" else None
        name = self.names.get(step.exercise_id, "")
        self.rows.append(_Row(duration=REPS, value=step.reps, intensity=ACTIVE, name=name, weight=weight))
        if step.rest_s:
            self.rows.append(_Row(duration=TIME, value=step.rest_s * 1000, intensity=REST))

    def _add_interval(self, step: parts.Interval) -> None:
        duration: int
        value: int | None
        match step.length:
            case parts.ForTime(seconds=seconds):
                duration, value = TIME, round(seconds * 1000)
            case parts.ForDistance(metres=metres):
                duration, value = DISTANCE, round(metres * 100)
            case _:
                duration, value = OPEN_END, None
        target, low, high = _custom_target(step.target, self.thresholds)
        self.rows.append(
            _Row(
                duration=duration,
                value=value,
                target=target,
                low=low,
                high=high,
                intensity=INTENSITIES[type(step)],
                name=step.note,
            )
        )


def _custom_target(target: parts.Target | None, thresholds: Thresholds) -> tuple[int, int | None, int | None]:
    match target:
        case parts.HeartRateZone(low=low, high=high):
            bounds = (*zones.PERCENT_OF_MAXIMUM, 1.0)
            return HEART_RATE, round(bounds[low - 1] * 100), round(bounds[high] * 100)
        case parts.Power(low=low, high=high):
            return POWER, round(low), round(high)
        case parts.Pace() if meant := parts.range_of(target, thresholds):
            return SPEED, round(meant.low * 1000), round(meant.high * 1000)
    return NO_TARGET, None, None


def fit_workout(
    *,
    title: str,
    sport: str,
    steps: Sequence[Step],
    thresholds: Thresholds,
    names: Mapping[UUID, str],
    serial: int,
    made_at: datetime,
) -> bytes:
    """The file. `serial` tells two workouts of one instant apart."""
    rows = _Rows(thresholds=thresholds, names=names)
    for step in steps:
        rows.add(step)
    of_sport, of_sub_sport = SPORTS[sport]
    writer = FitWriter()
    writer.write(
        FILE_ID,
        [
            Field(0, Base.ENUM, TYPE_WORKOUT),
            Field(1, Base.UINT16, DEVELOPMENT),
            Field(2, Base.UINT16, 0),
            Field(3, Base.UINT32Z, serial & 0xFFFFFFFF),
            Field(4, Base.UINT32, fit_time(made_at)),
        ],
    )
    writer.write(
        WORKOUT,
        [
            Field(4, Base.ENUM, of_sport),
            Field(11, Base.ENUM, of_sub_sport),
            Field(6, Base.UINT16, len(rows.rows)),
            Field(8, Base.STRING, _named(title)),
        ],
    )
    for index, row in enumerate(rows.rows):
        writer.write(WORKOUT_STEP, row.fields(index))
    return writer.file()


def _named(said: str) -> str:
    """As watches can show it; a character is never cut in two."""
    return said.encode()[:LONGEST_NAME].decode(errors="ignore")
