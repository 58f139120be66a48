"""Pytest plugin (`-p tests.engines`): real engines for the suite, before Django reads its settings.

With `DATABASE_URL` and `REDIS_URL` set the suite runs on those instead; that Redis database is emptied. Parallel
workers (`pytest -n 3`) share the engines and have databases of their own.
"""

import atexit
import gc
import os
import sys
import tempfile
from pathlib import Path

from config.engines import start_engines
from tests.environment import set_environment

REDIS_DATABASES = 16
OF_THE_SUITE = "STAYER_TEST_ENGINES"
"""In the environment when PostgreSQL is the suite's own, with all that is in it."""


def _start_what_is_not_given() -> None:
    """Other processes of the suite find the addresses in the environment."""
    if os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL"):
        return
    folder = tempfile.TemporaryDirectory(prefix="stayer-tests-")
    engines = start_engines(Path(folder.name), durable=False)
    atexit.register(folder.cleanup)
    atexit.register(engines.stop)
    if engines.postgresql:
        os.environ[OF_THE_SUITE] = "on"
    os.environ["DATABASE_URL"] = engines.database_url
    os.environ["REDIS_URL"] = engines.redis_url


def _take_a_part(worker: str) -> None:
    """This worker's own databases: another prefix in PostgreSQL, another number in Redis."""
    os.environ["DATABASE_URL"] += f"_{worker}"
    url, _, number = os.environ["REDIS_URL"].rpartition("/")
    os.environ["REDIS_URL"] = f"{url}/{(int(number) + 1 + int(worker.removeprefix('gw'))) % REDIS_DATABASES}"


def _keep_bytecode() -> None:
    """A run starts a hundred processes: what one has compiled the others read, whatever the shell says."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


gc.disable()  # while thousands of tests are collected; `tests.conftest` turns it on again
_keep_bytecode()
set_environment()
if "PYTEST_XDIST_WORKER" in os.environ:
    _take_a_part(os.environ["PYTEST_XDIST_WORKER"])
else:
    _start_what_is_not_given()
