"""Lines on the globe: lengths, distances, simplification, the cells they pass through. Degrees and metres.

Near a place the globe is flat: `Plane` measures east and north in metres from it, which errs by less than 0.1 %
over ten kilometres, far below what a receiver errs. Cells are those of H3, as 64-bit integers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final, NamedTuple, TypeAlias

import h3.api.numpy_int as h3
import numpy as np
import numpy.typing as npt

from contexts.workout.analysis.path import EARTH_RADIUS_M

Numbers: TypeAlias = npt.NDArray[np.float64]
Mask: TypeAlias = npt.NDArray[np.bool_]

COARSE: Final = 7
FINE: Final = 9
RESOLUTIONS: Final = (COARSE, FINE)
"""Cells about 2.4 km and 350 m across: the first for wide searches, the second to compare ways."""

SMALLEST_EDGE_M: Final = {COARSE: 1_050.0, FINE: 150.0}
"""Edges of H3 cells differ by place; none is shorter (three quarters of the mean)."""

STEP_M: Final = 50.0
"""How far apart a line is looked at to find its cells."""

LONGEST_CHORD_M: Final = 2_000.0
"""A longer step between two samples is a receiver that was off: nobody knows the way between."""

WINDOW: Final = 2_000
"""Points simplified at a time, so that the work grows with the line and not with its square."""

PAIRS_AT_ONCE: Final = 500_000

SCALE: Final = 1e7
PLACE: Final = np.dtype([("latitude", "<i4"), ("longitude", "<i4")])
"""How a line is kept: ten-millionths of a degree, which is a centimetre."""


class Line(NamedTuple):
    """Places in order, in degrees: two columns of equal length."""

    latitude: Numbers
    longitude: Numbers

    def part(self, chosen: slice | Mask | npt.NDArray[np.int64]) -> Line:
        """Some of the places."""
        return Line(self.latitude[chosen], self.longitude[chosen])

    def points(self) -> list[tuple[float, float]]:
        """(longitude, latitude) pairs, as GeoJSON orders them."""
        return list(zip(self.longitude.tolist(), self.latitude.tolist(), strict=True))


class Box(NamedTuple):
    """A rectangle of the map, in degrees."""

    south: float
    west: float
    north: float
    east: float


def line_of(latitude: object, longitude: object) -> Line:
    """A line from two sequences of degrees."""
    return Line(np.asarray(latitude, dtype=np.float64), np.asarray(longitude, dtype=np.float64))


def packed(line: Line) -> bytes:
    """A line as it is kept in a row."""
    rows = np.empty(len(line.latitude), dtype=PLACE)
    rows["latitude"], rows["longitude"] = np.rint(line.latitude * SCALE), np.rint(line.longitude * SCALE)
    return rows.tobytes()


def unpacked(kept: bytes | memoryview) -> Line:
    """A line from a row."""
    rows = np.frombuffer(kept, dtype=PLACE)
    return Line(rows["latitude"] / SCALE, rows["longitude"] / SCALE)


class Plane(NamedTuple):
    """The flat map around a place."""

    latitude: float
    longitude: float

    @classmethod
    def around(cls, line: Line) -> Plane:
        """The map around the middle of a line's latitudes and its first longitude."""
        middle = (float(line.latitude.min()) + float(line.latitude.max())) / 2
        return cls(middle, float(line.longitude[0]))

    def metres(self, line: Line) -> Numbers:
        """East and north of the place, one row a point; across the date line too."""
        metres_a_degree = math.radians(1) * EARTH_RADIUS_M
        turned = (line.longitude - self.longitude + 180.0) % 360.0 - 180.0
        east = turned * metres_a_degree * math.cos(math.radians(self.latitude))
        return np.column_stack((east, (line.latitude - self.latitude) * metres_a_degree))


def steps_m(line: Line) -> Numbers:
    """Metres from each place to the next, on a sphere (Sinnott 1984)."""
    north = np.radians(line.latitude)
    turned = np.radians(np.diff(line.longitude))
    chord = np.sin(np.diff(north) / 2) ** 2 + np.cos(north[:-1]) * np.cos(north[1:]) * np.sin(turned / 2) ** 2
    return 2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(np.minimum(chord, 1.0)))


def length_m(line: Line) -> float:
    """Metres along the line."""
    return float(steps_m(line).sum())


def bounds(line: Line) -> Box:
    """The rectangle around a line; one that crosses the date line spans all longitudes."""
    latitude, longitude = line
    crosses = bool(len(longitude) > 1 and (np.abs(np.diff(longitude)) > 180).any())
    west, east = (-180.0, 180.0) if crosses else (float(longitude.min()), float(longitude.max()))
    return Box(float(latitude.min()), west, float(latitude.max()), east)


def widened(box: Box, *, by_m: float) -> Box:
    """A rectangle with so many metres more on each side."""
    up = math.degrees(by_m / EARTH_RADIUS_M)
    aside = up / max(math.cos(math.radians(max(abs(box.south), abs(box.north)))), 0.01)
    return Box(box.south - up, box.west - aside, box.north + up, box.east + aside)


# --- Distances ----------------------------------------------------------------------------------------------------


def squared_offsets(points: Numbers, path: Numbers) -> Numbers:
    """Square metres from each point, one a row, to each chord of a path, one a column; both in metres."""
    starts, ways = (path[:-1], np.diff(path, axis=0)) if len(path) > 1 else (path, np.zeros((1, 2)))
    # Column by column: NumPy is many times slower along an axis of two.
    east, north = points[:, :1] - starts[:, 0], points[:, 1:] - starts[:, 1]
    to_east, to_north = ways[:, 0], ways[:, 1]
    squared = np.maximum(to_east * to_east + to_north * to_north, 1e-12)
    along = np.clip((east * to_east + north * to_north) / squared, 0.0, 1.0)
    east -= along * to_east
    north -= along * to_north
    apart: Numbers = east * east + north * north
    return apart


def offsets_from_chords(points: Numbers, path: Numbers) -> Numbers:
    """Metres from each point to the nearest place of a path."""
    nearest = np.empty(len(points))
    at_once = max(1, PAIRS_AT_ONCE // len(path))
    for begin in range(0, len(points), at_once):
        nearest[begin : begin + at_once] = squared_offsets(points[begin : begin + at_once], path).min(axis=1)
    return np.sqrt(nearest)


def distance_m(latitude: float, longitude: float, line: Line) -> float:
    """Metres from a place to the nearest place of a line."""
    path = Plane(latitude, longitude).metres(line)
    return float(offsets_from_chords(np.zeros((1, 2)), path)[0])


# --- Simpler and denser -------------------------------------------------------------------------------------------


def simplified(line: Line, *, tolerance_m: float) -> Line:
    """The line with as few of its places as keep it within the tolerance (Douglas & Peucker 1973).

    Gaps of the receiver stay the only chords longer than `LONGEST_CHORD_M`: a straight way keeps a place now and
    then.
    """
    path, kept = Plane.around(line).metres(line), _kept_in_any_case(line)
    windows = [(begin, min(begin + WINDOW, len(path) - 1)) for begin in range(0, len(path) - 1, WINDOW)]
    while windows:
        begin, end = windows.pop()
        kept[[begin, end]] = True
        if end - begin < 2:
            continue
        away = offsets_from_chords(path[begin + 1 : end], path[[begin, end]])
        farthest = int(away.argmax())
        if away[farthest] > tolerance_m:
            middle = begin + 1 + farthest
            windows += [(begin, middle), (middle, end)]
    return line.part(kept)


def _kept_in_any_case(line: Line) -> Mask:
    """Both ends, both sides of long steps, and a place every half of the longest chord."""
    steps = steps_m(line)
    kept = np.zeros(len(line.latitude), dtype=np.bool_)
    kept[[0, -1]] = True
    long = steps > LONGEST_CHORD_M / 4
    kept[1:] |= long | (np.diff(np.concatenate(([0.0], np.cumsum(steps))) // (LONGEST_CHORD_M / 2)) > 0)
    kept[:-1] |= long
    return kept


def densified(line: Line, *, step_m: float) -> Line:
    """The line with places added, so that none is farther than a step from the next; long gaps stay gaps."""
    steps = steps_m(line)
    joined = steps <= LONGEST_CHORD_M
    pieces = np.where(joined, np.maximum(np.ceil(steps / step_m), 1), 1).astype(np.int64)
    chord = np.repeat(np.arange(len(steps)), pieces)
    nth = np.arange(len(chord)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    share = nth / pieces[chord]
    turned = (np.diff(line.longitude) + 180.0) % 360.0 - 180.0
    latitude = line.latitude[chord] + share * np.diff(line.latitude)[chord]
    longitude = (line.longitude[chord] + share * turned[chord] + 180.0) % 360.0 - 180.0
    return Line(np.append(latitude, line.latitude[-1]), np.append(longitude, line.longitude[-1]))


# --- Cells --------------------------------------------------------------------------------------------------------


def cells_of(line: Line, resolution: int) -> list[int]:
    """The cell of each place."""
    places = zip(line.latitude.tolist(), line.longitude.tolist(), strict=True)
    return [h3.latlng_to_cell(latitude, longitude, resolution) for latitude, longitude in places]


def cells_along(line: Line, resolution: int) -> list[int]:
    """The cells a line passes through, in the order of the first visit."""
    return list(dict.fromkeys(cells_of(densified(line, step_m=STEP_M), resolution)))


def disk(latitude: float, longitude: float, *, radius_m: float, resolution: int) -> list[int]:
    """Cells that together hold every place within the radius, and some around it.

    So many rings around the cell in which the place lies: k rings reach at least 1.5 k edges from its centre,
    and the place lies up to one edge off that.
    """
    rings = math.ceil((radius_m / SMALLEST_EDGE_M[resolution] + 1) / 1.5)
    around = h3.grid_disk(h3.latlng_to_cell(latitude, longitude, resolution), rings)
    return [int(cell) for cell in around]


def resolution_for(radius_m: float) -> int:
    """The cells with which a search so wide needs few of them."""
    return FINE if radius_m <= 1_000 else COARSE


def resolution_of(cell: int) -> int:
    """How fine a cell is."""
    return int(h3.get_resolution(cell))


def centres(cells: list[int]) -> Iterator[tuple[float, float]]:
    """Latitude and longitude of each cell's centre."""
    return (h3.cell_to_latlng(cell) for cell in cells)


def outline(cell: int) -> list[tuple[float, float]]:
    """A cell's corners as (longitude, latitude)."""
    return [(longitude, latitude) for latitude, longitude in h3.cell_to_boundary(cell)]
