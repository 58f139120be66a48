"""Whether two recordings are of the same activity, and whose word counts for what. Pure decisions on plain values.

A watch, a phone and a cloud tell of one activity with other starts, other noise and other streams. Nobody does two
things at once, so what overlaps that much is the same, unless what was measured contradicts it. Back-to-back
intervals do not overlap, however alike they are.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from contexts.workout.rules import haversine

MAX_START_GAP_S: Final = 120.0
MAX_DURATION_GAP: Final = 0.05
MIN_OVERLAP: Final = 0.8
MAX_TRACK_GAP_M: Final = 50.0
MIN_HEART_CORRELATION: Final = 0.9

MAX_CLOCK_GAP_S: Final = 15
"""So far may the clocks of two devices be apart when their tracks are compared."""
CLOCK_STEP_S: Final = 3
COMPARED_MOMENTS: Final = 100
FAR_SHARE: Final = 0.05
"""Of the places compared so many may lie further apart than the limit: single fixes go astray."""
MIN_COMPARED: Final = 10
MAX_SILENCE_S: Final = 60.0
"""Between two values further apart than this nothing is known."""
NEAR_START_S: Final = 5.0
NEAR_DURATION: Final = 0.01
"""Where nothing can be compared, start and duration must agree this closely."""

Timed = Sequence[tuple[float, float]]
"""(Unix seconds, value), in order of time."""


@dataclass(frozen=True, kw_only=True)
class Activity:
    """What is compared of a recording. Times are Unix seconds; `ended_s` − `started_s` is the elapsed time."""

    sport: str
    started_s: float
    ended_s: float
    north: Timed = ()
    east: Timed = ()
    heart: Timed = ()

    @property
    def elapsed_s(self) -> float:
        """Seconds from start to end."""
        return self.ended_s - self.started_s


def is_same(one: Activity, other: Activity) -> bool:
    """Whether both are recordings of one activity."""
    if not _may_be_same(one, other):
        return False
    gap = track_gap_m(one, other)
    if gap is not None:
        return gap < MAX_TRACK_GAP_M
    correlation = heart_correlation(one, other)
    if correlation is not None:
        return correlation > MIN_HEART_CORRELATION
    near = abs(one.started_s - other.started_s) <= NEAR_START_S
    return near and _differ_by(one.elapsed_s, other.elapsed_s) <= NEAR_DURATION


def _may_be_same(one: Activity, other: Activity) -> bool:
    """Sport, start, duration and overlap: cheap, and enough to tell nearly all apart."""
    if one.sport != other.sport and "other" not in (one.sport, other.sport):
        return False
    if abs(one.started_s - other.started_s) > MAX_START_GAP_S:
        return False
    if _differ_by(one.elapsed_s, other.elapsed_s) > MAX_DURATION_GAP:
        return False
    together = min(one.ended_s, other.ended_s) - max(one.started_s, other.started_s)
    return together >= MIN_OVERLAP * max(one.elapsed_s, other.elapsed_s)


def _differ_by(one: float, other: float) -> float:
    longer = max(one, other)
    return abs(one - other) / longer if longer > 0 else math.inf


def _common_moments(one: Timed, other: Timed) -> list[float]:
    """Moments evenly spread over the time both know of; few of them mean that it is short."""
    if not one or not other:
        return []
    first, last = max(one[0][0], other[0][0]), min(one[-1][0], other[-1][0])
    step = max((last - first) / COMPARED_MOMENTS, 1.0)
    return [first + nth * step for nth in range(math.floor((last - first) / step) + 1)] if last > first else []


def value_at(series: Timed, moment: float) -> float | None:
    """The value between its neighbours in time; None where these are far apart."""
    after = bisect_left(series, (moment, -math.inf))
    if after < len(series) and series[after][0] == moment:
        return series[after][1]
    if not 0 < after < len(series):
        return None
    (earlier, low), (later, high) = series[after - 1], series[after]
    if later - earlier > MAX_SILENCE_S:
        return None
    return low + (high - low) * (moment - earlier) / (later - earlier)


def track_gap_m(one: Activity, other: Activity) -> float | None:
    """How far the tracks are apart in metres, at moments both know; None where there is too little to compare.

    A Hausdorff distance within a short time: of each place the nearest of the other's at about that moment, and of
    these distances the one that all but a few stay below.
    """
    gaps = []
    for moment in _common_moments(one.north, other.north):
        here = _place_at(one, moment)
        nearby = [_place_at(other, moment + shift) for shift in _SHIFTS]
        known = [haversine(*here, *there) for there in nearby if there] if here else []
        if known:
            gaps.append(min(known))
    if len(gaps) < MIN_COMPARED:
        return None
    gaps.sort()
    return gaps[min(math.ceil(len(gaps) * (1 - FAR_SHARE)), len(gaps)) - 1]


_SHIFTS: Final = range(-MAX_CLOCK_GAP_S, MAX_CLOCK_GAP_S + 1, CLOCK_STEP_S)


def _place_at(activity: Activity, moment: float) -> tuple[float, float] | None:
    north, east = value_at(activity.north, moment), value_at(activity.east, moment)
    return None if north is None or east is None else (north, east)


def heart_correlation(one: Activity, other: Activity) -> float | None:
    """Pearson's r of the heart rates at common moments; None where one is missing, too short, or never changes."""
    pairs = [
        (mine, theirs)
        for moment in _common_moments(one.heart, other.heart)
        if (mine := value_at(one.heart, moment)) is not None and (theirs := value_at(other.heart, moment)) is not None
    ]
    if len(pairs) < MIN_COMPARED:
        return None
    mean_x, mean_y = (sum(column) / len(pairs) for column in zip(*pairs, strict=True))
    covariance = sum((x - mean_x) * (y - mean_y) for x, y in pairs)
    spread = math.sqrt(sum((x - mean_x) ** 2 for x, _ in pairs) * sum((y - mean_y) ** 2 for _, y in pairs))
    return covariance / spread if spread > 1e-9 else None


PRIORITY: Final[Mapping[str, Sequence[str]]] = {
    "": ("watch", "phone", "cloud"),
    "title": ("cloud", "phone", "watch"),
    "notes": ("cloud", "phone", "watch"),
    "sets": ("phone", "watch", "cloud"),
}
"""Whose word counts, best first, by field; the first line holds for all that have none of their own. People name
their activities in the cloud; devices only fill a name in. On the phone they write down what they lifted and how hard
it was; a watch counts, and guesses the exercise."""

T = TypeVar("T")


def by_priority(field: str, origins: Sequence[tuple[str, T]]) -> list[T]:
    """Holders of a field (origin, holder), the one whose word counts first; equal ones stay in their order."""
    order = PRIORITY.get(field, PRIORITY[""])
    return [holder for _, holder in sorted(origins, key=lambda pair: order.index(pair[0]))]


PHONE_WORDS: Final = ("iphone", "android", "phone", "pixel", "opentracks", "runnerup", "stayer")
CLOUD_WORDS: Final = ("strava", "connect", "runkeeper", "komoot", "endomondo", "export", "cloud", "trainingpeaks")


def origin_of(maker: str | None, product: str | None) -> str:
    """What recorded it, from what the recording says of its device; a file that names a maker is a watch's."""
    words = f"{maker or ''} {product or ''}".lower()
    if any(word in words for word in PHONE_WORDS):
        return "phone"
    if any(word in words for word in CLOUD_WORDS) or not words.strip():
        return "cloud"
    return "watch"
