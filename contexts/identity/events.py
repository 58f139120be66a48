"""What identity announces. Facts carry ids only: names and addresses stay here and are asked for."""

from dataclasses import dataclass
from uuid import UUID

from kernel.events import DomainEvent


@dataclass(frozen=True, kw_only=True)
class UserRegistered(DomainEvent, key="user_id"):
    """A person has an account."""

    user_id: UUID


@dataclass(frozen=True, kw_only=True)
class RegistrationRepeated(DomainEvent, key="user_id"):
    """Somebody tried to register an address that already has an account; its owner should know."""

    user_id: UUID


@dataclass(frozen=True, kw_only=True)
class UserAuthenticated(DomainEvent, key="user_id"):
    """A person signed in and a session began."""

    user_id: UUID
    session_id: UUID


@dataclass(frozen=True, kw_only=True)
class ProfileUpdated(DomainEvent, key="user_id"):
    """A person changed their profile; `changed` names the fields, their values are asked for."""

    user_id: UUID
    changed: list[str]
