"""Reads a recording in a process of its own, with a bound on time and memory: the file comes from a stranger.

A reader is a process that has imported what reading needs and waits. For each file it has forked, and only the fork
reads the file: its bounds count from there, what it leaves behind goes with it, a file that kills it kills only it.
The reader needs neither Django nor the database, and answers in MessagePack, which cannot carry anything but plain
values even if the fork were taken over; a column travels as its bytes. Readers are kept warm, a few at most, and
replaced after a failure or many files.
"""

from __future__ import annotations

import atexit
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
import numpy as np

from . import recording
from .recording import Limits, Reading, Unreadable

SECONDS = 20
MEMORY = 1 << 30
"""Beyond what a reader holds before it has seen a file."""

START_UP_S = 10
"""Granted beyond the processor time, on a busy machine."""

KEPT = 2
"""So many readers wait for the next file; more work at once where more files come at once."""

FILES_EACH = 1_000
MAX_ANSWER = 512 << 20
"""Bytes; a million points with all of their streams take less than half of it."""

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), *[os.pardir] * 3))

K = TypeVar("K")

REFUSALS = {kind.code: kind for kind in Unreadable.__subclasses__()}


class Question(msgspec.Struct):
    """What a reader is asked; `size` bytes of the file follow."""

    filename: str
    limits: Limits
    seconds: int
    memory: int
    size: int


@dataclass(slots=True)
class Answer:
    """A reading, or the code of a refusal, with what it says."""

    reading: Reading | None = None
    code: str = ""
    detail: str = ""
    values: dict[str, int | str] = field(default_factory=dict)


class Reader:
    """A reader process and the socket to it: asked one file at a time."""

    def __init__(self) -> None:
        self.socket, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-s", "-m", __package__],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=ROOT,
                env={"PATH": os.environ.get("PATH", ""), "OPENBLAS_NUM_THREADS": "1"},
                start_new_session=True,
            )
        self.files = 0

    def ask(self, question: Question, data: bytes) -> tuple[int, bytes]:
        """How the fork ended (as a return code) and what it said. TimeoutError and OSError pass through."""
        self.files += 1
        deadline = time.monotonic() + question.seconds + START_UP_S
        self.socket.settimeout(question.seconds + START_UP_S)
        asked = msgspec.json.encode(question)
        self.socket.sendall(len(asked).to_bytes(8, "big") + asked)
        self.socket.sendall(data)
        head = self._receive(16, deadline)
        ended = int.from_bytes(head[:8], "big", signed=True)
        return ended, self._receive(int.from_bytes(head[8:], "big"), deadline)

    def _receive(self, size: int, deadline: float) -> bytes:
        received = bytearray(min(size, MAX_ANSWER))
        view, at = memoryview(received), 0
        while at < len(received):
            self.socket.settimeout(max(deadline - time.monotonic(), 0.001))
            count = self.socket.recv_into(view[at:])
            if not count:
                raise ConnectionError
            at += count
        return bytes(received)

    def fit_for_more(self) -> bool:
        """Whether it lives and has not read too many files."""
        return self.files < FILES_EACH and self.process.poll() is None

    def end(self) -> None:
        """Ends it and its fork at once."""
        self.socket.close()
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Readers:
    """Readers that wait for the next file."""

    def __init__(self) -> None:
        self.idle: list[Reader] = []

    @contextmanager
    def one(self) -> Iterator[Reader]:
        """A reader for one file; it is kept for the next unless this one fails."""
        reader = self._taken() or Reader()
        kept = False
        try:
            yield reader
            kept = reader.fit_for_more() and len(self.idle) < KEPT
        finally:
            if kept:
                self.idle.append(reader)
            else:
                reader.end()

    def _taken(self) -> Reader | None:
        # Threads may take at the same time: `pop` gives a reader to one of them.
        with suppress(IndexError):
            while True:
                reader = self.idle.pop()
                if reader.fit_for_more():
                    return reader
                reader.end()
        return None

    def close(self) -> None:
        """Ends all that wait."""
        while self.idle:
            self.idle.pop().end()

    def forget(self) -> None:
        """After a fork of ours: the readers are the parent's. Ours would keep their sockets from closing with it."""
        for reader in self.idle:
            reader.socket.close()
            # Not our child: nobody here may wait for it.
            reader.process.returncode = 0
        self.idle = []


readers = Readers()
atexit.register(readers.close)
os.register_at_fork(after_in_child=readers.forget)


def read_bounded(
    data: bytes,
    *,
    filename: str,
    limits: Limits = Limits(),  # noqa: B008 (frozen)
    seconds: int = SECONDS,
    memory: int = MEMORY,
) -> Reading:
    """As `read`, but refuses what costs more than `seconds` of processor time or `memory` bytes."""
    limits.ensure_size(len(data))
    question = Question(filename=filename, limits=limits, seconds=seconds, memory=memory, size=len(data))
    try:
        with readers.one() as reader:
            ended, said = reader.ask(question, data)
    except TimeoutError as late:
        raise recording.TooExpensive from late
    except OSError as lost:
        raise recording.ReaderFailed from lost
    if ended < 0:  # killed: by the limit on processor time, or for want of memory
        raise recording.TooExpensive
    return _opened(said)


def packed(answer: Answer) -> bytes:
    """An answer as it travels."""
    return msgspec.msgpack.encode(answer, enc_hook=_column_bytes)


def _column_bytes(column: Any) -> bytes:
    if not isinstance(column, np.ndarray):
        raise NotImplementedError  # so msgspec is told that a hook knows no form of it
    return column.tobytes()


def _column(kind: Any, said: Any) -> recording.Values:
    return np.frombuffer(said, dtype=np.float64)


def _opened(envelope: bytes) -> Reading:
    try:
        answer = msgspec.msgpack.decode(envelope, type=Answer, dec_hook=_column)
    except (msgspec.MsgspecError, ValueError) as nonsense:
        raise recording.ReaderFailed from nonsense
    if answer.reading is None:
        raise REFUSALS.get(answer.code, recording.ReaderFailed)(answer.detail, **answer.values)
    return answer.reading


def read_many_bounded(
    files: Iterable[tuple[K, bytes, str]],
    *,
    limits: Limits = Limits(),  # noqa: B008 (frozen)
) -> Iterator[tuple[K, Reading | Unreadable]]:
    """Of each (whatever it is called by, bytes, name) the reading or refusal, in order; none shares another's fate.

    The next file is being read while the caller is at work on this one.
    """
    with ThreadPoolExecutor(1) as readers_hand:
        asked: tuple[K, Future[Reading | Unreadable]] | None = None
        for key, data, filename in files:
            following = key, readers_hand.submit(_outcome, data, filename, limits)
            if asked is not None:
                yield asked[0], asked[1].result()
            asked = following
        if asked is not None:
            yield asked[0], asked[1].result()


def _outcome(data: bytes, filename: str, limits: Limits) -> Reading | Unreadable:
    try:
        return read_bounded(data, filename=filename, limits=limits)
    except Unreadable as reason:
        return reason
