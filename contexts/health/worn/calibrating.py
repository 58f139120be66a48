"""Curves that correct what a device measures. They are applied when readings are read: what was measured stays.

A reading is read by the curve with the latest `valid_from` not after it, of equal ones by the highest version.
Between two points of a curve the correction changes evenly; beyond its ends it stays what it is there.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import TypeAlias
from uuid import UUID

import numpy as np
from django.db.models import Case, Expression, F, FloatField, Max, Q, Value, When
from numpy.typing import NDArray

from contexts.health import events, invalidation, rules
from contexts.health.columns import microseconds_of
from contexts.health.models import Calibration, Device
from contexts.health.rows import Rows
from contexts.health.rules import Stream
from contexts.health.worn.devices import own_device
from kernel.bus import publish
from kernel.databases import unit_of_work
from kernel.errors import Refused

Point: TypeAlias = tuple[float, float]


class TooManyCalibrations(Refused):
    """A device has as many calibrations as fit."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One calibration: pairs of measured and true value, by rising measured value."""

    version: int
    valid_from: datetime
    points: tuple[Point, ...]

    def corrected(self, value: float) -> float:
        """The true value for a measured one."""
        (first, first_true), (last, last_true) = self.points[0], self.points[-1]
        if value <= first:
            return value + (first_true - first)
        if value >= last:
            return value + (last_true - last)
        place = bisect_right(self.points, value, key=lambda point: point[0])
        (low, low_true), (high, high_true) = self.points[place - 1 : place + 1]
        return low_true + (value - low) * ((high_true - low_true) / (high - low))

    def expression(self) -> Expression:
        """As `corrected`, for the database to compute."""
        (first, first_true), (last, last_true) = self.points[0], self.points[-1]
        pieces = [When(value__lte=first, then=F("value") + Value(first_true - first))]
        for (low, low_true), (high, high_true) in pairwise(self.points):
            slope = (high_true - low_true) / (high - low)
            pieces.append(When(value__lt=high, then=Value(low_true) + (F("value") - Value(low)) * Value(slope)))
        return Case(*pieces, default=F("value") + Value(last_true - last), output_field=FloatField())


class Curves:
    """The curves of some devices."""

    def __init__(self, rows: Iterable[Calibration]) -> None:
        found: dict[tuple[int, int], list[Curve]] = defaultdict(list)
        for row in rows:
            curve = Curve(row.version, row.valid_from, tuple((low, high) for low, high in row.points))
            found[row.device_number, row.stream].append(curve)
        self._curves = {key: sorted(curves, key=_by_validity) for key, curves in found.items()}

    def at(self, *, device_number: int, stream: int, time: datetime) -> Curve | None:
        """The curve by which such a reading is read."""
        curves = self._curves.get((device_number, stream), ())
        place = bisect_right(curves, time, key=lambda curve: curve.valid_from)
        return curves[place - 1] if place else None

    def corrected(self, *, device_number: int, stream: int, time: datetime, value: float) -> float:
        """A measured value as it is to be read."""
        if not self._curves:
            return value
        curve = self.at(device_number=device_number, stream=stream, time=time)
        return curve.corrected(value) if curve else value

    def corrected_rows(self, rows: Rows) -> NDArray[np.float64]:
        """As `corrected`, for readings as arrays."""
        values: NDArray[np.float64] = rows["value"].copy()
        for (number, stream), curves in self._curves.items():
            own = (rows["device_number"] == number) & (rows["stream"] == stream)
            for curve in curves:
                good = np.flatnonzero(own & (rows["time"] >= microseconds_of(curve.valid_from)))
                measured, places = np.unique(rows["value"][good], return_inverse=True)
                values[good] = np.array([curve.corrected(value) for value in measured.tolist()])[places]
        return values

    def expression(self) -> Expression | F:
        """A reading's value as it is to be read, for the database to compute."""
        whens = [
            When(Q(device_number=number, stream=stream, time__gte=curve.valid_from), then=curve.expression())
            for (number, stream), curves in self._curves.items()
            for curve in reversed(curves)
        ]
        return Case(*whens, default=F("value"), output_field=FloatField()) if whens else F("value")


def _by_validity(curve: Curve) -> tuple[datetime, int]:
    return curve.valid_from, curve.version


def curves_of(device_numbers: Iterable[int], streams: Iterable[Stream] | None = None) -> Curves:
    """The curves of these devices, for these streams or all."""
    found = Calibration.objects.filter(device_number__in=list(device_numbers))
    return Curves(found if streams is None else found.filter(stream__in=list(streams)))


@unit_of_work("health")
def calibrate(
    *, device_id: UUID, by: UUID, stream: Stream, points: Sequence[Point], valid_from: datetime, at: datetime
) -> Calibration:
    """Add the next version of a stream's curve; earlier ones stay as they are."""
    device = own_device(device_id=device_id, by=by, locked=True)
    known = Calibration.objects.filter(device_number=device.number)
    if known.count() >= rules.MAX_CALIBRATIONS:
        raise TooManyCalibrations
    last = known.filter(stream=stream).aggregate(last=Max("version"))["last"] or 0
    made = Calibration.objects.create(
        device_number=device.number,
        stream=stream,
        version=last + 1,
        points=[list(point) for point in points],
        valid_from=valid_from,
        added_at=at,
    )
    if valid_from < at:
        invalidation.note(device_number=device.number, streams=[stream], first_at=valid_from, last_at=at)
    publish(
        events.DeviceCalibrated(
            device_id=device_id,
            user_id=by,
            measured=stream.name,
            calibration=made.version,
            valid_from=valid_from,
            occurred_at=at,
        )
    )
    _check(device, at=at)
    return made


@unit_of_work("health")
def begin(*, device_id: UUID, at: datetime) -> None:
    """A device is connected: look when it wants to be calibrated, and mark from where on it has to synchronise."""
    device = Device.objects.select_for_update().filter(device_id=device_id).first()
    if device is None or device.revoked_at is not None:
        return
    device.sync_from = rules.earliest(connected_at=device.connected_at, received_at=device.received_at)
    _check(device, at=at)


@unit_of_work("health")
def tell_due(*, at: datetime, limit: int = 500) -> int:
    """Tell owners of devices that have come to want a calibration since; each once. Returns how many."""
    due = Device.objects.filter(calibration_due_at__lte=at, due_told_at=None, revoked_at=None)
    found = list(due.select_for_update(skip_locked=True).order_by("calibration_due_at")[:limit])
    for device in found:
        _check(device, at=at)
    return len(found)


def _check(device: Device, *, at: datetime) -> None:
    calibrated_at = Calibration.objects.filter(device_number=device.number).aggregate(last=Max("valid_from"))["last"]
    due_at = rules.calibration_due(kind=device.kind, connected_at=device.connected_at, calibrated_at=calibrated_at)
    device.checked_at, device.calibration_due_at = at, due_at
    if due_at is None or due_at > at:
        device.due_told_at = None
    elif device.due_told_at is None:
        device.due_told_at = at
        publish(
            events.CalibrationDue(
                device_id=device.device_id, user_id=device.user_id, kind=device.kind, due_at=due_at, occurred_at=at
            )
        )
    device.save(update_fields=["checked_at", "calibration_due_at", "due_told_at", "sync_from"])
