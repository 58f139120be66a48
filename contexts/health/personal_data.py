"""What health has about a person: devices, what these measured, and who looked at it."""

from uuid import UUID

from django.db.models import Q
from django.db.models.functions import Now

from contexts.health.archive import keeping, payloads, tending
from contexts.health.models import (
    Access,
    Alert,
    AlertComment,
    AlertRule,
    Batch,
    Calibration,
    Certification,
    ColdFile,
    DataKey,
    Device,
    EmergencyContact,
    Enrolment,
    Entry,
    EntryVersion,
    NormVersion,
    Reading,
)
from kernel.databases import unit_of_work
from kernel.personal_data import Data, Keep, NotPersonal, Owned, Through


def _of_own_devices(user_id: UUID) -> Q:
    return Q(device_number__in=Device.objects.filter(user_id=user_id).values("number"))


DATA: Data = {
    Batch: Owned(by=_of_own_devices),
    Reading: Owned(by=_of_own_devices, elsewhere=tending.rows_of),
    ColdFile: Owned(
        by="user_id",
        erase=Through(tending.erase_files),
        leave_out=("object_key",),
        elsewhere=payloads.rows_of,
    ),
    DataKey: Owned(by="user_id", leave_out=("sealed_key",)),
    EntryVersion: Owned(by="user_id"),
    Entry: Owned(by="user_id"),
    Calibration: Owned(by=_of_own_devices),
    Certification: Owned(by=_of_own_devices),
    AlertComment: Owned(by="user_id"),
    Alert: Owned(by="user_id"),
    AlertRule: Owned(by="user_id"),
    EmergencyContact: Owned(by="user_id"),
    NormVersion: NotPersonal("Bounds of what is normal for everybody, and which reviewer wrote them."),
    Device: Owned(by="user_id", leave_out=("sealed_secret", "sealed_next", "handover_digest")),
    Enrolment: Owned(by="user_id", leave_out=("code_digest",)),
    Access: Owned(
        by=("subject_id", "by"),
        erase=Keep("Who looked at whose medical data stays written, by identifiers alone."),
    ),
}


@unit_of_work("health")
def before_erasing(user_id: UUID) -> None:
    """Let devices, codes and the key of cold files go first: nothing is added any more, nor read from those."""
    keeping.destroy_key(user_id)
    Enrolment.objects.filter(user_id=user_id).delete()
    Device.objects.filter(user_id=user_id, revoked_at=None).update(revoked_at=Now())


def after_erasing(user_id: UUID) -> None:
    """Bodies of requests that were being collected meanwhile: with their device gone, no more can follow."""
    keeping.destroy_key(user_id)
    while tending.erase_files(user_id):
        pass
