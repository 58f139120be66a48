"""The spool keeps what it acknowledged: across threads, limits, full disks and kill -9."""

import random
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_bridge.readings import Observation
from device_bridge.spool import HELD_BACK_US, DiskRefuses, Spool, SpoolTrouble, in_order

AT = 1_790_000_000_000_000
DEVICE = "strap-1"


def beats(*values: float, at_us: int = AT) -> list[Observation]:
    return [Observation("heart_rate", at_us + index, value) for index, value in enumerate(values)]


def identities(spool: Spool) -> list[tuple[str, int, int]]:
    return [(reading.stream, reading.time_us, reading.sequence) for reading in spool.oldest(10_000)]


def test_what_goes_in_comes_out_oldest_first(tmp_path):
    with closing(Spool(tmp_path, DEVICE)) as spool:
        assert spool.append(beats(61, 62, 63)) == 3
        assert [reading.value for reading in spool.oldest(2)] == [61, 62]
        spool.forget(spool.oldest(2))
        assert [reading.value for reading in spool.oldest(9)] == [63]
        assert spool.waiting == 1


def test_forgetting_twice_is_forgetting_once(tmp_path):
    with closing(Spool(tmp_path, DEVICE)) as spool:
        spool.append(beats(61, 62))
        delivered = spool.oldest(1)
        spool.forget(delivered)
        spool.forget(delivered)
        assert spool.waiting == 1


def test_an_identity_is_never_given_twice_not_even_after_delivery_and_restart(tmp_path):
    seen: list[tuple[str, int, int]] = []
    for _ in range(3):
        with closing(Spool(tmp_path, DEVICE)) as spool:
            spool.append(beats(61, 62))
            seen += identities(spool)
            spool.forget(spool.oldest(10))
    assert [sequence for _, _, sequence in seen] == list(range(6))


streams = st.sampled_from(["heart_rate", "rr_interval", "battery"])
observations = st.builds(
    Observation, stream=streams, time_us=st.integers(AT, AT + 50_000_000), value=st.floats(0, 300)
)


@settings(max_examples=25, deadline=None)
@given(steps=st.lists(st.lists(observations, max_size=6) | st.integers(1, 5) | st.none(), max_size=12))
def test_any_history_of_keeping_delivering_and_restarting_loses_nothing(steps, tmp_path_factory):
    """A list is kept, a number delivers so many, None restarts."""
    folder = tmp_path_factory.mktemp("spool")
    spool, kept, delivered = Spool(folder, DEVICE), [], []
    for step in steps:
        if step is None:
            spool.close()
            spool = Spool(folder, DEVICE)
        elif isinstance(step, int):
            batch = spool.oldest(step)
            delivered += batch
            spool.forget(batch)
        else:
            kept += step
            spool.append(step)
        assert spool.waiting == len(kept) - len(delivered)
    delivered += spool.oldest(10_000)
    spool.close()
    assert [(reading.stream, reading.value) for reading in delivered] == [(seen.stream, seen.value) for seen in kept]
    for stream in {seen.stream for seen in kept}:
        mine = [reading for reading in delivered if reading.stream == stream]
        assert [reading.sequence for reading in mine] == list(range(len(mine)))
        assert [reading.time_us for reading in mine] == sorted(reading.time_us for reading in mine)


def test_times_of_a_stream_never_run_back_unless_the_clock_was_set_back():
    assert in_order(AT + 5, newest_us=AT) == AT + 5
    assert in_order(AT - 5, newest_us=AT) == AT
    assert in_order(AT - HELD_BACK_US, newest_us=AT) == AT
    assert in_order(AT - HELD_BACK_US - 1, newest_us=AT) == AT - HELD_BACK_US - 1


def test_a_stored_measurement_keeps_its_own_time_and_number_however_often_it_is_told(tmp_path):
    stored = Observation("glucose", AT - 86_400_000_000, 5.5, record=7)
    with closing(Spool(tmp_path, DEVICE)) as spool:
        spool.append([stored, Observation("glucose", AT, 5.6), stored, Observation("glucose", AT + 1, 5.7)])
        told = [(reading.time_us, reading.sequence) for reading in spool.oldest(9)]
    assert told == [(stored.time_us, 7), (AT, 0), (stored.time_us, 7), (AT + 1, 1)]


def test_at_the_limit_the_oldest_stay_and_the_new_ones_are_counted(tmp_path):
    with closing(Spool(tmp_path, DEVICE, limit=3)) as spool:
        assert spool.append(beats(61, 62)) == 2
        assert spool.append(beats(63, 64, 65)) == 1
        assert spool.append(beats(66)) == 0
        assert [reading.value for reading in spool.oldest(9)] == [61, 62, 63]
        assert spool.overflowed == 3
        spool.forget(spool.oldest(1))
        assert spool.append(beats(67)) == 1
        assert [reading.sequence for reading in spool.oldest(9)] == [1, 2, 3]


@contextmanager
def full_disk(spool: Spool):
    """SQLite answers as on a full disk: to what needs another page, and with `query_only` to everything."""
    pages = spool._db.execute("PRAGMA page_count").fetchone()[0]
    spool._db.execute(f"PRAGMA max_page_count = {pages}")
    spool._db.execute("PRAGMA query_only = ON")
    yield
    spool._db.execute("PRAGMA query_only = OFF")
    spool._db.execute("PRAGMA max_page_count = 1000000")


def test_a_disk_that_refuses_changes_nothing(tmp_path):
    with closing(Spool(tmp_path, DEVICE)) as spool:
        spool.append(beats(61))
        with full_disk(spool), pytest.raises(DiskRefuses):
            spool.append(beats(*range(5_000)))
        assert (spool.waiting, spool.overflowed) == (1, 0)
        assert spool.append(beats(62)) == 1
        assert [(reading.value, reading.sequence) for reading in spool.oldest(9)] == [(61, 0), (62, 1)]


def test_a_full_disk_does_not_stop_delivery(tmp_path):
    with closing(Spool(tmp_path, DEVICE)) as spool:
        spool.append(beats(61, 62, 63, 64))
        with full_disk(spool):
            spool.forget(spool.oldest(2))
            assert [reading.value for reading in spool.oldest(1)] == [63]
            spool.forget(spool.oldest(1))
            assert spool.waiting == 1
        spool.forget([])
        assert [reading.value for reading in spool.oldest(9)] == [64]
        assert spool._db.execute("SELECT count(*) FROM readings").fetchone() == (1,)


FILLER = """
import sys
from pathlib import Path
from device_bridge.readings import Observation
from device_bridge.spool import DiskRefuses, Spool
spool, number = Spool(Path(sys.argv[1]) / "spool", "strap-1"), 0
def keep(count):
    global number
    beats = [Observation("heart_rate", 1_790_000_000_000_000 + number + n, number + n) for n in range(count)]
    spool.append(beats)
    number += count
for _ in range(2):
    try:
        while True:
            keep(5000)
    except DiskRefuses:
        print("full", number)
    kept = number
    while batch := spool.oldest(5000):
        assert [reading.value for reading in batch] == [reading.sequence for reading in batch]
        spool.forget(batch)
    keep(1)
    spool.forget(spool.oldest(1))
assert not spool._gone and spool.waiting == 0
print("empty")
"""


def test_a_spool_that_fills_the_disk_itself_can_be_emptied_and_filled_again(tmp_path):
    """On a file system of 7 MB, which a namespace of its own lets anybody mount."""
    mount = f"mount -t tmpfs -o size=7M none {tmp_path}"
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-rm", "sh", "-c", mount]).returncode:
        pytest.skip("this machine does not let us mount a small file system")
    fill = [sys.executable, "-c", FILLER, str(tmp_path)]
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", f'{mount} && exec "$@"', "sh", *fill], capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1:] == ["empty"], done.stderr
    assert done.stdout.count("full") == 2


def test_a_stored_measurement_keeps_its_number(tmp_path):
    with closing(Spool(tmp_path, DEVICE)) as spool:
        spool.append([*beats(61), Observation("weight", AT - 90_000_000, 71.4, record=7), *beats(62)])
        assert identities(spool)[1] == ("weight", AT - 90_000_000, 7)
        assert [reading.sequence for reading in spool.oldest(9)] == [0, 7, 1]


def test_only_one_bridge_owns_a_spool(tmp_path):
    with closing(Spool(tmp_path, DEVICE)):
        with pytest.raises(SpoolTrouble, match="another bridge"):
            Spool(tmp_path, DEVICE)
        with closing(Spool(tmp_path, "strap-2")) as other:
            assert other.waiting == 0


def test_a_file_that_is_no_spool_is_said_to_be_none(tmp_path):
    (tmp_path / f"{DEVICE}.sqlite3").write_bytes(b"not a database" * 1000)
    with pytest.raises(SpoolTrouble, match="cannot be opened"):
        Spool(tmp_path, DEVICE)


def test_nobody_else_on_the_machine_can_read_it(tmp_path):
    folder = tmp_path / "spool"
    with closing(Spool(folder, DEVICE)) as spool:
        spool.append(beats(61))
        assert folder.stat().st_mode & 0o077 == 0
        assert all(file.stat().st_mode & 0o077 == 0 for file in folder.iterdir())


def test_every_commit_reaches_the_disk(tmp_path):
    with closing(Spool(tmp_path, DEVICE)) as spool:
        assert spool._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert spool._db.execute("PRAGMA synchronous").fetchone() == (2,)


def test_writers_and_the_deliverer_do_not_disturb_each_other(tmp_path):
    delivered = []
    with closing(Spool(tmp_path, DEVICE)) as spool, ThreadPoolExecutor(4) as pool:
        writing = [pool.submit(spool.append, beats(*range(10), at_us=AT + n)) for n in range(60)]
        while not all(done.done() for done in writing) or spool.waiting:
            batch = spool.oldest(37)
            delivered += batch
            spool.forget(batch)
    assert sorted(reading.sequence for reading in delivered) == list(range(600))


WRITER = """
import sys
from pathlib import Path
from device_bridge.readings import Observation
from device_bridge.spool import Spool
spool, number = Spool(Path(sys.argv[1]), "strap-1"), int(sys.argv[2])
while True:
    spool.append([Observation("heart_rate", 1_790_000_000_000_000 + n, n) for n in range(number, number + 3)])
    number += 3
    print("acknowledged", number, flush=True)
    if number % 5 == 0:
        gone = spool.oldest(7)
        print("delivering", *(reading.position for reading in gone), flush=True)
        spool.forget(gone)
        print("forgotten", flush=True)
"""


def test_kill_9_at_any_moment_loses_nothing_acknowledged(start, tmp_path):
    chance, acknowledged, delivered = random.Random(11), 0, 0
    for _ in range(6):
        writer = start("-c", WRITER, str(tmp_path), str(acknowledged))
        writer.until("acknowledged")
        time.sleep(chance.uniform(0.0, 0.15))
        writer.kill()
        _, said = writer.ended()
        acknowledged, delivered = after_the_kill(tmp_path, said, acknowledged, delivered)
    assert delivered > 0


def after_the_kill(folder: Path, said: str, acknowledged: int, delivered: int) -> tuple[int, int]:
    """Compare disk with what the writer said; its last unsaid step may have happened whole, or not at all."""
    numbers = re.findall(r"acknowledged (\d+)", said)  # SIGKILL may fall between a line's words
    acknowledged = int(numbers[-1]) if numbers else acknowledged
    with closing(sqlite3.connect(folder / f"{DEVICE}.sqlite3")) as db:
        rows = db.execute("SELECT value, sequence FROM readings ORDER BY position").fetchall()
        next_sequence = db.execute("SELECT next_sequence FROM streams").fetchone()[0]
    assert next_sequence in (acknowledged, acknowledged + 3)
    first = rows[0][1] if rows else next_sequence
    assert [(value, sequence) for value, sequence in rows] == [(n, n) for n in range(first, next_sequence)]
    forgotten = delivered + 7 * said.count("forgotten")
    assert forgotten <= first <= forgotten + 7
    return next_sequence, first
