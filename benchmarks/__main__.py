"""`python -m benchmarks [name …] [--quick]`: run the benchmarks on engines of their own and print one table.

The engines are durable ones (every commit is on the disk) in a folder that goes afterwards; with `DATABASE_URL` and
`REDIS_URL` set those are used, and written to. `--quick` runs everything once and small, to see that it runs.
"""

import argparse
import os
import sys
import tempfile
import traceback
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path

from benchmarks.figures import Figure, print_table
from config.engines import EngineError, start_engines
from config.running.keys import keys_for

USUAL = [
    *(
        "events",
        "readings",
        "looking",
        "alerts",
        "workouts",
        "recordings",
        "uploads",
        "imports",
        "analysis",
        "progress",
        "segments",
        "live",
    ),
    *("chat", "leaderboards", "authentication", "login", "booking", "offers", "bridge_packets", "bridge"),
]
ON_REQUEST = ["servers"]
"""What an ADR rests on, too long for every day."""


def main() -> int:
    """Run what was asked for; the exit code is 0 even where a target is missed: the table says so. 1: one broke."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join([*USUAL, *ON_REQUEST])}")
    parser.add_argument("--quick", action="store_true", help="once and small, to see that it runs")
    asked = parser.parse_args()
    if unknown := set(asked.names) - {*USUAL, *ON_REQUEST}:
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory(prefix="stayer-bench-") as folder, ExitStack() as engines:
        try:
            started = engines.enter_context(start_engines(Path(folder) / "engines"))
        except EngineError as refusal:
            print(refusal, file=sys.stderr)
            return 1
        _set_environment(Path(folder), started.database_url, started.redis_url)
        figures, failed = _measure(asked.names or USUAL, quick=asked.quick)
        print_table(figures)
    if failed:
        print(f"could not be measured: {', '.join(failed)}")
    return 1 if failed else 0


def _set_environment(folder: Path, database_url: str, redis_url: str) -> None:
    """What the processes of `make run` are told, and no mail."""
    chosen = {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "MEDIA_ROOT": str(folder / "media"),
        "EMAIL_BACKEND": "django.core.mail.backends.dummy.EmailBackend",
        "ACCESS_LOG_LEVEL": "WARNING",
        "LOG_LEVEL": "WARNING",
        "PYTHONWARNINGS": "ignore",
        "STAYER_ENVIRONMENT_FILE": os.devnull,
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    os.environ.update(keys_for(folder, os.environ) | chosen)


def _measure(names: list[str], *, quick: bool) -> tuple[list[Figure], list[str]]:
    """The figures, and the names of those that broke: the others are measured all the same."""
    import django
    from django.core.management import call_command

    from kernel.memory import settle_in

    django.setup()
    call_command("setup_databases", verbosity=0)
    settle_in()
    figures: list[Figure] = []
    failed = []
    for name in names:
        print(f"{name} …", flush=True)
        try:
            figures += import_module(f"benchmarks.{name}").run(quick=quick)
        except Exception:
            traceback.print_exc()
            failed.append(name)
    return figures, failed


if __name__ == "__main__":
    sys.exit(main())
