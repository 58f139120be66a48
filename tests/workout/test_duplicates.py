"""Which recordings are of the same activity: three providers with their noise are one, intervals are not."""

import math
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from contexts.workout.sessions import duplicates
from contexts.workout.sessions.duplicates import Activity, is_same

DEGREE_M = 111_195.0
EPOCH = 1_770_000_000.0


def activity(
    seed, *, begin=0.0, lasted=1800.0, noise_m=5.0, bpm_noise=2.0, every_s=5, lost=0.0, sport="running", **has
):
    """A winding run as one provider tells of it: its own start, noise, sampling and gaps."""
    chance = random.Random(seed)
    north, east, heart = [], [], []
    moment = begin
    while moment <= begin + lasted:
        if chance.random() >= lost:
            at, metres = EPOCH + moment, 3.0 * moment
            shake = (chance.gauss(0, noise_m) / DEGREE_M, chance.gauss(0, noise_m) / DEGREE_M)
            north.append((at, 50 + metres / DEGREE_M / 2 + shake[0]))
            east.append((at, 8 + 300 * math.sin(moment / 200) / DEGREE_M + shake[1]))
            heart.append((at, 145 + 25 * math.sin(moment / 90) + chance.gauss(0, bpm_noise)))
        moment += every_s
    series = {"north": north, "east": east} if has.get("places", True) else {}
    series |= {"heart": heart} if has.get("pulse", True) else {}
    return Activity(sport=sport, started_s=EPOCH + begin, ended_s=EPOCH + begin + lasted, **series)


seeds = st.integers(0, 10_000)


@settings(max_examples=15, deadline=None)
@given(seed=seeds, gap=st.integers(-60, 60), places=st.booleans(), every_s=st.sampled_from([1, 3, 7]))
def test_wo9_three_providers_of_one_activity_are_one(seed, gap, places, every_s):
    watch = activity(seed, noise_m=3, places=places)
    phone = activity(
        seed + 1, begin=gap, lasted=1800 - abs(gap) / 2, noise_m=8, every_s=every_s, places=places, lost=0.2
    )
    cloud = activity(seed + 2, noise_m=4, every_s=10, places=places, sport="other")
    for one, other in ((watch, phone), (watch, cloud), (phone, cloud)):
        assert is_same(one, other)
        assert is_same(other, one)


@settings(max_examples=25, deadline=None)
@given(
    seed=seeds,
    length=st.integers(30, 1200),
    rest=st.integers(0, 300),
    places=st.booleans(),
    pulse=st.booleans(),
)
def test_wo9_back_to_back_intervals_stay_apart(seed, length, rest, places, pulse):
    """However alike they are, and however short."""
    first = activity(seed, lasted=float(length), places=places, pulse=pulse)
    second = activity(seed + 1, begin=float(length + rest), lasted=float(length), places=places, pulse=pulse)
    assert not is_same(first, second)
    assert not is_same(second, first)


@given(seed=seeds)
@settings(max_examples=8, deadline=None)
def test_another_way_at_the_same_time_is_another_activity(seed):
    here = activity(seed)
    there = activity(seed)
    moved = [(at, value + 200 / DEGREE_M) for at, value in there.north]
    assert not is_same(
        here, Activity(sport="running", started_s=here.started_s, ended_s=here.ended_s, north=moved, east=there.east)
    )


def test_another_heart_is_another_activity():
    """Where there is no track, the pulse decides."""
    mine = activity(1, places=False)
    theirs = [(at, 290 - value) for at, value in mine.heart]
    assert not is_same(mine, Activity(sport="running", started_s=mine.started_s, ended_s=mine.ended_s, heart=theirs))


def test_without_anything_to_compare_start_and_duration_must_agree_closely():
    bare = {"places": False, "pulse": False}
    assert is_same(activity(1, **bare), activity(2, begin=4, lasted=1790, **bare))
    assert not is_same(activity(1, **bare), activity(2, begin=30, **bare))


def test_another_sport_is_another_activity():
    assert not is_same(activity(1), activity(1, sport="cycling"))


def test_the_watch_counts_first_unless_a_field_says_otherwise():
    origins = [("cloud", "c"), ("phone", "p"), ("watch", "w")]
    assert duplicates.by_priority("distance_m", origins) == ["w", "p", "c"]
    assert duplicates.by_priority("title", origins) == ["c", "p", "w"]


def test_the_origin_is_read_from_the_device():
    assert duplicates.origin_of("garmin", "Edge 530") == "watch"
    assert duplicates.origin_of(None, "StravaGPX iPhone") == "phone"
    assert duplicates.origin_of(None, "StravaGPX") == "cloud"
    assert duplicates.origin_of(None, None) == "cloud"
