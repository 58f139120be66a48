"""A new segment is looked for in 10,000 activities: how long until every effort on it is known.

A town on a grid of streets 200 m apart. Each activity is an hour of running, a place a second as a watch records it,
with a receiver's error of a few metres; 500 ways, each gone 20 times, and all of them begin over the same bridge. A
segment on the bridge is the worst case: each of the activities has an effort on it.
"""

import math
import statistics
import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import numpy as np

from benchmarks.figures import Figure
from benchmarks.histories import completed, imported

ACTIVITIES = 10_000
EACH_WAY = 20
SECONDS = 3_600
PACE_MPS = 3.0
STREET_M = 200.0
ERROR_M = 4.0
CENTRE = (56.95, 24.1)
SEGMENTS = 5
AT_MOST_S = 5.0

COPY_TRACKS = """
    COPY workout_sessiontrack (session_id, user_id, sport, samples, line, cells, start_cell, end_cell, south, west,
        north, east, length_m, matched_at) FROM STDIN
"""


def run(*, quick: bool) -> list[Figure]:
    """Fill the town, then make segments one after the other: on its streets, and on the bridge that all cross."""
    activities = fill_the_town(400 if quick else ACTIVITIES)
    count = 1 if quick else SEGMENTS
    return [
        looked_for("on a street", activities[:count], from_s=1_000),
        looked_for("which all of them pass", activities[count : 2 * count], from_s=30),
    ]


def looked_for(where: str, activities: list[tuple[UUID, UUID]], *, from_s: int) -> Figure:
    """Five minutes of each of these activities become a segment."""
    from contexts.workout.models import Segment

    took, segment_id = [], activities[0][0]
    for activity in activities:
        began = time.perf_counter()
        segment_id = make_segment(activity, from_s=from_s)
        took.append(time.perf_counter() - began)
    last = Segment.objects.get(id=segment_id)
    looked_at, found = f"{last.to_look_at:,} looked at closely", f"{last.efforts.count():,} efforts"
    return Figure(
        about=f"a new segment {where}, looked for in {ACTIVITIES:,} activities",
        ours=statistics.median(took),
        unit="s",
        at_most=AT_MOST_S,
        note=f"the last one: {last.length_m:,.0f} m, {looked_at}, {found}; the slowest {max(took):.2f} s",
    )


def make_segment(activity: tuple[UUID, UUID], *, from_s: int) -> UUID:
    """Cut it out, and return when it is matched."""
    from django.utils.timezone import now

    from contexts.workout.outdoors import efforts, segments

    session_id, athlete = activity
    segment = segments.make_segment(
        session_id=session_id,
        from_s=from_s,
        to_s=from_s + 300,
        name="Bench",
        visibility="everyone",
        circles=[],
        by=athlete,
        at=now(),
    )
    efforts.match_segment(segment_id=segment.id, at=now())
    return segment.id


def fill_the_town(count: int) -> list[tuple[UUID, UUID]]:
    """Activities straight into the tables; answers (session, athlete) of each."""
    from django.db import connections
    from django.utils.timezone import now

    from kernel.models import uuid7

    made, at = [], now()
    recording = imported(athlete=uuid7(), sha256="0" * 64, at=at)
    sessions, tracks = [], []
    for nth, track in enumerate(_tracks(count)):
        session_id, athlete = uuid7(), uuid7()
        made.append((session_id, athlete))
        told = {"visibility": "everyone", "source": "import", "recording": recording, "part": nth}
        sessions.append(told | {"id": session_id, "user_id": athlete, "sport": "running", "started_at": at})
        tracks.append((session_id, athlete, "running", *track, at))
        if len(tracks) == 500 or len(made) == count:
            completed(sessions)
            with connections["workout"].cursor() as cursor:
                _copy(cursor, COPY_TRACKS, tracks)
            sessions, tracks = [], []
    with connections["workout"].cursor() as cursor:
        cursor.execute("ANALYZE workout_sessiontrack, workout_trainingsession")
    return made


def _copy(cursor: Any, statement: str, rows: list[tuple[Any, ...]]) -> None:
    with cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def _tracks(count: int) -> Iterator[tuple[Any, ...]]:
    """The columns of tracks, from the samples on."""
    from contexts.workout.places import geography
    from contexts.workout.places.positions import SAMPLE

    chance = np.random.default_rng(20_260_501)
    for _ in range(-(-count // EACH_WAY)):
        east, north = _way(chance)
        line = geography.line_of(*_degrees(east, north))
        simple = geography.simplified(line, tolerance_m=5.0)
        cells = [cell for each in geography.RESOLUTIONS for cell in geography.cells_along(simple, each)]
        ends = geography.cells_of(line.part(np.array([0, -1])), geography.FINE)
        for _ in range(min(count, EACH_WAY)):
            drift = np.cumsum(chance.normal(0, ERROR_M / 10, (2, SECONDS)), axis=1)
            drift -= np.linspace(0, 1, SECONDS) * drift[:, -1:]  # a receiver's error wanders and comes back
            latitude, longitude = _degrees(east + drift[0], north + drift[1])
            rows = np.empty(SECONDS, dtype=SAMPLE)
            rows["offset_ms"] = np.arange(SECONDS) * round(1_000 * chance.uniform(0.8, 1.4))
            rows["latitude"], rows["longitude"] = np.rint(latitude * 1e7), np.rint(longitude * 1e7)
            rows["heart_rate"], rows["power"] = chance.integers(120, 180, SECONDS), -1
            box = geography.bounds(line)
            yield rows.tobytes(), geography.packed(simple), cells, *ends, *box, geography.length_m(line)


def _way(chance: np.random.Generator) -> tuple[Any, Any]:
    """An hour on the grid: over the bridge, a kilometre north, then turning at crossings, never back."""
    corners = [np.array([0.0, STREET_M * nth]) for nth in range(6)]
    at, heading = corners[-1], 0
    for _ in range(math.ceil(SECONDS * PACE_MPS / STREET_M)):
        heading = (heading + int(chance.choice([0, 0, 0, 1, 3]))) % 4
        at = at + STREET_M * np.array([(0, 1), (1, 0), (0, -1), (-1, 0)][heading])
        corners.append(at)
    metres = np.arange(SECONDS) * PACE_MPS
    marks = np.arange(len(corners)) * STREET_M
    east, north = np.array(corners).T
    return np.interp(metres, marks, east), np.interp(metres, marks, north)


def _degrees(east: Any, north: Any) -> tuple[Any, Any]:
    degree_m = 111_195.0
    return CENTRE[0] + north / degree_m, CENTRE[1] + east / degree_m / math.cos(math.radians(CENTRE[0]))
