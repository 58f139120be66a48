"""What gamification announces."""

from dataclasses import dataclass
from uuid import UUID

from kernel.events import DomainEvent


@dataclass(frozen=True, kw_only=True)
class LeaderboardUpdated(DomainEvent, key="user_id"):
    """An athlete's total on a board changed; `points` is the whole total of that period, not the difference."""

    period: str
    period_key: str
    user_id: UUID
    points: int


@dataclass(frozen=True, kw_only=True)
class PersonalDataExported(DomainEvent, key="user_id"):
    """Gamification has left its part of an export; `rows` counts them by table."""

    user_id: UUID
    export_id: UUID
    rows: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class PersonalDataErased(DomainEvent, key="user_id"):
    """Gamification has nothing about this person any more."""

    user_id: UUID
    erasure_id: UUID
