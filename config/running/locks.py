"""One holder at a time. The kernel lets go of the lock when its holder dies, however it dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class Held(Exception):
    """Somebody else holds the lock; the message says who."""


class Lock:
    """A lock file with the holder's pid in it for the curious."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None

    def take(self) -> None:
        """Take the lock now or raise `Held`."""
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(file, 20).decode().strip()
            os.close(file)
            raise Held(f"process {holder or '?'}") from None
        os.ftruncate(file, 0)
        os.write(file, str(os.getpid()).encode())
        self._file = file

    def release(self) -> None:
        """Let go; a no-op when the lock is not ours."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
