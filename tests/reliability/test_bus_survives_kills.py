"""P-5 under fire: relays and publishers are killed with SIGKILL at random points while 20,000 events flow."""

import os
import random
import subprocess
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connections

from kernel.models import FailedDelivery, InboxEntry
from tests.kernel.probe import create_ledger, ledger

pytestmark = [pytest.mark.django_db(databases="__all__", transaction=True), pytest.mark.timeout(240)]

SUBJECTS, NUMBERS, PUBLISHERS = 25, 200, 4
EVENTS = SUBJECTS * NUMBERS * PUBLISHERS
SEED = 20261120


def start(*arguments: str) -> subprocess.Popen[bytes]:
    """One of the programs, on this suite's databases."""
    cluster = settings.CLUSTER
    url = f"postgresql://{cluster.user}:{cluster.password}@{cluster.host}:{cluster.port}/test_{cluster.prefix}"
    environment = os.environ | {"PROBE_DATABASE_URL": url, "LOG_LEVEL": "CRITICAL"}
    return subprocess.Popen([sys.executable, "-m", "tests.reliability.processes", *arguments], env=environment)


def waiting() -> int:
    """Events and deliveries that are still on their way."""
    with connections["social"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM kernel_outbox WHERE published_at IS NULL")
        (outbox,) = cursor.fetchone()
    return outbox + sum(FailedDelivery.objects.using(alias).count() for alias in ("social", "gamification"))


def tell(log: Path) -> tuple[set[tuple[str, int]], set[tuple[str, int]]]:
    """What the publishers were told is committed, and what they have tried at all."""
    told: dict[str, set[tuple[str, int]]] = {"try": set(), "ok": set()}
    for line in log.read_text().splitlines():
        verdict, subject, first, last = line.split()
        told[verdict] |= {(subject, number) for number in range(int(first), int(last))}
    return told["ok"], told["try"]


def test_p5_kill_nine_loses_nothing_and_applies_nothing_twice(tmp_path: Path) -> None:
    create_ledger("social", "gamification")
    dice = random.Random(SEED)
    log = tmp_path / "acknowledged"
    log.touch()
    relays = [start("relay"), start("relay")]
    publishers = [
        start("publish", str(log), f"publisher{n}", str(SUBJECTS), str(NUMBERS)) for n in range(PUBLISHERS)
    ]
    kills = 0
    try:
        while any(p.poll() is None for p in publishers) or (waiting() and kills < 12):
            time.sleep(dice.uniform(0.3, 1.2))  # the nemesis strikes at random instants; nothing is awaited here
            victim = dice.randrange(len(relays))
            relays[victim].kill()
            relays[victim].wait()
            kills += 1
            relays[victim] = start("relay")
        deadline = time.monotonic() + 120
        while waiting() and time.monotonic() < deadline:
            time.sleep(0.2)
    finally:
        for process in (*relays, *publishers):
            process.kill()
            process.wait()
    assert kills >= 8
    acknowledged, tried = tell(log)
    assert len(acknowledged) == EVENTS >= 20_000
    for alias, handler in (("gamification", "count_probe"), ("social", "count_probe_at_home")):
        effects = Counter(ledger(alias, handler))
        assert acknowledged - set(effects) == set(), f"{handler} lost events"
        assert {effect: n for effect, n in effects.items() if n > 1} == {}, f"{handler} applied twice"
        assert set(effects) <= tried
        assert InboxEntry.objects.using(alias).filter(handler=f"{alias}.{handler}").count() == len(effects)
    assert_order_per_key(ledger("social", "count_probe_at_home"))


def assert_order_per_key(effects: list[tuple[str, int]]) -> None:
    """The handler that never fails has had each subject's numbers in order."""
    by_subject = defaultdict(list)
    for subject, number in effects:
        by_subject[subject].append(number)
    assert {subject for subject, numbers in by_subject.items() if numbers != sorted(numbers)} == set()


def test_p5_a_killed_publisher_announces_all_of_a_transaction_or_nothing(tmp_path: Path) -> None:
    create_ledger("social", "gamification")
    dice = random.Random(SEED)
    relay = start("relay")
    log = tmp_path / "acknowledged"
    log.touch()
    try:
        for life in range(4):
            publisher = start("publish", str(log), f"life{life}", "20", "100000")
            lines = len(log.read_text().splitlines())
            deadline = time.monotonic() + 30
            while len(log.read_text().splitlines()) < lines + dice.randint(20, 200) and time.monotonic() < deadline:
                time.sleep(0.01)
            publisher.kill()
            publisher.wait()
        deadline = time.monotonic() + 60
        while waiting() and time.monotonic() < deadline:
            time.sleep(0.1)
    finally:
        relay.kill()
        relay.wait()
    acknowledged, tried = tell(log)
    effects = Counter(ledger("social", "count_probe_at_home"))
    assert acknowledged <= set(effects) <= tried
    assert max(effects.values()) == 1
    assert acknowledged
