"""Training that athletes have behind them, straight into the tables."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID


def imported(*, athlete: UUID, sha256: str, at: datetime) -> Any:
    """The import that sessions came with; nothing is in its file."""
    from contexts.workout.models import Import

    return Import.objects.create(
        user_id=athlete,
        sha256=sha256,
        file_name="bench",
        size=1,
        original="bench",
        state=Import.State.DONE,
        posted_at=at,
        finished_at=at,
    )


def completed(sessions: Iterable[dict[str, Any]]) -> list[Any]:
    """Sessions of an hour, completed and analysed, from what is told of each beside its start."""
    from contexts.workout.models import TrainingSession

    usual = {"state": "completed", "time_zone": "UTC", "duration_s": 3_600, "moving_s": 3_500, "analysis_due": ""}
    made = [
        TrainingSession(
            ended_at=each["started_at"] + timedelta(hours=1),
            completed_at=each["started_at"] + timedelta(hours=1),
            **(usual | each),
        )
        for each in sessions
    ]
    return TrainingSession.objects.bulk_create(made, batch_size=1_000)
