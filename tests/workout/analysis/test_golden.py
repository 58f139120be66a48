"""Each formula against numbers that its source, or arithmetic by hand, gives."""

import math

import numpy as np
import pytest

from contexts.workout.analysis import (
    coupling,
    efforts,
    energy,
    heart,
    load,
    power,
    ramp,
    running,
    session,
    strength,
    variability,
    zones,
)
from contexts.workout.analysis.derived import Derived
from contexts.workout.analysis.path import Path
from contexts.workout.analysis.times import splits
from contexts.workout.recordings import Streams

near = pytest.approx


class TestZones:
    def test_of_the_maximum(self):
        assert zones.of_maximum_heart_rate(200).lower == (100, 120, 140, 160, 180)

    def test_karvonen_adds_a_part_of_the_reserve_to_rest(self):
        assert zones.of_heart_rate_reserve(60, 190).lower == near((125, 138, 151, 164, 177))

    def test_friel_of_the_threshold(self):
        assert zones.of_threshold_heart_rate(170, "running").lower == near((0, 144.5, 153, 161.5, 170, 175.1, 181.9))
        assert zones.of_threshold_heart_rate(170, "cycling").lower[1] == near(137.7)

    def test_coggan_of_the_threshold_power(self):
        spent = zones.time_in_zones(
            range(9), [137, 140, 225, 228, 264, 265, 303, 378, None], zones.of_threshold_power(250)
        )
        assert (spent.below_s, spent.seconds) == (0, (1, 1, 1, 2, 1, 1, 1))

    def test_of_the_threshold_pace(self):
        threshold = 1000 / 240
        lower = zones.of_threshold_pace(threshold).lower
        assert [round(1000 / speed, 1) for speed in lower[1:]] == [309.6, 273.6, 254.4, 240.0, 232.8, 216.0]

    def test_custom_bounds_must_rise(self):
        assert zones.custom([100, 140], "bpm").lower == (100, 140)
        with pytest.raises(ValueError, match="rise"):
            zones.custom([140, 140], "bpm")


class TestHeart:
    @pytest.mark.parametrize(
        ("formula", "age", "expected"),
        [("fox-1971@1", 40, 180), ("tanaka-2001@1", 40, 180), ("gulati-2010@1", 50, 162)],
    )
    def test_maximum_by_age(self, formula, age, expected):
        assert heart.max_heart_rate(session.Settings(age=age), formula=formula).value == near(expected)


class TestRunning:
    @pytest.mark.parametrize(
        ("grade", "ratio"), [(-0.2, 0.500), (-0.1, 0.598), (0, 1), (0.05, 1.301), (0.1, 1.658), (0.2, 2.502)]
    )
    def test_minetti_2002(self, grade, ratio):
        assert running.cost_ratio(grade) == near(ratio, abs=5e-4)

    @pytest.mark.parametrize(
        ("metres", "seconds", "expected"), [(5_000, 1_200, 49.81), (10_000, 2_400, 51.94), (42_195, 10_800, 53.53)]
    )
    def test_daniels_and_gilbert_1979(self, metres, seconds, expected):
        assert running.vdot(metres=metres, seconds=seconds).value == near(expected, abs=0.005)
        assert running.equivalent_time(vo2max=expected, target_m=metres).value == near(seconds, abs=0.5)

    def test_their_speed_at_the_maximum_costs_the_maximum(self):
        for vdot in (35, 50, 65):
            speed = 29.54 + 5.000663 * vdot - 0.007546 * vdot**2
            assert running.cost_of_speed(speed) == near(vdot, rel=0.01)

    def test_riegel_1981(self):
        half = running.predicted_time(metres=10_000, seconds=2_400, target_m=efforts.HALF_MARATHON_M)
        whole = running.predicted_time(metres=10_000, seconds=2_400, target_m=efforts.MARATHON_M)
        assert half.value == near(88 * 60 + 15.4, abs=0.05)
        assert whole.value == near(184 * 60 + 0.5, abs=0.05)
        assert half.exclusions == ()
        assert running.predicted_time(metres=400, seconds=60, target_m=800).exclusions != ()

    def test_cameron_1998(self):
        """His own form in miles against the one in metres that some calculators use."""

        def factor(metres):
            return 13.49681 - 0.000030363 * metres + 835.7114 / metres**0.7905

        for metres, seconds, target_m, clock in (
            (10_000, 2_400, efforts.HALF_MARATHON_M, (1, 28, 11)),
            (10_000, 2_400, efforts.MARATHON_M, (3, 7, 25)),
            (5_000, 1_200, 10_000, (0, 41, 40)),
            (800, 120, 5_000, (0, 15, 26)),
        ):
            found = running.predicted_by_cameron(metres=metres, seconds=seconds, target_m=target_m)
            by_metres = seconds * target_m / metres * factor(metres) / factor(target_m)
            assert found.value == near(by_metres, rel=2e-5)
            assert found.value == near(
                sum(part * unit for part, unit in zip(clock, (3600, 60, 1), strict=True)), abs=1
            )
        for metres, target_m in ((400, 5_000), (5_000, 50_000)):
            assert running.predicted_by_cameron(metres=metres, seconds=900, target_m=target_m) is None

    def test_acsm(self):
        assert running.vo2_of_running(speed_mps=200 / 60).value == near(43.5)
        assert running.vo2_of_walking(speed_mps=80 / 60, grade=0.05).value == near(18.7)
        assert running.vo2_of_cycling(watts=200, body_mass_kg=75).value == near(35.8)

    def test_the_best_effort_says_most(self):
        streams = Streams(time=[0.0, 1_200.0, 3_000.0], distance_m=[0.0, 5_000.0, 10_000.0])
        pacing = session.analyse(streams, "running", session.Settings(age=30), elapsed_s=3_000).pacing
        assert pacing.vo2max.value == near(49.81, abs=0.005)
        assert pacing.predictions["5k"].value == near(1_200)
        assert pacing.predictions["10k"].value == near(1_200 * 2**1.06)
        assert pacing.predictions_cameron.keys() == set(session.RACES)
        assert pacing.predictions_cameron["5k"].value == near(1_200)
        ridden = session.analyse(streams, "cycling", session.Settings(age=30), elapsed_s=3_000).pacing
        assert (ridden.vo2max, ridden.predictions) == (None, {})

    def test_vo2max_by_hearts(self):
        assert running.vo2max_by_heart_rates(maximum_bpm=190, resting_bpm=50).value == near(58.14)
        all_out = running.vo2max_by_training(speed_mps=5.0, heart_rate_bpm=190 * 1.00466, maximum_bpm=190)
        assert all_out.value == near(running.cost_of_speed(300))


class TestPower:
    def test_an_hour_at_the_threshold_is_100(self):
        ridden = power.power(range(3_600), np.full(3_600, 250.0), ftp_w=250)
        assert (ridden.normalised.value, ridden.average.value, ridden.work.value) == near((250, 250, 900))
        assert (ridden.intensity.value, ridden.variability.value, ridden.load.value) == near((1, 1, 100))

    def test_normalised_power_step_by_step(self):
        watts = np.random.default_rng(5).integers(0, 600, 400).astype(float)
        means = [sum(watts[end - 30 : end]) / 30 for end in range(30, 401)]
        expected = (sum(mean**4 for mean in means) / len(means)) ** 0.25
        assert power.normalised_power(watts).value == near(expected)

    def test_coasting_counts_and_a_pause_does_not(self):
        times = [*range(100), *range(200, 300)]
        ridden = power.power(times, np.tile([300.0, 0.0], 100), ftp_w=250)
        assert ridden.average.value == 150
        assert [(left.what, left.count) for left in ridden.average.exclusions] == [("seconds", 100)]

    def test_a_silence_of_up_to_five_seconds_repeats_the_last_value(self):
        assert power.power([0, 5, 11], np.array([100.0, 200.0, 300.0])).average.value == near(
            (5 * 100 + 200 + 300) / 7
        )

    def test_too_short_for_a_window_has_no_normalised_power(self):
        assert power.power(range(29), np.full(29, 200.0)).normalised is None
        assert power.power([], np.empty(0)) is None

    def test_critical_power_is_found_where_efforts_follow_it(self):
        found = power.critical_power(
            {seconds: 20_000 / seconds + 250 for seconds in (60, 180, 300, 600, 1_200, 3_600)}
        )
        assert (found.critical.value, found.capacity.value, found.r_squared) == near((250, 20_000, 1))
        assert set(found.critical.inputs) == {"180s", "300s", "600s", "1200s"}
        assert found.critical.exclusions[0].count == 2

    def test_efforts_that_contradict_the_model_give_none(self):
        assert power.critical_power({180: 300.0, 600: 250.0}) is None
        assert power.critical_power({180: 200.0, 300: 220.0, 600: 260.0}) is None

    def test_w_balance_by_the_sum_over_all_seconds_before(self):
        watts = np.where(np.arange(900) % 240 < 60, 400.0, 150.0)
        tau = 546 * math.exp(-0.01 * (250 - 150)) + 316
        spent = np.maximum(watts - 250, 0)
        expected = [
            20_000 - sum(spent[u] * math.exp(-(t - u) / tau) for u in range(t + 1)) for t in range(0, 900, 50)
        ]
        left = power.w_balance(watts, critical_w=250, capacity_j=20_000)
        assert left.values[::50] == near(tuple(expected))

    def test_best_powers_of_the_durations_people_compare(self):
        best = power.best_powers(power.power_curve(np.array([100.0] * 40 + [700.0] * 5)))
        assert {name: found.value for name, found in best.items()} == {
            "1s": 700,
            "5s": 700,
            "15s": near((5 * 700 + 10 * 100) / 15),
            "30s": near(200),
        }

    def test_threshold_is_95_percent_of_twenty_minutes(self):
        assert power.threshold_power(power.power_curve(np.full(1_200, 300.0))).value == near(285)
        assert power.threshold_power(power.power_curve(np.full(1_199, 300.0))) is None


class TestLoad:
    @pytest.mark.parametrize(("sex", "expected"), [("male", 100.44), ("female", 113.52), ("unspecified", 106.98)])
    def test_banister_of_an_hour_at_150(self, sex, expected):
        found = load.impulse([150], [3_600], resting_bpm=60, maximum_bpm=190, sex=sex)
        assert found.value == near(expected, abs=0.005)

    def test_edwards_weighs_minutes_by_their_zone(self):
        assert load.edwards([600, 600, 0, 0, 60]).value == near(10 + 20 + 5)

    def test_lucia_weighs_minutes_by_the_ventilatory_thresholds(self):
        spent = zones.time_in_zones(
            [0, 10, 20, 30, 40], [90, 139, 140, 165, 165], zones.of_ventilatory_thresholds(140, 165)
        )
        found = load.lucia(spent)
        assert found.value == near((20 * 1 + 10 * 2 + 10 * 3) / 60)
        assert found.inputs["zones"] == "zones-of-ventilatory-thresholds@1"
        assert (found.inputs["vt1_bpm"], found.inputs["vt2_bpm"]) == (140, 165)
        assert zones.ventilatory_by_threshold(170).lower == near((0, 153, 170))
        assert zones.ventilatory_by_maximum(190).lower == near((0, 155.8, 167.2))

    def test_an_hour_at_any_threshold_is_100(self):
        limits = {"resting_bpm": 50, "maximum_bpm": 190, "sex": "female"}
        assert load.by_heart_rate([170], [3_600], threshold_bpm=170, **limits).value == near(100)
        assert load.by_pace(normalised_mps=4, seconds=3_600, threshold_mps=4).value == near(100)
        assert load.by_pace(normalised_mps=3.6, seconds=1_800, threshold_mps=4).value == near(40.5)

    def test_exertion(self):
        assert load.session_exertion(exertion=7, seconds=3_600).value == 420
        assert load.by_exertion(exertion=8, seconds=3_600).value == 100
        assert load.by_exertion(exertion=4.5, seconds=7_200).value == 110

    def test_the_best_source_is_believed_and_the_others_are_kept(self):
        felt = load.by_exertion(exertion=5, seconds=3_600)
        paced = load.by_pace(normalised_mps=4, seconds=3_600, threshold_mps=4)
        best = load.best_load([felt, None, paced])
        assert (best.believed, best.others) == (paced, (felt,))
        assert best.code == "load_by_pace"
        assert load.best_load([None]) is None

    def test_42_days_of_100_make_a_fitness_of_63(self):
        found = load.performance([100.0] * 42)
        assert found.fitness.values[-1] == near(63.212, abs=5e-4)
        assert found.fatigue.values[-1] == near(100 * (1 - math.exp(-6)))
        assert found.form.values[0] == 0
        assert found.form.values[-1] == near(found.fitness.values[-2] - found.fatigue.values[-2])

    def test_what_was_before_fades(self):
        found = load.performance([0.0] * 42, fitness_before=80, fatigue_before=70)
        assert found.fitness.values[-1] == near(80 / math.e)
        assert found.form.values[0] == 10

    def test_monotony_and_acute_to_chronic(self):
        assert load.monotony([0, 0, 100, 0, 0, 100, 0]).value == near((200 / 7) / math.sqrt(50_000 / 21 * 1.0))
        assert load.monotony([50] * 7) is None
        assert load.acute_to_chronic([50] * 21 + [100] * 7).value == near(100 / 62.5)
        assert load.acute_to_chronic([50] * 27) is None


class TestSession:
    """Settings decide what is computed; nothing is made up for what is not known."""

    @staticmethod
    def hour(**columns) -> Streams:
        return Streams(
            time=[float(at) for at in range(3_601)], **{name: [value] * 3_601 for name, value in columns.items()}
        )

    def test_with_every_setting_power_decides_and_heart_rate_stands_beside(self):
        settings = session.Settings(age=40, hr_max=190, resting_bpm=50, threshold_bpm=170, ftp_w=200)
        found = session.analyse(
            self.hour(power_w=200.0, heart_rate_bpm=170.0), "cycling", settings, elapsed_s=3_600, exertion=8
        )
        assert found.strain.load.believed.value == near(100, rel=1e-3)
        assert [each.algorithm for each in found.strain.load.others] == ["load-by-heart-rate@1", "load-by-exertion@1"]
        assert found.strain.load.others[0].value == near(100)
        assert found.strain.edwards.value == near(60 * 4)
        assert found.strain.efficiency.value == near(200 / 170)
        assert found.zones.power.seconds == (0, 0, 0, 3_600, 0, 0, 0)
        assert found.energy.believed.source == "power"
        assert [flag.code for flag in found.quality.flags] == ["heart_rate_flat_line"]

    def test_limits_that_contradict_each_other_give_no_load_by_heart_rate(self):
        settings = session.Settings(age=40, hr_max=150, resting_bpm=150, threshold_bpm=140)
        found = session.analyse(self.hour(heart_rate_bpm=140.0), "running", settings, elapsed_s=3_600)
        assert (found.strain.impulse, found.strain.load) == (None, None)

    def test_pace_by_the_way_where_no_speed_was_recorded(self):
        streams = self.hour()
        streams.distance_m = 4.0 * streams.time
        settings = session.Settings(age=30, threshold_mps=4.0)
        found = session.analyse(streams, "running", settings, elapsed_s=3_600)
        assert found.zones.pace.seconds == (0, 0, 0, 0, 3_599, 0, 0)  # no step leads to the first sample
        assert found.strain.load.believed.value == near(100)
        assert found.ascent is found.energy is found.riding is None

    def test_the_athletes_own_zones_go_before_those_of_the_maximum(self):
        settings = session.Settings(age=40, heart_rate_zones=zones.custom([120, 150], "bpm"))
        spent = session.analyse(self.hour(heart_rate_bpm=130.0), "running", settings, elapsed_s=3_600).zones
        assert spent.heart_rate.seconds == (3_600, 0)


class TestCoupling:
    def test_even_work_at_an_even_heart_is_coupled(self):
        times = range(3_600)
        assert coupling.decoupling(times, np.full(3_600, 200.0), times, np.full(3_600, 140.0)).value == near(0)

    def test_a_heart_five_percent_faster_in_the_second_half(self):
        times, rates = range(3_600), np.repeat([140.0, 147.0], 1_800)
        assert coupling.decoupling(times, np.full(3_600, 3.0), times, rates).value == near(100 * (1 - 1 / 1.05))

    def test_below_twenty_minutes_nothing_is_said(self):
        assert coupling.decoupling(range(600), np.ones(600), range(600), np.full(600, 140.0)) is None

    def test_efficiency(self):
        assert coupling.efficiency(normalised=210, average_bpm=140).value == 1.5


class TestEnergy:
    def test_resting_by_mifflin_and_st_jeor(self):
        body = {"body_mass_kg": 75, "height_cm": 180, "age": 35}
        assert energy.resting_kcal_per_day(**body, sex="male") == 1_705
        assert energy.resting_kcal_per_day(**body, sex="female") == 1_539
        assert energy.resting_kcal_per_day(**body, sex="unspecified") == 1_622

    def test_without_a_height_rest_is_a_kilocalorie_a_kilogram_and_hour(self):
        assert energy.resting(session.Settings(age=30, body_mass_kg=70), duration_s=1_800).value == near(35)

    def test_a_kilojoule_at_the_pedals_costs_a_kilocalorie(self):
        streams = Streams(time=[float(at) for at in range(3_600)], power_w=[200.0] * 3_600)
        assert energy.by_power(streams, "cycling", duration_s=3_600).value == near(720, rel=0.001)
        assert energy.by_power(streams, "running", duration_s=3_600) is None
        assert energy.by_power(streams, "cycling", duration_s=9_000) is None

    def test_wo3_energy_of_each_source_is_kept_apart_and_compared(self):
        said = {
            "power": Derived(700.0, "work-by-efficiency@1"),
            "heart_rate": Derived(500.0, "keytel-2005@1"),
        }
        rest = Derived(60.0, "one-met@1")
        found = energy.energy(said, device_kcal=1_000, resting=rest)
        assert [(each.source, each.total.value, each.active.value) for each in found.estimates] == [
            ("device", 1_000, 940),
            ("power", 700, 640),
            ("heart_rate", 500, 440),
        ]
        assert (found.believed.source, found.agrees) == ("device", False)
        assert found.deviation == near(1_000 / 700)
        assert energy.energy({"heart_rate": said["heart_rate"]}, device_kcal=1_000).agrees is True
        alone = energy.energy(said)
        assert (alone.believed.source, alone.deviation, alone.agrees) == ("power", None, None)
        assert energy.energy({}) is None


class TestStrength:
    def test_volume_is_repetitions_times_weight(self):
        assert strength.volume_load([strength.Lift(100, 5), strength.Lift(60, 10)]).value == 1_100

    @pytest.mark.parametrize(
        ("repetitions", "epley", "brzycki"), [(1, 100, 100), (5, 116.667, 112.5), (10, 133.333, 133.333)]
    )
    def test_the_one_lift_it_speaks_of(self, repetitions, epley, brzycki):
        lift = strength.Lift(100, repetitions)
        assert strength.epley(lift).value == near(epley, abs=0.001)
        assert strength.brzycki(lift).value == near(brzycki, abs=0.001)

    def test_many_repetitions_say_nothing_of_one(self):
        assert strength.epley(strength.Lift(40, 11)) is None
        assert strength.brzycki(strength.Lift(40, 0)) is None
        best = strength.best_estimate([strength.Lift(100, 3), strength.Lift(90, 8), strength.Lift(40, 20)])
        assert (best.value, best.inputs) == (near(114), {"weight_kg": 90, "repetitions": 8})
        assert best.exclusions[0].count == 1
        assert strength.best_estimate([strength.Lift(40, 20)]) is None


class TestVariability:
    def test_by_hand(self):
        found = variability.variability([800, 810, 790, 800] * 6)
        differences = [10, -20, 10, 0] * 5 + [10, -20, 10]
        assert found.rmssd.value == near(math.sqrt(sum(d * d for d in differences) / 23))
        assert found.sdnn.value == near(math.sqrt(6 * 200 / 23))
        assert found.ln_rmssd.value == near(math.log(found.rmssd.value))
        assert (found.pnn50.value, found.heart_rate.value, found.artefacts) == (0, near(75), 0)

    def test_a_premature_beat_and_a_missed_one_count_nowhere(self):
        even = [800.0, 860.0] * 20
        clean = variability.variability(even)
        disturbed = variability.variability([*even[:20], 450.0, 1_250.0, *even[20:30], 1_640.0, *even[30:]])
        assert disturbed.rmssd.value == near(clean.rmssd.value)
        assert disturbed.pnn50.value == near(100)
        assert disturbed.rmssd.exclusions[0].count == 3

    def test_too_few_beats_say_nothing(self):
        assert variability.variability([800.0] * 19) is None
        assert variability.variability([]) is None
        assert variability.variability([800.0] * 30).ln_rmssd is None


class TestEfforts:
    def test_each_sport_has_the_distances_people_race(self):
        assert set(efforts.DISTANCES_M["running"]) >= {
            "400m",
            "1k",
            "1_mile",
            "5k",
            "10k",
            "half_marathon",
            "marathon",
        }
        assert min(efforts.DISTANCES_M["cycling"].values()) == 5_000
        assert max(efforts.DISTANCES_M["cycling"].values()) == 180_000
        assert {500, 1_000, 2_000, 5_000} <= set(efforts.DISTANCES_M["rowing"].values())
        assert 100 in efforts.DISTANCES_M["swimming"].values()

    def test_even_pace(self):
        path = Path(np.array([0.0, 3_600.0]), np.array([0.0, 14_400.0]), 0, "made")
        found = efforts.best_efforts(path, "running")
        assert {name: best.value for name, best in found.items()} == {
            name: near(metres / 4) for name, metres in efforts.ON_FOOT.items() if metres <= 14_400
        }
        assert efforts.best_distances(path, "running")["12min"].value == near(2_880)
        assert "2h" not in efforts.best_distances(path, "running")
        assert efforts.best_efforts(path, "strength") == efforts.best_distances(None, "running") == {}

    def test_the_furthest_in_a_time_may_lie_anywhere(self):
        path = Path(np.array([0.0, 100.0, 160.0, 300.0]), np.array([0.0, 200.0, 500.0, 780.0]), 0, "made")
        assert efforts.best_distance(path, 60) == near(300)
        assert efforts.best_distance(path, 80) == near(340)
        assert efforts.best_distance(path, 301) is None


class TestSplits:
    def test_kilometres_are_crossed_between_points(self):
        times = [0.0, 150.0, 450.0, 600.0]
        streams = Streams(time=times, distance_m=[0.0, 600.0, 1_500.0, 2_400.0])
        found = splits(streams, "running", Path.of(streams, "running"))
        assert [(each.metres, each.elapsed_s) for each in found] == [
            (near(1_000), near(150 + 400 / 3)),
            (near(1_000), near(300 - 400 / 3 + 500 / 6)),
            (near(400), near(400 / 6)),
        ]
        assert found[0].seconds_per_kilometre == near(283.33, abs=0.01)

    def test_a_pause_is_elapsed_and_not_moving(self):
        times = [float(at) for at in [*range(201), *range(500, 701)]]
        metres = [min(at, 200) * 3.0 + max(at - 500, 0) * 3.0 for at in times]
        rates: list[float | None] = [150.0] * len(times)
        streams = Streams(time=times, distance_m=metres, heart_rate_bpm=rates)
        (first, last) = splits(streams, "running", Path.of(streams, "running"))
        assert (first.elapsed_s, first.moving_s) == near((500 + 400 / 3, 1_000 / 3))
        assert (last.metres, last.heart_rate_bpm) == near((200, 150))


class TestRampTest:
    """A test of 15 W a minute after ten easy minutes, and what Storer et al. make of it."""

    EVEN = np.concatenate([np.full(600, 80.0), np.repeat(np.arange(100, 326, 15.0), 60), np.full(300, 90.0)])

    def test_it_is_found_in_the_power_of_a_ride(self):
        found = ramp.ramp(self.EVEN)
        assert (found.highest_w, found.minutes >= 16) == (325.0, True)
        unsteady = self.EVEN + np.random.default_rng(1).normal(0, 15, len(self.EVEN))
        assert ramp.ramp(unsteady).highest_w == near(325, abs=6)

    def test_what_is_none_is_not_taken_for_one(self):
        steps_of_25 = np.repeat(np.arange(100, 360, 25.0), 60)
        rode_on = np.concatenate([self.EVEN[:-300], np.full(300, 300.0)])
        for even in (steps_of_25, rode_on, np.full(3_600, 250.0), self.EVEN[600:900], np.zeros(0)):
            assert ramp.ramp(even) is None

    def test_storer_1990(self):
        test = ramp.Ramp(highest_w=300, minutes=15)
        for sex, expected in (("male", 3_781.4), ("female", 3_325.4), ("unspecified", 3_553.4)):
            found = ramp.vo2max_by_ramp(test, body_mass_kg=75, age=35, sex=sex)
            assert found.value == near(expected / 75, abs=0.005)
        assert ramp.vo2max_by_ramp(test, body_mass_kg=75, age=71, sex="male") is None

    def test_it_shows_in_the_analysis_of_a_ride_to_exhaustion(self):
        time = [float(second) for second in range(len(self.EVEN))]
        rider = session.Settings(age=35, sex="male", body_mass_kg=75)

        def vo2max(sport="cycling", settings=rider, bpm=180.0):
            streams = Streams(time=time, power_w=self.EVEN.tolist(), heart_rate_bpm=[bpm] * len(time))
            return session.analyse(streams, sport, settings, elapsed_s=time[-1]).riding.vo2max

        assert vo2max().value == near((10.51 * 325 + 6.35 * 75 - 10.49 * 35 + 519.3) / 75)
        assert vo2max(bpm=140.0) is None
        assert vo2max(sport="rowing") is None
        assert vo2max(settings=session.Settings(age=35, sex="male")) is None
