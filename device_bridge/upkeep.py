"""The commands beside listening: `enrol`, `rotate`, `status`, `watch`."""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path

from device_bridge.endings import Misuse


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add them to the command line."""
    enrol = commands.add_parser("enrol", help="with the code the app shows, get this bridge its credentials")
    enrol.add_argument("--code", required=True, help="eight letters and digits, good for ten minutes")
    enrol.add_argument("--kind", default="bridge", help="what is connected, where the app was not told")
    enrol.set_defaults(command=_enrol)
    rotate = commands.add_parser("rotate", help="change the key; a running bridge goes on with the new one")
    rotate.add_argument("--confirm", action="store_true", help="only use the key which was written last time")
    rotate.set_defaults(command=_rotate)
    for command in (enrol, rotate):
        command.add_argument("--url", default="http://127.0.0.1:8000", help="where Stayer is")
        command.add_argument("--credentials", type=Path, required=True, metavar="FILE.json")
        command.add_argument("--for", dest="device", default="", metavar="KEY", help="of one device among several")
    status = commands.add_parser("status", help="how the bridge of a spool is doing")
    status.add_argument("--json", action="store_true")
    status.set_defaults(command=_status)
    watch = commands.add_parser("watch", help="the same on the screen, again and again")
    watch.set_defaults(command=_watch)
    for command in (status, watch):
        command.add_argument("--spool", type=Path, required=True, metavar="DIR")


async def _enrol(chosen: argparse.Namespace, _: asyncio.Event) -> None:
    from device_bridge.enrolling import enrol

    device_id = await asyncio.to_thread(
        enrol,
        url=chosen.url,
        code=chosen.code,
        file=chosen.credentials,
        device=chosen.device,
        kind=chosen.kind,
    )
    print(f"enrolled as {device_id}; credentials are in {chosen.credentials}")


async def _rotate(chosen: argparse.Namespace, _: asyncio.Event) -> None:
    from device_bridge.enrolling import confirm, rotate

    change = confirm if chosen.confirm else rotate
    await asyncio.to_thread(change, url=chosen.url, file=chosen.credentials, device=chosen.device)
    print("the new key is in use")


async def _status(chosen: argparse.Namespace, _: asyncio.Event) -> None:
    from device_bridge.status import as_text, status_of

    if not chosen.spool.is_dir():
        raise Misuse(f"there is no spool in {chosen.spool}")
    told = status_of(chosen.spool)
    print(json.dumps(told, indent=1) if chosen.json else as_text(told))


async def _watch(chosen: argparse.Namespace, stop: asyncio.Event) -> None:
    from device_bridge.watching import watch

    await watch(chosen.spool, stop)
