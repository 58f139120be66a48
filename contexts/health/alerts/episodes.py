"""From readings to episodes: a pure function of what was measured, whatever the order in which it came.

An excursion begins with a reading beyond the bound and goes on until one has cleared it by the hysteresis, or until
nothing was measured for longer than `silence`. Those shorter than `lasts` are no concern. Excursions less than
`cool_down` apart are one episode: who has just been told is not told again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from contexts.health.rules import Stream

Side = Literal["low", "high"]
Severity = Literal["warning", "critical"]
Times = NDArray[np.int64]
Values = NDArray[np.float64]
SECOND = 1_000_000
"""Times are in microseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What is watched for somebody. `bound` and `hysteresis` are in the metric's stored unit."""

    key: str
    version: int
    stream: Stream
    side: Side
    bound: float
    hysteresis: float
    lasts_s: int
    silence_s: int
    cool_down_s: int
    severity: Severity
    norm: str = ""
    """`key@version` of the norm whose bound it is."""

    @property
    def clear(self) -> float:
        """The value at which an excursion is over."""
        return self.bound + self.hysteresis if self.side == "low" else self.bound - self.hysteresis

    def is_beyond(self, values: Values) -> NDArray[np.bool_]:
        """Which values begin an excursion: those under a low bound, those from a high bound on."""
        return values < self.bound if self.side == "low" else values >= self.bound

    def is_clear(self, values: Values) -> NDArray[np.bool_]:
        """Which values end one."""
        return values >= self.clear if self.side == "low" else values < self.clear


@dataclass(frozen=True, slots=True)
class Episode:
    """From the first reading beyond the bound to the last one that was not clear; and when one was."""

    began: int
    last: int
    cleared: int | None

    def is_over(self, rule: Rule, *, at: int) -> bool:
        """A reading has cleared it, or nothing has been measured for too long."""
        return self.cleared is not None or at - self.last > rule.silence_s * SECOND


def episodes(times: Times, values: Values, rule: Rule) -> list[Episode]:
    """The episodes in these readings, which are in order of time."""
    lasting = [one for one in excursions(times, values, rule) if one.last - one.began >= rule.lasts_s * SECOND]
    return joined(lasting, cool_down=rule.cool_down_s * SECOND)


def excursions(times: Times, values: Values, rule: Rule) -> list[Episode]:
    """Every time the value was beyond the bound, however short."""
    if not len(times):
        return []
    fresh = np.concatenate(([True], np.diff(times) > rule.silence_s * SECOND))
    marks = np.where(rule.is_beyond(values), 1, np.where(rule.is_clear(values) | fresh, -1, 0))
    decided = np.maximum.accumulate(np.where(marks != 0, np.arange(len(marks)), 0))
    inside = marks[decided] > 0
    begins = inside & (fresh | ~np.concatenate(([False], inside[:-1])))
    ends = inside & np.concatenate((fresh[1:] | ~inside[1:], [True]))
    found = []
    for first, last in zip(np.flatnonzero(begins).tolist(), np.flatnonzero(ends).tolist(), strict=True):
        is_followed = last + 1 < len(times) and not fresh[last + 1]
        found.append(Episode(int(times[first]), int(times[last]), int(times[last + 1]) if is_followed else None))
    return found


def joined(found: Sequence[Episode], *, cool_down: int) -> list[Episode]:
    """Excursions that are too near to each other to be told apart become one."""
    told: list[Episode] = []
    for one in found:
        if told and one.began - told[-1].last < cool_down:
            told[-1] = Episode(told[-1].began, one.last, one.cleared)
        else:
            told.append(one)
    return told
