"""What is known of a device: who made it, what it is certified for, whether it is lost, when it was last heard."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import Max

from contexts.health import rules
from contexts.health.models import Batch, Calibration, Certification, ColdFile, Device, Reading
from contexts.health.rules import Stream
from contexts.health.worn.devices import change_companions, forget, own_device
from kernel.databases import unit_of_work
from kernel.errors import NotFound, Refused

INFORMATION: Final = ("maker", "model", "serial", "hardware", "firmware", "software")
"""What a device says of itself (Bluetooth's Device Information Service, 0x180A)."""


class DeviceRetired(Refused):
    """This device is retired for good; connect it anew."""


class TooManyCertifications(Refused):
    """A device has as many certifications as fit; remove one first."""


@dataclass(frozen=True, kw_only=True)
class Signs:
    """When a device was last heard, and what it then said of its battery in per cent."""

    last_seen_at: datetime | None
    battery: float | None
    battery_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Marker:
    """What a device should do next: send what it measured after these instants, and perhaps be calibrated."""

    sync_from: datetime
    last_readings: dict[str, datetime]
    calibration_due_at: datetime | None


@unit_of_work("health")
def change_device(*, device_id: UUID, by: UUID, changes: Mapping[str, Any], at: datetime) -> Device:
    """Rename a device, say what it is, or that it is lost or found: the members of `changes` that are there.

    A lost device sends nothing, within 5 s in every process. Raises `DeviceRetired` for one that was let go.
    """
    device = own_device(device_id=device_id, by=by, locked=True)
    if device.revoked_at is not None:
        raise DeviceRetired
    if "lost" in changes:
        before, device.lost_at = device.lost_at, (device.lost_at or at) if changes["lost"] else None
        with_it = Device.objects.filter(bridge_number=device.number, revoked_at=None, lost_at=before)
        change_companions(with_it, lost_at=device.lost_at)
    for name in ("name", *INFORMATION):
        if name in changes:
            setattr(device, name, changes[name])
    device.save(update_fields=["name", *INFORMATION, "lost_at"])
    forget(device_id)
    return device


@unit_of_work("health")
def note_information(*, device_id: UUID, told: Mapping[str, str]) -> Marker:
    """Keep what a device says of itself, and answer from where on it should synchronise."""
    device = Device.objects.select_for_update().get(device_id=device_id)
    for name, value in told.items():
        setattr(device, name, value)
    device.save(update_fields=[*told])
    return marker_of(device)


def marker_of(device: Device) -> Marker:
    """By stream the last instant of which readings are here. What is sent twice does no harm."""
    since = device.sync_from or rules.earliest(connected_at=device.connected_at, received_at=device.received_at)
    rows = (
        Reading.objects.filter(device_number=device.number, stream__in=list(Stream))
        .values("stream")
        .annotate(last=Max("time"))
    )
    last = {Stream(row["stream"]).name: row["last"] for row in rows}
    return Marker(
        sync_from=since,
        last_readings=_later_of(_last_cold(device), last),
        calibration_due_at=device.calibration_due_at,
    )


def _last_cold(device: Device) -> dict[str, datetime]:
    """By stream, the last reading in cold files, as their manifest says."""
    found: dict[str, datetime] = {}
    files = ColdFile.objects.filter(
        user_id=device.user_id, state=ColdFile.State.CURRENT, last_readings__has_key=str(device.number)
    )
    for told in files.values_list("last_readings", flat=True):
        times = {Stream(int(number)).name: time for number, time in told[str(device.number)].items()}
        found = _later_of(found, {name: datetime.fromisoformat(time) for name, time in times.items()})
    return found


def _later_of(one: dict[str, datetime], other: dict[str, datetime]) -> dict[str, datetime]:
    return {name: max(times[name] for times in (one, other) if name in times) for name in {**one, **other}}


def signs_of(device: Device) -> Signs:
    """Found among what it has sent, so that sending costs nothing more."""
    seen = Batch.objects.filter(device_number=device.number).aggregate(last=Max("recorded_at"))["last"]
    battery = (
        Reading.objects.filter(device_number=device.number, stream=Stream.battery, quarantined=False)
        .order_by("-time", "-sequence")
        .first()
    )
    return Signs(
        last_seen_at=seen,
        battery=battery.value if battery else None,
        battery_at=battery.time if battery else None,
    )


def calibrations_of(device: Device) -> list[Calibration]:
    """All versions of all streams, the newest first."""
    return list(Calibration.objects.filter(device_number=device.number).order_by("-added_at", "-version"))


def certifications_of(device: Device) -> list[Certification]:
    """In the order in which they were added."""
    return list(Certification.objects.filter(device_number=device.number).order_by("added_at", "certification_id"))


@unit_of_work("health")
def add_certification(
    *,
    device_id: UUID,
    by: UUID,
    standard: str,
    number: str,
    issued_by: str,
    valid_from: date,
    valid_until: date | None,
    at: datetime,
) -> Certification:
    """Write down what a device is certified for."""
    device = own_device(device_id=device_id, by=by, locked=True)
    if len(certifications_of(device)) >= rules.MAX_CERTIFICATIONS:
        raise TooManyCertifications
    return Certification.objects.create(
        device_number=device.number,
        standard=standard,
        number=number,
        issued_by=issued_by,
        valid_from=valid_from,
        valid_until=valid_until,
        added_at=at,
    )


@unit_of_work("health")
def remove_certification(*, device_id: UUID, certification_id: UUID, by: UUID) -> None:
    """Take back what was written down in error."""
    device = own_device(device_id=device_id, by=by)
    found = Certification.objects.filter(device_number=device.number, certification_id=certification_id)
    if not found.delete()[0]:
        raise NotFound
