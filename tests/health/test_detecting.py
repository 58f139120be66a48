"""What is odd about readings: golden vectors and properties (HE-4)."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from contexts.health.judging import detecting
from contexts.health.judging.detecting import SECOND


def steps(count: int, seconds: float = 1.0) -> np.ndarray:
    """Regular times."""
    return (np.arange(count) * seconds * SECOND).astype(np.int64)


def test_he4_an_outlier_is_far_from_the_median_around_it_and_says_why():
    values = np.tile([59.0, 60.0, 61.0, 62.0, 63.0], 16)
    values[40] = 90.0
    (found,) = detecting.outliers(steps(80), values, resolution=1.0)
    assert (found.rule, found.begin, found.end) == ("rolling_mad@1", 40 * SECOND, 40 * SECOND)
    assert found.window == (25 * SECOND, 55 * SECOND)
    # Of the deviations 0, 1, 1, 2, 2 the median is 1, so sigma is 1.4826.
    assert found.inputs == {"value": 90.0, "median": 61.0, "sigma": 1.4826, "score": round(29 / 1.4826, 6)}
    assert detecting.outliers(steps(8), np.array([1.0] * 7 + [99.0]), resolution=1.0) == []


def test_he4_what_is_usual_by_day_is_odd_at_night():
    hours = np.tile(np.arange(24), 10)
    values = np.where((hours >= 8) & (hours < 22), 90.0, 55.0)
    values[3 + 24 * 5] = 90.0
    (found,) = detecting.unseasonable(steps(240, 3600), values, hours, resolution=1.0)
    assert (found.rule, found.begin) == ("hour_of_day@1", (3 + 24 * 5) * 3600 * SECOND)
    assert found.inputs == {"value": 90.0, "median": 55.0, "sigma": 1.0, "score": 35.0, "hour": 3.0}
    assert detecting.unseasonable(steps(144, 3600), values[:144], hours[:144], resolution=1.0) == []


def test_he4_a_flat_line_and_a_dropout_are_found_with_their_length():
    values = np.concatenate((np.arange(100.0), np.full(601, 72.0), np.arange(100.0)))
    (flat,) = detecting.flat_lines(steps(801), values)
    assert (flat.rule, flat.begin, flat.end) == ("flat_line@1", 100 * SECOND, 700 * SECOND)
    assert flat.inputs == {"value": 72.0, "readings": 601.0, "seconds": 600.0}
    assert detecting.flat_lines(steps(800), np.delete(values, 300)) == []
    times = steps(100)
    times[50:] += 61 * SECOND
    (gap,) = detecting.dropouts(times)
    assert (gap.rule, gap.begin, gap.end) == ("dropout@1", 49 * SECOND, 111 * SECOND)
    assert gap.inputs == {"seconds": 62.0, "usual_s": 1.0, "longest_s": 60.0}
    assert detecting.dropouts(times[:8]) == detecting.flat_lines(times[:0], values[:0]) == []


@given(st.lists(st.floats(-50, 50), min_size=9, max_size=80), st.integers(-1000, 1000), st.integers(1, 6))
def test_he4_outliers_do_not_depend_on_the_level_or_the_clock(values, level, later):
    times, series = steps(len(values)), np.round(np.array(values), 3)
    here = [f.begin for f in detecting.outliers(times, series, resolution=0.25)]
    moved = detecting.outliers(times + later * SECOND, np.round(series + level, 3), resolution=0.25)
    borderline = any(abs(f.inputs["score"] - detecting.FAR) < 1e-6 for f in moved)
    assert borderline or [f.begin - later * SECOND for f in moved] == here


@given(st.integers(9, 60), st.floats(-100, 100))
def test_he4_what_is_steady_has_no_outlier(count, value):
    assert detecting.outliers(steps(count), np.full(count, value), resolution=0.1) == []
    assert detecting.dropouts(steps(count)) == []
