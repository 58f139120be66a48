"""Recordings: FIT, GPX, TCX, KML and our own JSON read into plain columns, and written. Pure; needs no Django."""

from .bounded import read_bounded, read_many_bounded
from .parts import Length, LiftedSet, Pool
from .reading import read
from .recording import (
    Flaw,
    Lap,
    Limits,
    Reading,
    RecordedActivity,
    Streams,
    Told,
    Unreadable,
    count_both_legs,
)

__all__ = [
    "Flaw",
    "Lap",
    "Length",
    "LiftedSet",
    "Limits",
    "Pool",
    "Reading",
    "RecordedActivity",
    "Streams",
    "Told",
    "Unreadable",
    "count_both_legs",
    "read",
    "read_bounded",
    "read_many_bounded",
]
