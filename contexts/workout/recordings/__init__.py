"""Recordings of other devices: FIT, GPX and TCX files read into plain columns. Pure; needs no Django."""

from .bounded import read_bounded
from .reading import read
from .recording import (
    Flaw,
    Lap,
    Limits,
    Reading,
    RecordedActivity,
    Streams,
    Unreadable,
)

__all__ = [
    "Flaw",
    "Lap",
    "Limits",
    "Reading",
    "RecordedActivity",
    "Streams",
    "Unreadable",
    "read",
    "read_bounded",
]
