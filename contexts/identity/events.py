"""What identity announces. Facts carry ids only: names and addresses stay here and are asked for."""

from dataclasses import dataclass
from datetime import datetime
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


@dataclass(frozen=True, kw_only=True)
class MailRequested(DomainEvent, key="user_id"):
    """A link is to be mailed to a person: to confirm or change an address, reset a password, lift a lock-out."""

    user_id: UUID
    link_id: UUID


@dataclass(frozen=True, kw_only=True)
class EmailConfirmed(DomainEvent, key="user_id"):
    """A person has shown that their address is theirs: the account is open."""

    user_id: UUID


@dataclass(frozen=True, kw_only=True)
class CredentialsChanged(DomainEvent, key="user_id"):
    """A way of proving who one is was changed: password, address, second factor, passkey, linked account."""

    user_id: UUID
    what: str


@dataclass(frozen=True, kw_only=True)
class SessionRevoked(DomainEvent, key="user_id"):
    """A session was ended: by its person, by a change of password, by blocking, by reuse of a token."""

    user_id: UUID
    session_id: UUID
    reason: str


@dataclass(frozen=True, kw_only=True)
class PersonBlocked(DomainEvent, key="user_id"):
    """A person is kept out: they cannot sign in, and what they had open is ended."""

    user_id: UUID
    by: UUID | None


@dataclass(frozen=True, kw_only=True)
class PersonUnblocked(DomainEvent, key="user_id"):
    """A person may sign in again."""

    user_id: UUID
    by: UUID | None


@dataclass(frozen=True, kw_only=True)
class RoleChanged(DomainEvent, key="user_id"):
    """A person was given a role, or it was taken from them."""

    user_id: UUID
    role: str
    granted: bool
    by: UUID | None


@dataclass(frozen=True, kw_only=True)
class SecurityPolicyChanged(DomainEvent, key="policy_version"):
    """Access or limits are tightened otherwise from now on."""

    policy_version: int
    by: UUID | None


@dataclass(frozen=True, kw_only=True)
class MembershipChanged(DomainEvent, key="user_id"):
    """A person is free, premium or PRO from now on, until then at the longest."""

    user_id: UUID
    tier: str
    until: datetime | None


@dataclass(frozen=True, kw_only=True)
class CoachingChanged(DomainEvent, key="athlete_id"):
    """An athlete lets a coach do these things; with no scopes, nothing any more."""

    athlete_id: UUID
    coach_id: UUID
    scopes: list[str]


@dataclass(frozen=True, kw_only=True)
class ConsentChanged(DomainEvent, key="user_id"):
    """A person agreed to a purpose, or withdrew."""

    user_id: UUID
    purpose: str
    text_version: str
    given: bool


@dataclass(frozen=True, kw_only=True)
class UserExportRequested(DomainEvent, key="user_id"):
    """A person wants everything about them: each context leaves its part for this export."""

    user_id: UUID
    export_id: UUID


@dataclass(frozen=True, kw_only=True)
class UserErased(DomainEvent, key="user_id"):
    """A person's account is erased: each context forgets them and says so."""

    user_id: UUID
    erasure_id: UUID


@dataclass(frozen=True, kw_only=True)
class PersonalDataExported(DomainEvent, key="user_id"):
    """Identity has left its part of an export; `rows` counts them by table."""

    user_id: UUID
    export_id: UUID
    rows: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class DataExportCollected(DomainEvent, key="user_id"):
    """Every context has left its part of an export: the archive can be made."""

    user_id: UUID
    export_id: UUID


@dataclass(frozen=True, kw_only=True)
class PersonalDataErased(DomainEvent, key="user_id"):
    """Identity has nothing about this person any more."""

    user_id: UUID
    erasure_id: UUID


@dataclass(frozen=True, kw_only=True)
class ErasureRepeated(DomainEvent, key="user_id"):
    """An erased person is to be forgotten once more, in case something came late."""

    user_id: UUID
    erasure_id: UUID
