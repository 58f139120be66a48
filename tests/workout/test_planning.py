"""How plans are laid out, grow and adapt (WO-2): pure rules, by properties."""

from datetime import date, timedelta
from uuid import UUID

import fitdecode
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contexts.workout.planning import compliance, progression, schedule
from contexts.workout.planning import steps as parts
from contexts.workout.planning.fit_workouts import fit_workout
from contexts.workout.planning.lifted import Lifted, results_of
from contexts.workout.planning.progression import Outcome, Progress, ProgressionRule, Result, all_reps_done
from contexts.workout.planning.schedule import Content, Move, Placed, Settled, Slot, Week, Workout
from contexts.workout.planning.steps import Thresholds
from tests.workout.making import START

LIFT, RUN, SQUAT, OTHER = UUID(int=1), UUID(int=2), UUID(int=3), UUID(int=4)
MONDAY = date(2026, 3, 2)
SETS = parts.StrengthSet(exercise_id=SQUAT, reps=5, sets=3, load=parts.Weight(kilograms=60.0))
HALF_HOUR = parts.Work(length=parts.ForTime(seconds=1800.0))


def rule(**changes):
    usual = {"workout_id": LIFT, "changes": "weight", "operation": "add", "value": 2.5}
    return ProgressionRule(**usual | changes)


def content(*weeks, rules=()):
    workouts = {LIFT: Workout("Lift", "strength", (SETS,)), RUN: Workout("Run", "running", (HALF_HOUR,))}
    return Content(weeks=weeks, rules=tuple(rules), workouts=workouts, exercises={SQUAT: "Squat"})


def week(*placed, **more):
    return Week(days=tuple(Placed(day, which, *priority) for day, which, *priority in placed), **more)


def laid(of, history=None, moves=None):
    settled = {Slot(*slot): Settled(LIFT, outcome) for slot, outcome in (history or {}).items()}
    return schedule.lay_out(of, MONDAY, history=settled, moves=moves or {})


def weights(occurrences):
    return [one.steps[0].load.kilograms for one in occurrences]


DONE, FAILED, MISSED = (Outcome(state=state) for state in ("done", "failed", "missed"))
ONE_A_WEEK = [week((1, LIFT))] * 6

# --- Progression --------------------------------------------------------------------------------------------------


def test_wo2_a_rule_adds_after_each_success():
    assert weights(laid(content(*ONE_A_WEEK[:4], rules=[rule()]))) == [60, 62.5, 65, 67.5]


def test_wo2_a_rule_acts_every_n_sessions_or_weeks():
    every_second = content(*ONE_A_WEEK, rules=[rule(every=2)])
    assert weights(laid(every_second)) == [60, 60, 62.5, 62.5, 65, 65]
    twice_a_week = [week((1, LIFT), (4, LIFT))] * 3
    assert weights(laid(content(*twice_a_week, rules=[rule(per="week")]))) == [60, 60, 62.5, 62.5, 65, 65]


def test_wo2_a_rule_multiplies_or_replaces_within_bounds():
    grown = content(*ONE_A_WEEK[:4], rules=[rule(operation="multiply", value=1.1, round_to=2.5, maximum=75)])
    assert weights(laid(grown)) == [60, 65, 72.5, 75]
    replaced = content(*ONE_A_WEEK[:3], rules=[rule(operation="replace", value=80)])
    assert weights(laid(replaced)) == [60, 80, 80]


def test_wo2_what_failed_is_repeated_and_lowered_after_two_failures():
    rules = [rule(deload_percent=10)]
    once = laid(content(*ONE_A_WEEK, rules=rules), {(1, 0): FAILED})
    assert weights(once)[:3] == [60, 60, 62.5]
    twice = laid(content(*ONE_A_WEEK, rules=rules), {(1, 0): DONE, (2, 0): FAILED, (3, 0): FAILED})
    assert weights(twice)[:5] == [60, 62.5, 62.5, 56.25, 58.75]


def test_wo2_success_asks_for_all_repetitions_and_no_more_than_the_effort_allowed():
    demanding = content(*ONE_A_WEEK, rules=[rule(max_rpe=8)])
    short = Outcome(state="failed", results=(Result(step=0, reps=(5, 5, 4)),))
    hard = Outcome(state="done", results=(Result(step=0, reps=(5, 5, 5), rpe=9),))
    fine = Outcome(state="done", results=(Result(step=0, reps=(5, 5, 6), rpe=8),))
    assert [weights(laid(demanding, {(1, 0): one}))[1] for one in (short, hard, fine)] == [60, 60, 62.5]


def test_wo2_a_missed_session_teaches_nothing():
    two = [week((1, LIFT), (4, LIFT))] * 2
    assert weights(laid(content(*two, rules=[rule()]), {(1, 0): MISSED})) == [60, 60, 62.5, 65]


def test_wo2_intensity_moves_the_whole_range():
    step = parts.Work(length=parts.Open(), target=parts.Power(low=88, high=92))
    progress = Progress(steps=(step,), rules=(rule(changes="intensity", value=3),))
    progress.learn(DONE, progress.now(week=1))
    assert progress.now(week=2)[0].target == parts.Power(low=91, high=95)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"changes": "distance"}, "changes_nothing"),
        ({"step": 4}, "changes_nothing"),
        ({"operation": "multiply", "value": -1}, "negative"),
        ({"minimum": 9, "maximum": 8}, "bounds_out_of_order"),
    ],
)
def test_wo2_a_rule_without_effect_is_refused(changes, code):
    with pytest.raises(progression.RuleFault) as fault:
        progression.ensure_sound([rule(**changes)], (SETS,))
    assert fault.value.code == code


def test_wo2_two_rules_do_not_change_the_same_quantity():
    every, first = rule(), rule(step=0)
    progression.ensure_sound([first, rule(changes="reps", value=1)], (SETS,))
    with pytest.raises(progression.RuleFault) as fault:
        progression.ensure_sound([every, first], (SETS,))
    assert fault.value.code == "twice"


# --- The schedule -------------------------------------------------------------------------------------------------


def test_wo2_a_key_session_is_made_up_on_the_next_free_day_of_its_week():
    def to(priority, today, made_up=False, taken=()):
        days = {MONDAY + timedelta(days=nth) for nth in taken}
        return schedule.day_to_make_up(
            priority,
            slot=Slot(1, 0),
            starts_on=MONDAY,
            today=MONDAY + timedelta(days=today),
            taken=days,
            made_up=made_up,
        )

    assert to("key", 1, taken=(0, 1, 2)) == MONDAY + timedelta(days=3)
    assert to("normal", 1) is None
    assert to("key", 1, made_up=True) is None
    assert to("key", 7) is None
    assert to("key", 5, taken=(5, 6)) is None


def test_wo2_a_missed_week_is_repeated_and_the_second_one_in_a_row_is_lighter():
    plan = content(week((1, RUN)), week((2, RUN), (3, RUN, "optional")))
    one = laid(plan, {(1, 0): MISSED})
    assert [(each.plan_week, each.slot.week) for each in one] == [(1, 1), (1, 2), (2, 3), (2, 3)]
    assert one[1].steps == one[0].steps
    two = laid(plan, {(1, 0): MISSED, (2, 0): MISSED})
    assert two[2].steps[0].length.seconds == 1800 * schedule.EASED_PERCENT / 100
    assert two[3].steps[0].length.seconds == 1800
    often = laid(plan, {(nth, 0): MISSED for nth in range(1, 20)})
    assert often[-1].slot.week == 2 + schedule.MAX_REPEATED


def test_wo2_a_week_of_only_optional_sessions_or_with_one_done_is_not_repeated():
    optional = content(week((1, RUN, "optional")), week((1, RUN)))
    assert [each.plan_week for each in laid(optional, {(1, 0): MISSED})] == [1, 2]
    some = content(week((1, RUN), (2, LIFT)), week((1, RUN)))
    assert [each.plan_week for each in laid(some, {(1, 0): MISSED, (1, 1): DONE})] == [1, 1, 2]


def test_wo2_a_lighter_week_scales_volume_and_not_intensity():
    easy = laid(content(week((1, RUN), (2, LIFT), volume_percent=60)))
    assert easy[0].steps[0].length.seconds == 1080
    assert (easy[1].steps[0].sets, easy[1].steps[0].load.kilograms) == (2, 60)


def test_wo2_a_move_is_void_when_its_week_holds_another_week_of_the_plan():
    plan = content(week((1, RUN)), week((1, RUN)))
    moves = {Slot(2, 0): Move(plan_week=2, day=MONDAY + timedelta(days=10))}
    assert laid(plan, moves=moves)[1].day == MONDAY + timedelta(days=10)
    assert laid(plan, {(1, 0): MISSED}, moves)[1].day == MONDAY + timedelta(days=7)


STATES = st.sampled_from(["done", "failed", "missed", "skipped"])
PLACED = st.builds(
    Placed,
    day=st.integers(1, 7),
    workout_id=st.sampled_from([LIFT, RUN]),
    priority=st.sampled_from(["key", "normal", "optional"]),
)
WEEKS = st.lists(
    st.builds(Week, days=st.lists(PLACED, max_size=7).map(tuple), volume_percent=st.integers(10, 200)),
    min_size=1,
    max_size=8,
)
RULES = st.lists(
    st.builds(
        rule,
        changes=st.sampled_from(["weight", "reps", "sets"]),
        operation=st.sampled_from(["add", "multiply", "replace"]),
        value=st.floats(0, 20),
        every=st.integers(1, 4),
        per=st.sampled_from(["session", "week"]),
        after_success=st.booleans(),
        deload_percent=st.floats(0, 60),
    ),
    max_size=4,
)
HISTORY = st.dictionaries(
    st.builds(Slot, st.integers(1, 10), st.integers(0, 6)),
    st.builds(Settled, st.sampled_from([LIFT, RUN]), st.builds(Outcome, state=STATES)),
    max_size=20,
)


@given(WEEKS, RULES, HISTORY)
def test_wo2_the_same_inputs_give_the_same_plan_and_weeks_keep_their_seven_days(weeks, rules, history):
    plan = content(*weeks, rules=rules)
    first = schedule.lay_out(plan, MONDAY, history=history, moves={})
    again = schedule.lay_out(plan, MONDAY, history=dict(reversed(history.items())), moves={})
    assert first == again
    assert schedule.read_content(parts.plain(plan)) == plan
    assert len({one.slot for one in first}) == len(first)
    for one in first:
        begin = MONDAY + timedelta(days=7 * (one.slot.week - 1))
        assert begin <= one.day < begin + timedelta(days=7)
        assert parts.read(parts.plain(one.steps)) == one.steps
    assert [one.day for one in first] == sorted(one.day for one in first)
    assert {one.plan_week for one in first} == {nth for nth, each in enumerate(weeks, 1) if each.days}
    assert max((one.slot.week for one in first), default=0) <= len(weeks) + schedule.MAX_REPEATED


@given(
    st.floats(0, 10),
    st.integers(1, 3),
    st.sampled_from(["session", "week"]),
    st.floats(60, 90),
    st.sampled_from([None, 2.5]),
)
def test_wo2_with_success_alone_the_load_only_grows_and_stays_within_bounds(value, every, per, maximum, round_to):
    grows = rule(value=value, every=every, per=per, maximum=maximum, round_to=round_to)
    found = weights(laid(content(*ONE_A_WEEK, rules=[grows])))
    assert found == sorted(found)
    assert max(found) <= maximum


@given(HISTORY, st.floats(0, 60), st.floats(0, 60))
def test_wo2_no_history_leads_below_the_minimum(history, percent, minimum):
    falls = rule(deload_percent=percent, minimum=minimum)
    occurrences = schedule.lay_out(content(*ONE_A_WEEK, rules=[falls]), MONDAY, history=history, moves={})
    assert min(weights(occurrences)) >= min(60, minimum) - 1e-9


@given(WEEKS, HISTORY, st.integers(1, 10))
def test_wo2_what_comes_later_does_not_change_what_was_before(weeks, history, until):
    """Which workouts stood in a week follows from the weeks before it alone."""
    plan = content(*weeks, rules=[rule()])
    known = {slot: one for slot, one in history.items() if slot.week < until}

    def early(of):
        return [one for one in schedule.lay_out(plan, MONDAY, history=of, moves={}) if one.slot.week < until]

    assert early(known) == early(history)


# --- Steps and targets --------------------------------------------------------------------------------------------

KNOWN = Thresholds(hr_max=190, ftp_w=250, threshold_pace_s_per_km=250, e1rm_kg={SQUAT: 120})


@pytest.mark.parametrize(
    ("target", "meant"),
    [
        (parts.HeartRateZone(low=2, high=3), parts.Range("bpm", 114, 152)),
        (parts.Power(low=88, high=94), parts.Range("W", 220, 235)),
        (parts.Pace(low=90, high=100), parts.Range("m/s", 3.6, 4.0)),
        (parts.PartOfMaximum(percent=77), parts.Range("kg", 92.5, 92.5)),
        (parts.Effort(low=6, high=7), parts.Range("rpe", 6, 7)),
    ],
)
def test_wo2_targets_become_the_athletes_own_numbers(target, meant):
    assert parts.range_of(target, KNOWN, SQUAT) == meant
    unknown = parts.range_of(target, Thresholds(), SQUAT)
    assert unknown == (meant if meant.unit == "rpe" else None)


# --- Compliance ---------------------------------------------------------------------------------------------------


@given(st.floats(1, 1e5), st.floats(0, 3e5))
def test_wo2_a_score_is_0_to_100_and_full_within_a_tenth(planned, done):
    score = compliance.near(planned, done)
    assert 0 <= score <= 100
    assert (score == 100) == (0.9 <= done / planned <= 1.1)


def test_wo2_compliance_explains_its_parts():
    steps = (parts.Work(length=parts.ForTime(seconds=3600.0), target=parts.HeartRateZone(low=2, high=2)),)
    done = compliance.Done(duration_s=2430, distance_m=9000, hr_zones_s=[0, 0, 1620, 810, 0, 0])
    found = compliance.compare(steps, done, Outcome(state="done"), KNOWN)
    assert [(part.name, part.planned, part.done, part.score) for part in found.parts] == [
        ("duration", 3600, 2430, 75.0),
        ("intensity", 3600, 1620, 50.0),
    ]
    assert found.score == round((75 * 40 + 50 * 20) / 60, 1)
    assert compliance.compare((parts.Work(length=parts.Open()),), done, Outcome(), KNOWN) is None


def test_wo2_compliance_by_pace_and_by_repetitions():
    even = (parts.Work(length=parts.ForTime(seconds=1000.0), target=parts.Pace(low=90, high=110)),)
    fast = compliance.compare(even, compliance.Done(1000, 4000, None), Outcome(), KNOWN)
    assert [(part.name, part.planned) for part in fast.parts] == [("duration", 1000), ("intensity", 4)]
    half = Outcome(results=(Result(step=0, reps=(9, 2)),), rpe=8)
    lifted = compliance.compare((SETS,), compliance.Done(), half, KNOWN)
    assert [(part.planned, part.done) for part in lifted.parts] == [(15, 7)]


@given(
    asked=st.lists(st.tuples(st.sampled_from([SQUAT, OTHER]), st.integers(1, 4)), min_size=1, max_size=4),
    done=st.lists(st.tuples(st.sampled_from([SQUAT, OTHER]), st.integers(1, 12)), max_size=15),
)
def test_wo2_every_set_is_of_one_step_and_in_order(asked, done):
    steps = tuple(parts.StrengthSet(exercise_id=exercise, reps=5, sets=sets) for exercise, sets in asked)
    results = results_of(steps, [Lifted(exercise, reps) for exercise, reps in done])
    wanted = {exercise for exercise, _ in asked}
    if not any(exercise in wanted for exercise, _ in done):
        assert results == ()
        return
    assert [result.step for result in results] == list(range(len(steps)))
    for exercise in wanted:
        taken = [reps for result in results if steps[result.step].exercise_id == exercise for reps in result.reps]
        assert taken == [reps for of, reps in done if of == exercise]
        *earlier, _ = [result for result in results if steps[result.step].exercise_id == exercise]
        assert all(len(result.reps) <= steps[result.step].sets for result in earlier)


def test_wo2_sets_inside_a_repeat_are_its_rounds():
    steps = (parts.Repeat(times=3, steps=(msgspec.structs.replace(SETS, sets=1),)), SETS)
    results = results_of(steps, [Lifted(SQUAT, reps, 60.0) for reps in (5, 5, 3, 5, 5)])
    assert [(result.step, result.reps) for result in results] == [(1, (5, 5, 3)), (2, (5, 5))]
    found = compliance.compare(steps, compliance.Done(), Outcome(results=results), KNOWN)
    assert [(part.planned, part.done) for part in found.parts] == [(30, 23), (60, 60)]
    lifts = [Lifted(SQUAT, 5, 60.0)] * 6
    assert not compliance.all_sets_done(steps, Outcome(results=results_of(steps, lifts[1:])))
    assert compliance.all_sets_done(steps, Outcome(results=results_of(steps, lifts)))


def test_wo2_a_set_lighter_by_a_pair_of_plates_was_not_done_as_asked():
    def done(*weights, reps=(5, 5, 5)):
        return all_reps_done(SETS, Result(step=0, reps=reps, weights_kg=weights), sets=3)

    assert [done(), done(60.0, None, 60.0), done(57.6, 60.0, 80.0)] == [True, True, True]
    assert not done(60.0, 57.5, 60.0)
    assert not done(80.0, 80.0, 80.0, reps=(5, 5, 4))


# --- Watches ------------------------------------------------------------------------------------------------------


def messages(steps, sport="running", thresholds=KNOWN):
    """What an independent reader finds in the file."""
    file = fit_workout(
        title="Интервалы на дорожке",
        sport=sport,
        steps=steps,
        thresholds=thresholds,
        names={SQUAT: "Squat"},
        serial=7,
        made_at=START,
    )
    with fitdecode.FitReader(file, check_crc=fitdecode.CrcCheck.RAISE) as reader:
        found = [frame for frame in reader if isinstance(frame, fitdecode.FitDataMessage)]
    return [(one.name, {field.name: field.value for field in one.fields}) for one in found]


def test_wo2_a_watch_reads_a_workout_with_repeats_and_ranges():
    repeat = parts.Repeat(
        times=5,
        steps=(
            parts.Work(length=parts.ForDistance(metres=400.0), target=parts.Pace(low=100, high=105)),
            parts.Recovery(length=parts.ForTime(seconds=90.0), target=parts.HeartRateZone(low=1, high=2)),
        ),
    )
    steps = (
        parts.Warmup(length=parts.ForTime(seconds=600.0), target=parts.Power(low=50, high=65)),
        repeat,
        parts.Cooldown(length=parts.Open()),
    )
    file_id, workout, *rows = messages(steps)
    assert file_id[1]["type"] == "workout"
    assert (workout[1]["sport"], workout[1]["num_valid_steps"]) == ("running", 5)
    assert workout[1]["wkt_name"].startswith("Интервалы")
    fields = [row for _, row in rows]
    assert [row["message_index"] for row in fields] == [0, 1, 2, 3, 4]
    assert [row["duration_type"] for row in fields] == [
        "time",
        "distance",
        "time",
        "repeat_until_steps_cmplt",
        "open",
    ]
    assert [row["intensity"] for row in fields] == ["warmup", "active", "recovery", None, "cooldown"]
    assert (fields[0]["duration_time"], fields[1]["duration_distance"]) == (600, 400)
    assert (fields[3]["duration_step"], fields[3]["repeat_steps"]) == (1, 5)
    assert (fields[1]["custom_target_speed_low"], fields[1]["custom_target_speed_high"]) == (4.0, 4.2)
    assert (fields[2]["custom_target_heart_rate_low"], fields[2]["custom_target_heart_rate_high"]) == (50, 70)
    assert (fields[0]["custom_target_power_low"], fields[0]["custom_target_power_high"]) == (50, 65)


def test_wo2_a_watch_reads_strength_sets_with_weights_and_rests():
    lifted = parts.StrengthSet(exercise_id=SQUAT, reps=5, sets=3, load=parts.PartOfMaximum(percent=80), rest_s=120)
    _, workout, *rows = messages((lifted,), sport="strength")
    assert (workout[1]["sport"], workout[1]["sub_sport"]) == ("training", "strength_training")
    fields = [row for _, row in rows]
    assert [row["duration_type"] for row in fields] == ["reps", "time", "repeat_until_steps_cmplt"]
    assert (fields[0]["duration_reps"], fields[0]["wkt_step_name"], fields[0]["exercise_weight"]) == (
        5,
        "Squat",
        96.0,
    )
    assert (fields[1]["duration_time"], fields[1]["intensity"]) == (120, "rest")
    assert (fields[2]["duration_step"], fields[2]["repeat_steps"]) == (0, 3)


def test_wo2_pace_stays_open_where_the_threshold_is_not_known():
    (_, row) = messages(
        (parts.Work(length=parts.Open(), target=parts.Pace(low=90, high=95)),), thresholds=Thresholds()
    )[2]
    assert row["target_type"] == "open"
