"""Progress at ten years of training, five hundred sessions a year: each question an athlete asks of it, p95."""

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from benchmarks.figures import Figure, percentile
from benchmarks.histories import completed
from benchmarks.people import people

YEARS, A_YEAR = 10, 500
ASKED = 100
TARGET_MS = 50
BETWEEN = timedelta(hours=17.5)


def run(*, quick: bool) -> list[Figure]:
    """Each question."""
    from django.db import connections

    from contexts.workout.models import Goal, TrainingSession
    from contexts.workout.numbers import progress, thresholds

    athlete, count = people(1)[0].user_id, A_YEAR if quick else YEARS * A_YEAR
    now = datetime.now(tz=UTC)
    completed(
        {
            "user_id": athlete,
            "sport": ("running", "cycling")[nth % 2],
            "source": "live",
            "time_zone": "Europe/Riga",
            "started_at": now - nth * BETWEEN,
            "distance_m": 8_000 + nth % 4_000,
            "energy_kcal": 600,
            "ascent_m": nth % 200,
        }
        for nth in range(1, count + 1)
    )
    with connections["workout"].cursor() as cursor:
        cursor.execute("ANALYZE workout_trainingsession")
    today = now.date()
    latest = TrainingSession.objects.filter(user_id=athlete).latest("started_at")
    goal = Goal(user_id=athlete, measure="distance_m", target=1, period="once", starts_on=date(2000, 1, 1))
    span = goal.starts_on, today

    def sums(period: str, last: int) -> Callable[[], Any]:
        return lambda: progress.sums_by_period(
            user_id=UUID(str(athlete)), period=period, last=last, sport="", today=today
        )

    questions: dict[str, Callable[[], Any]] = {
        "this week against the last 12": sums("week", 12),
        "this month against ten years": sums("month", 120),
        "this session against the last 500": lambda: progress.beside_the_last(session=latest, last=500),
        "a goal over ten years": lambda: progress.done_towards(goal, span=span),
        "fitness of a year": lambda: thresholds.fitness(
            user_id=UUID(str(athlete)), since=today.replace(year=today.year - 1), until=today
        ),
    }
    figures = [_figure(about, ask, 5 if quick else ASKED, count) for about, ask in questions.items()]
    TrainingSession.objects.filter(user_id=athlete).delete()
    return figures


def _figure(about: str, ask: Callable[[], Any], times: int, count: int) -> Figure:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        ask()
        taken.append(1_000 * (time.perf_counter() - began))
    return Figure(about=f"{about}, {count:,} sessions, p95", ours=percentile(taken, 95), unit="ms", at_most=TARGET_MS)
