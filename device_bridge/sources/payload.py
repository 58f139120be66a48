"""What other devices than straps say, in JSON: the same for MQTT and for the HTTP listener.

A payload is a number, `{"value": 72, "time": "2026-11-21T07:00:00Z"}`, or a list of up to 1,000 of these. With a time
a value keeps its identity however often it is told; without one it is timed at its arrival.
"""

from __future__ import annotations

import json
import math
import re
import zlib
from datetime import datetime, timedelta
from typing import Any

from device_bridge.readings import EPOCH, Observation
from device_bridge.sources import Heard, wall_clock_us

DEVICE = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
STREAM = re.compile(r"[a-z][a-z0-9_]{0,31}")
MOST_VALUES = 1_000
MOST_BYTES = 100_000


class NotUnderstood(ValueError):
    """The payload is none; the message says what is wrong, without repeating it."""


def heard(device: str, stream: str, payload: bytes, *, at_us: int | None = None) -> Heard:
    """The values of one device that a payload tells. Raises NotUnderstood."""
    if not DEVICE.fullmatch(device) or not STREAM.fullmatch(stream):
        raise NotUnderstood("a device is 1 to 64 of A-Z a-z 0-9 _ . : -, a stream is 1 to 32 of a-z 0-9 _")
    if len(payload) > MOST_BYTES:
        raise NotUnderstood(f"more than {MOST_BYTES} bytes")
    try:
        said = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise NotUnderstood("not JSON") from error
    values = said if isinstance(said, list) else [said]
    if not 1 <= len(values) <= MOST_VALUES:
        raise NotUnderstood(f"1 to {MOST_VALUES} values at a time")
    arrived_us = wall_clock_us() if at_us is None else at_us
    return Heard(device=device, seen=tuple(_measured(stream, value, arrived_us) for value in values))


def _measured(stream: str, said: Any, at_us: int) -> Observation:
    told = said if isinstance(said, dict) else {"value": said}
    value = told.get("value")
    if isinstance(value, bool):
        value = int(value)
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise NotUnderstood("a value is a number")
    if "time" not in told:
        return Observation(stream, at_us, value)
    time_us = _time_us(told["time"])
    return Observation(
        stream, time_us, value, record=zlib.crc32(f"{stream} {time_us} {value}".encode()) & 0x7FFF_FFFF
    )


def _time_us(text: Any) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise NotUnderstood("a time is RFC 3339") from error
    if moment.tzinfo is None:
        raise NotUnderstood("a time names its offset from UTC")
    return (moment - EPOCH) // timedelta(microseconds=1)
