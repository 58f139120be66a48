"""H1 under fire: PostgreSQL is killed with SIGKILL while a device sends; what was answered 2xx is there."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from config.running.postgresql import PostgreSQL

pytestmark = [pytest.mark.slow, pytest.mark.timeout(500)]

KILLS = 2
BATCH = 50


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory):
    """A PostgreSQL of this test's own that syncs every commit, with a health database."""
    engine = PostgreSQL(tmp_path_factory.mktemp("killed"), durable=True)
    engine.folder.mkdir(exist_ok=True)
    engine.start()
    engine.wait()
    with psycopg.connect(maintenance_url(engine), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {engine.url.rpartition('/')[2]}_health")
    yield engine
    engine.stop()


def maintenance_url(engine: PostgreSQL) -> str:
    """The address of the database every cluster has."""
    return engine.url.rpartition("/")[0] + "/postgres"


def answers_of(log: Path) -> list[list[str]]:
    """What the device has written down."""
    return [line.split() for line in log.read_text().splitlines()] if log.exists() else []


def wait_for_confirmed(log: Path, device: subprocess.Popen[bytes], *, more_than: int) -> None:
    """Until the device has that many batches confirmed."""
    deadline = time.monotonic() + 200
    while sum(words[0] == "ok" for words in answers_of(log)) <= more_than:
        assert device.poll() is None, "the device has given up"
        assert time.monotonic() < deadline, "the device is not answered any more"
        time.sleep(0.05)


def test_h1_killing_the_database_loses_no_reading_and_doubles_none(cluster: PostgreSQL, tmp_path: Path):
    log, stop, dice = tmp_path / "log", tmp_path / "stop", random.Random(20261120)
    environment = os.environ | {"DATABASE_URL": cluster.url, "LOG_LEVEL": "CRITICAL"}
    complaints = (tmp_path / "complaints").open("wb")
    device = subprocess.Popen(
        [sys.executable, "-m", "tests.health.sending", log, stop], env=environment, stderr=complaints
    )
    try:
        for _ in range(KILLS):
            confirmed = sum(words[0] == "ok" for words in answers_of(log))
            wait_for_confirmed(log, device, more_than=confirmed + dice.randrange(5, 40))
            assert cluster.process is not None
            cluster.process.kill()
            cluster.process.wait()
            cluster.start()
            cluster.wait()
        wait_for_confirmed(log, device, more_than=sum(words[0] == "ok" for words in answers_of(log)) + 5)
        stop.touch()
        assert device.wait(60) == 0
    finally:
        device.kill()
    confirmed = [words for words in answers_of(log) if words[0] == "ok"]
    with psycopg.connect(f"{cluster.url}_health") as connection:
        (stored,) = connection.execute("SELECT count(*) FROM health_reading").fetchone()
        (counted,) = connection.execute("SELECT sum(count) FROM health_batch").fetchone()
        (told,) = connection.execute(
            "SELECT sum((payload->>'count')::int) FROM kernel_outbox WHERE type = 'health.metric_recorded'"
        ).fetchone()
    assert stored == counted == told == BATCH * len(confirmed)
    assert all(int(accepted) + int(duplicates) == BATCH for _, _, accepted, duplicates in confirmed)
