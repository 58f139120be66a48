"""What health has about a person: devices, what these measured, and who looked at it."""

from uuid import UUID

from django.db.models import Q
from django.db.models.functions import Now

from contexts.health.models import Access, Batch, Device, Reading
from kernel.databases import unit_of_work
from kernel.personal_data import Data, Keep, Owned


def _of_own_devices(user_id: UUID) -> Q:
    return Q(device_number__in=Device.objects.filter(user_id=user_id).values("number"))


DATA: Data = {
    Batch: Owned(by=_of_own_devices),
    Reading: Owned(by=_of_own_devices),
    Device: Owned(by="user_id", leave_out=("sealed_secret",)),
    Access: Owned(
        by=("subject_id", "by"),
        erase=Keep("Who looked at whose medical data stays written, by identifiers alone."),
    ),
}


@unit_of_work("health")
def before_erasing(user_id: UUID) -> None:
    """Let the devices go first: from here on nothing can be added to what is being erased."""
    Device.objects.filter(user_id=user_id, revoked_at=None).update(revoked_at=Now())
