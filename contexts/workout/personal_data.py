"""What workout has about a person: sessions with their streams, records, and the files handed in."""

from uuid import UUID

from contexts.workout.models import Companion, Import, LiveSample, PersonalBest, Stream, TrainingSession
from kernel.personal_data import Data, Owned

DATA: Data = {
    LiveSample: Owned(by="session__user_id"),
    Stream: Owned(by="session__user_id"),
    PersonalBest: Owned(by="user_id"),
    TrainingSession: Owned(by="user_id"),
    Import: Owned(by="user_id"),
    Companion: Owned(by=("user_id", "friend_id")),
}


def folders(user_id: UUID) -> list[str]:
    """Where the originals of a person's recordings lie."""
    return [f"workout/imports/{user_id}"]
