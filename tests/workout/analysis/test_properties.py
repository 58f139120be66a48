"""What must be true of the formulas whatever goes in: additive, monotone, indifferent to what does not matter."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contexts.workout.analysis import (
    Derived,
    Settings,
    analyse,
    coupling,
    efforts,
    elevation,
    explain,
    heart,
    load,
    power,
    quality,
    ramp,
    running,
    strength,
    times,
    variability,
    zones,
)
from contexts.workout.analysis.path import Path, haversine, haversines
from contexts.workout.analysis.series import decaying_sum, each_second, runs
from contexts.workout.recordings import Streams
from contexts.workout.recordings.recording import SPORTS
from tests.workout.test_rules import sessions

near = pytest.approx
watts = st.lists(st.integers(0, 1_500), min_size=1, max_size=200).map(lambda each: np.array(each, dtype=float))
heights = st.lists(st.floats(-400, 9_000), min_size=2, max_size=120)
positive = st.floats(0.1, 1_000)


@st.composite
def ways(draw: st.DrawFn) -> Path:
    steps = draw(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 100)), min_size=1, max_size=40))
    seconds, metres = zip(*steps, strict=True)
    return Path(np.append(0.0, np.cumsum(seconds)), np.append(0.0, np.cumsum(metres)), 0, "made")


class TestPower:
    @given(watts)
    def test_the_curve_is_the_best_of_every_stretch(self, even):
        curve = power.power_curve(even)
        expected = [max(even[s : s + d].mean() for s in range(len(even) - d + 1)) for d in range(1, len(even) + 1)]
        assert curve.values == near(tuple(expected))
        assert curve.along == tuple(range(1, len(even) + 1))

    @given(watts.map(lambda even: even / 3))
    def test_parts_of_a_watt_are_not_lost(self, even):
        assert power.power_curve(even).values[0] == near(even.max())
        assert power.power_curve(even).values[-1] == near(even.mean())

    def test_the_curve_of_many_hours_falls_and_names_each_duration_once(self):
        even = np.random.default_rng(4).integers(0, 500, 20_000).astype(float)
        curve = power.power_curve(even)
        assert list(curve.along[:120]) == list(range(1, 121))
        assert set(curve.along) >= {*power.STANDARD_S.values(), *power.FITTED_S}
        assert list(curve.along) == sorted(set(curve.along))
        assert max(later / earlier for earlier, later in pairwise(curve.along[120:])) <= 1.02
        assert curve.values[-1] == near(even.mean())

    @given(watts, st.integers(1, 5))
    def test_twice_the_power_is_twice_the_curve(self, even, times_as_much):
        once, more = power.power_curve(even), power.power_curve(even * times_as_much)
        assert more.values == near(tuple(times_as_much * value for value in once.values))

    @given(st.lists(st.integers(0, 1_500), min_size=30, max_size=300))
    def test_normalised_power_lies_between_the_mean_of_its_windows_and_the_highest(self, even):
        values = np.array(even, dtype=float)
        windows = np.convolve(values, np.ones(30) / 30, mode="valid")
        normalised = power.normalised_power(values).value
        assert windows.mean() - 1e-6 <= normalised <= windows.max() + 1e-6

    @given(st.integers(100, 400), st.integers(5_000, 30_000))
    def test_critical_power_finds_the_model_it_was_made_by(self, critical, capacity):
        found = power.critical_power({seconds: critical + capacity / seconds for seconds in power.FITTED_S})
        assert found.critical.value == near(critical, rel=1e-6)
        assert found.capacity.value == near(capacity, rel=1e-6)

    @given(watts, st.floats(50, 400))
    def test_no_more_than_all_work_is_left_and_below_the_critical_power_none_is_spent(self, even, critical):
        left = power.w_balance(even, critical_w=critical, capacity_j=20_000).values
        assert max(left) <= 20_000
        if even.max() <= critical:
            assert set(left) == {20_000}


class TestZones:
    @given(
        st.lists(st.tuples(st.floats(0, 30), st.none() | st.floats(30, 250)), max_size=50),
        st.sets(st.integers(40, 220), min_size=1, max_size=7),
    )
    def test_zones_and_what_is_below_are_the_time_that_is_known(self, steps, lower):
        moments = np.cumsum([step for step, _ in steps]).tolist()
        spent = zones.time_in_zones(moments, [rate for _, rate in steps], zones.custom(sorted(lower), "bpm"))
        assert spent.below_s + sum(spent.seconds) == near(spent.known.value)
        assert len(spent.seconds) == len(lower)
        assert spent.known.value <= (moments[-1] - moments[0] if moments else 0) + 1e-9


class TestElevation:
    @settings(deadline=None)
    @given(st.lists(st.integers(-100, 100), min_size=2, max_size=120), st.integers(-500, 500))
    def test_where_zero_lies_does_not_matter(self, steps, shift):
        altitudes = [0.7310585 * step for step in steps]  # no difference of these is exactly a swing
        here = elevation.ascent(altitudes).value
        assert elevation.ascent([height + shift for height in altitudes]).value == near(here, abs=1e-6)

    @settings(deadline=None)
    @given(heights)
    def test_up_less_down_is_what_was_gained_but_for_the_swings(self, altitudes):
        climb = elevation.Climb.of(range(len(altitudes)), altitudes)
        gained = climb.heights[-1] - climb.heights[0]
        assert climb.climbed[-1] - climb.descended[-1] == near(gained, abs=2 * max(climb.swings_m) + 1e-6)
        assert (np.diff(climb.climbed) >= 0).all()
        assert climb.climbed[-1] <= np.maximum(np.diff(climb.heights), 0).sum() + 1e-6

    @settings(deadline=None)
    @given(heights)
    def test_whoever_goes_back_climbs_what_he_descended(self, altitudes):
        there = elevation.Climb.of(range(len(altitudes)), altitudes)
        back = elevation.Climb.of(range(len(altitudes)), altitudes[::-1])
        swing = max(there.swings_m)
        assert back.climbed[-1] == near(there.descended[-1], abs=2 * swing + 1e-6)

    @given(st.integers(10, 400), st.integers(600, 2_000))
    def test_a_hill_is_as_high_as_it_is(self, metres, seconds):
        hill = [metres * (1 - math.cos(2 * math.pi * at / seconds)) / 2 for at in range(seconds + 1)]
        assert elevation.ascent(hill).value == near(metres, rel=0.02, abs=0.5)

    def test_heights_of_satellites_must_swing_further(self):
        noisy = [100 + 3.5 * math.sin(at / 15) for at in range(600)]
        assert elevation.Climb.of(range(600), noisy).climbed[-1] > 40
        assert elevation.Climb.of(range(600), noisy, barometer=False).climbed[-1] < 30

    def test_an_even_slope_has_its_grade(self):
        path = Path(np.array([0.0, 1_000.0]), np.array([0.0, 3_000.0]), 0, "made")
        climb = elevation.Climb.of(range(1_001), [0.24 * at for at in range(1_001)])
        assert elevation.grades(path, climb)[50:-50] == near(0.08)
        graded = running.graded_speed(path, climb)
        assert graded.adjusted[50:-50] == near(3 * running.cost_ratio(0.08))
        assert running.graded_speed(path, None).normalised.value == near(3)

    @given(st.floats(-1, 1))
    def test_no_grade_costs_less_than_the_cheapest_or_more_than_the_steepest(self, grade):
        assert 0.4 < running.cost_ratio(grade) <= running.cost_ratio(0.45)


class TestWays:
    @settings(deadline=None)
    @given(ways(), st.floats(50, 900))
    def test_splits_add_up_to_the_whole(self, path, every_m):
        streams = Streams(time=path.times, distance_m=path.metres)
        found = times.splits(streams, "running", path, every_m=every_m)
        if path.length == 0:
            assert found == []
            return
        assert sum(each.metres for each in found) == near(path.length)
        reached = path.times[np.searchsorted(path.metres, path.length)]
        assert sum(each.elapsed_s for each in found) == near(reached)
        assert all(each.moving_s <= each.elapsed_s + 1e-6 for each in found)

    @settings(deadline=None)
    @given(ways(), positive, positive)
    def test_further_takes_longer_and_longer_goes_further(self, path, one, other):
        short, long = sorted((one, other))
        if path.length >= long:
            assert efforts.best_effort(path, short) <= efforts.best_effort(path, long) + 1e-6
        if path.times[-1] >= long:
            assert efforts.best_distance(path, short) <= efforts.best_distance(path, long) + 1e-6

    @settings(deadline=None)
    @given(ways(), st.floats(1, 500))
    def test_the_best_time_over_the_best_distance_is_no_longer(self, path, seconds):
        furthest = efforts.best_distance(path, seconds)
        if furthest is not None and furthest > 1e-3:
            assert efforts.best_effort(path, furthest * (1 - 1e-9)) <= seconds + 1e-6

    @given(st.lists(st.tuples(st.floats(-90, 90), st.floats(-180, 180)), min_size=2, max_size=20))
    def test_columns_of_places_are_as_far_apart_as_pairs(self, points):
        north, east = np.array(points).T
        expected = [haversine(*here, *there) for here, there in pairwise(points)]
        assert haversines(north, east) == near(np.array(expected), abs=0.1)


class TestLoad:
    @given(st.lists(st.floats(0, 500), min_size=1, max_size=900), st.floats(0, 200), st.floats(0, 200))
    def test_day_by_day_is_what_all_days_at_once_give(self, loads, fitness, fatigue):
        found = load.performance(loads, fitness_before=fitness, fatigue_before=fatigue)
        forms = []
        for today in loads:
            forms.append(fitness - fatigue)
            fitness += (today - fitness) * (1 - math.exp(-1 / 42))
            fatigue += (today - fatigue) * (1 - math.exp(-1 / 7))
        assert (found.fitness.values[-1], found.fatigue.values[-1]) == near((fitness, fatigue), abs=1e-6)
        assert found.form.values == near(tuple(forms), abs=1e-6)

    @given(st.lists(st.tuples(st.floats(40, 220), st.floats(0, 10)), max_size=40), st.integers(0, 40))
    def test_the_impulse_of_the_parts_is_that_of_the_whole(self, held, cut):
        rates, seconds = np.array(held).reshape(-1, 2).T
        limits = {"resting_bpm": 50.0, "maximum_bpm": 190.0, "sex": "male"}
        parts = [load.impulse(rates[part], seconds[part], **limits).value for part in (slice(cut), slice(cut, None))]
        assert sum(parts) == near(load.impulse(rates, seconds, **limits).value)

    @given(st.lists(st.floats(40, 215), min_size=1, max_size=50))
    def test_what_beats_higher_weighs_more_and_never_more_than_three(self, rates):
        bounds = zones.ventilatory_by_maximum(190)
        one, higher = (
            load.lucia(zones.in_zones(np.full(len(each), 60.0), each, bounds)).value
            for each in (np.array(rates), np.array(rates) + 5)
        )
        assert len(rates) - 1e-9 <= one <= higher + 1e-9 <= 3 * len(rates) + 2e-9

    @given(st.floats(800, 42_195), st.floats(0.02, 1), st.floats(150, 15_000))
    def test_cameron_takes_back_what_it_predicts_and_slows_with_the_distance(self, metres, part, seconds):
        shorter = max(metres * part, 800.0)
        back = running.predicted_by_cameron(metres=metres, seconds=seconds, target_m=shorter)
        assert back.value / shorter <= seconds / metres * (1 + 1e-9)
        there = running.predicted_by_cameron(metres=shorter, seconds=back.value, target_m=metres)
        assert there.value == near(seconds)

    @given(st.integers(60, 200), st.integers(8, 20), st.integers(0, 600), st.integers(0, 300))
    def test_a_ramp_test_is_found_wherever_it_lies_in_a_ride(self, begins_w, minutes, before_s, after_s):
        ridden = np.repeat(begins_w + 15.0 * np.arange(minutes), 60)
        even = np.concatenate([np.full(before_s, begins_w / 2), ridden, np.full(after_s, begins_w / 2)])
        found = ramp.ramp(even)
        assert found.highest_w == near(ridden[-1])
        assert found.minutes >= 6

    @given(
        st.lists(st.tuples(st.floats(40, 215), st.floats(0, 10)), min_size=1, max_size=40),
        st.floats(0, 30),
        st.floats(1, 3),
        st.integers(10, 90),
        st.sampled_from(["male", "female", "unspecified"]),
    )
    def test_what_beats_higher_or_longer_is_an_estimated_load_no_smaller(self, held, faster, longer, age, sex):
        rates, seconds = np.array(held).T

        def estimated(rates, seconds):
            maximum = heart.max_heart_rate(Settings(age=age))
            nothing = {"resting_bpm": None, "resting_read_bpm": None, "threshold_bpm": None}
            return load.estimated(rates, seconds, maximum=maximum, sex=sex, **nothing).value

        slow = estimated(rates, seconds)
        assert 0 <= slow <= estimated(rates + faster, seconds) + 1e-9
        assert slow * longer == near(estimated(rates, seconds * longer))

    @given(st.floats(0, 10), st.floats(0, 10), st.floats(60, 20_000))
    def test_what_feels_harder_is_more(self, one, other, seconds):
        easy, hard = sorted((one, other))
        assert (
            load.by_exertion(exertion=easy, seconds=seconds).value
            <= load.by_exertion(exertion=hard, seconds=seconds).value + 1e-9
        )

    @given(st.lists(st.floats(0, 1_000), min_size=1, max_size=300), st.floats(1, 50))
    def test_a_decaying_sum_is_the_sum_of_what_has_faded(self, values, constant):
        expected = 0.0
        for value, summed in zip(values, decaying_sum(values, constant), strict=True):
            expected = expected * math.exp(-1 / constant) + value
            assert summed == near(expected, rel=1e-9, abs=1e-9)


class TestBodies:
    @given(st.floats(1, 300), st.integers(2, 10))
    def test_one_lift_is_heavier_than_many(self, weight, repetitions):
        for formula in (strength.epley, strength.brzycki):
            fewer = formula(strength.Lift(weight, repetitions - 1)).value
            assert weight <= fewer * (1 + 1e-12) <= formula(strength.Lift(weight, repetitions)).value * (1 + 2e-12)

    @given(st.lists(st.floats(400, 1_400), min_size=20, max_size=100), st.floats(0.8, 1.2))
    def test_intervals_in_another_unit_vary_as_much(self, intervals, factor):
        here, there = variability.variability(intervals), variability.variability([i * factor for i in intervals])
        if here and there and here.artefacts == there.artefacts == 0:
            assert there.rmssd.value == near(here.rmssd.value * factor, abs=1e-6)
            assert there.sdnn.value == near(here.sdnn.value * factor, abs=1e-6)

    @given(st.floats(100, 300), st.floats(0.5, 3))
    def test_decoupling_does_not_care_for_the_unit_of_output(self, base, factor):
        moments, rates = np.arange(1_500), np.linspace(130, 150, 1_500)
        output = base + 20 * np.sin(moments / 50)
        once = coupling.decoupling(moments, output, moments, rates)
        assert coupling.decoupling(moments, output * factor, moments, rates).value == near(once.value, abs=1e-6)


class TestSeries:
    @given(st.lists(st.tuples(st.integers(0, 12), st.none() | st.integers(0, 900)), max_size=60))
    def test_a_grid_has_each_second_once_and_only_what_was_said(self, steps):
        moments = np.cumsum([step for step, _ in steps])
        said = [value for _, value in steps]
        seconds, values = each_second(moments, np.array(said, dtype=float))
        assert (np.diff(seconds) >= 1).all()
        assert len(seconds) == len(values)
        known = [value for value in said if value is not None]
        assert bool(len(values)) == bool(known)
        if known:
            assert min(known) <= values.min() <= values.max() <= max(known)

    @given(st.lists(st.booleans(), max_size=40))
    def test_runs_cover_what_is_true(self, mask):
        covered = [False] * len(mask)
        for start, end in runs(np.array(mask, dtype=bool)):
            covered[start:end] = [True] * (end - start)
        assert covered == mask


athletes = st.builds(
    Settings,
    age=st.integers(10, 100),
    sex=st.sampled_from(["male", "female", "unspecified"]),
    body_mass_kg=st.none() | st.floats(30, 200),
    height_cm=st.none() | st.floats(120, 220),
    hr_max=st.none() | st.integers(150, 210),
    resting_bpm=st.none() | st.floats(35, 80),
    threshold_bpm=st.none() | st.floats(140, 180),
    ftp_w=st.none() | st.floats(80, 450),
    threshold_mps=st.none() | st.floats(2, 6),
)


def numbers(found: object) -> list[Derived]:
    """All derived numbers within an analysis."""
    if isinstance(found, Derived):
        return [found]
    if isinstance(found, dict):
        return [number for each in found.values() for number in numbers(each)]
    if isinstance(found, list | tuple):
        return [number for each in found for number in numbers(each)]
    names = getattr(found, "__dataclass_fields__", {})
    return [number for name in names for number in numbers(getattr(found, name))]


@settings(deadline=None, max_examples=60)
@given(sessions(), st.sampled_from(SPORTS), athletes, st.none() | st.floats(0, 10), st.data())
def test_any_session_can_be_analysed_and_each_number_can_be_explained(streams, sport, athlete, exertion, data):
    if data.draw(st.booleans()):
        watts = st.lists(st.none() | st.floats(0, 2_000), min_size=len(streams), max_size=len(streams))
        streams = replace(streams, power_w=data.draw(watts))
    found = analyse(streams, sport, athlete, elapsed_s=streams.time[-1], exertion=exertion)
    for number in numbers(found):
        assert math.isfinite(number.value)
        assert explain(number.algorithm).formula
        assert number.unit == (explain(number.algorithm).unit or number.unit)
    assert all(quality.REASONS[flag.code] for flag in found.quality.flags)
