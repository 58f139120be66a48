"""The command line: `python -m device_bridge run | strap | record | enrol | rotate | status | watch`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from device_bridge import journal
from device_bridge.endings import Ending, Misuse
from device_bridge.motion import DEFAULT_CIRCUMFERENCE_M
from device_bridge.readings import Notification, Wearing
from device_bridge.sources.opening import OTHER_THAN_BLUETOOTH, TRANSPORTS, Wanted, open_source
from device_bridge.sources.replay import Recorder
from device_bridge.spool import DEFAULT_LIMIT
from device_bridge.upkeep import add_commands


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code; every expected failure is one sentence on standard error."""
    chosen = _parser().parse_args(arguments)
    journal.open_journal(verbose=chosen.verbose)
    try:
        asyncio.run(_until_told_to_stop(chosen.command, chosen))
    except (Ending, OSError) as ending:
        print(ending, file=sys.stderr)
        return ending.exit_code if isinstance(ending, Ending) else Ending.exit_code
    return 0


async def _until_told_to_stop(
    command: Callable[[argparse.Namespace, asyncio.Event], Awaitable[None]], chosen: argparse.Namespace
) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.set_exception_handler(_note_stray)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await command(chosen, stop)
    loop.set_exception_handler(lambda *_: None)  # what fails from now on is a radio's that nobody listens to any more


def _note_stray(loop: asyncio.AbstractEventLoop, happened: dict[str, Any]) -> None:
    """A Bluetooth stack's own task that failed with the radio: the bridge has noticed already, a line will do."""
    journal.note("stray_task", kind=type(happened.get("exception")).__name__)


# The HTTP client and the Bluetooth stacks take a second to import: each command pays for its own only.


async def _run(chosen: argparse.Namespace, stop: asyncio.Event) -> None:
    from device_bridge.running import run

    if chosen.separate and chosen.credentials is None:
        raise Misuse("--separate wants --credentials FILE.json, where the devices' own are kept")
    sources = [open_source(transport, _wanted(chosen)) for transport in chosen.transport]
    journal.note("bridge_opens", transports=" ".join(text.partition(":")[0] for text in chosen.transport))
    await run(
        sources,
        folder=chosen.spool,
        limit=chosen.spool_limit,
        url=chosen.url,
        file=chosen.credentials,
        wearing=Wearing(wheel_circumference_m=chosen.wheel, user=chosen.user),
        stop=stop,
        separate=chosen.separate,
    )


async def _record(chosen: argparse.Namespace, stop: asyncio.Event) -> None:
    source = open_source(chosen.transport[0], _wanted(chosen))
    if chosen.transport[0].partition(":")[0] in OTHER_THAN_BLUETOOTH:
        raise Misuse("only what comes by Bluetooth can be recorded")
    opened = os.open(chosen.file, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(opened, "w") as out:
        recorder = Recorder(out)
        await _first_of(source.run(lambda heard: recorder(heard) if isinstance(heard, Notification) else None), stop)


async def _strap(chosen: argparse.Namespace, stop: asyncio.Event) -> None:
    from device_bridge.straps import Worn, wear

    kinds = tuple(chosen.kind or ["strap"])
    count = chosen.count or len(kinds)
    worn = Worn(name=chosen.name, count=count, rate_hz=chosen.rate, seed=chosen.seed, kinds=kinds)
    await _first_of(wear(worn, listen=chosen.listen), stop)


async def _first_of(work: Awaitable[None], stop: asyncio.Event) -> None:
    """Work until it ends or the signal comes; its failure is ours."""
    working, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    working.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await working


def _wanted(chosen: argparse.Namespace) -> Wanted:
    pairings = chosen.spool / "pairings.json" if hasattr(chosen, "spool") else None
    return Wanted(
        address=chosen.device,
        name=chosen.name,
        most=chosen.most,
        rate_hz=chosen.rate,
        seed=chosen.seed,
        pairings=pairings,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m device_bridge", description="From a heart-rate strap to Stayer.")
    commands = parser.add_subparsers(required=True, metavar="run | strap | record | enrol | rotate | status | watch")
    run = commands.add_parser("run", help="listen to a strap and deliver its readings")
    _add_source_options(run)
    run.add_argument("--url", default="http://127.0.0.1:8000", help="where Stayer is")
    run.add_argument("--credentials", type=Path, help="FILE.json; else STAYER_DEVICE_ID and STAYER_DEVICE_SECRET")
    run.add_argument("--spool", type=Path, required=True, metavar="DIR", help="where undelivered readings wait")
    run.add_argument("--spool-limit", type=_count, default=DEFAULT_LIMIT, metavar="READINGS")
    run.add_argument("--wheel", type=_metres, default=DEFAULT_CIRCUMFERENCE_M, help="circumference in metres")
    run.add_argument("--user", type=_count, help="the wearer's number on scales and cuffs that others use, too")
    run.add_argument(
        "--separate", action="store_true", help="each device under an identity of its own; wants --credentials"
    )
    run.set_defaults(command=_run)
    record = commands.add_parser("record", help="write what a strap says to a file which --transport replay: plays")
    _add_source_options(record)
    record.add_argument("file", type=Path)
    record.set_defaults(command=_record)
    _add_strap_command(commands.add_parser("strap", help="be a virtual strap (or several) and offer a virtual radio"))
    add_commands(commands)
    for command in (run, record):
        command.add_argument("--device", metavar="ADDRESS", help="listen to this strap only")
        command.add_argument("--name", help="listen to straps of this name only")
        command.add_argument("--most", type=_count, default=1, metavar="DEVICES", help="hold so many at once")
    for command in commands.choices.values():
        command.add_argument("--verbose", action="store_true")
    return parser


def _add_source_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--transport", required=True, action="append", help=f"{TRANSPORTS}; run takes several")
    command.add_argument("--rate", type=_rate, default=1.0, metavar="HZ", help="of simulate")
    command.add_argument("--seed", type=int, default=1, help="of simulate")


def _add_strap_command(strap: argparse.ArgumentParser) -> None:
    strap.add_argument("--listen", type=_listen, required=True, metavar="tcp-server:HOST:PORT")
    strap.add_argument("--name", type=_strap_name, default="Stayer Strap")
    strap.add_argument("--count", type=_count, help="one of each kind, if not said")
    strap.add_argument("--rate", type=_rate, default=1.0, metavar="HZ", help="notifications a second")
    strap.add_argument("--seed", type=int, default=1, help="of hearts and addresses")
    strap.add_argument("--kind", type=_kind, action="append", help="of device: strap, bike, scale, …; takes several")
    strap.set_defaults(command=_strap)


def _rate(text: str) -> float:
    rate = float(text)
    if not 0.01 <= rate <= 100:
        raise argparse.ArgumentTypeError("between 0.01 and 100 a second")
    return rate


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return count


def _metres(text: str) -> float:
    metres = float(text)
    if not 0.5 <= metres <= 4:
        raise argparse.ArgumentTypeError("between 0.5 and 4")
    return metres


def _listen(text: str) -> str:
    from device_bridge.straps import listening_address

    try:
        listening_address(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def _kind(text: str) -> str:
    from device_bridge.virtual.kinds import KINDS

    if text not in KINDS:
        raise argparse.ArgumentTypeError(f"one of {', '.join(KINDS)}")
    return text


def _strap_name(text: str) -> str:
    if not 1 <= len(text.encode()) <= 16:
        raise argparse.ArgumentTypeError("1 to 16 bytes, so that it fits into an advertisement")
    return text


if __name__ == "__main__":
    sys.exit(main())
