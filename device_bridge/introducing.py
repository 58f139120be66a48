"""Introducing devices: what a bridge hears gets a lane, and at the server an identity, of its own.

Without it everything goes under the bridge's: then two straps share one stream of numbers. A device is introduced
once, at the first packet that says what it is; that packet waits for the answer. Where the server cannot be asked, it
goes under the bridge's, and the device is introduced later.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from device_bridge import gatt, journal
from device_bridge.clock import Clock
from device_bridge.credentials import NoCredentials, credentials_of
from device_bridge.enrolling import NotEnrolled, connect
from device_bridge.lanes import Lane
from device_bridge.readings import MICROSECONDS, Notification
from device_bridge.sources import Heard
from device_bridge.spool import SpoolTrouble

ANSWER_WITHIN_S = 5.0
REST_S = 60.0
"""After a failure nobody is introduced for this long: asking holds up what is to be written."""

KINDS = {
    gatt.HEART_RATE_MEASUREMENT: "heart_rate_strap",
    gatt.CSC_MEASUREMENT: "speed_sensor",
    gatt.RSC_MEASUREMENT: "foot_pod",
    gatt.CYCLING_POWER_MEASUREMENT: "power_meter",
    gatt.TREADMILL_DATA: "treadmill",
    gatt.CROSS_TRAINER_DATA: "cross_trainer",
    gatt.ROWER_DATA: "rowing_machine",
    gatt.INDOOR_BIKE_DATA: "bike_trainer",
    gatt.PULSE_OXIMETER_SPOT_CHECK: "pulse_oximeter",
    gatt.PULSE_OXIMETER_CONTINUOUS: "pulse_oximeter",
    gatt.WEIGHT_MEASUREMENT: "scale",
    gatt.BODY_COMPOSITION_MEASUREMENT: "body_composition_scale",
    gatt.BLOOD_PRESSURE_MEASUREMENT: "blood_pressure_monitor",
    gatt.ENHANCED_BLOOD_PRESSURE: "blood_pressure_monitor",
    gatt.GLUCOSE_MEASUREMENT: "glucose_meter",
    gatt.TEMPERATURE_MEASUREMENT: "thermometer",
}
"""What a device is to the server, by what it measures."""

MakeLane = Callable[[str], Lane]


class Introducer:
    """Asks the server for devices of their own, in the bridge's name."""

    def __init__(self, *, url: str, file: Path, clock: Clock, make_lane: MakeLane) -> None:
        self._url, self._file, self._clock, self._make_lane = url, file, clock, make_lane
        self._let_go: set[str] = set()
        self._not_before = 0.0

    def is_let_go(self, key: str) -> bool:
        """Whether its owner has let this device go: then nothing of it is sent, under no identity."""
        return key.lower() in self._let_go

    async def lane_for(self, heard: Notification | Heard) -> tuple[str, Lane] | None:
        """A new device's key and lane; None where this is no moment to introduce it."""
        key = (heard.device if isinstance(heard, Heard) else heard.peripheral).lower()
        kind = "other" if isinstance(heard, Heard) else KINDS.get(heard.characteristic)
        if not key or kind is None or key in self._let_go or time.monotonic() < self._not_before:
            return None
        try:
            device_id = await asyncio.to_thread(self._connect, key, kind)
            lane = self._make_lane(key)
        except (NotEnrolled, NoCredentials, SpoolTrouble, OSError) as error:
            if isinstance(error, NotEnrolled) and error.code == "device_retired":
                self._let_go.add(key)
            else:
                self._not_before = time.monotonic() + REST_S
            journal.warn("device_not_introduced", device=journal.masked(key), why=error)
            return None
        journal.note("device_introduced", device=journal.masked(key), device_id=device_id)
        return key, lane

    def _connect(self, key: str, kind: str) -> str:
        bridge = credentials_of("", file=self._file)
        name = f"{kind.replace('_', ' ').capitalize()} {journal.masked(key)}"
        return connect(
            url=self._url,
            bridge=bridge,
            device=key,
            name=name,
            kind=kind,
            file=self._file,
            at=time.time() + self._clock.offset_us / MICROSECONDS,
            within_s=ANSWER_WITHIN_S,
        )
