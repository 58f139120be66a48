"""What the social context announces."""

from dataclasses import dataclass
from uuid import UUID

from kernel.events import DomainEvent


@dataclass(frozen=True, kw_only=True)
class FriendshipEstablished(DomainEvent, key="user_a"):
    """Two members became friends. `user_a` is the smaller of the two identifiers."""

    user_a: UUID
    user_b: UUID


@dataclass(frozen=True, kw_only=True)
class GroupJoined(DomainEvent, key="group_id"):
    """These members are in a group room from now on; its first event names everybody it was opened with."""

    group_id: UUID
    user_ids: list[UUID]


@dataclass(frozen=True, kw_only=True)
class PersonalDataExported(DomainEvent, key="user_id"):
    """The social context has left its part of an export; `rows` counts them by table."""

    user_id: UUID
    export_id: UUID
    rows: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class PersonalDataErased(DomainEvent, key="user_id"):
    """The social context has nothing about this person any more."""

    user_id: UUID
    erasure_id: UUID
