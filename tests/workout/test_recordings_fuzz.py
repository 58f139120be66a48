"""Whatever the bytes are, reading ends in activities or in a refusal, even without its safety net.

`STAYER_FUZZ` is how many damaged FIT files are tried, by default two thousand of the twenty thousand of a full run.
"""

import os
import random
import resource
from functools import cache

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contexts.workout import rules
from contexts.workout.recordings import Limits, Unreadable
from contexts.workout.recordings.reading import read_known
from tests.workout import making
from tests.workout.making import CYCLING, RUNNING, SWIMMING, TRANSITION
from tests.workout.test_recordings_oracle import compressed, developed, interleaved, types

LIMITS = Limits(max_bytes=200_000, max_points=5_000, max_activities=20)

MUTATIONS = int(os.environ.get("STAYER_FUZZ", "2000"))
MOST_GROWTH_KB = 200_000
"""So much more memory than before the run a damaged file may take; the files are of some kilobytes."""

BOUNDED = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@cache
def originals() -> tuple[bytes, ...]:
    legs = [(SWIMMING, 20), (TRANSITION, 5), (CYCLING, 20), (RUNNING, 10)]
    return (
        making.fit_activity(seconds=40),
        making.fit_activity(seconds=20, order=">", header_size=12, places=False),
        making.fit_multisport(legs=legs, summary="first"),
        making.fit_activity(seconds=5) + making.fit_activity(seconds=5, sport=CYCLING),
        making.gpx(points=8, tracks=2, segments=2),
        making.tcx(points=5, activities=2),
    )


edits = st.lists(
    st.tuples(
        st.sampled_from(["flip", "set", "cut", "repeat", "insert", "swap"]),
        st.integers(0, 1 << 20),
        st.integers(1, 64),
        st.binary(min_size=1, max_size=12),
    ),
    max_size=6,
)


def edited(data: bytes, changes: list[tuple[str, int, int, bytes]]) -> bytes:
    made = bytearray(data)
    for kind, place, length, extra in changes:
        at = place % (len(made) or 1)
        if kind == "flip" and made:
            made[at] ^= 1 << length % 8
        elif kind == "set":
            made[at : at + len(extra)] = extra
        elif kind == "cut":
            del made[at : at + length]
        elif kind == "repeat":
            made[at:at] = made[at : at + length] * 3
        elif kind == "insert":
            made[at:at] = extra
        elif kind == "swap":
            made[at : at + length] = made[at : at + length][::-1]
    return bytes(made)


def check(data: bytes) -> None:
    """Reads and holds the reading to what every reading promises."""
    try:
        reading = read_known(data, filename="fuzz.fit", limits=LIMITS)
    except Unreadable:
        return
    assert reading.activities
    for activity in reading.activities:
        streams = activity.streams
        assert activity.sport in rules.SPORTS
        assert activity.ended_at > activity.started_at
        assert (np.diff(streams.time) >= 0).all()
        assert all(at >= 0 for at in streams.time)
        assert all(len(getattr(streams, name)) == len(streams) for name in streams.present())
        assert all(0 <= lap.start_s <= lap.end_s for lap in activity.laps)
        elapsed_s = (activity.ended_at - activity.started_at).total_seconds()
        rules.summarise(streams, activity.sport, elapsed_s=elapsed_s)


@BOUNDED
@given(original=st.sampled_from(range(6)), changes=edits)
def test_damaged_recordings_are_read_or_refused(original, changes):
    check(edited(originals()[original], changes))


@BOUNDED
@given(data=st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(data):
    check(data)
    check(b"\x0c\x10\x00\x00\x00\x01\x00\x00.FIT" + data)
    check(b"<gpx><trk><trkseg>" + data)


def damaged(data: bytes, chance: random.Random) -> bytes:
    """One to six edits, most of them where definitions and headers stand: at the front."""
    changes = []
    for _ in range(chance.randint(1, 6)):
        kind = chance.choice(["flip", "set", "cut", "repeat", "insert", "swap"])
        place = chance.randrange(chance.choice([16, 120, len(data)]))
        changes.append((kind, place, chance.randint(1, 64), chance.randbytes(chance.randint(1, 12))))
    return edited(data, changes)


def test_damaged_fit_files_end_in_activities_or_a_refusal_within_bounded_memory():
    made = [*originals()[:4], interleaved(), compressed(), developed(), types()]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for seed in range(MUTATIONS):
        chance = random.Random(seed)
        check(damaged(chance.choice(made), chance))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MOST_GROWTH_KB
