"""What effort is worth, where a day ends, and who stands where: numbers and pure decisions."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Final, Self
from uuid import UUID
from zoneinfo import ZoneInfo

# --- points (GA-1) ---------------------------------------------------------------------------------------------

DAILY_CAP: Final = 1_000
"""Points one athlete can earn in one local day."""

ACTIVE_SECONDS_PER_POINT: Final = 30
"""Two points for each minute in motion."""

KILOCALORIES_PER_POINT: Final = 10
"""One point for each 10 kcal, so that a hard hour is worth more than an easy one."""

RECORD_BONUS: Final = 50
"""Points for beating an earlier personal record."""

COMPLETED_WORKOUT: Final = "completed_workout"

DELETED_WORKOUT: Final = "deleted_workout"
"""The rule of the entry that takes back all that a workout had brought."""


def points_for_workout(*, moving_s: float, energy_kcal: float | None) -> int:
    """Points asked for a finished workout: time in motion plus energy, each rounded down.

    An easy hour of 400 kcal is worth 120 + 40 = 160; a marathon of 4 h and 2,800 kcal 480 + 280 = 760.
    """
    active = max(0, int(moving_s)) // ACTIVE_SECONDS_PER_POINT
    return active + max(0, int(energy_kcal or 0)) // KILOCALORIES_PER_POINT


def beats_something(*, previous: float | None) -> bool:
    """Whether a personal record earns the bonus: the first result of its kind beats nothing."""
    return previous is not None


def record_rule(record: str) -> str:
    """The ledger's rule for one kind of record: a workout may beat several, each is paid once."""
    return f"record_{record}"


def grantable(*, asked: int, earned_today: int) -> int:
    """How much of `asked` still fits under the daily cap."""
    return max(0, min(asked, DAILY_CAP - earned_today))


def earned_by(awards: Iterable[tuple[int, datetime]]) -> tuple[int, datetime | None]:
    """What awards of one day, each (points asked, earned at) in the order of the ledger, bring under the cap.

    Answers the points, and when the last one that still counted was earned.
    """
    points: int = 0
    reached_at: datetime | None = None
    for asked, earned_at in awards:
        if granted := grantable(asked=asked, earned_today=points):
            points += granted
            reached_at = max(filter(None, [reached_at, earned_at]))
    return points, reached_at


# --- days and boards (GA-3) ------------------------------------------------------------------------------------


def local_day(moment: datetime, time_zone: str) -> date:
    """The calendar day of `moment` where the athlete is; a zone nobody knows counts as UTC.

    A day has 23 or 25 hours where the clocks change: the calendar decides, never a count of hours.
    """
    return moment.astimezone(_zone(time_zone)).date()


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, malformed, or a directory of the zone database
        return ZoneInfo("UTC")


PERIODS: Final = ("daily", "weekly", "monthly")
_EARLIEST_ZONE: Final = timedelta(hours=14)  # a local day begins at most 14 h before the UTC day ...
_LATEST_ZONE: Final = timedelta(hours=12)  # ... and ends at most 12 h after it
_RETENTION: Final = timedelta(days=8)
"""How long a closed board stays in Redis; afterwards the ledger alone answers for it."""


@dataclass(frozen=True, order=True)
class Board:
    """One leaderboard: a period and its key. A new period is a new key, so nothing is ever reset.

    Days are the athletes' own: the board of 20 November counts what each athlete earned on their 20 November.
    """

    period: str
    key: str
    first_day: date
    last_day: date

    @classmethod
    def of(cls, period: str, day: date) -> Self:
        """The board of `period` that counts `day`; ValueError for a period that does not exist."""
        if period == "daily":
            return cls(period, day.isoformat(), day, day)
        if period == "weekly":
            year, week, weekday = day.isocalendar()
            monday = day - timedelta(days=weekday - 1)
            return cls(period, f"{year}-W{week:02}", monday, monday + timedelta(days=6))
        if period == "monthly":
            first = day.replace(day=1)
            last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
            return cls(period, f"{first:%Y-%m}", first, last)
        raise ValueError(f"no such period: {period}")

    @classmethod
    def parse(cls, period: str, key: str) -> Self:
        """The board that calls itself `key`, as events and Redis name it."""
        if period == "daily":
            return cls.of(period, date.fromisoformat(key))
        if period == "weekly":
            year, week = key.split("-W")
            return cls.of(period, date.fromisocalendar(int(year), int(week), 1))
        return cls.of(period, date.fromisoformat(f"{key}-01"))

    @property
    def opens_at(self) -> datetime:
        """When the first time zone enters the board's first day."""
        return datetime.combine(self.first_day, time.min, UTC) - _EARLIEST_ZONE

    @property
    def closes_at(self) -> datetime:
        """When the last time zone leaves the board's last day."""
        return datetime.combine(self.last_day + timedelta(days=1), time.min, UTC) + _LATEST_ZONE

    @property
    def forgotten_at(self) -> datetime:
        """When Redis may drop the board."""
        return self.closes_at + _RETENTION

    def next_opens_for(self, time_zone: str) -> datetime:
        """When an athlete in `time_zone` moves on to the next board of this period."""
        midnight = datetime.combine(self.last_day + timedelta(days=1), time.min, _zone(time_zone))
        return midnight.astimezone(UTC)


def boards_of(day: date) -> list[Board]:
    """The boards which count a day: its daily, weekly and monthly one."""
    return [Board.of(period, day) for period in PERIODS]


# --- places ----------------------------------------------------------------------------------------------------

_TIME_BITS: Final = 32
"""Room for 49 days in milliseconds; 31 days of 1,000 points need 15 bits more: exact in a double's 53."""


@dataclass(frozen=True)
class Standing:
    """What one athlete has on one board, and when they got there (the end of the last workout that counted)."""

    user_id: UUID
    points: int
    reached_at: datetime


def score_of(board: Board, standing: Standing) -> int:
    """One number that sorts a board: more points first, among equals whoever got there earlier."""
    elapsed = (standing.reached_at - board.opens_at) // timedelta(milliseconds=1)
    latest = (1 << _TIME_BITS) - 1
    return (standing.points << _TIME_BITS) + latest - min(max(elapsed, 0), latest)


def points_in(score: float) -> int:
    """The points inside a score."""
    return int(score) >> _TIME_BITS


def lowest_score(points: int) -> int:
    """The lowest score that `points` can have."""
    return points << _TIME_BITS


def ranks(points: Iterable[int], *, first: int, position: int) -> list[int]:
    """Ranks of neighbours on a board, best first: equals share a rank and the next one skips (1, 2, 2, 4).

    `first` is the rank of the first of them, `position` its place counted from 1.
    """
    listed = list(points)
    found = [first] if listed else []
    for place, (above, own) in enumerate(pairwise(listed), start=position + 1):
        found.append(found[-1] if own == above else place)
    return found
