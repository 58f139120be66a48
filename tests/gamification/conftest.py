"""What gamification hears in its tests: workouts, announced as workout announces them."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.utils.timezone import now

from contexts.gamification import broadcasting
from contexts.workout.events import PersonalRecordAchieved, WorkoutCompleted, WorkoutDeleted
from kernel.bus import publish
from kernel.databases import unit_of_work
from kernel.models import uuid7


@pytest.fixture(autouse=True)
def quiet_boards() -> None:
    """No test waits for a frame of the one before it, nor hears one that was still to be sent."""
    for ticker in broadcasting._tickers.values():
        if ticker._timer is not None:
            ticker._timer.cancel()
    broadcasting._tickers.clear()


def completed(user_id: UUID, *, points: int, ended_at: datetime | None = None, **fields: Any) -> WorkoutCompleted:
    """A finished workout that is worth so many points."""
    end = ended_at or now()
    usual: dict[str, Any] = {
        "session_id": uuid7(),
        "user_id": user_id,
        "sport": "running",
        "started_at": end - timedelta(hours=1),
        "ended_at": end,
        "duration_s": 3600.0,
        "moving_s": points * 30.0,
        "distance_m": None,
        "energy_kcal": None,
        "visibility": "private",
        "time_zone": "UTC",
        "source": "live",
        "occurred_at": end,
    }
    return WorkoutCompleted(**usual | fields)


def beaten(workout: WorkoutCompleted, *, record: str = "fastest_1k", **fields: Any) -> PersonalRecordAchieved:
    """A record which that workout set."""
    usual: dict[str, Any] = {
        "session_id": workout.session_id,
        "user_id": workout.user_id,
        "sport": workout.sport,
        "record": record,
        "value": 240.0,
        "previous": 250.0,
        "occurred_at": workout.occurred_at,
    }
    return PersonalRecordAchieved(**usual | fields)


@pytest.fixture
def announce() -> Callable[..., None]:
    """`announce(event, …)`: workout says so."""
    return unit_of_work("workout")(publish)


def deleted(workout: WorkoutCompleted, **fields: Any) -> WorkoutDeleted:
    """That workout is no more."""
    usual: dict[str, Any] = {
        "session_id": workout.session_id,
        "user_id": workout.user_id,
        "occurred_at": workout.occurred_at + timedelta(minutes=5),
    }
    return WorkoutDeleted(**usual | fields)
