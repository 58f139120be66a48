"""Progress: sums over weeks, months and years, goals, and a session beside those before it (WO-4).

Every session counts on the day it began where its athlete was.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Count, DateField, F, Func, QuerySet, Sum, Value

from contexts.workout import events
from contexts.workout.models import Goal, ReachedGoal, TrainingSession
from kernel.bus import publish
from kernel.databases import unit_of_work
from kernel.errors import InvalidInput, NotFound, Refused

MEASURES: Final = ("distance_m", "duration_s", "moving_s", "ascent_m", "energy_kcal")
PERIODS: Final = ("week", "month", "year")
PERIOD_CHOICES: Final = [(period, period) for period in PERIODS]
MAX_PERIODS: Final = 120
EARLIEST: Final = date(1970, 1, 1)
MAX_GOALS: Final = 50
LONGEST_GOAL: Final = timedelta(days=3 * 366)

COMPARED: Final = {
    "distance_m": True,
    "duration_s": True,
    "moving_s": True,
    "ascent_m": True,
    "energy_kcal": True,
    "speed_mps": True,
    "hr_avg": False,
}
"""What two sessions are compared by, and whether more is better."""


class TooManyGoals(Refused):
    """You have as many goals as one can follow."""


def local_day(started_at: datetime, time_zone: str) -> date:
    """The day on which something began, where the athlete was."""
    return started_at.astimezone(ZoneInfo(time_zone)).date()


def period_start(day: date, period: str) -> date:
    """The first day of the week (a Monday), month or year that a day belongs to."""
    if period == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if period == "month" else day.replace(month=1, day=1)


def previous(start: date, period: str) -> date:
    """The first day of the period before."""
    return period_start(start - timedelta(days=1), period)


def counted(*, user_id: UUID, sport: str = "") -> QuerySet[Any]:
    """An athlete's completed sessions with their local day."""
    local = Func(
        F("time_zone"), F("started_at"), function="timezone", template="(%(function)s(%(expressions)s))::date",
        output_field=DateField(),
    )  # fmt: skip
    own = TrainingSession.objects.filter(user_id=user_id, state=TrainingSession.State.COMPLETED, duplicate_of=None)
    return (own.filter(sport=sport) if sport else own).annotate(day=local)


def sums_by_period(*, user_id: UUID, period: str, last: int, sport: str, today: date) -> list[dict[str, Any]]:
    """The current period and so many before it, the latest first, the empty ones too."""
    starts = [period_start(today, period)]
    while len(starts) <= last:
        starts.append(previous(starts[-1], period))
    begins = Func(Value(period), F("day"), function="date_trunc", template="(%(function)s(%(expressions)s))::date",
        output_field=DateField())  # fmt: skip
    rows = (
        counted(user_id=user_id, sport=sport)
        .filter(day__gte=starts[-1], started_at__gte=_safely_before(starts[-1]))
        .annotate(begins=begins)
        .values("begins")
        .annotate(sessions=Count("id"), **{f"sum_{name}": Sum(name) for name in MEASURES})
    )
    known = {row["begins"]: row for row in rows}
    return [_sums(start, known.get(start)) for start in starts]


def _safely_before(day: date) -> datetime:
    """An instant before the day begins anywhere, so that the index of instants can be used."""
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo("UTC")) - timedelta(hours=26)


def _sums(start: date, row: Mapping[str, Any] | None) -> dict[str, Any]:
    sums = {name: float(row[f"sum_{name}"] or 0) if row else 0.0 for name in MEASURES}
    return {"starts_on": start, "sessions": row["sessions"] if row else 0, **sums}


def against_mean(sums: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """How the first of these stands to the mean of the others, as a ratio; none where that mean is zero."""
    now, before = sums[0], sums[1:]
    ratios: dict[str, float | None] = {}
    for name in ("sessions", *MEASURES):
        mean = sum(one[name] for one in before) / len(before) if before else 0.0
        ratios[name] = now[name] / mean if mean else None
    return ratios


def beside_the_last(*, session: TrainingSession, last: int) -> list[dict[str, Any]]:
    """A session beside the last ones of its sport: each measure with their mean, their best, and its rank."""
    earlier = (
        TrainingSession.objects.filter(
            user_id=session.user_id,
            sport=session.sport,
            state=TrainingSession.State.COMPLETED,
            duplicate_of=None,
            started_at__lt=session.started_at,
        )
        .order_by("-started_at", "-id")
        .values("distance_m", "duration_s", "moving_s", "ascent_m", "energy_kcal", "hr_avg")[:last]
    )
    others = [_with_speed(row) for row in earlier]
    own = _with_speed({name: getattr(session, name) for name in COMPARED if name != "speed_mps"})
    compared = []
    for name, more_is_better in COMPARED.items():
        values = [row[name] for row in others if row[name] is not None]
        if own[name] is None or not values:
            continue
        best = max(values) if more_is_better else min(values)
        better = sum(value > own[name] if more_is_better else value < own[name] for value in values)
        compared.append(
            {
                "measure": name,
                "value": own[name],
                "mean": sum(values) / len(values),
                "best": best,
                "rank": better + 1,
                "of": len(values) + 1,
            }
        )
    return compared


def _with_speed(row: Mapping[str, Any]) -> dict[str, Any]:
    moving, covered = row["moving_s"], row["distance_m"]
    return {**row, "speed_mps": covered / moving if moving and covered else None}


@unit_of_work("workout", gate="by")
def set_goal(
    *,
    by: UUID,
    measure: str,
    target: float,
    period: str,
    sport: str,
    starts_on: date,
    ends_on: date | None,
    at: datetime,
) -> Goal:
    """Set out to do something."""
    if starts_on < EARLIEST:
        raise InvalidInput("This day is too long ago.", field="starts_on", code="too_early")
    if ends_on is not None and ends_on < starts_on:
        raise InvalidInput("The last day lies before the first.", field="ends_on", code="ends_before_start")
    if period == Goal.Period.ONCE and ends_on is None:
        raise InvalidInput("Say until when.", field="ends_on", code="end_missing")
    if ends_on is not None and ends_on - starts_on > LONGEST_GOAL:
        raise InvalidInput("A goal lasts three years at most.", field="ends_on", code="too_long")
    if Goal.objects.filter(user_id=by).count() >= MAX_GOALS:
        raise TooManyGoals(limit=MAX_GOALS)
    return Goal.objects.create(
        user_id=by,
        measure=measure,
        target=target,
        period=period,
        sport=sport,
        starts_on=starts_on,
        ends_on=ends_on,
        created_at=at,
    )


@unit_of_work("workout", gate="by")
def drop_goal(*, goal_id: UUID, by: UUID) -> None:
    """Let a goal go."""
    removed, _ = Goal.objects.filter(pk=goal_id, user_id=by).delete()
    if not removed:
        raise NotFound


def span_of(goal: Goal, day: date) -> tuple[date, date] | None:
    """First and last day of the goal's period that a day belongs to; none where the goal does not count it."""
    if day < goal.starts_on or (goal.ends_on is not None and day > goal.ends_on):
        return None
    if goal.period == Goal.Period.ONCE:
        assert goal.ends_on is not None
        return goal.starts_on, goal.ends_on
    first = period_start(day, goal.period)
    next_first = period_start(first + timedelta(days=32 if goal.period == Goal.Period.MONTH else 7), goal.period)
    return first, next_first - timedelta(days=1)


def done_towards(goal: Goal, *, span: tuple[date, date], but: Collection[UUID] = ()) -> float:
    """How much of it is done between these days, both included, without some of the sessions."""
    first, last = max(span[0], goal.starts_on), min(span[1], goal.ends_on or span[1])
    sessions = counted(user_id=goal.user_id, sport=goal.sport).filter(
        day__gte=first, day__lte=last, started_at__gte=_safely_before(first)
    )
    if but:
        sessions = sessions.exclude(pk__in=but)
    if goal.measure == Goal.Measure.SESSIONS:
        return float(sessions.count())
    return float(sessions.aggregate(done=Sum(goal.measure))["done"] or 0)


def goals_of(*, user_id: UUID, today: date) -> list[dict[str, Any]]:
    """An athlete's goals and how far they are in the current period."""
    listed = []
    for goal in Goal.objects.filter(user_id=user_id).order_by("-created_at", "-id"):
        span = span_of(goal, today)
        done = done_towards(goal, span=span) if span else 0.0
        listed.append(
            {name: getattr(goal, name) for name in _SHOWN}
            | {"period_starts_on": span and span[0], "period_ends_on": span and span[1], "done": done}
            | {"part": done / goal.target, "reached": done >= goal.target}
        )
    return listed


_SHOWN: Final = ("id", "sport", "measure", "target", "period", "starts_on", "ends_on", "created_at")


def look_at_goals(*, sessions: Sequence[TrainingSession], at: datetime) -> None:
    """Announce the goals that completed sessions of one athlete have reached in turn, each once in its period.

    The caller holds the athlete's gate.
    """
    goals = list(Goal.objects.filter(user_id=sessions[0].user_id))
    for nth, session in enumerate(sessions):
        mine = [goal for goal in goals if goal.sport in ("", session.sport)]
        _look_at(mine, session, later={each.pk for each in sessions[nth + 1 :]}, at=at)


def _look_at(goals: Iterable[Goal], session: TrainingSession, *, later: Collection[UUID], at: datetime) -> None:
    day = local_day(session.started_at, session.time_zone)
    for goal in goals:
        span = span_of(goal, day)
        if span is None or goal.reached.filter(period_starts_on=span[0]).exists():
            continue
        done = done_towards(goal, span=span, but=later)
        if done < goal.target:
            continue
        ReachedGoal.objects.create(goal=goal, period_starts_on=span[0], session_id=session.pk, reached_at=at)
        publish(
            events.GoalReached(
                goal_id=goal.pk,
                user_id=goal.user_id,
                session_id=session.pk,
                sport=goal.sport,
                measure=goal.measure,
                target=goal.target,
                done=done,
                period=goal.period,
                period_starts_on=span[0],
                occurred_at=at,
            )
        )
