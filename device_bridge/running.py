"""Putting a bridge together from what the command line says, and letting go of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from device_bridge import journal
from device_bridge.bridge import Bridge
from device_bridge.clock import Clock
from device_bridge.credentials import NoCredentials, credentials_of, enrolled_devices, find_credentials
from device_bridge.introducing import Introducer
from device_bridge.lanes import FindCredentials, Lane
from device_bridge.readings import Wearing
from device_bridge.sources import Source
from device_bridge.sources.together import Together
from device_bridge.status import Board, remembered_offset_us


async def run(
    sources: Sequence[Source],
    *,
    folder: Path,
    limit: int,
    url: str,
    file: Path | None,
    wearing: Wearing,
    stop: asyncio.Event,
    separate: bool = False,
) -> None:
    """Run a bridge until told to stop. Raises NoCredentials, SpoolTrouble, NoRadio, Unwelcome."""
    clock = Clock(remembered_offset_us(folder))
    with contextlib.ExitStack() as spools:
        opened: list[Lane] = []

        def open_lane(name: str, credentials: FindCredentials) -> Lane:
            lane = Lane(folder=folder, limit=limit, url=url, credentials=credentials, clock=clock, name=name)
            opened.append(lane)
            spools.callback(lane.spool.close)
            return lane

        lanes = {name: open_lane(name, credentials) for name, credentials in _credentials(file).items()}
        waiting = sum(lane.spool.waiting for lane in lanes.values())
        journal.note("bridge_started", devices=len(lanes), waiting=waiting, room=limit)
        source = sources[0] if len(sources) == 1 else Together(sources)
        board = Board(folder=folder, lanes=opened, clock=clock)
        introducer = None
        if separate and file:
            introducer = Introducer(
                url=url,
                file=file,
                clock=clock,
                make_lane=lambda key: open_lane(key, partial(credentials_of, key, file=file)),
            )
        bridge = Bridge(source=source, lanes=lanes, clock=clock, board=board, wearing=wearing, introducer=introducer)
        await bridge.run(stop)


def _credentials(file: Path | None) -> dict[str, FindCredentials]:
    """How to find the credentials of each device; of the bridge itself where it has any, or there are no others."""
    devices = enrolled_devices(file)
    found: dict[str, FindCredentials] = {name: partial(credentials_of, name, file=file) for name in devices if file}
    own = partial(find_credentials, file=file, environment=os.environ)
    try:
        own()
    except NoCredentials:
        if not devices:
            raise
        return found
    return {"": own} | found
