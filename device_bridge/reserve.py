"""Room set aside on the spool's disk, so that a spool which has filled the disk itself can still be emptied.

Forgetting takes room before it gives any: a deletion goes through the log. Without a reserve the bridge would sit on
a full disk for ever, everything delivered and nothing forgotten.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

BYTES = 2 * 1024 * 1024
"""More than the log with one deletion of 5,000 readings, and what it moves into the database."""

LOG_PAGES = 128
"""The log is folded into the database at this size (512 kB)."""

NO_LIMIT = 1_073_741_823
"""SQLite's own bound of a database's pages."""


class Reserve:
    """While it is not there, the database does not grow: new readings take the places of forgotten ones."""

    def __init__(self, file: Path, db: sqlite3.Connection) -> None:
        self._file, self._db = file, db
        self._is_kept = False
        db.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
        self.restore()

    def restore(self) -> None:
        """Set the room aside if the disk has twice as much."""
        if self._is_kept:
            return
        try:
            if not self._is_whole():
                self._file.unlink(missing_ok=True)
                self._set_aside()
        except OSError:
            with contextlib.suppress(OSError):
                self._file.unlink(missing_ok=True)
            with contextlib.suppress(sqlite3.OperationalError):
                self._stop_growth()
            return
        self._is_kept = True
        self._db.execute(f"PRAGMA max_page_count = {NO_LIMIT}")

    def _is_whole(self) -> bool:
        return self._file.exists() and self._file.stat().st_size == BYTES

    def _set_aside(self) -> None:
        disk = os.statvfs(self._file.parent)
        if disk.f_bavail * disk.f_frsize < 2 * BYTES:
            raise OSError("no room")
        opened = os.open(self._file, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(opened, 0, BYTES)
        finally:
            os.close(opened)

    def _stop_growth(self) -> None:
        (pages,) = self._db.execute("PRAGMA page_count").fetchone()
        self._db.execute(f"PRAGMA max_page_count = {pages}")

    def use(self) -> None:
        """Give the room back to the disk, and fold the log into the database, which frees the log's."""
        with contextlib.suppress(OSError):
            self._file.unlink(missing_ok=True)
        self._is_kept = False
        with contextlib.suppress(sqlite3.OperationalError):
            self._stop_growth()
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
