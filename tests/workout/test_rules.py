"""The formulas of a workout, held to published numbers and to what must be true of any session."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contexts.workout import rules
from contexts.workout.analysis import compendium, energy
from contexts.workout.recordings import Streams
from contexts.workout.rules import Path


@dataclass(frozen=True)
class Athlete:
    age: int = 35
    sex: str = "male"
    body_mass_kg: float | None = 75.0
    hr_max: int | None = None


def even(*, seconds: int = 1800, speed: float = 3.0, heart_rate: float | None = 150, step: int = 1) -> Streams:
    """A session of even pace and heart rate."""
    times = [float(at) for at in range(0, seconds + 1, step)]
    return Streams(
        time=times,
        distance_m=[at * speed for at in times],
        speed_mps=[speed] * len(times),
        heart_rate_bpm=[heart_rate] * len(times),
    )


def places(*points: tuple[float, float, float]) -> Streams:
    times, north, east = zip(*points, strict=True)
    return Streams(time=list(times), latitude=list(north), longitude=list(east))


class TestHeartRate:
    @pytest.mark.parametrize(("bpm", "fine"), [(39, False), (40, True), (220, True), (221, False)])
    def test_wo3_a_heart_rate_lies_between_40_and_220(self, bpm, fine):
        assert rules.is_heart_rate(bpm) == fine

    def test_wo3_above_220_less_age_is_an_anomaly_and_still_counts(self):
        streams = even(heart_rate=190)
        summary = rules.summarise(streams, "running", elapsed_s=1800, physiology=Athlete(age=35))
        assert [(seen.code, seen.count) for seen in summary.anomalies] == [("heart_rate_above_age_limit", 1801)]
        assert summary.heart_rate.maximum == 190
        measured = Athlete(age=35, hr_max=195)
        assert rules.summarise(streams, "running", elapsed_s=1800, physiology=measured).anomalies == []

    def test_wo3_impossible_heart_rates_count_nowhere_and_are_flagged(self):
        streams = even(seconds=10)
        streams.heart_rate_bpm[3:5] = [250, 12]
        summary = rules.summarise(streams, "running", elapsed_s=10)
        assert summary.heart_rate.average.value == 150
        assert rules.Anomaly("heart_rate_out_of_range", 2) in summary.anomalies

    def test_average_is_weighted_by_time(self):
        streams = Streams(time=[0, 8, 10], heart_rate_bpm=[100, 150, 180])
        assert rules.heart_rate(streams).average.value == pytest.approx((100 * 8 + 150 * 2) / 10)

    def test_a_value_stands_for_ten_seconds_at_most(self):
        streams = Streams(time=[0, 600, 601], heart_rate_bpm=[100, 160, 160])
        beats = rules.heart_rate(streams)
        assert beats.known_s == 11
        assert beats.average.value == pytest.approx((100 * 10 + 160) / 11)

    def test_a_single_value_is_its_own_average(self):
        assert rules.heart_rate(Streams(time=[0.0], heart_rate_bpm=[88.0])).average.value == 88

    def test_zones_begin_at_50_60_70_80_90_percent_and_below_stands_apart(self):
        rates = [99, 100, 119, 120, 140, 160, 180, 200, None]
        streams = Streams(time=[float(at) for at in range(9)], heart_rate_bpm=rates)
        zones = rules.heart_rate(streams, Athlete(hr_max=200)).zones
        assert (zones.below_s, zones.seconds) == (1, (2, 1, 1, 1, 2))
        assert zones.hr_max == rules.Derived(200, "measured")

    def test_maximum_is_220_less_age_unless_measured(self):
        assert rules.max_heart_rate(Athlete(age=40)) == rules.Derived(180, "fox-1971@1", {"age": 40})
        assert rules.max_heart_rate(Athlete(age=40, hr_max=191)).value == 191

    def test_without_an_athlete_there_are_no_zones(self):
        assert rules.heart_rate(even()).zones is None


class TestPlaces:
    @pytest.mark.parametrize(
        ("north", "east", "fine"), [(0, 0, True), (90, 180, True), (90.1, 0, False), (0, -180.5, False)]
    )
    def test_wo3_a_place_lies_on_the_globe(self, north, east, fine):
        assert rules.is_place(north, east) is fine

    def test_haversine_of_a_degree_along_a_meridian(self):
        assert rules.haversine(0, 0, 1, 0) == pytest.approx(111_195.08, abs=0.01)
        assert rules.haversine(0, 0, 0, 180) == pytest.approx(20_015_114.4, rel=1e-7)

    def test_distance_is_the_devices_then_recorded_then_measured(self):
        path = Path.of(even(seconds=100), "running")
        assert rules.distance(path, device_m=321.0) == rules.Derived(321.0, "device")
        assert rules.distance(path) == rules.Derived(300.0, "recorded-distance@1")
        walk = places((0, 0.0, 0.0), (10, 0.0001, 0.0), (20, 0.0002, 0.0))
        assert rules.distance(Path.of(walk, "walking")).value == pytest.approx(22.239, abs=0.001)
        assert rules.distance(None) is None

    def test_a_jump_of_the_position_adds_no_distance_and_is_flagged(self):
        streams = places((0, 0, 0), (1, 0.00003, 0), (2, 1.0, 0), (3, 0.00006, 0), (4, 0.00009, 0))
        summary = rules.summarise(streams, "running", elapsed_s=4)
        assert summary.distance.value == pytest.approx(6.67, abs=0.01)
        assert rules.Anomaly("impossible_speed", 2) in summary.anomalies

    def test_a_pools_lengths_are_swum_not_jumped(self):
        times = [float(second) for second in range(101)]
        streams = Streams(time=times, distance_m=[second // 25 * 25.0 for second in times])
        path = Path.of(streams, "swimming")
        assert (path.length, path.jumps) == (100.0, 0)
        assert rules.best_effort(path, 50) == pytest.approx(50)

    def test_a_counter_seen_late_began_at_zero_unless_it_cannot_have(self):
        seen_late = Streams(time=[0, 200, 300], distance_m=[None, 400, 600])
        brought_along = Streams(time=[1, 200, 300], distance_m=[5000, 5400, 5600])
        assert Path.of(seen_late, "swimming").length == 600
        late = Path.of(brought_along, "swimming")
        assert (late.length, late.jumps) == (600, 0)

    def test_a_counter_that_begins_anew_takes_nothing_back(self):
        streams = Streams(time=[0, 10, 20, 30], distance_m=[0, 30, 5, 35])
        assert Path.of(streams, "running").length == 60


class TestTime:
    def test_duration_is_the_timer_or_elapsed_less_pauses(self):
        assert rules.duration(elapsed_s=100, timer_s=80) == rules.Derived(80, "device-timer")
        assert rules.duration(elapsed_s=100, pauses=[(10, 20), (90, 200)]).value == 80
        assert rules.duration(elapsed_s=100, timer_s=500).value == 100

    @pytest.mark.parametrize(
        ("sport", "speed", "moves"),
        [("running", 0.79, 0), ("running", 0.8, 60), ("walking", 0.3, 60), ("cycling", 0.4, 0), ("cycling", 0.5, 60)],
    )
    def test_moving_begins_at_each_sports_threshold(self, sport, speed, moves):
        streams = even(seconds=60, speed=speed)
        assert rules.moving_time(streams, sport, None, duration_s=60).value == moves

    def test_a_gap_of_more_than_ten_seconds_is_standing(self):
        streams = Streams(time=[0, 1, 2, 60, 61], speed_mps=[3.0] * 5)
        assert rules.moving_time(streams, "running", None, duration_s=61).value == 3

    def test_a_longer_step_is_moving_if_the_way_covered_in_it_says_so(self):
        streams = Streams(time=[0, 30, 60, 90, 400], distance_m=[0, 90, 92, 182, 1200])
        moving = rules.moving_time(streams, "running", Path.of(streams, "running"), duration_s=400)
        assert moving.value == 60

    @pytest.mark.parametrize("sport", ["swimming", "strength", "other"])
    def test_where_speed_says_nothing_the_duration_is_taken(self, sport):
        assert rules.moving_time(even(), sport, None, duration_s=1700) == rules.Derived(1700, "duration")

    def test_an_indoor_session_without_any_speed_was_not_standing(self):
        streams = even(seconds=60, speed=0.0)
        assert rules.moving_time(streams, "cycling", Path.of(streams, "cycling"), duration_s=60).value == 60


class TestAscent:
    def test_noise_below_a_metre_is_no_climb(self):
        assert rules.ascent([100.0, 100.6, 100.1, 100.5] * 50).value == 0

    def test_a_steady_climb_is_counted_and_a_spike_is_not(self):
        climb = [float(height) for height in range(101)]
        assert rules.ascent(climb).value == pytest.approx(100, abs=5)
        climb[50] = 900.0
        assert rules.ascent(climb).value == pytest.approx(100, abs=5)

    def test_the_device_is_preferred_and_missing_heights_are_no_answer(self):
        assert rules.ascent([1.0, 2.0], device_m=0) == rules.Derived(0, "device")
        assert rules.ascent([None, 1.0]) is None


class TestEnergy:
    @pytest.mark.parametrize(
        ("bpm", "mass", "age", "sex", "expected"),
        [(150, 75, 35, "male", 14.7007), (150, 60, 35, "female", 9.9641), (40, 60, 20, "male", 0.0)],
    )
    def test_keytel_2005_gives_the_published_rates(self, bpm, mass, age, sex, expected):
        rate = energy.keytel_kcal_per_minute(bpm, body_mass_kg=mass, age=age, sex=sex)
        assert rate == pytest.approx(expected, abs=1e-4)

    def test_half_an_hour_at_150_costs_a_man_of_75_kg_441_kcal(self):
        spent = rules.summarise(even(), "running", elapsed_s=1800, physiology=Athlete()).energy
        assert spent.value == pytest.approx(441.0, abs=0.1)
        assert spent.algorithm == "keytel-2005@1"
        assert spent.inputs == {"body_mass_kg": 75.0, "age": 35, "sex": "male", "heart_rate_known": 1.0}

    def test_unspecified_sex_is_the_mean_of_both(self):
        both = [energy.keytel_kcal_per_minute(150, body_mass_kg=70, age=30, sex=sex) for sex in ("male", "female")]
        mean = energy.keytel_kcal_per_minute(150, body_mass_kg=70, age=30, sex="unspecified")
        assert mean == pytest.approx(sum(both) / 2)

    @pytest.mark.parametrize(
        ("sport", "kmh", "expected"),
        [("running", 9.7, 9.8), ("cycling", 19, 8.0), ("cycling", 22, 8.0), ("walking", 5.6, 4.3)],
    )
    def test_equivalents_are_those_of_the_2011_compendium(self, sport, kmh, expected):
        assert compendium.met(sport, kmh / 3.6) == expected

    def test_without_heart_rate_the_metabolic_equivalent_is_taken(self):
        streams = even(seconds=3600, speed=9.7 / 3.6, heart_rate=None)
        spent = rules.summarise(streams, "running", elapsed_s=3600, physiology=Athlete()).energy
        assert spent.value == pytest.approx(9.8 * 75)
        assert spent.algorithm == "met-compendium-2011@1"

    def test_the_device_is_preferred_and_wo3_compared_with_the_formula(self):
        athlete = Athlete()
        close = rules.summarise(even(), "running", elapsed_s=1800, physiology=athlete, device_kcal=400)
        absurd = rules.summarise(even(), "running", elapsed_s=1800, physiology=athlete, device_kcal=4000)
        assert close.energy == rules.Derived(400, "device")
        assert close.anomalies == []
        assert absurd.anomalies == [rules.Anomaly("energy_differs_from_formula", 1)]

    def test_without_a_body_mass_no_energy_is_made_up(self):
        athlete = Athlete(body_mass_kg=None)
        assert rules.summarise(even(), "running", elapsed_s=1800, physiology=athlete).energy is None


class TestEfforts:
    def test_even_pace_takes_distance_by_speed(self):
        path = Path.of(even(seconds=3600, speed=4.0), "running")
        assert rules.best_effort(path, 1000) == pytest.approx(250)
        assert rules.best_effort(path, 5000) == pytest.approx(1250)
        assert rules.best_effort(path, 20_000) is None

    def test_the_fastest_kilometre_is_found_between_points(self):
        streams = Streams(time=[0, 400, 600, 1000], distance_m=[0, 1000, 1900, 2900])
        # 900 m at 4.5 m/s and the hundred metres beside it at 2.5 m/s
        assert rules.best_effort(Path.of(streams, "running"), 1000) == pytest.approx(240)

    def test_pauses_count_since_efforts_are_elapsed_time(self):
        streams = Streams(time=[0, 200, 500, 700], distance_m=[0, 900, 900, 1800])
        assert rules.best_effort(Path.of(streams, "running"), 1000) == pytest.approx(500 + 100 / 4.5)

    def test_efforts_bear_the_names_of_the_records(self):
        found = rules.summarise(even(seconds=2000, speed=4.0), "running", elapsed_s=2000).efforts
        assert found["fastest_1k"] == rules.Derived(pytest.approx(250), "two-pointer@1")
        assert found["fastest_5k"].value == pytest.approx(1250)

    def test_strength_has_no_fastest_kilometre(self):
        assert rules.summarise(even(seconds=2000, speed=4.0), "strength", elapsed_s=2000).efforts == {}


def by_brute_force(path: Path, metres: float) -> float:
    """The best effort by trying every start and end at a point, with interpolation."""

    def at(way: float, *, early: bool) -> float:
        pairs = list(zip(path.times, path.metres, strict=True))
        steps = list(pairwise(pairs))
        for (t0, d0), (t1, d1) in steps if early else reversed(steps):
            if d1 > d0 and d0 <= way <= d1:
                return t0 + (way - d0) / (d1 - d0) * (t1 - t0)
        return path.times[0]

    found = [path.times[-1] - path.times[0]]
    for time, way in zip(path.times, path.metres, strict=True):
        if way + metres <= path.length:
            found.append(at(way + metres, early=True) - time)
        if way - metres >= 0:
            found.append(time - at(way - metres, early=False))
    return min(found)


values = st.none() | st.floats(-50, 500, allow_nan=False)


@st.composite
def sessions(draw: st.DrawFn) -> Streams:
    steps = draw(st.lists(st.floats(0, 40).map(lambda step: round(step, 2)), min_size=1, max_size=40))
    times = [round(sum(steps[: nth + 1]) - steps[0], 2) for nth in range(len(steps))]

    def column(strategy: st.SearchStrategy) -> list | None:
        return draw(st.none() | st.lists(strategy, min_size=len(times), max_size=len(times)))

    return Streams(
        time=times,
        latitude=column(st.none() | st.floats(-90, 90)),
        longitude=column(st.none() | st.floats(-180, 180)),
        altitude_m=column(st.none() | st.floats(-400, 9000)),
        distance_m=column(st.none() | st.floats(0, 10_000)),
        speed_mps=column(st.none() | st.floats(0, 50)),
        heart_rate_bpm=column(values),
    )


athletes = st.none() | st.builds(
    Athlete,
    age=st.integers(0, 120),
    sex=st.sampled_from(["male", "female", "unspecified"]),
    body_mass_kg=st.none() | st.floats(20, 300),
    hr_max=st.none() | st.integers(100, 230),
)


class TestAlways:
    @settings(deadline=None)
    @given(
        streams=sessions(), sport=st.sampled_from(rules.SPORTS), athlete=athletes, timer=st.none() | st.floats(0, 900)
    )
    def test_any_session_has_a_summary_that_agrees_with_itself(self, streams, sport, athlete, timer):
        elapsed_s = streams.time[-1]
        summary = rules.summarise(streams, sport, elapsed_s=elapsed_s, physiology=athlete, timer_s=timer)
        assert 0 <= summary.moving.value <= summary.duration.value <= elapsed_s
        if summary.heart_rate:
            assert 40 <= summary.heart_rate.average.value <= summary.heart_rate.maximum + 1e-6
            assert summary.heart_rate.known_s <= elapsed_s + 1e-6
        if summary.heart_rate and summary.heart_rate.zones:
            zones = summary.heart_rate.zones
            assert zones.below_s + sum(zones.seconds) == pytest.approx(summary.heart_rate.known_s)
        assert summary.energy is None or summary.energy.value >= 0
        assert summary.ascent is None or summary.ascent.value >= 0
        assert all(0 < effort.value <= elapsed_s + 1e-6 for effort in summary.efforts.values())

    @settings(deadline=None)
    @given(streams=sessions(), cut=st.integers(0, 40))
    def test_distance_of_the_parts_is_distance_of_the_whole(self, streams, cut):
        streams.distance_m = None
        path = Path.of(streams, "other")
        if path is None:
            return
        cut = min(cut, len(path.times) - 1)
        assert path.metres[cut] + (path.length - path.metres[cut]) == pytest.approx(path.length)
        assert (np.diff(path.metres) >= 0).all()
        assert all(
            later - earlier <= rules.FASTEST_MPS["other"] * (end - start) + 1e-6
            for (earlier, later), (start, end) in zip(pairwise(path.metres), pairwise(path.times), strict=True)
        )

    @settings(deadline=None)
    @given(
        steps=st.lists(st.tuples(st.integers(1, 30), st.integers(0, 100)), min_size=2, max_size=30),
        metres=st.integers(1, 600),
    )
    def test_two_pointers_find_what_brute_force_finds(self, steps, metres):
        times, ways = [0.0], [0.0]
        for seconds, way in steps:
            times.append(times[-1] + seconds)
            ways.append(ways[-1] + way)
        path = Path(np.array(times), np.array(ways), 0, "made")
        best = rules.best_effort(path, metres)
        if path.length < metres:
            assert best is None
        else:
            assert best == pytest.approx(by_brute_force(path, metres), abs=1e-6)
