"""What workout has about a person: sessions and all that follows from them, places, plans, goals, files."""

from typing import Any
from uuid import UUID

from contexts.workout.models import (
    AdoptedPlan,
    Analysis,
    AnnouncedRecord,
    BatchMember,
    BestEffort,
    Companion,
    Exercise,
    Goal,
    GroupPlace,
    GroupWorkout,
    Import,
    ImportBatch,
    LiveSample,
    Operation,
    PersonalBest,
    PlanFeed,
    PlannedWorkout,
    PlanShare,
    ReachedGoal,
    Route,
    ScheduledWorkout,
    Segment,
    SegmentEffort,
    SessionTrack,
    Stream,
    StrengthSet,
    Thresholds,
    TrainingPlan,
    TrainingSession,
)
from contexts.workout.outdoors import segments
from contexts.workout.places import geography
from contexts.workout.recording import active
from kernel.personal_data import Data, Owned, Through

INDEX = ("line", "cells", "sure_cells", "start_cells", "end_cells")


def _with_places(row: dict[str, Any]) -> dict[str, Any]:
    """A line as (longitude, latitude) pairs, and without what only serves to find it."""
    kept = {name: value for name, value in row.items() if name not in INDEX}
    return kept | {"places": geography.unpacked(row["line"]).points()}


DATA: Data = {
    PlanFeed: Owned(by="user_id", leave_out=("token_sha256",)),
    ScheduledWorkout: Owned(by="user_id"),
    AdoptedPlan: Owned(by="user_id"),
    PlanShare: Owned(by=("athlete_id", "plan__owner_id")),
    TrainingPlan: Owned(by="owner_id"),
    PlannedWorkout: Owned(by="owner_id"),
    Exercise: Owned(by="owner_id"),
    SegmentEffort: Owned(by="user_id"),
    Segment: Owned(by="user_id", erase=Through(segments.forget_segments), shown=_with_places),
    Route: Owned(by="user_id", shown=_with_places),
    SessionTrack: Owned(by="user_id", exports=False),  # made from the streams, which are exported
    LiveSample: Owned(by="session__user_id"),
    Stream: Owned(by="session__user_id"),
    BestEffort: Owned(by="user_id"),
    PersonalBest: Owned(by="user_id"),
    AnnouncedRecord: Owned(by="user_id"),
    Analysis: Owned(by="session__user_id"),
    Thresholds: Owned(by="user_id"),
    StrengthSet: Owned(by="session__user_id"),
    ReachedGoal: Owned(by="goal__user_id"),
    GroupPlace: Owned(by="user_id"),
    GroupWorkout: Owned(by="organiser_id"),
    Goal: Owned(by="user_id"),
    Operation: Owned(by="user_id"),
    TrainingSession: Owned(by="user_id"),
    BatchMember: Owned(by="batch__user_id"),
    ImportBatch: Owned(by="user_id"),
    Import: Owned(by="user_id"),
    Companion: Owned(by=("user_id", "friend_id")),
}


def after_erasing(user_id: UUID) -> None:
    """The session under way is in Redis as well."""
    active.forget(user_id=user_id)


def folders(user_id: UUID) -> list[str]:
    """Where the originals of a person's recordings lie, and archives of them."""
    return [f"workout/imports/{user_id}", f"workout/batches/{user_id}"]
