"""Which episodes there are, as a pure function of readings: golden vectors and properties (HE-5)."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contexts.health.alerts.episodes import SECOND, Episode, Rule, episodes, excursions, joined
from contexts.health.rules import Stream

RULE = Rule(
    key="own.x",
    version=1,
    stream=Stream.oxygen_saturation,
    side="low",
    bound=90,
    hysteresis=2,
    lasts_s=60,
    silence_s=600,
    cool_down_s=300,
    severity="critical",
)
HIGH = replace(RULE, side="high", bound=120, hysteresis=5)


def told(readings: list[tuple[int, float]], rule: Rule = RULE) -> list[tuple[int, int, int | None]]:
    """Episodes in seconds."""
    times = np.array([t * SECOND for t, _ in readings], np.int64)
    found = episodes(times, np.array([v for _, v in readings], float), rule)
    return [(e.began // SECOND, e.last // SECOND, e.cleared and e.cleared // SECOND) for e in found]


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        ([], []),
        ([(0, 95), (30, 90), (60, 96)], []),  # the bound itself is not beyond it
        ([(0, 95), (30, 89), (60, 96)], []),  # too short
        ([(0, 89), (60, 88), (90, 92)], [(0, 60, 90)]),
        ([(0, 89), (60, 91), (120, 91.9), (150, 92)], [(0, 120, 150)]),  # not clear within the hysteresis
        ([(0, 91), (60, 91), (120, 95)], []),  # within the hysteresis nothing begins
        ([(0, 89), (70, 88)], [(0, 70, None)]),
        ([(0, 89), (70, 88), (671, 88), (740, 87)], [(0, 70, None), (671, 740, None)]),  # silence between
        ([(0, 89), (70, 88), (80, 95), (369, 89), (430, 88), (440, 95)], [(0, 430, 440)]),  # cooling down
        ([(0, 89), (70, 88), (80, 95), (370, 89), (430, 88), (440, 95)], [(0, 70, 80), (370, 430, 440)]),
    ],
)
def test_he5_an_episode_begins_beyond_the_bound_lasts_and_is_cleared_by_the_hysteresis(readings, expected):
    assert told(readings) == expected
    mirrored = [(t, 210 - v) for t, v in readings]
    beyond_itself = any(v == 90 for _, v in readings)
    if not beyond_itself:
        rule = replace(HIGH, hysteresis=1.9)
        assert told(mirrored, rule) == expected


series = st.lists(st.tuples(st.integers(0, 400), st.floats(80, 100)), max_size=60, unique_by=lambda one: one[0]).map(
    lambda rows: [(10 * t, v) for t, v in sorted(rows)]
)


@given(series)
def test_he5_episodes_are_apart_in_order_and_made_of_readings(readings):
    times = np.array([t * SECOND for t, _ in readings], np.int64)
    values = np.array([v for _, v in readings], float)
    found = episodes(times, values, RULE)
    for one, other in pairwise(found):
        assert other.began - one.last >= RULE.cool_down_s * SECOND
    by_time = dict(zip(times.tolist(), values.tolist(), strict=True))
    for one in found:
        assert by_time[one.began] < RULE.bound
        assert by_time[one.last] < RULE.clear
        assert one.last - one.began >= RULE.lasts_s * SECOND
        assert one.cleared is None or by_time[one.cleared] >= RULE.clear
    longest = replace(RULE, lasts_s=0, cool_down_s=0)
    assert len(episodes(times, values, longest)) >= len(found)


@given(series, st.data())
def test_he5_what_lies_before_a_clear_reading_changes_nothing_after_it(readings, data):
    """So a window that begins with one holds what all of the history would say."""
    clear = [n for n, (_, v) in enumerate(readings) if v >= RULE.clear]
    if not clear:
        return
    start = data.draw(st.sampled_from(clear))
    times = np.array([t * SECOND for t, _ in readings], np.int64)
    values = np.array([v for _, v in readings], float)
    whole = [one for one in excursions(times, values, RULE) if one.began >= times[start]]
    assert excursions(times[start:], values[start:], RULE) == whole


def test_he5_an_episode_is_over_when_cleared_or_silent():
    last = 100 * SECOND
    assert Episode(0, last, 110 * SECOND).is_over(RULE, at=last)
    assert not Episode(0, last, None).is_over(RULE, at=last + 600 * SECOND)
    assert Episode(0, last, None).is_over(RULE, at=last + 601 * SECOND)
    assert joined([], cool_down=1) == []
