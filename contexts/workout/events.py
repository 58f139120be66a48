"""What workout announces. Heart rate never travels in an event: it stays with its owner."""

from dataclasses import dataclass
from datetime import date, datetime
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
class WorkoutPaused(DomainEvent, key="session_id"):
    """The clock of a live session stopped."""

    session_id: UUID
    user_id: UUID
    paused_at: datetime


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
class GoalReached(DomainEvent, key="user_id"):
    """An athlete has done what they had set out to, with this session; announced once for each period of a goal."""

    goal_id: UUID
    user_id: UUID
    session_id: UUID
    sport: str
    measure: str
    target: float
    done: float
    period: str
    period_starts_on: date


@dataclass(frozen=True, kw_only=True)
class GroupWorkoutCreated(DomainEvent, key="group_id"):
    """Somebody invites friends to train together; a place is kept for each of `invited`."""

    group_id: UUID
    organiser_id: UUID
    title: str
    sport: str
    starts_at: datetime
    ends_at: datetime
    invited: list[UUID]


@dataclass(frozen=True, kw_only=True)
class PlanAdopted(DomainEvent, key="adopted_id"):
    """An athlete has taken on a training plan, from this day of theirs on (WO-2)."""

    adopted_id: UUID
    plan_id: UUID
    plan_version: int
    user_id: UUID
    sport: str
    starts_on: date
    weeks: int


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


@dataclass(frozen=True, kw_only=True)
class ScheduleViewed(DomainEvent, key="user_id"):
    """Somebody whom the athlete allowed to, a coach, looked at these days of their schedule, both included."""

    user_id: UUID
    by: UUID
    first_day: date
    last_day: date


@dataclass(frozen=True, kw_only=True)
class WorkoutChanged(DomainEvent, key="session_id"):
    """An athlete changed a session's sport, or who may see it.

    `change` rises with each change of a session: of two the higher one counts, in whatever order they come. The rest
    is the summary, for whoever had no reason to keep it before; none unless the completion has been announced.
    """

    session_id: UUID
    user_id: UUID
    sport: str
    visibility: str
    change: int | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    duration_s: float | None = None
    moving_s: float | None = None
    distance_m: float | None = None
    energy_kcal: float | None = None


@dataclass(frozen=True, kw_only=True)
class WorkoutDeleted(DomainEvent, key="session_id"):
    """An athlete deleted a session whose completion had been announced; what was made of it is to go."""

    session_id: UUID
    user_id: UUID


@dataclass(frozen=True, kw_only=True)
class ImportFinished(DomainEvent, key="import_id"):
    """A file handed in, or all files of a batch, became sessions or were refused; announced once."""

    import_id: UUID
    user_id: UUID
    is_batch: bool
    imported: int
    refused: int
    sessions: int
