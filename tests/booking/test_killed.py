"""BO-6 under fire: sellers and PostgreSQL are killed with SIGKILL in a sale; no place is sold twice or lost."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from config.running.postgresql import PostgreSQL
from kernel.events import uuid7

pytestmark = [pytest.mark.slow, pytest.mark.timeout(500)]

PLACES, STRANGERS, SELLERS = 300, 1_200, 4
SEED = 20261121
MAKE = """
import django; django.setup()
from django.core.management import call_command
from tests.migrating import only_what_lives_in
with only_what_lives_in("booking"):
    call_command("migrate", database="booking", verbosity=0)
from tests.booking.conftest import make_event
from contexts.booking import organising
print(make_event(kinds=(organising.Kind(name="Entry", price_minor=0, quota={places}),)).pk)
"""


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory):
    """A PostgreSQL of this test's own with a booking database."""
    engine = PostgreSQL(tmp_path_factory.mktemp("killed"), durable=False)
    engine.folder.mkdir(exist_ok=True)
    engine.start()
    engine.wait()
    with psycopg.connect(engine.url.rpartition("/")[0] + "/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {engine.url.rpartition('/')[2]}_booking")
    yield engine
    engine.stop()


def until(holds: Callable[[], bool], what: str) -> None:
    """Look until it is so."""
    deadline = time.monotonic() + 200
    while not holds():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.02)


def lines(logs: list[Path]) -> list[list[str]]:
    """What the sellers have written down; a line cut short by SIGKILL is none."""
    whole = "".join(log.read_text().rpartition("\n")[0] + "\n" for log in logs if log.exists())
    return [line.split() for line in whole.splitlines() if line]


def test_bo6_killing_sellers_and_the_database_sells_nothing_twice_and_loses_nothing(
    cluster: PostgreSQL, tmp_path: Path
):
    dice = random.Random(SEED)
    told = {"DATABASE_URL": cluster.url, "LOG_LEVEL": "CRITICAL", "DJANGO_SETTINGS_MODULE": "config.settings"}
    environment = os.environ | told
    made = subprocess.run(
        [sys.executable, "-c", MAKE.format(places=PLACES)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    cluster.stop()
    cluster.durable = True  # from here on each commit is on disk; what is for sale could have been made again
    cluster.start()
    cluster.wait()
    event, logs = made.stdout.split()[-1], [tmp_path / f"log{n}" for n in range(SELLERS + 1)]
    everybody = [str(uuid7()) for _ in range(STRANGERS)]

    def seller(number: int, users: list[str]) -> subprocess.Popen[bytes]:
        file = tmp_path / f"users{number}"
        file.write_text(" ".join(users))
        command = [sys.executable, "-m", "tests.booking.selling", event, str(logs[number]), str(file)]
        return subprocess.Popen(command, env=environment)

    sellers = [seller(n, everybody[n::SELLERS]) for n in range(SELLERS)]
    try:
        until(lambda: len(lines(logs)) > dice.randrange(100, 200), "the sale has begun")
        sellers[0].kill()
        until(lambda: len(lines(logs)) > dice.randrange(250, 400), "the sale goes on")
        assert cluster.process is not None
        cluster.process.kill()
        cluster.process.wait()
        cluster.start()
        cluster.wait()
        assert [one.wait(200) for one in sellers[1:]] == [0] * (SELLERS - 1)
        answered = {words[0] for words in lines(logs) if words[0] != "try"}
        assert seller(SELLERS, [user for user in everybody if user not in answered]).wait(200) == 0
    finally:
        for one in sellers:
            one.kill()
    answers = {user: answer for user, answer in lines(logs) if user != "try"}
    assert answers.keys() == set(everybody)
    assert set(answers.values()) <= {"held", "sold_out", "already_booked"}
    with psycopg.connect(f"{cluster.url}_booking") as connection:
        row = "SELECT held, confirmed, capacity FROM booking_sportevent"
        held, confirmed, capacity = connection.execute(row).fetchone()
        owners = {str(user) for (user,) in connection.execute("SELECT user_id FROM booking_booking")}
        (days,) = connection.execute("SELECT count(*) FROM booking_dayplace").fetchone()
        (announced,) = connection.execute(
            "SELECT count(*) FROM kernel_outbox WHERE type = 'booking.seat_held'"
        ).fetchone()
    assert (held, confirmed, capacity) == (PLACES, 0, PLACES)
    assert len(owners) == days == announced == PLACES
    assert {user for user, answer in answers.items() if answer != "sold_out"} == owners
