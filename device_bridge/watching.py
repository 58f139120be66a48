"""The bridge's status on the screen, renewed each second until interrupted."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from device_bridge.status import Told, status_of

LOOK_EVERY_S = 1.0
COLUMNS = ("device", "a minute", "waiting", "oldest", "accepted", "rejected", "lost", "last error")


async def watch(folder: Path, stop: asyncio.Event, *, console: Console | None = None) -> None:
    """Show the status of the bridge that uses this folder until `stop`."""
    with Live(shown(status_of(folder)), console=console, auto_refresh=False) as live:
        while not stop.is_set():
            live.update(shown(await asyncio.to_thread(status_of, folder)), refresh=True)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_EVERY_S)


def shown(status: Told) -> Group:
    """The status as something to look at."""
    clock = status["clock"]
    offset = f"{clock['offset_ms']:+d} ms" if clock["is_known"] else "unknown"
    state = ("running", "bold green") if status["running"] else ("not running", "bold red")
    table = Table(*COLUMNS)
    for device in status["devices"]:
        numbers = (device.get(kind, 0) for kind in ("accepted", "rejected", "lost"))
        table.add_row(
            Text(device["name"] or "bridge"),
            str(device.get("per_minute", 0)),
            f"{device['waiting']} of {device['room']}" if "room" in device else str(device["waiting"]),
            device["oldest_at"] or "–",
            *map(str, numbers),
            Text(device.get("last_error", "")),
        )
    return Group(Text.assemble(state, f"   clock offset {offset}   told {status['told_at'] or 'never'}"), table)
