"""A device goes to another owner. What it measured until then stays with the first, what it measures later does not.

The first owner gets a code and gives it to the second, who takes the device over with it: at that instant the first
row ends and another one begins, with a secret of its own. Nothing of the first owner is shown to the second.
"""

import hashlib
import secrets
from datetime import datetime
from typing import Final
from uuid import UUID

from contexts.health import events, rules
from contexts.health.models import Calibration, Certification, Device
from contexts.health.worn.describing import INFORMATION, DeviceRetired, calibrations_of, certifications_of
from contexts.health.worn.devices import ConsentRequired, forget, own_device, retire_companions, save_device
from contexts.identity import services as identity
from kernel.bus import publish
from kernel.databases import unit_of_work
from kernel.errors import Refused

CODE_BYTES: Final = 16


class HandoverCodeInvalid(Refused):
    """This code hands on no device, or not any more."""


@unit_of_work("health")
def offer(*, device_id: UUID, by: UUID, at: datetime) -> tuple[str, datetime]:
    """A code with which somebody else may take this device over, and until when; an earlier one is void."""
    device = own_device(device_id=device_id, by=by, locked=True)
    if device.revoked_at is not None:
        raise DeviceRetired
    code = secrets.token_urlsafe(CODE_BYTES)
    device.handover_digest, device.handover_until = _digest(code), at + rules.HANDOVER_LASTS
    device.save(update_fields=["handover_digest", "handover_until"])
    return code, device.handover_until


def take_over(*, code: str, name: str, by: UUID, at: datetime) -> tuple[Device, str]:
    """Make a device one's own with its owner's code; returns it and its new secret, which is not to be had again."""
    if not identity.has_consent(user_id=by, purpose=rules.PURPOSE):
        raise ConsentRequired(purpose=rules.PURPOSE)
    return _take_over(code=code, name=name, by=by, at=at)


@unit_of_work("health")
def _take_over(*, code: str, name: str, by: UUID, at: datetime) -> tuple[Device, str]:
    offered = Device.objects.filter(handover_digest=_digest(code), handover_until__gt=at, revoked_at=None)
    before = offered.select_for_update().first()
    if before is None or before.user_id == by:
        raise HandoverCodeInvalid
    information = {of: getattr(before, of) for of in INFORMATION}
    made, secret = save_device(
        Device(user_id=by, name=name, kind=before.kind, connected_at=at, received_at=at, **information)
    )
    _copy_papers(before, made)
    before.revoked_at, before.handover_digest, before.handover_until = at, None, None
    before.save(update_fields=["revoked_at", "handover_digest", "handover_until"])
    retire_companions(before, at=at)
    publish(
        events.DeviceHandedOn(
            device_id=before.device_id, user_id=before.user_id, received_as=made.device_id, occurred_at=at
        )
    )
    forget(before.device_id)
    return made, secret


def _copy_papers(before: Device, made: Device) -> None:
    """Certifications and curves are of the device, whoever owns it."""
    Certification.objects.bulk_create(
        Certification(
            device_number=made.number,
            standard=paper.standard,
            number=paper.number,
            issued_by=paper.issued_by,
            valid_from=paper.valid_from,
            valid_until=paper.valid_until,
            added_at=paper.added_at,
        )
        for paper in certifications_of(before)
    )
    Calibration.objects.bulk_create(
        Calibration(
            device_number=made.number,
            stream=curve.stream,
            version=curve.version,
            points=curve.points,
            valid_from=curve.valid_from,
            added_at=curve.added_at,
        )
        for curve in calibrations_of(before)
    )


def _digest(code: str) -> bytes:
    return hashlib.sha256(code.encode()).digest()
