"""Reads a recording in a process of its own, with a bound on time and memory: the file comes from a stranger.

The child needs neither Django nor the database; it gets the bytes on its standard input and answers in JSON,
which cannot carry anything but plain values even if the child were taken over. It imports as little as it can,
for it starts anew with every file; what only the parent needs is therefore imported where it is used.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import BinaryIO

from . import recording
from .reading import read
from .recording import Limits, Reading, Unreadable

SECONDS = 20
MEMORY = 1 << 30
START_UP_S = 10
"""Granted to the child beyond its processor time, on a busy machine."""

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), *[os.pardir] * 3))

REFUSALS = {kind.code: kind for kind in Unreadable.__subclasses__()}


@dataclass(slots=True)
class _Answer:
    reading: Reading | None = None
    code: str = ""
    detail: str = ""


def read_bounded(
    data: bytes,
    *,
    filename: str,
    limits: Limits = Limits(),  # noqa: B008 (frozen)
    seconds: int = SECONDS,
    memory: int = MEMORY,
) -> Reading:
    """As `read`, but refuses what costs more than `seconds` of processor time or `memory` bytes."""
    import subprocess

    if len(data) > limits.max_bytes:
        raise recording.TooLarge(f"The file is larger than {limits.max_bytes // 1_000_000} MB.")
    question = {"filename": filename, "limits": asdict(limits), "seconds": seconds, "memory": memory}
    try:
        child = subprocess.run(
            [sys.executable, "-s", "-m", __package__],
            input=json.dumps(question).encode() + b"\n" + data,
            capture_output=True,
            cwd=ROOT,
            env={"PATH": os.environ.get("PATH", "")},
            timeout=seconds + START_UP_S,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise recording.TooExpensive from late
    if child.returncode < 0:  # killed: by the limit on processor time, or for want of memory
        raise recording.TooExpensive
    return _opened(child.stdout)


def _opened(envelope: bytes) -> Reading:
    import msgspec

    try:
        answer = msgspec.json.decode(envelope, type=_Answer)
    except msgspec.MsgspecError as nonsense:
        raise recording.ReaderFailed from nonsense
    if answer.reading is None:
        raise REFUSALS.get(answer.code, recording.ReaderFailed)(answer.detail)
    return answer.reading


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """The child: binds itself first, then reads one file and answers."""
    question = json.loads(source.readline())
    _bind(question["seconds"], question["memory"])
    try:
        reading = read(source.read(), filename=question["filename"], limits=Limits(**question["limits"]))
        sink.write(_sealed(_Answer(reading=reading)))
    except Unreadable as refusal:
        sink.write(_sealed(_Answer(code=refusal.code, detail=refusal.detail)))
    except MemoryError:
        sink.write(_sealed(_Answer(code=recording.TooExpensive.code)))


def _sealed(answer: _Answer) -> bytes:
    def plain(value: object) -> object:
        if isinstance(value, datetime):
            return value.isoformat()
        return {name: getattr(value, name) for name in value.__dataclass_fields__}  # type: ignore[attr-defined]

    return json.dumps(answer, default=plain, allow_nan=False).encode()


def _bind(seconds: int, memory: int) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
