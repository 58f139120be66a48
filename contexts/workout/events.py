"""What workout announces. Heart rate never travels in an event: it stays with its owner."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from kernel.events import DomainEvent


@dataclass(frozen=True, kw_only=True)
class WorkoutStarted(DomainEvent, key="session_id"):
    """An athlete began a live session."""

    session_id: UUID
    user_id: UUID
    sport: str
    started_at: datetime
    visibility: str


@dataclass(frozen=True, kw_only=True)
class WorkoutCompleted(DomainEvent, key="session_id"):
    """A session ended, live or by import, and has its summary; announced once, later revisions stay silent."""

    session_id: UUID
    user_id: UUID
    sport: str
    started_at: datetime
    ended_at: datetime
    duration_s: float
    moving_s: float
    distance_m: float | None
    energy_kcal: float | None
    visibility: str
    time_zone: str
    source: str


@dataclass(frozen=True, kw_only=True)
class PersonalRecordAchieved(DomainEvent, key="session_id"):
    """A session beat the athlete's best: `longest_distance` in metres, `fastest_1k` and `fastest_5k` in seconds."""

    session_id: UUID
    user_id: UUID
    sport: str
    record: str
    value: float
    previous: float | None


@dataclass(frozen=True, kw_only=True)
class PersonalDataExported(DomainEvent, key="user_id"):
    """Workout has left its part of an export; `rows` counts them by table."""

    user_id: UUID
    export_id: UUID
    rows: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class PersonalDataErased(DomainEvent, key="user_id"):
    """Workout has nothing about this person any more."""

    user_id: UUID
    erasure_id: UUID


@dataclass(frozen=True, kw_only=True)
class WorkoutViewed(DomainEvent, key="user_id"):
    """Somebody whom the athlete allowed to, a coach, looked at one of their sessions."""

    session_id: UUID
    user_id: UUID
    by: UUID
