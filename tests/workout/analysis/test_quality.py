"""WO-3: flags are held to sessions whose faults are known, and to the rules one by one."""

import numpy as np
import pytest

from contexts.workout.analysis.quality import REASONS, examine
from contexts.workout.recordings import Streams
from tests.workout.analysis.labelled import FAULTS, Score, labelled

SEEDS = range(10_000, 10_120)
"""None of these was looked at while thresholds were chosen."""


@pytest.fixture(scope="module")
def scores() -> dict[str, Score]:
    found = {code: Score() for code in FAULTS}
    for seed in SEEDS:
        made = labelled(seed)
        masks = examine(made.streams, made.sport).masks
        none = np.zeros(len(made), dtype=bool)
        for code, score in found.items():
            score.count(masks.get(code, none), made.faults.get(code, none))
    return found


@pytest.mark.parametrize("code", FAULTS)
def test_wo3_of_100_flagged_samples_at_least_95_are_false(scores, code):
    assert scores[code].right > 0
    assert scores[code].precision >= 0.95


@pytest.mark.parametrize("code", FAULTS)
def test_wo3_most_false_samples_are_found(scores, code):
    assert scores[code].recall >= 0.85


def beats(*rates: float | None, sport: str = "running", **limits) -> dict:
    streams = Streams(time=[float(at) for at in range(len(rates))], heart_rate_bpm=list(rates))
    return {code: list(np.flatnonzero(mask)) for code, mask in examine(streams, sport, **limits).masks.items()}


def test_wo3_the_measured_maximum_goes_before_220_less_age():
    assert beats(150, 186, age=35) == {"heart_rate_above_limit": [1]}
    assert beats(150, 186, 191, age=35, maximum_bpm=190) == {"heart_rate_above_limit": [2]}
    assert beats(39, 40, 220, 221) == {"heart_rate_out_of_range": [0, 3]}


def test_a_rate_above_the_limit_is_shown_and_still_counts():
    streams = Streams(time=[0.0, 1.0, 2.0], heart_rate_bpm=[150, 195, 250])
    quality = examine(streams, "running", age=35)
    assert list(quality.bad("heart_rate")) == [False, False, True]
    assert [(flag.code, flag.start_s, flag.end_s, flag.samples) for flag in quality.flags] == [
        ("heart_rate_out_of_range", 2, 2, 1),
        ("heart_rate_above_limit", 1, 1, 1),
    ]


def test_every_flag_has_a_reason():
    streams = Streams(time=[0.0, 5.0, 3.0], speed_mps=[3.0, 99.0, 3.0])
    assert {flag.code for flag in examine(streams, "running").flags} == {"speed_above_limit", "time_backward"}
    assert set(FAULTS) <= set(REASONS)


def places(*points: tuple[float, float], step_s: float = 1.0) -> list[str]:
    north, east = zip(*points, strict=True)
    times = [step_s * row for row in range(len(points))]
    return list(examine(Streams(time=times, latitude=list(north), longitude=list(east)), "running").masks)


def test_who_trains_near_null_island_is_not_on_it():
    assert places((0.001, 0.0), (0.00102, 0.0), (0.012, 0.0), (0.01202, 0.0), step_s=500) == []
    assert places((48.0, 11.0), (48.00002, 11.0), (0.0, 0.0), (48.00004, 11.0)) == ["position_null_island"]


def test_who_is_carried_elsewhere_and_stays_there_jumped_once():
    here, there = [(48.0 + row * 2e-5, 11.0) for row in range(300)], [(49.0 + row * 2e-5, 11.0) for row in range(200)]
    north, east = zip(*here, *there, strict=True)
    streams = Streams(time=[float(at) for at in range(500)], latitude=list(north), longitude=list(east))
    assert list(np.flatnonzero(examine(streams, "running").masks["position_teleport"])) == [300]


def test_nothing_is_flagged_where_nothing_is():
    assert examine(Streams(), "running").masks == {}
    assert examine(Streams(time=[0.0, 1.0]), "running").flags == []
