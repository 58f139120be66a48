"""The spool: what was heard and not yet delivered, on disk.

SQLite in WAL mode with synchronous=FULL rather than segment files of our own: a reading, its sequence number
and the newest time of its stream change in one transaction, delivered readings leave in another, and recovery
after `kill -9` or a power cut is SQLite's proven one. `append` returns once the write-ahead log is on disk;
from then on a reading keeps its identity (stream, time, sequence) until the server has confirmed it.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from device_bridge.endings import Ending
from device_bridge.readings import MICROSECONDS, Observation, Reading
from device_bridge.reserve import Reserve

DEFAULT_LIMIT = 2_000_000
"""Readings kept while the server is away: about ten days of one strap with RR intervals, some 120 MB."""

HELD_BACK_US = 60 * MICROSECONDS
"""How far a time may lie before the newest of its stream and still be put level with it. Beyond that the
machine's clock was corrected, and the new time is the true one."""

DELETED_AT_ONCE = 5_000

MOST_GONE = 100_000
"""Delivered readings that a full disk may keep from being forgotten, in memory."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS streams (
    stream TEXT PRIMARY KEY, next_sequence INTEGER NOT NULL, newest_us INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS readings (
    position INTEGER PRIMARY KEY AUTOINCREMENT, stream TEXT NOT NULL, time_us INTEGER NOT NULL,
    sequence INTEGER NOT NULL, value REAL NOT NULL, doubt TEXT
);
"""


class SpoolTrouble(Ending):
    """The spool cannot be used; the message says why."""


class DiskRefuses(Exception):
    """The disk is full or failing: nothing was changed, neither there nor in memory. Try again later."""


@dataclass
class _Stream:
    """Where a stream stands: sequence numbers only ever grow, so no two readings share an identity."""

    next_sequence: int = 0
    newest_us: int = 0

    def identify(self, seen: Observation) -> tuple[str, int, int, float, str | None]:
        """What is said once gets the next number; a stored measurement keeps the time and number it has."""
        doubt = seen.doubts[0] if seen.doubts else None
        if seen.record is not None:
            return seen.stream, seen.time_us, seen.record, seen.value, doubt
        self.newest_us = in_order(seen.time_us, newest_us=self.newest_us)
        self.next_sequence += 1
        return seen.stream, self.newest_us, self.next_sequence - 1, seen.value, doubt


def in_order(time_us: int, *, newest_us: int) -> int:
    """The time a reading gets so that its stream never runs back, unless the clock itself was set back."""
    late_by = newest_us - time_us
    return newest_us if 0 < late_by <= HELD_BACK_US else time_us


class Spool:
    """Readings of one device, oldest first. Any thread of the one process that owns it may call."""

    def __init__(self, folder: Path, device_id: str, *, limit: int = DEFAULT_LIMIT) -> None:
        """Open or create. Raises SpoolTrouble when another bridge owns it or the disk refuses."""
        self.limit = limit
        self.overflowed = 0
        self._gone: set[int] = set()
        self._turn = threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._owner = self._own(folder / f"{device_id}.lock")
            self._db = self._open(folder / f"{device_id}.sqlite3")
            self._streams = {
                stream: _Stream(next_sequence, newest_us)
                for stream, next_sequence, newest_us in self._db.execute("SELECT * FROM streams")
            }
            self._reserve = Reserve(folder / f"{device_id}.reserve", self._db)
            (self._waiting,) = self._db.execute("SELECT count(*) FROM readings").fetchone()
        except (OSError, sqlite3.Error) as error:
            raise SpoolTrouble(f"the spool in {folder} cannot be opened: {error}") from error

    @staticmethod
    def _own(path: Path) -> int:
        """Hold the lock of this spool until the process ends, however it ends."""
        held = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(held)
            raise SpoolTrouble(f"another bridge is already using the spool {path.with_suffix('')}") from error
        return held

    @staticmethod
    def _open(path: Path) -> sqlite3.Connection:
        path.touch(mode=0o600, exist_ok=True)
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.executescript(_SCHEMA)
        if "doubt" not in {name for _, name, *_ in db.execute("PRAGMA table_info(readings)")}:
            db.execute("ALTER TABLE readings ADD COLUMN doubt TEXT")  # a spool from before doubts were kept
        return db

    @property
    def waiting(self) -> int:
        """How many readings are not delivered yet."""
        waiting: int = self._waiting - len(self._gone)
        return waiting

    def append(self, seen: Iterable[Observation]) -> int:
        """Keep observations in the order given and return how many; when it returns they survive anything.

        At the limit the oldest stay and the new ones are counted in `overflowed`. Raises DiskRefuses.
        """
        offered = list(seen)
        with self._turn:
            self._reserve.restore()
            kept = offered[: max(0, self.limit - self._waiting)]
            self._store(kept)
            self._waiting += len(kept)
            self.overflowed += len(offered) - len(kept)
        return len(kept)

    def _store(self, kept: list[Observation]) -> None:
        touched = {seen.stream: _Stream(**vars(self._streams.get(seen.stream, _Stream()))) for seen in kept}
        rows = [touched[seen.stream].identify(seen) for seen in kept]
        self._in_one_step(
            ("INSERT INTO readings (stream, time_us, sequence, value, doubt) VALUES (?, ?, ?, ?, ?)", rows),
            (
                "INSERT OR REPLACE INTO streams VALUES (?, ?, ?)",
                [(name, stream.next_sequence, stream.newest_us) for name, stream in touched.items()],
            ),
        )
        self._streams.update(touched)

    def _in_one_step(self, *work: tuple[str, Sequence[Sequence[object]]]) -> None:
        """One transaction. Raises DiskRefuses, with nothing changed."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for statement, rows in work:
                self._db.executemany(statement, rows)
            self._db.execute("COMMIT")
        except BaseException as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            if isinstance(error, sqlite3.OperationalError):
                raise DiskRefuses(str(error)) from error
            raise

    def oldest(self, count: int) -> list[Reading]:
        """The next readings to deliver, at most `count`."""
        with self._turn:
            rows = self._db.execute(
                "SELECT doubt, stream, time_us, value, sequence, position FROM readings ORDER BY position LIMIT ?",
                (count + len(self._gone),),
            ).fetchall()
            left = [
                Reading(*row, doubts=(doubt,) if doubt else ()) for doubt, *row in rows if row[-1] not in self._gone
            ]
        return left[:count]

    def forget(self, delivered: list[Reading]) -> None:
        """The server has these for good (or refused them for good). Safe to repeat.

        A full disk cannot even forget: they are passed over from then on, and leave the disk when it lets them.
        Killed meanwhile, they are sent once more and count as duplicates. Raises DiskRefuses when these become
        too many to remember.
        """
        with self._turn:
            gone = self._gone | {reading.position for reading in delivered}
            try:
                self._delete(gone)
            except DiskRefuses:
                if len(gone) > MOST_GONE:
                    raise
                self._gone |= {reading.position for reading in delivered}
                return
            self._reserve.restore()

    def _delete(self, gone: set[int]) -> None:
        """Take these off the disk, with the help of the reserve where it is full."""
        try:
            self._delete_at_once(gone)
        except DiskRefuses:
            self._reserve.use()
            ordered = sorted(gone)
            for at in range(0, len(ordered), DELETED_AT_ONCE):
                self._delete_at_once(set(ordered[at : at + DELETED_AT_ONCE]))

    def _delete_at_once(self, gone: set[int]) -> None:
        before = self._db.total_changes
        self._in_one_step(("DELETE FROM readings WHERE position = ?", [(position,) for position in gone]))
        self._waiting -= self._db.total_changes - before
        self._gone -= gone

    def close(self) -> None:
        """Fold the log into the file and let another bridge have it."""
        with self._turn:
            self._db.close()
            os.close(self._owner)
