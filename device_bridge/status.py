"""How the bridge is doing: told by the running bridge in a small file beside its spools, and by these themselves.

The file is for looking at only, so it is replaced without waiting for the disk, and a disk that refuses it is let be.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from device_bridge import journal
from device_bridge.clock import Clock
from device_bridge.readings import MICROSECONDS

if TYPE_CHECKING:
    from device_bridge.lanes import Lane

TELL_EVERY_S = 2.0
FILE = "status.json"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

Told = dict[str, Any]


def boot_id() -> str:
    """What tells this start of the machine from others; empty where the system does not say."""
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return ""


class Board:
    """Writes the status of a running bridge."""

    def __init__(self, *, folder: Path, lanes: Sequence[Lane], clock: Clock) -> None:
        self._file, self._lanes, self._clock = folder / FILE, lanes, clock
        self._began = time.time()
        self.of_others: Callable[[], int] = lambda: 0
        """How many measurements other users of the devices have made; they are counted and not sent."""

    async def keep_telling(self) -> None:
        """Every two seconds, until cancelled; once more then."""
        try:
            while True:
                self.tell()
                await asyncio.sleep(TELL_EVERY_S)
        finally:
            self.tell()

    def tell(self) -> None:
        """Write how things stand now."""
        told = {
            "pid": os.getpid(),
            "at": time.time(),
            "began_at": self._began,
            "boot_id": boot_id(),
            "clock": {"offset_ms": round(self._clock.offset_us / 1000), "is_known": self._clock.is_known},
            "of_others": self.of_others(),
            "devices": [_of_lane(lane) for lane in self._lanes],
        }
        new = self._file.with_suffix(".new")
        with contextlib.suppress(OSError):
            new.touch(mode=0o600)
            new.write_text(json.dumps(told))
            new.replace(self._file)


def _of_lane(lane: Lane) -> Told:
    return {
        "name": journal.masked(lane.name) if lane.name.count(":") == 5 else lane.name,
        "device_id": lane.device_id,
        "heard": lane.heard,
        "per_minute": lane.rate_per_min(),
        "heard_at": lane.heard_at,
        "delivered_at": lane.uplink.delivered_at,
        "held_in_memory": len(lane.held),
        "lost": lane.lost + lane.spool.overflowed,
        "room": lane.spool.limit,
        "last_error": lane.refused or lane.uplink.last_error,
        **{kind: lane.uplink.totals[kind] for kind in ("accepted", "duplicates", "rejected")},
    }


def remembered_offset_us(folder: Path) -> int:
    """The clock's offset as a bridge last measured it since this machine started; 0 where nobody did."""
    told = _told(folder)
    try:
        if told["boot_id"] and told["boot_id"] == boot_id() and told["clock"]["is_known"]:
            return int(told["clock"]["offset_ms"]) * 1000
    except (KeyError, TypeError, ValueError):
        pass
    return 0


def _told(folder: Path) -> Told:
    try:
        told = json.loads((folder / FILE).read_text())
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def status_of(folder: Path) -> Told:
    """What can be known of the bridge that uses this folder, running or not: `running`, `clock`, `devices`."""
    told = _told(folder)
    live = {device["device_id"]: device for device in told.get("devices", [])}
    devices = []
    for spool in sorted(folder.glob("*.sqlite3")):
        device_id = spool.stem
        devices.append(live.get(device_id, {"name": "", "device_id": device_id}) | _of_spool(spool))
    return {
        "running": any(_is_owned(lock) for lock in folder.glob("*.lock")),
        "told_at": _moment(told.get("at")),
        "clock": told.get("clock", {"offset_ms": 0, "is_known": False}),
        "of_others": told.get("of_others", 0),
        "devices": [device | {key: _moment(device.get(key)) for key in MOMENTS} for device in devices],
    }


MOMENTS = ("heard_at", "delivered_at", "oldest_at")


def _of_spool(file: Path) -> Told:
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=5)) as db:
        waiting, oldest_us = db.execute("SELECT count(*), min(time_us) FROM readings").fetchone()
        numbered = db.execute("SELECT stream, next_sequence FROM streams ORDER BY stream").fetchall()
    return {
        "waiting": waiting,
        "oldest_at": None if oldest_us is None else oldest_us / MICROSECONDS,
        "streams": dict(numbered),
    }


def _is_owned(lock: Path) -> bool:
    """Whether a bridge holds this spool at this moment."""
    with lock.open() as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _moment(at: float | None) -> str | None:
    return (
        None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    )


def as_text(status: Told) -> str:
    """The status as lines for a person."""
    clock = status["clock"]
    offset = f"{clock['offset_ms']:+d} ms against the server's" if clock["is_known"] else "not compared yet"
    lines = ["running" if status["running"] else "not running", f"clock: {offset}"]
    if status["of_others"]:
        lines.append(f"measured by other users of the devices, and not sent: {status['of_others']}")
    for device in status["devices"]:
        lines.append(f"{device['name'] or 'bridge'} ({device['device_id']})")
        lines.append(f"  waiting: {device['waiting']}, the oldest from {device['oldest_at'] or '–'}")
        lines.append(f"  heard: {device.get('heard', 0)}, {device.get('per_minute', 0)} in the last minute")
        told = ", ".join(f"{kind} {device.get(kind, 0)}" for kind in ("accepted", "duplicates", "rejected", "lost"))
        lines.append(f"  {told}; delivered at {device['delivered_at'] or '–'}")
        if device.get("last_error"):
            lines.append(f"  last error: {device['last_error']}")
    return "\n".join(lines)
