"""Where an athlete was, and when: the places of a session as one column of rows, ready to be matched.

The streams of a session are the truth; this is what matching reads of them, 16 bytes a place, so that thousands of
sessions can be read in a second.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from contexts.workout.places.geography import SCALE, Box, Line, Numbers
from contexts.workout.series.columns import Columns, Rows

SAMPLE: Final = np.dtype(
    [("offset_ms", "<i4"), ("latitude", "<i4"), ("longitude", "<i4"), ("heart_rate", "<i2"), ("power", "<i2")]
)
UNKNOWN: Final = -1
LONGEST_MS: Final = 2**31 - 1


class Positions(NamedTuple):
    """Places in order of time: seconds since the start, degrees; heart rate and power are negative where unknown."""

    times: Numbers
    line: Line
    heart_rate: Numbers
    power: Numbers


def packed_positions(columns: Iterable[Columns]) -> bytes | None:
    """The places of a session's streams as they are kept; None where it has fewer than two."""
    by_kind = {stream.kind: stream for stream in columns}
    if "latitude" not in by_kind or "longitude" not in by_kind:
        return None
    north, east = by_kind["latitude"], by_kind["longitude"]
    moments = _keys(north)
    first, second = _shared(moments, _keys(east))
    moments = moments[first]
    offsets_ms = north.offsets_us[first] // 1_000
    rows = np.empty(len(moments), dtype=SAMPLE)
    rows["offset_ms"] = np.minimum(offsets_ms, LONGEST_MS)
    rows["latitude"] = np.rint(north.measured[first] * SCALE)
    rows["longitude"] = np.rint(east.measured[second] * SCALE)
    for kind in ("heart_rate", "power"):
        rows[kind] = _at(moments, by_kind.get(kind))
    later = np.diff(rows["offset_ms"], prepend=-1) > 0
    return rows[later].tobytes() if later.sum() > 1 else None


def _keys(stream: Columns) -> npt.NDArray[np.int64]:
    """One number for a moment and its sequence, by which streams are joined."""
    return stream.offsets_us * 1_000 + stream.sequences % 1_000


def _shared(one: npt.NDArray[np.int64], other: npt.NDArray[np.int64]) -> tuple[Rows, Rows]:
    """Where in each of them the moments are that both know: as a rule all, and nothing need be sorted."""
    if np.array_equal(one, other):
        return slice(None), slice(None)
    _, here, there = np.intersect1d(one, other, return_indices=True)
    return here, there


def _at(moments: npt.NDArray[np.int64], stream: Columns | None) -> npt.NDArray[np.int64]:
    """What a stream measured at these moments."""
    values = np.full(len(moments), UNKNOWN, dtype=np.int64)
    if stream is not None:
        here, there = _shared(moments, _keys(stream))
        values[here] = np.rint(stream.measured[there])
    return values


def unpacked_positions(kept: bytes | memoryview, *, within: Box | None = None) -> Positions:
    """The places of a session from its row; `within` a rectangle: from just before the first there to the last."""
    rows = np.frombuffer(kept, dtype=SAMPLE)
    if within is not None:
        south, west, north, east = (round(edge * SCALE) for edge in within)
        latitude, longitude = rows["latitude"], rows["longitude"]
        there = np.flatnonzero((latitude >= south) & (latitude <= north) & (longitude >= west) & (longitude <= east))
        rows = rows[max(int(there[0]) - 1, 0) : int(there[-1]) + 2] if len(there) else rows[:0]
    line = Line(rows["latitude"] / SCALE, rows["longitude"] / SCALE)
    return Positions(
        rows["offset_ms"] / 1e3, line, rows["heart_rate"].astype(np.float64), rows["power"].astype(np.float64)
    )
