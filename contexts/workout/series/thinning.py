"""Fewer points that look the same: streams for a screen that is a few hundred points wide."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

Packed = tuple[str, list[float], list[float]]
"""A stream: its kind, seconds since the start, values."""

TOGETHER: Final = ("latitude", "longitude")
"""Thinned evenly, so that the two keep belonging to the same moments."""


def thinned(streams: Iterable[Packed], *, most: int) -> Iterator[Packed]:
    """Each stream with at most so many points, the first and the last among them."""
    for kind, offsets, values in streams:
        if len(offsets) <= most:
            yield kind, offsets, values
            continue
        places = _evenly(len(offsets), most) if kind in TOGETHER else largest_triangles(offsets, values, most=most)
        yield kind, [offsets[place] for place in places], [values[place] for place in places]


def _evenly(count: int, most: int) -> NDArray[np.intp]:
    return np.unique(np.linspace(0, count - 1, most).round().astype(np.intp))


def largest_triangles(offsets: list[float], values: list[float], *, most: int) -> NDArray[np.intp]:
    """The points that show the shape best: largest triangle three buckets (Steinarsson 2013), at least three points.

    The points between the first and the last are cut into buckets; of each the one is kept that makes the largest
    triangle with the one kept before it and the mean of the next bucket.
    """
    x, y = np.asarray(offsets, dtype=np.float64), np.asarray(values, dtype=np.float64)
    edges = np.linspace(1, len(x) - 1, most - 1).astype(np.intp)
    kept = np.zeros(most, dtype=np.intp)
    kept[-1] = len(x) - 1
    for bucket in range(most - 2):
        start, end = edges[bucket], edges[bucket + 1]
        following = slice(end, edges[bucket + 2] if bucket + 2 < len(edges) else len(x))
        before, mean_x, mean_y = kept[bucket], x[following].mean(), y[following].mean()
        areas = np.abs(
            (x[before] - mean_x) * (y[start:end] - y[before]) - (x[before] - x[start:end]) * (mean_y - y[before])
        )
        kept[bucket + 1] = start + int(areas.argmax())
    return kept
