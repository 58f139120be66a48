"""An athlete's own heat map: how many sessions passed each cell, and drawn as tiles. Nobody else ever sees it."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple
from uuid import UUID

import numpy as np
import numpy.typing as npt
from django.db import connections
from django.db.models import QuerySet

from contexts.workout.models import SessionTrack
from contexts.workout.places import geography, privacy
from contexts.workout.places.geography import Box, Line, Numbers
from contexts.workout.places.privacy import Shown
from kernel.databases import alias_of
from kernel.errors import InvalidInput, NotFound

MOST_CELLS: Final = 5_000
DEEPEST_ZOOM: Final = 18
TILE_PIXELS: Final = 256
MERCATOR_LATITUDE: Final = 85.0511287798066
"""Where the square of Web Mercator ends (EPSG:3857)."""

COLOUR: Final = (230, 60, 30)
FAINTEST: Final = 110


class Cell(NamedTuple):
    """A cell of the heat map: its H3 index in hexadecimal, its corners as (longitude, latitude), its sessions."""

    name: str
    outline: list[tuple[float, float]]
    sessions: int


_CELLS: Final = """
    SELECT cell, count(*) FROM workout_sessiontrack, unnest(cells) AS cell
    WHERE user_id = %s AND (cell >> 52) & 15 = %s
      AND south <= %s AND north >= %s AND west <= %s AND east >= %s
    GROUP BY cell ORDER BY count(*) DESC, cell
"""


def cells_within(box: Box, *, resolution: int, by: UUID) -> Shown[list[Cell]]:
    """The cells of one's own sessions whose middle lies in the rectangle, the most visited first, at most 5,000."""
    if box.south >= box.north or box.west >= box.east:
        raise InvalidInput("The rectangle is empty.", field="north", code="empty")
    with connections[alias_of("workout")].cursor() as cursor:
        cursor.execute(_CELLS, (by, resolution, box.north, box.south, box.east, box.west))
        counted = cursor.fetchall()
    middles = geography.centres([cell for cell, _ in counted])
    within = [
        Cell(f"{cell:x}", geography.outline(cell), count)
        for (cell, count), (latitude, longitude) in zip(counted, middles, strict=True)
        if box.south <= latitude <= box.north and box.west <= longitude <= box.east
    ]
    return privacy.gate_for(by, athletes=[by]).own(within[:MOST_CELLS], of=by)


def tile(*, zoom: int, column: int, row: int, by: UUID) -> Shown[bytes]:
    """One tile of one's own heat map in Web Mercator, a PNG of 256 × 256 pixels."""
    if zoom > DEEPEST_ZOOM or not (column < 2**zoom and row < 2**zoom):
        raise NotFound
    counts = np.zeros((TILE_PIXELS, TILE_PIXELS), dtype=np.int64)
    for track in _tracks_in(_box_of(zoom, column, row), by):
        across, down = _pixels(geography.unpacked(track.line), zoom, column, row)
        once = np.unique(down * TILE_PIXELS + across)
        counts.flat[once] += 1
    return privacy.gate_for(by, athletes=[by]).own(_png(_opacity(counts)), of=by)


def _tracks_in(box: Box, by: UUID) -> Iterator[SessionTrack]:
    own: QuerySet[SessionTrack] = SessionTrack.objects.filter(
        user_id=by, south__lte=box.north, north__gte=box.south, west__lte=box.east, east__gte=box.west
    )
    return own.only("line").iterator()


def _box_of(zoom: int, column: int, row: int) -> Box:
    """The rectangle a tile covers."""

    def latitude(edge: int) -> float:
        return math.degrees(math.atan(math.sinh(math.pi * (1 - 2 * edge / 2**zoom))))

    return Box(latitude(row + 1), column / 2**zoom * 360 - 180, latitude(row), (column + 1) / 2**zoom * 360 - 180)


def _pixels(line: Line, zoom: int, column: int, row: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The pixels of a tile which a line passes: across and down."""
    scale = 2**zoom * TILE_PIXELS
    north = np.radians(np.clip(line.latitude, -MERCATOR_LATITUDE, MERCATOR_LATITUDE))
    across = (line.longitude + 180) / 360 * scale - column * TILE_PIXELS
    down = (1 - np.arcsinh(np.tan(north)) / np.pi) / 2 * scale - row * TILE_PIXELS
    joined = geography.steps_m(line) <= geography.LONGEST_CHORD_M
    return _between(across, down, joined & _may_cross(across) & _may_cross(down))


def _may_cross(along: Numbers) -> npt.NDArray[np.bool_]:
    """Which chords do not lie beside the tile altogether."""
    return (np.minimum(along[:-1], along[1:]) < TILE_PIXELS) & (np.maximum(along[:-1], along[1:]) >= 0)


def _between(
    across: Numbers, down: Numbers, chords: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Every pixel of the tile on these chords: each is walked in steps of at most one pixel."""
    right, lower = np.diff(across)[chords], np.diff(down)[chords]
    steps = np.ceil(np.maximum(np.maximum(np.abs(right), np.abs(lower)), 1)).astype(np.int64) + 1
    chord = np.repeat(np.arange(len(steps)), steps)
    share = (np.arange(len(chord)) - np.repeat(np.cumsum(steps) - steps, steps)) / (steps[chord] - 1)
    walked = [
        np.floor(begin[:-1][chords][chord] + share * way[chord]).astype(np.int64)
        for begin, way in ((across, right), (down, lower))
    ]
    inside = (walked[0] >= 0) & (walked[0] < TILE_PIXELS) & (walked[1] >= 0) & (walked[1] < TILE_PIXELS)
    return walked[0][inside], walked[1][inside]


def _opacity(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """The more sessions, the stronger: by the logarithm, a tenfold is as much again."""
    strength = FAINTEST + (255 - FAINTEST) * np.log10(np.maximum(counts, 1)) / 2
    return np.where(counts > 0, np.minimum(strength, 255), 0).astype(np.uint8)


def _png(opacity: npt.NDArray[np.uint8]) -> bytes:
    """A picture of one colour, as strong as said, in the Portable Network Graphics format (ISO/IEC 15948)."""
    height, width = opacity.shape
    rows = np.zeros((height, 1 + 4 * width), dtype=np.uint8)
    for nth, value in enumerate((*COLOUR, opacity)):
        rows[:, 1 + nth :: 4] = value
    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows.tobytes(), 6)), (b"IEND", b""))
    framed = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)
