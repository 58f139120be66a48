"""What the tests of plans share: workouts, plans, and schedules through the front door."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from contexts.workout.plans.exercise_library import EXERCISES
from kernel.observability import invariants
from tests.conftest import Person
from tests.workout.conftest import gpx, hand_in, progress

WORKOUT = "/api/v1/workout"
SQUAT = str(next(known.id for known in EXERCISES if known.english == "Back squat"))


def today() -> date:
    """The day in UTC, where test people live."""
    return datetime.now(UTC).date()


def timed(seconds: float, kind: str = "work", target: dict[str, Any] | None = None) -> dict[str, Any]:
    """A step of so many seconds."""
    return {"kind": kind, "length": {"by": "time", "seconds": seconds}, "target": target}


def squats(kilograms: float = 100, reps: int = 5, sets: int = 3) -> dict[str, Any]:
    """Sets of squats."""
    load = {"by": "weight", "kilograms": kilograms}
    return {"kind": "strength_set", "exercise_id": SQUAT, "reps": reps, "sets": sets, "load": load, "rest_s": 120}


def write_workout(person: Person, *steps: dict[str, Any], sport: str = "running", title: str = "Run") -> str:
    """A workout of this person's own; half an hour without a target unless steps are given."""
    form = {"title": title, "sport": sport, "steps": list(steps) or [timed(1800)]}
    return str(made(person, "workouts", form)["id"])


def write_plan(person: Person, workout_id: str, *, days: Any = (1,), weeks: int = 3, **more: Any) -> dict[str, Any]:
    """A plan of equal weeks; `days` are numbers, or pairs of a number and a priority."""
    pairs = [day if isinstance(day, tuple) else (day, "normal") for day in days]
    week = {"days": [{"day": day, "workout_id": workout_id, "priority": priority} for day, priority in pairs]}
    form = {"title": "Plan", "sport": "running", "weeks": [week] * weeks}
    return made(person, "plans", form | more)


def adopt(person: Person, plan: dict[str, Any], starts_on: date | None = None, **thresholds: Any) -> dict[str, Any]:
    """Take a plan on, from today unless said otherwise."""
    form = {"starts_on": str(starts_on or today()), "thresholds": thresholds}
    return made(person, f"plans/{plan['id']}/adopt", form)


def made(person: Person, path: str, form: Any = None) -> dict[str, Any]:
    """What a successful POST answers."""
    answer = person.api.post(f"{WORKOUT}/{path}", form)
    assert answer.status_code in (200, 201), answer.content
    found: dict[str, Any] = answer.json()
    return found


def schedule(person: Person, first: date | None = None, days: int = 300) -> list[dict[str, Any]]:
    """The workouts of the schedule, the first day first."""
    begin = first or today() - timedelta(days=10)
    answer = person.api.get(f"{WORKOUT}/schedule", data={"from": str(begin), "to": str(begin + timedelta(days=days))})
    assert answer.status_code == 200, answer.content
    return list(answer.json()["items"])


def day(nth: int) -> str:
    """So many days from today, as the API writes it."""
    return str(today() + timedelta(days=nth))


def noon(nth: int) -> datetime:
    """Noon so many days from today."""
    return datetime.combine(today() + timedelta(days=nth), datetime.min.time(), UTC) + timedelta(hours=12)


def code_of(answer: Any) -> str:
    """Why something was refused: the fault's own code where a field is at fault."""
    problem = answer.json()
    return str(problem["errors"][0]["code"] if problem.get("errors") else problem["code"])


def identifier(said: dict[str, Any]) -> UUID:
    """The id of what the API answered."""
    return UUID(said["id"])


def run_of(person: Person, work: Callable[[], int], begin: datetime, minutes: int = 30) -> str:
    """Hand in a run; answers its session."""
    answer = hand_in(person, gpx(begin, points=minutes * 6 + 1, step_s=10))
    work()
    (session_id,) = progress(person, answer)["sessions"]
    return str(session_id)


def complete(person: Person, row: dict[str, Any], **said: Any) -> dict[str, Any]:
    """Say that a scheduled workout was done."""
    return made(person, f"schedule/{row['id']}/complete", said)


def assert_invariants_hold() -> None:
    """Each query of workout's `invariants` finds nothing."""
    found = {one.id: one.violations() for one in invariants() if one.context == "workout"}
    assert found.keys() >= {"W6", "W7", "X2"}
    assert not any(found.values()), found
