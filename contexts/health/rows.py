"""Readings as an array in memory, a row each: put in order, put together."""

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.void]
"""An array of `ROW`."""

ROW: Final = np.dtype(
    [
        ("time", np.int64),
        ("value", np.float64),
        ("device_number", np.int32),
        ("sequence", np.int32),
        ("mark", np.int32),
        ("stream", np.int16),
        ("quarantined", np.bool_),
        ("doubt", np.int16),
    ]
)
"""Times in microseconds since 2000; a doubt of 0 is none."""

KEY: Final = ("device_number", "stream", "time", "sequence")
"""What makes a reading one, wherever it lies."""


def ordered(rows: Rows, *names: str) -> Rows:
    """The rows in the order of these columns."""
    return rows[np.lexsort([rows[name] for name in reversed(names)])]


def united(first: Rows, second: Rows) -> Rows:
    """Readings of both by stream, time, sequence and device, each once; of one that is in both, the first's row."""
    if not len(second):
        return ordered(first, "stream", "time", "sequence", "device_number")
    rows = np.concatenate([first, second])
    rows = ordered(rows, "stream", "time", "sequence", "device_number")  # stable: the first's row comes first
    same = np.ones(len(rows) - 1, np.bool_)
    for name in KEY:
        same &= rows[name][1:] == rows[name][:-1]
    return rows[np.concatenate([[True], ~same])]


def runs_of(keys: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where each run of equal keys begins, and how long it is; of one key at least."""
    first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    return first, np.diff(np.append(first, len(keys)))


def joined(parts: Iterable[Rows]) -> Rows:
    """One after the other."""
    return np.concatenate([empty(), *parts])


def empty() -> Rows:
    """No readings."""
    return np.empty(0, ROW)
