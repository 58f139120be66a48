"""Health's aggregates, by subject."""

from contexts.health.models.accesses import Access
from contexts.health.models.alerts import (
    CLOSED_BECAUSE,
    Alert,
    AlertComment,
    AlertRule,
    EmergencyContact,
    NormVersion,
)
from contexts.health.models.cold import ColdFile, ColdWithdrawal, DataKey
from contexts.health.models.devices import Device, Enrolment, Status
from contexts.health.models.entries import Entry, EntryVersion
from contexts.health.models.imports import DataImport, ImportedFile, PhoneSample
from contexts.health.models.integrations import Connection, Portion, Posted, SourceOrder
from contexts.health.models.papers import Calibration, Certification
from contexts.health.models.readings import Batch, Reading
from contexts.health.models.rollups import Invalidation, Rollup, Watermark
from contexts.health.models.sharing import EmergencyAccess, Grant

__all__ = [
    "CLOSED_BECAUSE",
    "Access",
    "Alert",
    "AlertComment",
    "AlertRule",
    "Batch",
    "Calibration",
    "Certification",
    "ColdFile",
    "ColdWithdrawal",
    "Connection",
    "DataImport",
    "DataKey",
    "Device",
    "EmergencyAccess",
    "EmergencyContact",
    "Enrolment",
    "Entry",
    "EntryVersion",
    "Grant",
    "ImportedFile",
    "Invalidation",
    "NormVersion",
    "PhoneSample",
    "Portion",
    "Posted",
    "Reading",
    "Rollup",
    "SourceOrder",
    "Status",
    "Watermark",
]
