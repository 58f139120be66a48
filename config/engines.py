"""PostgreSQL and Valkey for those who have neither: pip-installed programs, no root, no service.

    with start_engines(Path("var")) as engines:
        engines.database_url, engines.redis_url

The data live below the given folder and survive a restart and a crash; whatever a killed run left
behind there is stopped first. `POSTGRES_BIN` and `VALKEY_BIN` name other programs (a folder or the
program itself). An engine whose URL is in the environment (`DATABASE_URL`, `REDIS_URL`) is not
started at all. The wheels are only a place to find programs: nothing of them is imported.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Self

from config.running.engine import Engine, EngineError, disk_is_full, log
from config.running.locks import Held, Lock
from config.running.postgresql import PostgreSQL
from config.running.valkey import Valkey

__all__ = ["EngineError", "Engines", "start_engines"]


class Engines:
    """What runs for one folder. `stop()` ends it, as does leaving the `with` block."""

    def __init__(self, folder: Path, *, durable: bool) -> None:
        self._folder = folder
        self._lock = Lock(folder / "engines.lock")
        self._given_database = os.environ.get("DATABASE_URL", "")
        self._given_redis = os.environ.get("REDIS_URL", "")
        self.postgresql = None if self._given_database else PostgreSQL(folder / "postgres", durable=durable)
        self.valkey = None if self._given_redis else Valkey(folder / "valkey", durable=durable)

    @property
    def database_url(self) -> str:
        """`postgresql://user:password@host:port/prefix`: the one given, or ours."""
        return self.postgresql.url if self.postgresql else self._given_database

    @property
    def redis_url(self) -> str:
        """`redis://:password@host:port/0`: the one given, or ours."""
        return self.valkey.url if self.valkey else self._given_redis

    def start(self) -> None:
        """Start what is embedded, both at the same time; on failure nothing is left running."""
        for variable, given in (("DATABASE_URL", self._given_database), ("REDIS_URL", self._given_redis)):
            if given:
                log.info("%s is given: nothing embedded starts in its place", variable)
        self._take_folder()
        try:
            for engine in self._embedded():
                engine.start()
            for engine in self._embedded():
                engine.wait()
        except BaseException:
            self.stop()
            raise

    def revive(self) -> None:
        """Start again, on the same port, what has fallen over since; a no-op while all is well."""
        for engine in self._embedded():
            if not engine.is_running():
                log.warning("%s has stopped by itself: starting it again", engine.name)
                engine.start()
                engine.wait()

    def stop(self) -> None:
        """Stop both at the same time and let go of the folder."""
        for engine in self._embedded():
            engine.ask_to_stop()
        for engine in self._embedded():
            engine.stop()
        self._lock.release()

    def _take_folder(self) -> None:
        try:
            self._lock.take()
        except Held as holder:
            raise EngineError(f"The engines in {self._folder} already run, for {holder}.") from None

    def _embedded(self) -> list[Engine]:
        return [engine for engine in (self.postgresql, self.valkey) if engine is not None]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start_engines(folder: Path, *, durable: bool = True) -> Engines:
    """Start PostgreSQL and Valkey with their data below `folder`, unless the environment names others.

    `durable=False` is for tests: nothing is synced, a power cut may cost the data. Raises
    `EngineError`: another run holds the folder, the disk is full, a wheel is missing, the data
    belong to another major version. Call it from the main thread: the kernel ends the engines
    when the thread that started them dies.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        engines = Engines(folder.resolve(), durable=durable)
        engines.start()
    except OSError as failure:
        if failure.errno in (errno.ENOSPC, errno.EDQUOT):
            raise disk_is_full(folder) from failure
        raise EngineError(f"The engines cannot start in {folder}: {failure}.") from failure
    return engines
