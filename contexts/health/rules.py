"""Health's numbers and pure decisions."""

from datetime import datetime, timedelta
from enum import IntEnum

PURPOSE = "health_processing"
"""What a person must have agreed to before anything of their health is taken in."""

WITHDRAWN_WITHIN = timedelta(seconds=5)
"""How long a request that is being stored when consent is withdrawn may take to end."""

MAX_DEVICES = 20
"""Devices a person has connected at one time."""

MAX_BATCH = 5_000
"""Readings in one request."""

MAX_BODY_BYTES = 1_500_000
"""5,000 readings take about 450 kB; the rest is for indented JSON."""

CLOCK_AHEAD = timedelta(minutes=5)
"""How far a device's clock may run ahead of ours."""

RECORDED_BEFORE = timedelta(days=30)
"""How long before it was connected a device may have recorded: straps and watches keep a memory of their own."""

SIGNATURE_TOLERANCE = timedelta(seconds=300)
"""How far the time in a signature may lie from ours, either way."""

NONCE_KEPT = timedelta(minutes=11)
"""A signature dated 300 s ahead stays valid for 600 s; its nonce is remembered for longer than that."""

DEVICE_CACHED = timedelta(seconds=5)
"""How long a process goes on believing in a device it has looked up: a revocation takes effect within this time."""

POSSIBLE = (0.0, 65_535.0)
"""What a sensor can say at all (unsigned 16-bit characteristics). Anything else is a malformed reading."""


class Stream(IntEnum):
    """What a device measures. The numbers are stored: never change them."""

    heart_rate = 1
    """beats per minute"""
    rr_interval = 2
    """milliseconds between two beats"""
    battery = 3
    """per cent"""
    sensor_contact = 4
    """1 while the sensor touches the skin, else 0"""


PLAUSIBLE: dict[Stream, tuple[float, float]] = {
    Stream.heart_rate: (40, 220),
    Stream.rr_interval: (60_000 // 220, 60_000 // 40),
    Stream.battery: (0, 100),
    Stream.sensor_contact: (0, 1),
}
"""What a living person and a working device can show. Outside of it a reading is kept, but in quarantine (WO-3)."""

BUCKETS: dict[str, timedelta] = {
    "1s": timedelta(seconds=1),
    "5s": timedelta(seconds=5),
    "10s": timedelta(seconds=10),
    "30s": timedelta(seconds=30),
    "1m": timedelta(minutes=1),
    "5m": timedelta(minutes=5),
    "15m": timedelta(minutes=15),
    "30m": timedelta(minutes=30),
    "1h": timedelta(hours=1),
    "6h": timedelta(hours=6),
    "1d": timedelta(days=1),
}
"""Widths over which a metric may be averaged; days are UTC days."""

MAX_POINTS = 5_000
"""Buckets in one answer."""


def earliest(*, connected_at: datetime) -> datetime:
    """The earliest instant at which a device may have measured."""
    return connected_at - RECORDED_BEFORE


def latest(*, at: datetime) -> datetime:
    """The latest instant a reading that arrives at `at` may carry."""
    return at + CLOCK_AHEAD


def points_between(since: datetime, until: datetime, *, bucket: timedelta) -> int:
    """How many buckets this range can have, the cut ones at its ends included."""
    return -(-(until - since) // bucket) + 1
