"""Request bodies of devices on their way to the cold store: appended to a file, sealed, off the path of a request.

A process writes into a file of its own for a minute, then into another one; whoever collects takes those that are
older. A body costs its encryption and one `write`, without waiting for the disk: when a machine loses its power, the
bodies of the last seconds are lost, and no reading is. The folder is one that web processes and workers share.
"""

import logging
import os
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from django.conf import settings

from contexts.health import sealing
from kernel.models import uuid7

log = logging.getLogger(__name__)

WRITTEN_FOR_S: Final = 60.0
FINAL_AFTER_S: Final = 300.0
"""From the name a file was given: nobody writes into it any more."""
LARGEST_FILE: Final = 32_000_000
BOUND_TO: Final = b"health.payload_spool"
SIZE: Final = struct.Struct(">I")


class Received(msgspec.Struct, frozen=True):
    """A signed request body as it came."""

    device: int
    at: float
    """Unix seconds."""
    form: str
    encoding: str
    body: bytes


class _Writer:
    """The file of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._handle = -1
        self._folder: Path | None = None
        self._opened_at = self._written = 0.0
        self._process = 0

    def write(self, record: bytes) -> None:
        """One record, whole."""
        with self._lock:
            is_old = time.time() - self._opened_at >= WRITTEN_FOR_S or self._written > LARGEST_FILE
            if is_old or self._folder != folder() or self._process != os.getpid():
                self._open_next()
            self._written += os.write(self._handle, record)

    def _open_next(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
        self._folder, self._process, self._opened_at, self._written = folder(), os.getpid(), time.time(), 0
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._folder / f"{int(self._opened_at)}-{uuid7()}.spool"
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


_writer = _Writer()


def folder() -> Path:
    """Where bodies wait."""
    return Path(settings.PAYLOAD_SPOOL or Path(settings.MEDIA_ROOT) / "payload-spool")


def keep(received: Received) -> None:
    """Leave a body to be collected. Should the disk be full, it is not kept; readings do not depend on it."""
    sealed = sealing.seal_bound(msgspec.msgpack.encode(received), bound_to=BOUND_TO)
    try:
        _writer.write(SIZE.pack(len(sealed)) + sealed)
    except OSError as error:
        log.error("a request body cannot be kept", extra={"error": error.strerror})


def claimed(*, at: float) -> Iterator[Path]:
    """Portions that are final, each a folder of files: those an earlier run has begun, then what has come since."""
    if not folder().is_dir():
        return
    yield from sorted(path for path in folder().iterdir() if path.is_dir())
    due = [path for path in folder().glob("*.spool") if int(path.name.partition("-")[0]) + FINAL_AFTER_S <= at]
    if due:
        portion = folder() / str(uuid7())
        portion.mkdir(mode=0o700)
        for path in due:
            path.rename(portion / path.name)
        yield portion


def read(portion: Path) -> Iterator[Received]:
    """The bodies of a portion; a file whose writer died ends with its last whole record."""
    for path in sorted(portion.iterdir()):
        content = path.read_bytes()
        start = 0
        while start + SIZE.size <= len(content):
            (size,) = SIZE.unpack_from(content, start)
            sealed = content[start + SIZE.size : start + SIZE.size + size]
            start += SIZE.size + size
            try:
                yield msgspec.msgpack.decode(sealing.unseal_bound(sealed, bound_to=BOUND_TO), type=Received)
            except (InvalidTag, ValueError):
                log.error("a request body that was kept cannot be read", extra={"file": path.name})
                break


def done(portion: Path) -> None:
    """All of it is in the store."""
    for path in portion.iterdir():
        path.unlink()
    portion.rmdir()
