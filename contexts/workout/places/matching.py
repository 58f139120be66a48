"""Whether, and how fast, somebody went along a segment: gates crossed in its direction, the corridor kept.

The moment of a crossing is interpolated between the two samples around it, so a time does not depend on where a
receiver's samples happen to fall. Every passage counts: laps give several.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from contexts.workout.places.geography import (
    PAIRS_AT_ONCE,
    Box,
    Line,
    Numbers,
    Plane,
    bounds,
    cells_of,
    densified,
    length_m,
    offsets_from_chords,
    squared_offsets,
    widened,
)
from contexts.workout.places.positions import Positions

GATE_HALF_WIDTH_M: Final = 25.0
USUALLY_WITHIN_M: Final = 25.0
ALWAYS_WITHIN_M: Final = 50.0
"""The corridor: the median and the largest distance of a passage from the segment."""

LONGEST_GAP_S: Final = 60.0
"""Over a longer gap between two samples nobody knows when a gate was crossed."""

LENGTHS: Final = (0.8, 2.0)
"""How long a passage may be beside its segment, before it is looked at closely."""

STARTS_TRIED: Final = 4
"""How many crossings of the start, from the latest back, may have begun a passage."""

MOST_SHARED: Final = 0.1
"""How much of a passage may belong to the next one: the gates of a round may stand askew to each other."""

CHECKPOINT_EVERY_M: Final = 50.0
MOST_CHECKPOINTS: Final = 100
SEEN_WITHIN_M: Final = 200.0
"""Samples farther from the segment than this are not looked at, but for the one before and the one after."""

AIM_M: Final = 20.0
"""How far along the line a gate looks for its direction."""

ASIDE_M: Final = 30.0


class Passage(NamedTuple):
    """One way along a segment: seconds since the session's start, and what was measured on it."""

    begins_s: float
    elapsed_s: float
    heart_rate: float | None
    power: float | None


class Crossing(NamedTuple):
    """A gate crossed after the sample number `after`, at `time` seconds and `point`."""

    after: int
    time: float
    point: Numbers


@dataclass(frozen=True, eq=False)
class Gate:
    """A line across the way: a point, and the direction in which it counts."""

    point: Numbers
    forward: Numbers

    def crossings(self, times: Numbers, points: Numbers, *, leaving: bool) -> list[Crossing]:
        """Where the gate was crossed forward; who stood in it counts when `leaving` it, else when coming to it."""
        along = self._ahead(points)
        ahead = along > 0 if leaving else along >= 0
        (index,) = np.nonzero(ahead[1:] & ~ahead[:-1])
        index = index[times[index + 1] - times[index] <= LONGEST_GAP_S]
        before, after = along[:-1], along[1:]
        share = -before[index] / (after[index] - before[index])
        where = points[index] + share[:, None] * (points[index + 1] - points[index])
        aside = np.abs(
            (where[:, 1] - self.point[1]) * self.forward[0] - (where[:, 0] - self.point[0]) * self.forward[1]
        )
        when = times[index] + share * (times[index + 1] - times[index])
        within = aside <= GATE_HALF_WIDTH_M
        return [
            Crossing(int(nth), float(time), point)
            for nth, time, point in zip(index[within], when[within], where[within], strict=True)
        ]

    def _ahead(self, points: Numbers) -> Numbers:
        """Metres beyond the gate."""
        ahead: Numbers = (points[:, 0] - self.point[0]) * self.forward[0]
        return ahead + (points[:, 1] - self.point[1]) * self.forward[1]


@dataclass(frozen=True, eq=False)
class Course:
    """A segment made ready to be looked for in many sessions."""

    plane: Plane
    around: Box
    path: Numbers
    checkpoints: Numbers
    length_m: float
    start: Gate
    end: Gate

    @classmethod
    def of(cls, line: Line) -> Course:
        """From a segment's line."""
        plane, length = Plane.around(line), length_m(line)
        path = plane.metres(line)
        dense = plane.metres(densified(line, step_m=max(CHECKPOINT_EVERY_M, length / MOST_CHECKPOINTS)))
        around = widened(bounds(line), by_m=SEEN_WITHIN_M)
        return cls(plane, around, path, dense, length, _gate(path), _gate(path[::-1], backwards=True))

    def passages(self, positions: Positions) -> list[Passage]:
        """Every way along the segment, in order of their ends; places `around` it are enough."""
        if len(positions.times) < 2:
            return []
        points, times = self.plane.metres(positions.line), positions.times
        starts = self.start.crossings(times, points, leaving=True)
        ends = self.end.crossings(times, points, leaving=False) if starts else []
        if not ends:
            return []
        way = np.concatenate(([0.0], np.cumsum(np.hypot(np.diff(points[:, 0]), np.diff(points[:, 1])))))
        found: list[Passage] = []
        free_from = -np.inf
        for end in ends:
            begun = [start for start in starts if free_from <= start.time < end.time]
            for start in reversed(begun[-STARTS_TRIED:]):
                if self._is_followed(points, way, start, end):
                    found.append(_passage(positions, start, end))
                    free_from = end.time - MOST_SHARED * found[-1].elapsed_s
                    break
        return found

    def _is_followed(self, points: Numbers, way: Numbers, start: Crossing, end: Crossing) -> bool:
        """Whether the way between two crossings is the segment's: as long, near it, and past all of it in order."""
        shortest, longest = LENGTHS[0] * self.length_m, LENGTHS[1] * self.length_m + 4 * ALWAYS_WITHIN_M
        if way[end.after + 1] - way[start.after] < shortest or way[end.after] - way[start.after + 1] > longest:
            return False
        between = np.vstack((start.point, points[start.after + 1 : end.after + 1], end.point))
        offsets = offsets_from_chords(between, self.path)
        usually = 2 * int(np.count_nonzero(offsets <= USUALLY_WITHIN_M)) >= len(offsets)
        return usually and bool(offsets.max() <= ALWAYS_WITHIN_M) and self._is_passed_in_order(between)

    def _is_passed_in_order(self, between: Numbers) -> bool:
        """Whether each checkpoint has a chord of the way near it, none of them before that of the last checkpoint."""
        at_once, reached = max(1, PAIRS_AT_ONCE // len(between)), 0
        for begin in range(0, len(self.checkpoints), at_once):
            for near in squared_offsets(self.checkpoints[begin : begin + at_once], between) <= ALWAYS_WITHIN_M**2:
                following = near[reached:]
                step = int(following.argmax())
                if not following[step]:
                    return False
                reached += step
        return True


def _gate(path: Numbers, *, backwards: bool = False) -> Gate:
    """The gate at the first point of a path, which looks towards the first point that is far enough to tell."""
    ways = path - path[0]
    far = np.hypot(ways[:, 0], ways[:, 1])
    (beyond,) = np.nonzero(far >= min(AIM_M, float(far.max())))
    aim = ways[beyond[0]] / far[beyond[0]]
    return Gate(path[0], -aim if backwards else aim)


def _passage(positions: Positions, start: Crossing, end: Crossing) -> Passage:
    within = slice(start.after + 1, end.after + 1)
    return Passage(
        start.time, end.time - start.time, _mean(positions.heart_rate[within]), _mean(positions.power[within])
    )


def _mean(values: Numbers) -> float | None:
    known = values[values >= 0]
    return float(known.mean()) if len(known) else None


def sure_cells(line: Line, resolution: int) -> list[int]:
    """The cells which nobody who keeps to the line can miss: those that hold the whole corridor at some place."""
    dense = densified(line, step_m=CHECKPOINT_EVERY_M)
    degree_m = 111_195.0
    shrink = np.maximum(np.cos(np.radians(dense.latitude)), 0.01)
    north, east = ASIDE_M / degree_m, ASIDE_M / degree_m / shrink
    moved = [dense] + [
        Line(np.clip(dense.latitude + up * north, -90, 90), (dense.longitude + right * east + 180) % 360 - 180)
        for up, right in ((1, 0), (-1, 0), (0, 1), (0, -1))
    ]
    columns = zip(*(cells_of(each, resolution) for each in moved), strict=True)
    return list(dict.fromkeys(cells[0] for cells in columns if len(set(cells)) == 1))
