"""Workers of their own process for tests to kill with SIGKILL, at a moment that the database can be asked for."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from django.conf import settings as configured
from django.db import connections

R = TypeVar("R")

WAITS_FOR_US = "SELECT pid FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
IS_GONE = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s)"


@contextmanager
def worker(module: str, *told: str, media: str) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m module told…` on the databases of this test, with its uploads below `media`."""
    cluster = configured.CLUSTER
    account = f"{cluster.user}:{cluster.password}@{cluster.host}:{cluster.port}"
    ours = {"DATABASE_URL": f"postgresql://{account}/test_{cluster.prefix}", "MEDIA_ROOT": media}
    process = subprocess.Popen(
        [sys.executable, "-m", module, *told],
        env=os.environ | ours | {"DJANGO_SETTINGS_MODULE": "config.settings", "LOG_LEVEL": "CRITICAL"},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def kill_when_it_waits_for_us(process: subprocess.Popen[bytes], *, alias: str, why: str) -> int:
    """SIGKILL as soon as its transaction waits for a lock of ours; answers its backend, which waits on."""
    backend: int = until(lambda: _asked(alias, WAITS_FOR_US), why)
    process.kill()
    assert process.wait() == -9
    return backend


def await_end_of(backend: int, *, alias: str) -> None:
    """Until the database has noticed that nobody is there, and has taken back what was not committed."""
    until(lambda: _asked(alias, IS_GONE, backend), "the database has noticed")


def until(look: Callable[[], R | None], what: str) -> R:
    """Look until there is something: nothing announces that a lock is waited for."""
    deadline = time.monotonic() + 60
    while not (found := look()):
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.01)
    return found


def _asked(alias: str, query: str, *values: Any) -> Any:
    """The one answer of a database."""
    with connections[alias].cursor() as cursor:
        cursor.execute(query, values)
        row = cursor.fetchone()
        return row and row[0]
