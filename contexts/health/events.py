"""What health announces. Measured values never travel: who may see them asks health for the batch."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from kernel.events import DomainEvent


@dataclass(frozen=True, kw_only=True)
class DeviceConnected(DomainEvent, key="device_id"):
    """A person connected a device, which may send readings from now on."""

    device_id: UUID
    user_id: UUID
    kind: str


@dataclass(frozen=True, kw_only=True)
class CalibrationDue(DomainEvent, key="device_id"):
    """A device of this person wants to be calibrated since `due_at`."""

    device_id: UUID
    user_id: UUID
    kind: str
    due_at: datetime


@dataclass(frozen=True, kw_only=True)
class DeviceCalibrated(DomainEvent, key="device_id"):
    """What a device has `measured` since `valid_from` is to be read by this calibration."""

    device_id: UUID
    user_id: UUID
    measured: str
    calibration: int
    valid_from: datetime


@dataclass(frozen=True, kw_only=True)
class DeviceHandedOn(DomainEvent, key="device_id"):
    """A device went to another owner, where it is the device `received_as`; what it measured before stays."""

    device_id: UUID
    user_id: UUID
    received_as: UUID


@dataclass(frozen=True, kw_only=True)
class HealthMetricRecorded(DomainEvent, key="user_id"):
    """A batch brought `count` new readings, measured between `first_at` and `last_at`."""

    batch_id: UUID
    user_id: UUID
    device_id: UUID
    streams: list[str]
    first_at: datetime
    last_at: datetime
    count: int


@dataclass(frozen=True, kw_only=True)
class HealthMetricWithdrawn(DomainEvent, key="user_id"):
    """Readings of a batch are there no more: an entry was changed or deleted, a phone or a vendor corrected some."""

    batch_id: UUID
    user_id: UUID
    device_id: UUID
    streams: list[str]
    first_at: datetime
    last_at: datetime
    count: int


@dataclass(frozen=True, kw_only=True)
class IntegrationConnected(DomainEvent, key="user_id"):
    """A person's account at a vendor is connected; what it brings are readings of this device."""

    connection_id: UUID
    user_id: UUID
    vendor: str
    device_id: UUID


@dataclass(frozen=True, kw_only=True)
class IntegrationNeedsReconnect(DomainEvent, key="user_id"):
    """The vendor lets us in no more: nothing comes until the person has connected their account anew."""

    connection_id: UUID
    user_id: UUID
    vendor: str


@dataclass(frozen=True, kw_only=True)
class IntegrationDisconnected(DomainEvent, key="user_id"):
    """A person's account at a vendor is not connected any more; what it has brought stays."""

    connection_id: UUID
    user_id: UUID
    vendor: str


@dataclass(frozen=True, kw_only=True)
class MedicalAlertTriggered(DomainEvent, key="user_id"):
    """What is measured of a person went beyond a bound; once for each episode.

    `ignores_quiet_hours`: a critical one reaches its person at night too.
    """

    alert_id: UUID
    user_id: UUID
    severity: str
    ignores_quiet_hours: bool


@dataclass(frozen=True, kw_only=True)
class MedicalAlertEscalated(DomainEvent, key="user_id"):
    """A critical alert was not acknowledged in time: the person's emergency contact is written to."""

    alert_id: UUID
    user_id: UUID


@dataclass(frozen=True, kw_only=True)
class MedicalDataRead(DomainEvent, key="user_id"):
    """Somebody looked at a person's measurements of a stream, with this second factor, perhaps through an app.

    `purpose` is what for; for `emergency` nobody was asked before.
    """

    access_id: UUID
    user_id: UUID
    by: UUID
    measured: str
    mfa_at: datetime
    app_id: UUID | None
    purpose: str = "own_care"


@dataclass(frozen=True, kw_only=True)
class GrantGiven(DomainEvent, key="owner_id"):
    """A person lets another look at some of their measurements; it counts once that one accepts."""

    grant_id: UUID
    owner_id: UUID
    grantee_id: UUID
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class GrantAccepted(DomainEvent, key="owner_id"):
    """Whom a person lets look has accepted."""

    grant_id: UUID
    owner_id: UUID
    grantee_id: UUID


@dataclass(frozen=True, kw_only=True)
class GrantRevoked(DomainEvent, key="owner_id"):
    """A grant is over before its time: its owner has revoked it, or the other one wants it no more."""

    grant_id: UUID
    owner_id: UUID
    grantee_id: UUID
    ended_by: str


@dataclass(frozen=True, kw_only=True)
class EmergencyAccessOpened(DomainEvent, key="user_id"):
    """A member of staff may look at this person's measurements until then, because of an emergency: tell them."""

    emergency_id: UUID
    user_id: UUID
    by: UUID
    until: datetime


@dataclass(frozen=True, kw_only=True)
class EmergencyAccessJudged(DomainEvent, key="user_id"):
    """Another member of staff has judged an emergency access: it was justified, or abuse."""

    emergency_id: UUID
    user_id: UUID
    by: UUID
    verdict: str


@dataclass(frozen=True, kw_only=True)
class PersonalDataExported(DomainEvent, key="user_id"):
    """Health has left its part of an export; `rows` counts them by table."""

    user_id: UUID
    export_id: UUID
    rows: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class PersonalDataErased(DomainEvent, key="user_id"):
    """Health has nothing about this person any more."""

    user_id: UUID
    erasure_id: UUID
