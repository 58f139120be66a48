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


class DeviceLost(Refused):
    """This device is marked as lost: nothing is taken from it until its owner has found it."""

    status = 403


@dataclass(frozen=True, slots=True)
class KnownDevice:
    """What a request needs to know of a device, its secret in the clear: lives in memory only, and briefly."""

    number: int
    device_id: UUID
    user_id: UUID
    earliest: datetime
    """Before this nothing it measured is taken."""
    is_suspended: bool
    is_lost: bool
    secret: bytes
    next_secret: bytes | None = None
    next_until: datetime | None = None


def connect_device(*, name: str, kind: str, by: UUID, at: datetime) -> tuple[Device, str]:
    """Connect a device to its owner, who has agreed; returns it and its secret, which is not to be had again."""
    if not identity.has_consent(user_id=by, purpose=rules.PURPOSE):
        raise ConsentRequired(purpose=rules.PURPOSE)
    return add_device(name=name, kind=kind, by=by, at=at)


@unit_of_work("health")
def add_device(*, name: str, kind: str, by: UUID, at: datetime) -> tuple[Device, str]:
    """Write a new device down; whether its owner has agreed is looked at again when it is announced."""
    return save_device(Device(user_id=by, name=name, kind=kind, connected_at=at))


@unit_of_work("health")
def save_device(device: Device) -> tuple[Device, str]:
    """Write a device down that has not been yet, with a new secret."""
    if worn(device.user_id).filter(revoked_at=None).count() >= rules.MAX_DEVICES:
        raise TooManyDevices
    secret = sealing.new_secret()
    device.sealed_secret = sealing.seal(secret, device_id=device.device_id)
    device.save(force_insert=True)
    publish(
        events.DeviceConnected(
            device_id=device.device_id, user_id=device.user_id, kind=device.kind, occurred_at=device.connected_at
        )
    )
    return device, sealing.encoded(secret)


def worn(user_id: UUID) -> QuerySet[Device]:
    """A person's devices, without the sources of their own entries, of imports, and of their accounts at vendors."""
    return Device.objects.filter(user_id=user_id).exclude(kind__in=rules.NOT_WORN)


def own_device(*, device_id: UUID, by: UUID, locked: bool = False) -> Device:
    """A device of this person's; raises `NotFound` for any other."""
    found = worn(by).filter(device_id=device_id)
    device = (found.select_for_update() if locked else found).first()
    if device is None:
        raise NotFound
    return device


def forget(device_id: UUID) -> None:
    """Let this process look the device up again, once the open unit of work has committed."""
    run_after_commit(lambda: _known.pop(device_id, None) and None)


@unit_of_work("health")
def revoke_device(*, device_id: UUID, by: UUID | None, at: datetime) -> None:
    """Let a device go: it can send nothing more, within 5 s in every process. What it has sent stays.

    `by` is the owner; a moderator's screen passes None. Raises `NotFound` for a device that is not theirs.
    """
    own = (Device.objects.all() if by is None else worn(by)).filter(device_id=device_id)
    device = own.select_for_update().first()
    if device is None:
        raise NotFound
    if device.revoked_at is None:
        device.revoked_at = at
        device.handover_digest = device.handover_until = None
        device.save(update_fields=["revoked_at", "handover_digest", "handover_until"])
        retire_companions(device, at=at)
    forget(device_id)


def retire_companions(bridge: Device, *, at: datetime) -> None:
    """Whoever has a bridge has the secrets of what it connected: they go with it."""
    change_companions(Device.objects.filter(bridge_number=bridge.number, revoked_at=None), revoked_at=at)


def change_companions(chosen: QuerySet[Device], **change: datetime | None) -> None:
    """Change these of a bridge's companions; each process learns of it within 5 s, this one at once."""
    changed = list(chosen.select_for_update().values_list("device_id", flat=True))
    Device.objects.filter(device_id__in=changed).update(**change)
    run_after_commit(lambda: [_known.pop(device_id, None) for device_id in changed] and None)


@unit_of_work("health")
def rotate_secret(*, device_id: UUID, by: UUID, at: datetime) -> str:
    """A new secret for the device itself; the old one is good until the new one is used, which it must be in 10 min.

    Asked again before that, the newest one counts. Raises `NotFound` when the device that asks is another one.
    """
    device = Device.objects.select_for_update().filter(device_id=device_id, revoked_at=None).first()
    if device is None or device_id != by:
        raise NotFound
    secret = sealing.new_secret()
    device.sealed_next = sealing.seal(secret, device_id=device_id)
    device.next_until = at + rules.NEXT_SECRET_WAITS
    device.save(update_fields=["sealed_next", "next_until"])
    forget(device_id)
    return sealing.encoded(secret)


@unit_of_work("health")
def take_over(*, device_id: UUID, secret: bytes) -> None:
    """The new secret was used: the old one is worth nothing from now on, in any process after 5 s."""
    device = Device.objects.select_for_update().get(device_id=device_id)
    if device.sealed_next and sealing.unseal(bytes(device.sealed_next), device_id=device_id) == secret:
        device.sealed_secret, device.sealed_next, device.next_until = device.sealed_next, None, None
        device.save(update_fields=["sealed_secret", "sealed_next", "next_until"])
    forget(device_id)


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
    known = known_as(device)
    _known[device_id] = (now + rules.DEVICE_CACHED.total_seconds(), known)
    return known


def known_as(device: Device) -> KnownDevice:
    """What a request needs to know of this row."""
    return KnownDevice(
        number=device.number,
        device_id=device.device_id,
        user_id=device.user_id,
        earliest=rules.earliest(connected_at=device.connected_at, received_at=device.received_at),
        is_suspended=device.suspended_at is not None,
        is_lost=device.lost_at is not None,
        secret=sealing.unseal(bytes(device.sealed_secret), device_id=device.device_id),
        next_secret=_unsealed_next(device),
        next_until=device.next_until,
    )


def _unsealed_next(device: Device) -> bytes | None:
    return sealing.unseal(bytes(device.sealed_next), device_id=device.device_id) if device.sealed_next else None
