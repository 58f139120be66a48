"""The reader process of `bounded`: waits for files, has a fork ready for each, and passes on what the fork says."""

from __future__ import annotations

import gc
import os
import resource
import signal
import socket
from contextlib import suppress
from datetime import timedelta
from typing import BinaryIO, Final, NoReturn

import msgspec
import numpy as np

from . import fit, fit_activity_writing, recording
from .bounded import MAX_ANSWER, Answer, Question, packed
from .reading import read
from .recording import EPOCH, Limits, RecordedActivity, Streams, Unreadable

CHUNK = 1 << 20
MOST_FILES = 64
"""More than a reader ever has open."""

MINUTE: Final = RecordedActivity(
    sport="other",
    sub_sport=None,
    started_at=EPOCH + timedelta(days=20_000),
    ended_at=EPOCH + timedelta(days=20_000, minutes=1),
    timer_s=None,
    device_distance_m=None,
    device_kcal=None,
    device_ascent_m=None,
    laps=[],
    streams=Streams(time=np.arange(60.0), heart_rate_bpm=np.full(60, 100.0)),
)
WARM: Final = fit_activity_writing.write(MINUTE) or b""


def serve(peer: socket.socket) -> None:
    """Answers one question after another until the other side is gone."""
    fit.crc16(b"")  # fills its table once for all forks
    gc.collect()
    gc.freeze()
    with peer, peer.makefile("rb") as source:
        while True:
            fork = Fork()
            asked = source.read(int.from_bytes(source.read(8), "big"))
            question = msgspec.json.decode(asked, type=Question) if asked else None
            data = source.read(question.size) if question else b""
            if question is None or len(data) < question.size:
                fork.end()
                return
            ended, said = fork.ask(asked, data)
            peer.sendall(ended.to_bytes(8, "big", signed=True) + len(said).to_bytes(8, "big"))
            peer.sendall(said)


class Fork:
    """A process for the next file, made and warmed before that comes: where forking is slow nobody waits for it."""

    def __init__(self) -> None:
        hear, self._ask = os.pipe()
        self._answers, say = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            _wait_and_read(hear, say)
        os.close(hear)
        os.close(say)

    def ask(self, asked: bytes, data: bytes) -> tuple[int, bytes]:
        """How the fork ended and what it said."""
        with suppress(BrokenPipeError), open(self._ask, "wb") as sink:
            sink.write(len(asked).to_bytes(8, "big") + asked)
            sink.write(data)
        with open(self._answers, "rb") as source:
            said = _all(source)
        if len(said) > MAX_ANSWER:
            os.kill(self._pid, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1]), bytes(said[:MAX_ANSWER])

    def end(self) -> None:
        """Nothing will be asked."""
        os.close(self._ask)
        os.close(self._answers)
        os.waitpid(self._pid, 0)


def _all(source: BinaryIO) -> bytearray:
    said = bytearray()
    while len(said) <= MAX_ANSWER and (chunk := source.read(CHUNK)):
        said += chunk
    return said


def _wait_and_read(hear: int, say: int) -> NoReturn:
    """The fork: binds itself first, then reads the file and answers. It cannot reach who asked."""
    try:
        for other in {*range(3, MOST_FILES), 0} - {hear, say}:
            with suppress(OSError):
                os.close(other)
        _warm()
        with open(hear, "rb") as source, open(say, "wb") as sink:
            asked = source.read(int.from_bytes(source.read(8), "big"))
            if asked:
                question = msgspec.json.decode(asked, type=Question)
                _bind(question.seconds, question.memory)
                sink.write(_said(question, source.read(question.size)))
        os._exit(0)
    finally:
        os._exit(1)


def _warm() -> None:
    """Touches what reading needs, so that its pages are this process's own before a file comes."""
    packed(Answer(reading=read(WARM, filename="", limits=Limits())))


def _said(question: Question, data: bytes) -> bytes:
    try:
        reading = read(data, filename=question.filename, limits=question.limits)
        return packed(Answer(reading=reading))
    except Unreadable as refusal:
        return packed(Answer(code=refusal.code, detail=refusal.detail, values=refusal.values))
    except MemoryError:
        return packed(Answer(code=recording.TooExpensive.code))


def _bind(seconds: int, memory: int) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    most = _held() + memory
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _held() -> int:
    """Address space in use, in bytes; none where the system does not tell."""
    try:
        with open("/proc/self/statm", "rb") as said:
            return int(said.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 0
