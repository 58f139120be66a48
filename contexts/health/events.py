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
class MedicalDataRead(DomainEvent, key="user_id"):
    """Somebody looked at a person's measurements of a stream, with this second factor, perhaps through an app."""

    access_id: UUID
    user_id: UUID
    by: UUID
    measured: str
    mfa_at: datetime
    app_id: UUID | None


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
