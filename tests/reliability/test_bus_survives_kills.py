"""P-5 under fire: relays and publishers are killed with SIGKILL at random points while 20,000 events flow."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connections

from kernel.models import FailedDelivery, InboxEntry, OutboxEvent
from tests.kernel.probe import create_ledger, ledger

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(databases="__all__", transaction=True),
    pytest.mark.timeout(240),
]

SUBJECTS, NUMBERS, PUBLISHERS, KILLS = 25, 200, 4, 10
EVENTS = SUBJECTS * NUMBERS * PUBLISHERS
SEED = 20261120
DONE = "done"  # what a publisher that has finished leaves in its log


class Programs:
    """The programs of a test: started by name, killed by process id."""

    def __init__(self) -> None:
        cluster = settings.CLUSTER
        account = f"{cluster.user}:{cluster.password}@{cluster.host}:{cluster.port}"
        url = f"postgresql://{account}/test_{cluster.prefix}"
        self._alive: set[int] = set()
        self._parent = subprocess.Popen(
            [sys.executable, "-m", "tests.reliability.processes"],
            env=os.environ | {"PROBE_DATABASE_URL": url, "LOG_LEVEL": "CRITICAL"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, *words: object) -> int:
        """Start a program; returns its process id."""
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        print(*words, file=self._parent.stdin, flush=True)
        pid = int(self._parent.stdout.readline())
        self._alive.add(pid)
        return pid

    def kill(self, pid: int) -> None:
        """SIGKILL: no clean-up, no goodbye."""
        self._alive.discard(pid)
        os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        """Kill what is left."""
        for pid in tuple(self._alive):
            with contextlib.suppress(ProcessLookupError):  # a publisher that has finished
                self.kill(pid)
        self._parent.kill()
        self._parent.wait()


@pytest.fixture
def programs(transactional_db: None) -> Iterator[Programs]:
    create_ledger("social", "gamification")
    started = Programs()
    yield started
    started.stop()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """What the publishers were told."""
    file = tmp_path / "acknowledged"
    file.touch()
    return file


def wait_until(true: Callable[[], bool], *, seconds: float) -> None:
    """Poll for a fact of another process."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "nothing happened in time"
        time.sleep(0.02)


def relayed() -> int:
    """Events that have been handed on so far."""
    return OutboxEvent.objects.using("social").filter(published_at__isnull=False).count()


def is_quiet() -> bool:
    """Nothing is on its way."""
    with connections["social"].cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM kernel_outbox WHERE published_at IS NULL)")
        (busy,) = cursor.fetchone()
    return not busy and not any(FailedDelivery.objects.using(a).exists() for a in ("social", "gamification"))


def told(log: Path) -> tuple[set[tuple[str, int]], set[tuple[str, int]]]:
    """What was acknowledged as committed, and what was tried at all."""
    heard: dict[str, set[tuple[str, int]]] = defaultdict(set)
    for line in log.read_text().splitlines():
        verdict, subject, first, last = line.split()
        heard[verdict] |= {(subject, number) for number in range(int(first), int(last))}
    return heard["ok"], heard["try"]


def test_p5_kill_nine_loses_nothing_and_applies_nothing_twice(programs: Programs, log: Path) -> None:
    dice = random.Random(SEED)
    relays = [programs.start("relay"), programs.start("relay")]
    for nth in range(PUBLISHERS):
        programs.start("publish", log, f"publisher{nth}", SUBJECTS, NUMBERS)
    for kill in range(KILLS):
        goal = EVENTS * (kill + 1) // (KILLS + 2)
        wait_until(lambda goal=goal: relayed() >= goal, seconds=60)
        time.sleep(dice.uniform(0, 0.05))  # anywhere inside a batch
        victim = dice.randrange(len(relays))
        programs.kill(relays[victim])
        relays[victim] = programs.start("relay")
    wait_until(lambda: log.read_text().count(DONE) == PUBLISHERS, seconds=60)
    wait_until(is_quiet, seconds=60)

    acknowledged, tried = told(log)
    assert len(acknowledged) == EVENTS >= 20_000
    for alias, handler in (("gamification", "count_probe"), ("social", "count_probe_at_home")):
        effects = Counter(ledger(alias, handler))
        assert acknowledged - set(effects) == set(), f"{handler} lost events"
        assert {effect for effect, times in effects.items() if times > 1} == set(), f"{handler} applied twice"
        assert set(effects) <= tried
        proofs = InboxEntry.objects.using(alias).filter(handler=f"{alias}.{handler}")
        assert proofs.count() == len(effects)
    assert out_of_order(ledger("social", "count_probe_at_home")) == set()


def out_of_order(effects: list[tuple[str, int]]) -> set[str]:
    """Subjects whose numbers a handler has not had in order."""
    by_subject = defaultdict(list)
    for subject, number in effects:
        by_subject[subject].append(number)
    return {subject for subject, numbers in by_subject.items() if numbers != sorted(numbers)}


def test_p5_a_killed_publisher_announces_all_of_a_transaction_or_nothing(programs: Programs, log: Path) -> None:
    dice = random.Random(SEED)
    programs.start("relay")
    for life in range(5):
        lines = log.read_text().count("\n")
        publisher = programs.start("publish", log, f"life{life}", 20, 100_000)
        goal = lines + dice.randint(20, 200)
        wait_until(lambda goal=goal: log.read_text().count("\n") >= goal, seconds=30)
        programs.kill(publisher)
    wait_until(is_quiet, seconds=60)
    acknowledged, tried = told(log)
    effects = Counter(ledger("social", "count_probe_at_home"))
    assert acknowledged
    assert acknowledged <= set(effects) <= tried
    assert max(effects.values()) == 1
