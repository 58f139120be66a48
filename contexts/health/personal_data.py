"""What health has about a person: devices, what these measured, and who looked at it."""

from uuid import UUID

from django.db.models import Q
from django.db.models.functions import Now

from contexts.health.models import (
    Access,
    Alert,
    AlertComment,
    AlertRule,
    Batch,
    Calibration,
    Certification,
    Device,
    EmergencyAccess,
    EmergencyContact,
    Enrolment,
    Entry,
    EntryVersion,
    Grant,
    NormVersion,
    Reading,
)
from contexts.health.sealing import shown_texts
from kernel.databases import unit_of_work
from kernel.personal_data import Data, Keep, NotPersonal, Owned, Through


def _of_own_devices(user_id: UUID) -> Q:
    return Q(device_number__in=Device.objects.filter(user_id=user_id).values("number"))


@unit_of_work("health")
def _forget_reasons(user_id: UUID) -> int:
    """That somebody broke the glass stays written, by identifiers alone; why they say they did does not."""
    about = Q(subject_id=user_id) | Q(opened_by=user_id)
    return EmergencyAccess.objects.filter(about).exclude(sealed_reason=b"").update(sealed_reason=b"")


DATA: Data = {
    Batch: Owned(by=_of_own_devices),
    Reading: Owned(by=_of_own_devices),
    EntryVersion: Owned(by="user_id"),
    Entry: Owned(by="user_id"),
    Calibration: Owned(by=_of_own_devices),
    Certification: Owned(by=_of_own_devices),
    AlertComment: Owned(by="user_id", shown=shown_texts("health_alertcomment", "comment_id", text="sealed_text")),
    Alert: Owned(by="user_id"),
    AlertRule: Owned(by="user_id"),
    EmergencyContact: Owned(
        by="user_id",
        shown=shown_texts("health_emergencycontact", "user_id", name="sealed_name", email="sealed_email"),
    ),
    Grant: Owned(by=("owner_id", "grantee_id")),
    EmergencyAccess: Owned(
        by=("subject_id", "opened_by"), erase=Through(_forget_reasons), leave_out=("sealed_reason",)
    ),
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
    """Let devices and codes go first: from here on nothing can be added to what is being erased."""
    Enrolment.objects.filter(user_id=user_id).delete()
    Device.objects.filter(user_id=user_id, revoked_at=None).update(revoked_at=Now())
