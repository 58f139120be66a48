"""H1 from strap to neighbour: bridge, web server, relay, worker and PostgreSQL are killed with SIGKILL, in any order.

What a spool has once acknowledged is stored once, announced once, and in the session of its athlete once.
`STAYER_KILLS=200 STAYER_KILL_SEED=7` kills for longer, and in another order.
"""

import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from config.running.children import spawn
from config.running.engine import free_port
from config.running.postgresql import PostgreSQL
from config.running.procfile import CELERY, WORKER, web_command
from contexts.health.catalogue import BY_NAME
from device_bridge.credentials import credentials_of, enrolled_devices
from device_bridge.naming import metric_of
from device_bridge.status import status_of

KILLS = int(os.environ.get("STAYER_KILLS", "5"))
SEED = int(os.environ.get("STAYER_KILL_SEED", "20261121"))
PATIENCE_S = 90.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300 + 30 * KILLS)]

ROOT = Path(__file__).parent.parent.parent
STRAPS, RATE_HZ = 2, 8


class World:
    """Every process of it, by name; each may be killed and begins again."""

    def __init__(self, folder: Path, engine: PostgreSQL) -> None:
        self.folder, self.engine, self.spool = folder, engine, folder / "spool"
        self.port, radio_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        radio = ["--transport", f"bumble:tcp-client:127.0.0.1:{radio_port}", "--most", str(STRAPS)]
        self.bridge = ["-m", "device_bridge", "run", "--url", self.url, "--credentials", str(folder / "bridge.json")]
        self.bridge += ["--spool", str(self.spool), "--separate"]
        listen = ["--listen", f"tcp-server:127.0.0.1:{radio_port}", "--count", str(STRAPS), "--rate", str(RATE_HZ)]
        self.commands = {
            "straps": ["-m", "device_bridge", "strap", *listen],
            "bridge": [*self.bridge, *radio],
            "web": web_command("config.asgi:application", host="127.0.0.1", port=self.port),
            "relay": ["manage.py", "relay"],
            "worker": ["-m", "celery", *CELERY.rpartition("celery")[2].split(), "worker", *WORKER.split()],
        }
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.seen = 0

    def environment(self, *, testing: str = "off") -> dict[str, str]:
        """The real thing, on a PostgreSQL of its own and a corner of the suite's Redis."""
        url, _, number = os.environ["REDIS_URL"].rpartition("/")
        ours = {
            "DATABASE_URL": self.engine.url,
            "REDIS_URL": f"{url}/{(int(number) + 4) % 16}",
            "BASE_URL": self.url,
            "DATABASE_POOL": "8",
            "TESTING": testing,
        }
        inherited = {name: value for name, value in os.environ.items() if name != "PYTEST_XDIST_WORKER"}
        return inherited | ours

    def prepare(self) -> str:
        """Databases and people; answers the session under way."""
        made = subprocess.run(
            [sys.executable, "-m", "tests.device_bridge.killed_world"],
            cwd=ROOT,
            env=self.environment(testing="on"),
            capture_output=True,
            text=True,
            check=False,
        )
        assert made.returncode == 0, made.stderr
        self.engine.stop()
        self.engine.durable = True  # from here on each commit is on disk; the people could have been made again
        self.start("postgresql")
        told = json.loads(made.stdout.splitlines()[-1])
        (self.folder / "bridge.json").write_text(json.dumps(told["bridge"]))
        return str(told["session"])

    def start(self, name: str) -> None:
        if name == "postgresql":
            self.engine.start()
            self.engine.wait()
            return
        with (self.folder / f"{name}.log").open("ab") as log:
            command = [sys.executable, *self.commands[name]]
            self.running[name] = spawn(command, cwd=ROOT, env=self.environment(), stdout=log, stderr=log)

    def kill(self, name: str) -> None:
        """With all of its family: SIGKILL asks nobody."""
        if name == "postgresql":
            assert self.engine.process is not None
            self.engine.process.kill()
            self.engine.process.wait()
            return
        process = self.running.pop(name)
        assert process.poll() is None, f"{name} has ended by itself:\n{self.said(name)}"
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def end(self) -> None:
        for process in self.running.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def said(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")[-4_000:]

    def kept(self) -> Counter[tuple[str, int]]:
        """How many readings of each device and stream the spools have acknowledged: what they number is on disk."""
        found: Counter[tuple[str, int]] = Counter()
        for file in self.spool.glob("*.sqlite3"):
            with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(file, timeout=10)) as db:
                for stream, count in db.execute("SELECT stream, next_sequence FROM streams"):
                    found[file.stem, int(BY_NAME[metric_of(stream)].stream)] = count
        return found

    def rows(self, context: str, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(f"{self.engine.url}_{context}", connect_timeout=5) as connection:
            return connection.execute(query, values).fetchall()

    def stored(self) -> int:
        """How many readings are stored; as last seen, while the database is away."""
        with contextlib.suppress(psycopg.Error):
            ((self.seen,),) = self.rows("health", "SELECT count(*) FROM health_reading")
        return self.seen

    def until(self, true: Callable[[], bool], what: str) -> None:
        """Facts of other processes are polled."""
        deadline = time.monotonic() + PATIENCE_S
        while not true():
            logs = "\n".join(f"--- {name}\n{self.said(name)}" for name in self.running)
            assert time.monotonic() < deadline, f"{what}; {self.kept()}, {self.stored()} stored\n{logs}"
            time.sleep(0.05)

    def answers(self) -> bool:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
        return False

    def enrolled(self) -> list[str]:
        """The devices that have been introduced."""
        return enrolled_devices(self.folder / "bridge.json")

    def drain(self) -> None:
        """The bridge ends, and one without a radio delivers what it has left."""
        self.running["bridge"].send_signal(signal.SIGTERM)
        assert self.running.pop("bridge").wait(30) == 0, self.said("bridge")
        nothing = self.folder / "nothing.jsonl"
        nothing.touch()
        command = [sys.executable, *self.bridge, "--transport", f"replay:{nothing}"]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        assert ended.returncode == 0, ended.stderr


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    engine = PostgreSQL(tmp_path / "postgresql", durable=False)
    engine.folder.mkdir(exist_ok=True)
    living = World(tmp_path, engine)
    try:
        living.start("postgresql")
        yield living
    finally:
        living.end()
        engine.stop()


def victims(dice: random.Random) -> Iterator[str]:
    """Each before any comes again, in another order each time."""
    while True:
        yield from dice.sample(["bridge", "web", "relay", "worker", "postgresql"], 5)


def test_h1_he3_whatever_is_killed_each_acknowledged_reading_arrives_once(world: World) -> None:
    dice = random.Random(SEED)
    session = world.prepare()
    for name in world.commands:
        world.start(name)
    world.until(lambda: world.stored() > 20, "nothing arrives")
    next_victim = victims(dice)
    for _ in range(KILLS):
        kept, stored = world.kept().total(), world.stored()
        more, is_stored = dice.randint(5, 40), dice.random() < 0.5
        if is_stored:  # in the middle of delivering; else perhaps while something else is still away
            world.until(lambda stored=stored, more=more: world.stored() >= stored + more, "delivery stands still")
        else:
            world.until(lambda kept=kept, more=more: world.kept().total() >= kept + more, "nothing is heard")
        victim = next(next_victim)
        world.kill(victim)
        world.start(victim)
    world.until(world.answers, "the web server does not come back")
    world.drain()

    kept = world.kept()
    assert kept.total() > 100
    own = [credentials_of(key, file=world.folder / "bridge.json").device_id for key in world.enrolled()]
    assert len(own) == STRAPS, "each strap has an identity of its own"
    assert all(kept[device_id, 1] > 0 for device_id in own)
    assert all(device["waiting"] == 0 for device in status_of(world.spool)["devices"]), "the spools are empty"
    found: Counter[tuple[str, int]] = Counter()
    for device_id, stream, count, distinct, least, most in world.rows(
        "health",
        "SELECT device_id::text, stream, count(*), count(DISTINCT sequence), min(sequence), max(sequence)"
        " FROM health_reading JOIN health_device ON number = device_number GROUP BY device_id, stream",
    ):
        assert (count, least, most) == (distinct, 0, distinct - 1), "a number twice, or one left out"
        found[device_id, stream] = count
    assert found == kept, "acknowledged − stored, and stored − acknowledged"
    ((counted,),) = world.rows("health", "SELECT sum(count) FROM health_batch")
    told = world.rows(
        "health", "SELECT (payload->>'count')::int FROM kernel_outbox WHERE type = 'health.metric_recorded'"
    )
    assert counted == sum(count for (count,) in told) == kept.total()
    world.until(lambda: is_quiet(world), "events are on their way for too long")
    ((taken,),) = world.rows("workout", "SELECT count(*) FROM workout_livesample WHERE session_id = %s", session)
    ((plausible,),) = world.rows(
        "health", "SELECT count(*) FROM health_reading WHERE stream IN (1, 2) AND NOT quarantined"
    )
    assert taken == plausible > 0, "each beat is in the session once"


def is_quiet(world: World) -> bool:
    """Every announcement has been handed on, and none waits to be tried again."""
    ((on_its_way,),) = world.rows("health", "SELECT count(*) FROM kernel_outbox WHERE published_at IS NULL")
    failed = [world.rows(context, "SELECT count(*) FROM kernel_failed_delivery") for context in ("health", "workout")]
    return on_its_way == 0 and all(count == 0 for ((count,),) in failed)
