"""Where imported readings come from: for each person and origin one device row, whose secret nobody has."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from contexts.health import events, rules, sealing
from contexts.health.models import Device
from contexts.health.rules import Origin
from contexts.health.worn.devices import ConsentRequired, KnownDevice, known_as
from kernel.bus import publish
from kernel.databases import unit_of_work
from kernel.errors import Refused


class SourceClosed(Refused):
    """Nothing more is taken from this origin: its source was retired."""

    status = 403


@unit_of_work("health", gate="user_id")
def source_of(*, user_id: UUID, origin: Origin, at: datetime) -> KnownDevice:
    """The source of this person's readings from there, made when it is first asked for.

    Raises `ConsentRequired` while it is suspended, `SourceClosed` once it was let go. Callers ask for consent.
    """
    device = Device.objects.filter(user_id=user_id, kind=origin).first()
    if device is None:
        device = Device(user_id=user_id, kind=origin, connected_at=at)
        device.sealed_secret = sealing.seal(sealing.new_secret(), device_id=device.device_id)
        device.save(force_insert=True)
        publish(events.DeviceConnected(device_id=device.device_id, user_id=user_id, kind=device.kind, occurred_at=at))
    if device.revoked_at is not None:
        raise SourceClosed
    if device.suspended_at is not None:
        raise ConsentRequired(purpose=rules.PURPOSE)
    return replace(known_as(device), earliest=rules.EARLIEST_ENTRY)
