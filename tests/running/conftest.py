"""Real engines and real processes in folders of their own, whatever engines the rest of the suite uses."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from config.engines import Engines, start_engines
from config.running.children import working_in

ROOT = Path(__file__).resolve().parents[2]
ENGINE_PROGRAMS = ("postgres", "valkey-server", "redis-server", "redis-check-rdb")


@pytest.fixture(autouse=True)
def nothing_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engines of the suite itself are not ours."""
    for name in ("DATABASE_URL", "REDIS_URL", "BASE_URL", "PORT", "HOST"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder for engines; nothing may live in it when the test is over."""
    yield tmp_path / "var"
    until(lambda: not living_in(tmp_path / "var"), "no engine is left behind")


@pytest.fixture(scope="session")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    """Engines which somebody else runs."""
    given = {name: os.environ.pop(name, None) for name in ("DATABASE_URL", "REDIS_URL")}
    with start_engines(tmp_path_factory.mktemp("outside"), durable=False) as engines:
        os.environ.update({name: value for name, value in given.items() if value is not None})
        yield engines


def living_in(folder: Path) -> list[int]:
    """Pids of engines that work on data below `folder`."""
    places = [folder / "valkey", *(folder / "postgres").glob("[0-9]*")]
    return [pid for place in places for pid in working_in(place, ENGINE_PROGRAMS)]


def until(true: Callable[[], object], what: str, *, seconds: float = 15) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)


def sql(engines: Engines, statement: str) -> list[tuple[object, ...]]:
    """Run a statement in the maintenance database, committed."""
    with psycopg.connect(maintenance(engines.database_url), autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def maintenance(database_url: str) -> str:
    return database_url.rpartition("/")[0] + "/postgres"


def cache(engines: Engines) -> redis.Redis:
    return redis.Redis.from_url(engines.redis_url, decode_responses=True)


def script(path: Path, text: str, **environment: str) -> subprocess.Popen[str]:
    """Start a Python program beside the tests, its words in a pipe."""
    path.write_text(text)
    return subprocess.Popen(
        [sys.executable, str(path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
