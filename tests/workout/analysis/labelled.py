"""Makes sessions with realistic noise and known faults, to say how many flags are true and how many faults are found.

Nothing here looks at how the faults are searched for. Besides the faults there is what only looks like one:
intervals, sprints, a heart as fast as the steps, jitter of the position, tunnels, stops and missing samples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from contexts.workout.recordings import Streams

Array = NDArray[np.float64]
METRES_A_DEGREE = 111_195.0


@dataclass
class Labelled:
    """Columns of a session and, for each code, the samples that were made false."""

    sport: str
    columns: dict[str, Array]
    faults: dict[str, NDArray[np.bool_]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.columns["time"])

    def broken(self, code: str) -> NDArray[np.bool_]:
        return self.faults.setdefault(code, np.zeros(len(self), dtype=np.bool_))

    @property
    def streams(self) -> Streams:
        lists = {
            name: [None if np.isnan(value) else float(value) for value in column]
            for name, column in self.columns.items()
        }
        return Streams(**lists)


def wandering(dice: Generator, length: int, *, spread: float, memory: float) -> Array:
    """Noise that remembers: an error of a sensor or the mood of an athlete, with this standard deviation."""
    steps = dice.normal(0, spread * np.sqrt(1 - memory**2), length)
    found = np.empty(length)
    value = dice.normal(0, spread)
    for row, step in enumerate(steps):
        value = found[row] = memory * value + step
    return found


def following(target: Array, *, seconds: float) -> Array:
    """What goes after its target with a lag, as heart rate goes after effort."""
    found = np.empty_like(target)
    value = target[0]
    for row, wanted in enumerate(target):
        value = found[row] = value + (wanted - value) / seconds
    return found


def effort_of(dice: Generator, length: int) -> Array:
    """Between 0 and 1.2 of the threshold: steady, or intervals of 30 s to 5 min."""
    base = np.full(length, dice.uniform(0.6, 0.85))
    if dice.random() < 0.6:
        period, hard = int(dice.integers(60, 600)), dice.uniform(0.95, 1.15)
        base[(np.arange(length) % period) < period // 2] = hard
    return np.clip(base + wandering(dice, length, spread=0.05, memory=0.98), 0.0, 1.2)


def session(dice: Generator) -> Labelled:
    """A true session of 30 to 90 minutes, a sample a second, running or cycling."""
    length = int(dice.integers(1_800, 5_400))
    sport = str(dice.choice(["running", "cycling"]))
    effort = effort_of(dice, length)
    moving = np.ones(length)
    for _ in range(dice.integers(0, 4)):
        start = dice.integers(0, length - 120)
        moving[start : start + dice.integers(5, 120)] = 0
    effort = effort * moving
    resting, maximum = dice.uniform(45, 65), dice.uniform(175, 195)
    beats = following(resting + (maximum - resting) * np.clip(0.15 + 0.75 * effort, 0, 1), seconds=25)
    beats += wandering(dice, length, spread=1.5, memory=0.9)
    fastest = 5.0 if sport == "running" else 11.0
    grade = 0.04 * np.sin(np.arange(length) / dice.uniform(200, 900)) + wandering(
        dice, length, spread=0.01, memory=0.99
    )
    speed = fastest * effort * (1 - 4 * grade)
    columns = {"time": np.arange(length, dtype=np.float64), "heart_rate_bpm": np.rint(beats)}
    columns["speed_mps"] = np.round(np.clip(speed + wandering(dice, length, spread=0.15, memory=0.7), 0, None), 2)
    columns["altitude_m"] = 300 + np.cumsum(speed * grade) + wandering(dice, length, spread=0.4, memory=0.9)
    _places(dice, columns, speed)
    _legs(dice, columns, sport, effort, moving)
    made = Labelled(sport, columns)
    _missing(dice, made)
    return made


def _places(dice: Generator, columns: dict[str, Array], speed: Array) -> None:
    """A winding way, with errors of the position of some metres, more between houses."""
    length = len(speed)
    heading = np.cumsum(wandering(dice, length, spread=0.05, memory=0.9))
    error = dice.uniform(2, 6)
    north = np.cumsum(speed * np.cos(heading)) + wandering(dice, length, spread=error, memory=0.95)
    east = np.cumsum(speed * np.sin(heading)) + wandering(dice, length, spread=error, memory=0.95)
    home = dice.uniform(-60, 60)
    columns["latitude"] = home + north / METRES_A_DEGREE
    columns["longitude"] = dice.uniform(-170, 170) + east / METRES_A_DEGREE / np.cos(np.radians(home))


def _legs(dice: Generator, columns: dict[str, Array], sport: str, effort: Array, moving: Array) -> None:
    """Cadence, and power with sprints on a bicycle."""
    length = len(effort)
    if sport == "running":
        steps = dice.uniform(155, 180) + 8 * (effort - 0.7) + wandering(dice, length, spread=2.5, memory=0.8)
        columns["cadence_rpm"] = 2 * np.rint(steps * moving / 2)
        return
    columns["cadence_rpm"] = np.rint((dice.uniform(80, 95) + wandering(dice, length, spread=4, memory=0.9)) * moving)
    watts = 260 * effort * (1 + dice.normal(0, 0.12, length))
    for _ in range(dice.integers(0, 6)):
        start, lasting = dice.integers(0, length - 40), dice.integers(5, 20)
        watts[start : start + lasting] = dice.uniform(700, 1_400) * np.linspace(1, 0.6, lasting)
    columns["power_w"] = np.rint(np.clip(watts, 0, None))


def _missing(dice: Generator, made: Labelled) -> None:
    """Samples without a heart rate, and a tunnel without places."""
    lost = dice.random(len(made)) < 0.01
    made.columns["heart_rate_bpm"][lost] = np.nan
    start = dice.integers(0, len(made) - 200)
    tunnel = slice(start, start + dice.integers(0, 150))
    made.columns["latitude"][tunnel] = made.columns["longitude"][tunnel] = np.nan


def _stretch(dice: Generator, made: Labelled, shortest: int, longest: int) -> slice:
    lasting = int(dice.integers(shortest, longest))
    start = int(dice.integers(60, len(made) - lasting - 60))
    return slice(start, start + lasting)


def out_of_range(dice: Generator, made: Labelled) -> None:
    """A strap that slips says nothing a heart would."""
    where = _stretch(dice, made, 1, 60)
    made.columns["heart_rate_bpm"][where] = dice.choice([dice.integers(1, 40), dice.integers(221, 255)])
    made.broken("heart_rate_out_of_range")[where] = True


def flat_line(dice: Generator, made: Labelled) -> None:
    """A sensor that hangs repeats its last value."""
    where = _stretch(dice, made, 120, 900)
    held = made.columns["heart_rate_bpm"][where.start]
    made.columns["heart_rate_bpm"][where] = 140.0 if np.isnan(held) else held
    made.broken("heart_rate_flat_line")[where] = True


def cadence_lock(dice: Generator, made: Labelled) -> None:
    """An optical sensor takes the arm's swing for the pulse; who stands still does not swing."""
    if made.sport != "running":
        return
    where = _stretch(dice, made, 90, 900)
    swinging = np.flatnonzero(made.columns["cadence_rpm"][where] > 100) + where.start
    if len(swinging) < 90:
        return
    swing = following(made.columns["cadence_rpm"][swinging], seconds=dice.uniform(1, 3))
    made.columns["heart_rate_bpm"][swinging] = np.rint(swing + dice.normal(0, 0.7, len(swinging)))
    made.broken("heart_rate_cadence_lock")[swinging] = True


def heart_rate_spike(dice: Generator, made: Labelled) -> None:
    """Static of dry skin."""
    where = _stretch(dice, made, 1, 5)
    rates = made.columns["heart_rate_bpm"]
    rates[where] = np.clip(rates[where] + dice.choice([-1, 1]) * dice.uniform(30, 80), 45, 218)
    made.broken("heart_rate_spike")[where] = True


def power_spike(dice: Generator, made: Labelled) -> None:
    """A power meter that lost a magnet's turn."""
    if made.sport == "cycling":
        where = _stretch(dice, made, 1, 3)
        made.columns["power_w"][where] = dice.uniform(1_600, 4_000)
        made.broken("power_spike")[where] = True


def altitude_spike(dice: Generator, made: Labelled) -> None:
    """Wind into the hole of the barometer, or a satellite lost."""
    where = _stretch(dice, made, 1, 5)
    made.columns["altitude_m"][where] += dice.choice([-1, 1]) * dice.uniform(40, 400)
    made.broken("altitude_spike")[where] = True


def speed_above_limit(dice: Generator, made: Labelled) -> None:
    """A wheel sensor that counts twice, many times over."""
    where = _stretch(dice, made, 1, 10)
    made.columns["speed_mps"][where] = dice.uniform(40, 120)
    made.broken("speed_above_limit")[where] = True


def teleport(dice: Generator, made: Labelled) -> None:
    """A reflection puts the athlete some hundred metres or kilometres away, and back."""
    where = _stretch(dice, made, 1, 20)
    away, course = dice.uniform(200, 5_000) / METRES_A_DEGREE, dice.uniform(0, 2 * np.pi)
    made.columns["latitude"][where] += away * np.cos(course)
    made.columns["longitude"][where] += away * np.sin(course)
    made.broken("position_teleport")[where] = True


def null_island(dice: Generator, made: Labelled) -> None:
    """A device that does not know writes zeros."""
    where = _stretch(dice, made, 1, 30)
    made.columns["latitude"][where] = made.columns["longitude"][where] = 0.0
    made.broken("position_null_island")[where] = True


def backward_time(dice: Generator, made: Labelled) -> None:
    """The clock is set back by seconds and catches up."""
    where = _stretch(dice, made, 1, 10)
    made.columns["time"][where] -= dice.integers(20, 50)
    made.broken("time_backward")[where] = True


FAULTS: dict[str, Callable[[Generator, Labelled], None]] = {
    "heart_rate_out_of_range": out_of_range,
    "heart_rate_flat_line": flat_line,
    "heart_rate_cadence_lock": cadence_lock,
    "heart_rate_spike": heart_rate_spike,
    "power_spike": power_spike,
    "altitude_spike": altitude_spike,
    "speed_above_limit": speed_above_limit,
    "position_teleport": teleport,
    "position_null_island": null_island,
    "time_backward": backward_time,
}


def labelled(seed: int) -> Labelled:
    """A session with none to three faults, each once; where they overlap it is the later one that is there."""
    dice = np.random.default_rng(seed)
    made = session(dice)
    chosen = dice.choice(list(FAULTS), size=dice.integers(0, 4), replace=False)
    for code in chosen:
        FAULTS[str(code)](dice, made)
    known = {"heart_rate": "heart_rate_bpm", "power": "power_w", "altitude": "altitude_m", "position": "latitude"}
    for code, mask in made.faults.items():
        for stream, column in known.items():
            if code.startswith(stream):
                mask &= np.isfinite(made.columns[column])
    return made


@dataclass
class Score:
    """Samples flagged rightly, flagged wrongly, and missed."""

    right: int = 0
    wrong: int = 0
    missed: int = 0

    def count(self, flagged: NDArray[np.bool_], false: NDArray[np.bool_]) -> None:
        self.right += int((flagged & false).sum())
        self.wrong += int((flagged & ~false).sum())
        self.missed += int((~flagged & false).sum())

    @property
    def precision(self) -> float:
        return self.right / (self.right + self.wrong) if self.right + self.wrong else 1.0

    @property
    def recall(self) -> float:
        return self.right / (self.right + self.missed) if self.right + self.missed else 1.0
