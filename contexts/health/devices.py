"""Connecting a device and letting it go; and knowing, fast, who a request's device is."""

import time
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from contexts.health import events, rules, sealing
from contexts.health.models import Device
from contexts.identity import services as identity
from kernel.bus import publish
from kernel.databases import run_after_commit, unit_of_work
from kernel.errors import NotFound, Refused

DEVICES_REMEMBERED = 10_000


class TooManyDevices(Refused):
    """You have as many devices connected as one person can wear; let one go first."""


class ConsentRequired(Refused):
    """Health data are processed with your consent only: POST /api/v1/identity/consents."""

    status = 403


@dataclass(frozen=True, slots=True)
class KnownDevice:
    """What a request needs to know of a device, its secret in the clear: lives in memory only, and briefly."""

    number: int
    device_id: UUID
    user_id: UUID
    connected_at: datetime
    is_suspended: bool
    secret: bytes


def connect_device(*, name: str, kind: str, by: UUID, at: datetime) -> tuple[Device, str]:
    """Connect a device to its owner, who has agreed; returns it and its secret, which is not to be had again."""
    if not identity.has_consent(user_id=by, purpose=rules.PURPOSE):
        raise ConsentRequired(purpose=rules.PURPOSE)
    return add_device(name=name, kind=kind, by=by, at=at)


@unit_of_work("health")
def add_device(*, name: str, kind: str, by: UUID, at: datetime) -> tuple[Device, str]:
    """Write a new device down; whether its owner has agreed is looked at again when it is announced."""
    if Device.objects.filter(user_id=by, revoked_at=None).count() >= rules.MAX_DEVICES:
        raise TooManyDevices
    device = Device(user_id=by, name=name, kind=kind, connected_at=at)
    secret = sealing.new_secret()
    device.sealed_secret = sealing.seal(secret, device_id=device.device_id)
    device.save(force_insert=True)
    publish(events.DeviceConnected(device_id=device.device_id, user_id=by, kind=kind, occurred_at=at))
    return device, sealing.encoded(secret)


@unit_of_work("health")
def revoke_device(*, device_id: UUID, by: UUID | None, at: datetime) -> None:
    """Let a device go: it can send nothing more, within 5 s in every process. What it has sent stays.

    `by` is the owner; a moderator's screen passes None. Raises `NotFound` for a device that is not theirs.
    """
    own = Device.objects.filter(device_id=device_id, **({} if by is None else {"user_id": by}))
    device = own.select_for_update().first()
    if device is None:
        raise NotFound
    if device.revoked_at is None:
        device.revoked_at = at
        device.save(update_fields=["revoked_at"])
    run_after_commit(lambda: _known.pop(device_id, None) and None)


@unit_of_work("health")
def suspend_devices(*, user_id: UUID, at: datetime) -> None:
    """Take nothing more from a person's devices: their consent was withdrawn."""
    running = Device.objects.filter(user_id=user_id, suspended_at=None)
    _set_suspended(running, at)


@unit_of_work("health")
def resume_devices(*, user_id: UUID) -> None:
    """Let a person's devices go on: they have agreed again."""
    _set_suspended(Device.objects.filter(user_id=user_id, suspended_at__isnull=False), None)


def _set_suspended(devices: QuerySet[Device], at: datetime | None) -> None:
    changed = list(devices.select_for_update().values_list("device_id", flat=True))
    Device.objects.filter(device_id__in=changed).update(suspended_at=at)
    run_after_commit(lambda: [_known.pop(device_id, None) for device_id in changed] and None)


_known: dict[UUID, tuple[float, KnownDevice]] = {}


def look_again(known: KnownDevice) -> KnownDevice | None:
    """The device as it is in the database now, whatever was remembered."""
    _known.pop(known.device_id, None)
    return known_device(known.device_id)


def known_device(device_id: UUID) -> KnownDevice | None:
    """The connected device of this id, remembered for up to 5 s; None for one that is unknown or revoked."""
    now = time.monotonic()
    remembered = _known.get(device_id)
    if remembered is not None and remembered[0] > now:
        return remembered[1]
    device = Device.objects.filter(device_id=device_id, revoked_at=None).first()
    if device is None:
        _known.pop(device_id, None)
        return None
    if len(_known) >= DEVICES_REMEMBERED:
        _known.clear()
    known = KnownDevice(
        number=device.number,
        device_id=device_id,
        user_id=device.user_id,
        connected_at=device.connected_at,
        is_suspended=device.suspended_at is not None,
        secret=sealing.unseal(bytes(device.sealed_secret), device_id=device_id),
    )
    _known[device_id] = (now + rules.DEVICE_CACHED.total_seconds(), known)
    return known
