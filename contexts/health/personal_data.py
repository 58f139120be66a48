"""What health has about a person: devices, what these measured, and who looked at it."""

from uuid import UUID

from django.db.models import Q
from django.db.models.functions import Now
from django.utils.timezone import now

from contexts.health.archive import keeping, payloads, tending
from contexts.health.imports import uploads
from contexts.health.integrations import connecting
from contexts.health.looking import rolling_up
from contexts.health.models import (
    Access,
    Alert,
    AlertComment,
    AlertRule,
    Batch,
    Calibration,
    Certification,
    ColdFile,
    ColdWithdrawal,
    Connection,
    DataImport,
    DataKey,
    Device,
    EmergencyAccess,
    EmergencyContact,
    Enrolment,
    Entry,
    EntryVersion,
    Grant,
    ImportedFile,
    Invalidation,
    NormVersion,
    PhoneSample,
    Portion,
    Posted,
    Reading,
    Rollup,
    SourceOrder,
    Watermark,
)
from contexts.health.sealing import shown_texts
from kernel.databases import unit_of_work
from kernel.personal_data import Data, Keep, NotPersonal, Owned, Through


def _of_own_devices(user_id: UUID) -> Q:
    return Q(device_number__in=Device.objects.filter(user_id=user_id).values("number"))


def _of_own_connections(user_id: UUID) -> Q:
    return Q(connection_id__in=Connection.objects.filter(user_id=user_id).values("connection_id"))


@unit_of_work("health")
def _forget_reasons(user_id: UUID) -> int:
    """That somebody broke the glass stays written, by identifiers alone; why they say they did does not."""
    about = Q(subject_id=user_id) | Q(opened_by=user_id)
    return EmergencyAccess.objects.filter(about).exclude(sealed_reason=b"").update(sealed_reason=b"")


DATA: Data = {
    Posted: Owned(by=_of_own_connections, leave_out=("sealed_body",)),
    Portion: Owned(by=_of_own_connections, leave_out=("callback_digest", "page")),
    Connection: Owned(by="user_id", leave_out=("sealed_tokens", "tokens_version")),
    SourceOrder: Owned(by="user_id"),
    Batch: Owned(by=_of_own_devices),
    Reading: Owned(by=_of_own_devices, elsewhere=tending.rows_of),
    Rollup: Owned(by=_of_own_devices, erase=Through(rolling_up.erase), exports=False),
    Invalidation: Owned(by=_of_own_devices, exports=False),
    Watermark: NotPersonal("Until when the readings of all people are rolled up."),
    PhoneSample: Owned(by=_of_own_devices),
    ImportedFile: Owned(by="source__user_id"),
    DataImport: Owned(by="user_id"),
    ColdWithdrawal: Owned(by="user_id"),
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
    Device: Owned(by="user_id", leave_out=("sealed_secret", "sealed_next", "handover_digest", "bridge_key")),
    Enrolment: Owned(by="user_id", leave_out=("code_digest",)),
    Access: Owned(
        by=("subject_id", "by"),
        erase=Keep("Who looked at whose medical data stays written, by identifiers alone."),
    ),
}


def before_erasing(user_id: UUID) -> None:
    """Let devices, accounts, codes, imports and the key of cold files go first: nothing is added any more."""
    connecting.let_go_of_everything(user_id, at=now())
    _let_go_of_devices(user_id)


@unit_of_work("health")
def _let_go_of_devices(user_id: UUID) -> None:
    keeping.destroy_key(user_id)
    unfinished = DataImport.objects.filter(user_id=user_id, state__in=DataImport.UNFINISHED)
    unfinished.update(state=DataImport.State.REFUSED, refusal_code=uploads.CANCELLED, claim=None)
    Enrolment.objects.filter(user_id=user_id).delete()
    Device.objects.filter(user_id=user_id, revoked_at=None).update(revoked_at=Now())


def folders(user_id: UUID) -> list[str]:
    """Where a person's uploads lie until they are read."""
    return [uploads.folder_of(user_id)]


def after_erasing(user_id: UUID) -> None:
    """Bodies of requests that were being collected meanwhile: with their device gone, no more can follow."""
    keeping.destroy_key(user_id)
    while tending.erase_files(user_id):
        pass
