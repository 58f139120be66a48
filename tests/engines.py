"""Pytest plugin (`-p tests.engines`): real engines for the suite, before Django reads its settings.

With `DATABASE_URL` and `REDIS_URL` set the suite runs on those instead; that Redis database is emptied.
"""

import atexit
import os
import tempfile
from pathlib import Path

from config.engines import start_engines
from tests.environment import set_environment


def _start_what_is_not_given() -> None:
    """Other processes of the suite find the addresses in the environment."""
    if os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL"):
        return
    folder = tempfile.TemporaryDirectory(prefix="stayer-tests-")
    engines = start_engines(Path(folder.name), durable=False)
    atexit.register(folder.cleanup)
    atexit.register(engines.stop)
    os.environ["DATABASE_URL"] = engines.database_url
    os.environ["REDIS_URL"] = engines.redis_url


set_environment()
_start_what_is_not_given()
