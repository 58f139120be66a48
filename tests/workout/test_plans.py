"""Training plans through the front door (WO-2): written, shared, adopted, followed."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import icalendar
import pytest
from django.utils.timezone import now

from contexts.identity import roles
from contexts.workout import events
from contexts.workout.models import Exercise, ScheduledWorkout
from contexts.workout.plans import exercise_library, following
from kernel.databases import unit_of_work
from tests.conftest import sign_in
from tests.workout.planning import (
    SQUAT,
    WORKOUT,
    adopt,
    assert_invariants_hold,
    code_of,
    complete,
    day,
    identifier,
    made,
    noon,
    run_of,
    schedule,
    squats,
    timed,
    today,
    write_plan,
    write_workout,
)

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


@pytest.fixture(autouse=True)
def library(transactional_db):
    """What a migration plants once; other tests have emptied the tables since."""
    unit_of_work("workout")(exercise_library.plant)(Exercise, using="workout")


@pytest.fixture
def anna(register):
    return register(display_name="Anna")


@pytest.fixture
def coach(register):
    person = register(display_name="Coach")
    roles.grant_role(user_id=person.user_id, role="coach")
    person.api.token = sign_in(person.email)["access"]
    return person


# --- Exercises ----------------------------------------------------------------------------------------------------


def test_wo2_the_library_is_found_by_muscle_equipment_and_name_in_two_languages(anna):
    def names(**filters):
        items = anna.api.get(f"{WORKOUT}/exercises", data={"limit": 100} | filters).json()["items"]
        return [item["name_en"] for item in items]

    assert len(names()) >= 60
    assert "Pull-up" in names(muscle="lats", equipment="pull_up_bar")
    assert "Back squat" not in names(muscle="lats")
    assert names(text="планка") == ["Copenhagen plank", "Plank", "Side plank"]
    russian = anna.api.get(f"{WORKOUT}/exercises?text=deadlift", headers={"Accept-Language": "ru"}).json()["items"]
    assert russian[0]["name"] == "Становая тяга"


def test_wo2_an_own_exercise_is_private_until_a_moderator_accepts_it(anna, register, staff_client):
    boris = register()
    form = {"name_en": "Sandbag carry", "muscles": ["full_body"]}
    own = made(anna, "exercises", form)
    proposed = made(anna, "exercises", form | {"name_en": "Sled push", "propose": True})
    assert (own["state"], own["equipment"], proposed["state"]) == ("private", ["none"], "proposed")

    def seen(person):
        return [item["name_en"] for item in person.api.get(f"{WORKOUT}/exercises?text=s&limit=100").json()["items"]]

    assert {"Sandbag carry", "Sled push"} <= set(seen(anna))
    assert not {"Sandbag carry", "Sled push"} & set(seen(boris))
    form_of_staff = {"action": "accept_exercises", "_selected_action": [own["id"], proposed["id"]]}
    answer = staff_client("moderator").post("/admin/workout/exercise/", form_of_staff, follow=True)
    assert b"1 accepted." in answer.content
    assert "Sled push" in seen(boris)
    assert "Sandbag carry" not in seen(boris)
    assert anna.api.post(f"{WORKOUT}/exercises", form | {"muscles": ["soul"]}).status_code == 400


# --- Workouts and plans -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "code"),
    [
        ([], "malformed"),
        ([{"kind": "sprint"}], "malformed"),
        ([timed(0)], "malformed"),
        ([timed(60, target={"by": "power", "low": 110, "high": 90})], "out_of_order"),
        ([{"kind": "repeat", "times": 9, "steps": [timed(60)] * 20}] * 4, "too_many_steps"),
        ([squats() | {"exercise_id": str(uuid4())}], "unknown_exercise"),
    ],
)
def test_wo2_a_workout_that_cannot_be_done_is_refused(anna, steps, code):
    answer = anna.api.post(f"{WORKOUT}/workouts", {"title": "x", "sport": "running", "steps": steps})
    assert (answer.status_code, code_of(answer)) == (400, code)


def test_wo2_a_plan_is_made_of_own_workouts_and_sound_weeks(anna, register):
    workout = write_workout(anna)
    of_others = write_workout(register())

    def refused(**form):
        weeks = form.pop("weeks", [{"days": [{"day": 1, "workout_id": workout}]}])
        answer = anna.api.post(f"{WORKOUT}/plans", {"title": "x", "sport": "running", "weeks": weeks} | form)
        assert answer.status_code == 400, answer.content
        return code_of(answer)

    rule = {"workout_id": workout, "changes": "duration", "operation": "add", "value": 60}
    assert refused(weeks=[{"days": [{"day": 1, "workout_id": of_others}]}]) == "unknown_workout"
    assert refused(weeks=[{"days": [{"day": 8, "workout_id": workout}]}]) == "malformed"
    assert refused(weeks=[{"days": [{"day": 2, "workout_id": workout}] * 4}]) == "too_many_a_day"
    assert refused(weeks=[{}]) == "empty"
    assert refused(weeks=[{"days": [{"day": 1, "workout_id": workout}]}] * 53) == "malformed"
    assert refused(rules=[rule | {"changes": "weight"}]) == "changes_nothing"
    assert refused(rules=[rule | {"workout_id": of_others}]) == "unknown_workout"
    assert refused(rules=[rule | {"every": 0}]) == "malformed"


def test_wo2_each_change_of_a_plan_or_of_its_workouts_is_a_new_version(anna):
    workout = write_workout(anna)
    plan = write_plan(anna, workout)
    assert plan["version"] == 1
    assert anna.api.patch(f"{WORKOUT}/plans/{plan['id']}", {"title": "Better"}).json()["version"] == 2
    assert anna.api.patch(f"{WORKOUT}/workouts/{workout}", {"steps": [timed(900)]}).status_code == 200
    assert anna.api.get(f"{WORKOUT}/plans/{plan['id']}").json()["version"] == 3
    assert anna.api.delete(f"{WORKOUT}/workouts/{workout}").json()["code"] == "workout_in_use"
    assert anna.api.delete(f"{WORKOUT}/plans/{plan['id']}").status_code == 204
    assert anna.api.delete(f"{WORKOUT}/workouts/{workout}").status_code == 204


def test_wo2_a_private_plan_is_its_owners_and_a_public_one_everybodys(anna, register, staff_client):
    boris = register()
    workout = write_workout(anna)
    plan = write_plan(anna, workout)
    address = f"{WORKOUT}/plans/{plan['id']}"
    assert boris.api.get(address).status_code == 404
    assert boris.api.get(f"{WORKOUT}/workouts/{workout}").status_code == 404
    assert boris.api.post(f"{address}/adopt", {"starts_on": day(0)}).status_code == 404
    assert anna.api.patch(address, {"visibility": "public"}).status_code == 200
    assert boris.api.get(address).status_code == boris.api.get(f"{WORKOUT}/workouts/{workout}").status_code == 200
    assert [item["id"] for item in boris.api.get(f"{WORKOUT}/plans?whose=public").json()["items"]] == [plan["id"]]
    assert boris.api.get(f"{WORKOUT}/plans?sport=rowing").json()["items"] == []
    assert boris.api.patch(address, {"title": "Mine"}).status_code == boris.api.delete(address).status_code == 404
    form = {"action": "hide_plans", "_selected_action": [plan["id"]]}
    assert b"1 hidden." in staff_client("moderator").post("/admin/workout/trainingplan/", form, follow=True).content
    assert boris.api.get(address).status_code == 404
    assert anna.api.get(address).status_code == 200


def test_wo2_a_coach_shares_plans_with_athletes_who_let_them(anna, coach, register):
    plan = write_plan(coach, write_workout(coach))
    shares = f"{WORKOUT}/plans/{plan['id']}/shares"
    whom = {"athlete_id": str(anna.user_id)}
    assert coach.api.post(shares, whom).status_code == 404
    grant = {"coach_id": str(coach.user_id), "scopes": ["workout:read"]}
    assert anna.api.post("/api/v1/identity/coaches", grant).status_code == 201
    assert coach.api.post(shares, whom).status_code == 204
    assert [item["athlete_id"] for item in coach.api.get(shares).json()["items"]] == [str(anna.user_id)]
    assert [item["id"] for item in anna.api.get(f"{WORKOUT}/plans?whose=shared").json()["items"]] == [plan["id"]]
    assert register().api.get(f"{WORKOUT}/plans/{plan['id']}").status_code == 404
    adopt(anna, plan)
    assert coach.api.delete(f"{shares}/{anna.user_id}").status_code == 204
    assert anna.api.get(f"{WORKOUT}/plans/{plan['id']}").status_code == 404
    assert len(schedule(anna)) == 3
    assert anna.api.post(shares, whom).status_code == 403


# --- Following a plan ---------------------------------------------------------------------------------------------


def test_wo2_adopting_a_plan_fills_the_schedule_and_is_announced(anna, announced):
    rule = {"workout_id": (workout := write_workout(anna)), "changes": "duration", "operation": "add", "value": 300}
    plan = write_plan(anna, workout, days=(1, 4), rules=[rule])
    adopted = adopt(anna, plan)
    rows = schedule(anna)
    assert [row["day"] for row in rows] == [day(nth) for nth in (0, 3, 7, 10, 14, 17)]
    assert [row["steps"][0]["length"]["seconds"] for row in rows] == [1800 + 300 * nth for nth in range(6)]
    (event,) = announced(events.PlanAdopted)
    assert (event.adopted_id, event.plan_id, event.plan_version) == (identifier(adopted), identifier(plan), 1)
    assert (event.user_id, event.sport, event.starts_on, event.weeks) == (anna.user_id, "running", today(), 3)
    assert_invariants_hold()


def test_wo2_an_adopted_plan_stays_as_it_was_whatever_its_author_changes(anna):
    workout = write_workout(anna)
    plan = write_plan(anna, workout)
    adopt(anna, plan)
    before = schedule(anna)
    anna.api.patch(f"{WORKOUT}/workouts/{workout}", {"steps": [timed(60)], "title": "Short"})
    complete(anna, before[0])
    assert anna.api.delete(f"{WORKOUT}/plans/{plan['id']}").status_code == 204
    after = schedule(anna)
    assert [(row["title"], row["steps"]) for row in after] == [(row["title"], row["steps"]) for row in before]


def test_wo2_targets_follow_the_athletes_thresholds(anna):
    target = {"by": "power", "low": 90, "high": 100}
    plan = write_plan(anna, write_workout(anna, timed(600, target=target), sport="cycling"))
    adopted = adopt(anna, plan, ftp_w=200)
    first, second, _ = schedule(anna)
    assert first["steps"][0]["range"] == {"unit": "W", "low": 180, "high": 200}
    assert adopted["thresholds"]["hr_max"] == 220 - years_old()
    complete(anna, first)
    changed = anna.api.patch(f"{WORKOUT}/adopted-plans/{adopted['id']}", {"thresholds": {"ftp_w": 300}})
    assert changed.status_code == 200
    first, second, _ = schedule(anna)
    assert [row["steps"][0]["range"]["high"] for row in (first, second)] == [200, 300]


def test_wo2_targets_follow_the_thresholds_of_their_day(anna, anonymous):
    power = {"by": "power", "low": 90, "high": 100}
    pulse = {"by": "heart_rate_zone", "low": 4, "high": 4}
    plan = write_plan(anna, write_workout(anna, timed(600, target=power), timed(60, target=pulse), sport="cycling"))

    def dated(nth, **known):
        answer = anna.api.put(f"{WORKOUT}/thresholds", {"valid_from": day(nth)} | known)
        assert answer.status_code == 200, answer.content

    def ranges():
        return [[step["range"] and step["range"]["high"] for step in row["steps"]] for row in schedule(anna)]

    dated(-5, sport="cycling", ftp_w=200, hr_max=190)
    dated(-5, sport="running", ftp_w=400, hr_max=240, threshold_mps=4.0)
    adopted = adopt(anna, plan)
    assert ranges() == [[200, 171]] * 3
    assert adopted["thresholds"]["hr_max"] == 220 - years_old(), "as the profile says, of every sport"
    complete(anna, schedule(anna)[0])
    dated(7, ftp_w=250)
    dated(0, sport="cycling", ftp_w=210)
    assert ranges() == [[200, 171], [250, 171], [250, 171]], "what is done keeps what it was done with"
    feed = made(anna, "plan-feeds", {"name": "Mine"})
    calendar = icalendar.Calendar.from_ical(anonymous.get("/" + feed["url"].split("/", 3)[3]).content)
    assert "225–250 W" in str(calendar.events[1]["description"])
    said = anna.api.patch(f"{WORKOUT}/adopted-plans/{adopted['id']}", {"thresholds": {"ftp_w": 300}})
    assert said.json()["thresholds"]["ftp_w"] == 300
    assert ranges() == [[200, 171], [300, 171], [300, 171]], "what is said for a plan goes before"
    pace = write_workout(anna, timed(600, target={"by": "pace", "low": 90, "high": 100}))
    assert b"Run" in anna.api.get(f"{WORKOUT}/workouts/{pace}/fit").content
    dated(0, sport="cycling", threshold_mps=25.0)
    assert ranges()[1] == [300, 171], "a pace that no target takes is left out"


def years_old():
    born, at = datetime(1990, 5, 17, tzinfo=UTC), now()
    return at.year - born.year - ((at.month, at.day) < (born.month, born.day))


def test_wo2_at_most_five_plans_are_followed_and_one_given_up_leaves_what_was_done(anna):
    plan = write_plan(anna, write_workout(anna))
    first = adopt(anna, plan)
    complete(anna, schedule(anna)[0])
    for _ in range(4):
        adopt(anna, plan)
    refused = anna.api.post(f"{WORKOUT}/plans/{plan['id']}/adopt", {"starts_on": day(0)})
    assert refused.json()["code"] == "too_many_adopted"
    assert anna.api.delete(f"{WORKOUT}/adopted-plans/{first['id']}").status_code == 204
    left = [row["state"] for row in schedule(anna) if row["adopted_id"] == first["id"]]
    assert left == ["done"]
    late = anna.api.post(f"{WORKOUT}/plans/{plan['id']}/adopt", {"starts_on": day(400)})
    assert code_of(late) == "too_far"
    assert_invariants_hold()


def test_wo2_a_workout_moves_from_today_on_and_seven_days_at_most(anna):
    adopt(anna, write_plan(anna, write_workout(anna), days=(3,)))
    row = schedule(anna)[0]

    def move(to):
        return anna.api.post(f"{WORKOUT}/schedule/{row['id']}/move", {"day": day(to)})

    assert (move(5).json()["day"], move(5).json()["moved"]) == (day(5), True)
    assert [move(to).json()["code"] for to in (-1, 10)] == ["day_out_of_reach"] * 2
    assert move(2).json()["moved"] is False
    move(0)
    complete(anna, schedule(anna)[1])
    assert schedule(anna)[0]["day"] == day(0)
    assert anna.api.post(f"{WORKOUT}/schedule/{row['id']}/skip").json()["state"] == "skipped"
    assert move(1).json()["code"] == "already_settled"


def test_wo2_the_schedule_of_others_does_not_exist(anna, register):
    plan = write_plan(anna, write_workout(anna))
    adopted = adopt(anna, plan)
    (row, *_), boris = schedule(anna), register()
    for step in ("move", "skip", "complete"):
        assert boris.api.post(f"{WORKOUT}/schedule/{row['id']}/{step}", {"day": day(1)}).status_code == 404
    for path in (f"schedule/{row['id']}", f"schedule/{row['id']}/fit", f"adopted-plans/{adopted['id']}"):
        assert boris.api.get(f"{WORKOUT}/{path}").status_code == 404
    assert schedule(boris) == []


# --- Done, failed, missed -----------------------------------------------------------------------------------------


def test_wo2_a_failed_set_is_repeated_and_two_failures_lower_the_weight(anna):
    workout = write_workout(anna, squats(), sport="strength")
    rule = {"workout_id": workout, "changes": "weight", "operation": "add", "value": 5, "deload_percent": 20}
    adopt(anna, write_plan(anna, workout, weeks=5, sport="strength", rules=[rule]))

    def weights():
        return [row["steps"][0]["range"]["high"] for row in schedule(anna)]

    assert weights() == [100, 105, 110, 115, 120]
    rows = schedule(anna)
    assert rows[0]["steps"][0]["exercise"] == "Back squat"
    assert complete(anna, rows[0], results=[{"step": 0, "reps": [5, 5, 5]}])["state"] == "done"
    assert complete(anna, rows[1], results=[{"step": 0, "reps": [5, 4, 5]}])["state"] == "failed"
    assert weights() == [100, 105, 105, 110, 115]
    complete(anna, rows[2], results=[{"step": 0, "reps": [3, 3, 2]}])
    assert weights() == [100, 105, 105, 84, 89]
    assert complete(anna, rows[2], results=[{"step": 0, "reps": [5, 5, 5]}])["state"] == "done"
    assert weights() == [100, 105, 105, 110, 115]
    assert_invariants_hold()


def test_wo2_a_completed_session_counts_for_the_nearest_workout_of_its_sport(anna, work, deliver):
    adopt(anna, write_plan(anna, write_workout(anna, sport="cycling"), days=(1,)), today() - timedelta(days=3))
    adopt(anna, write_plan(anna, write_workout(anna), days=(1, 2, 5)), today() - timedelta(days=3))
    session_id = run_of(anna, work, noon(-3), minutes=20)
    deliver()
    deliver()
    rows = schedule(anna)
    (done,) = [row for row in rows if row["state"] != "planned"]
    assert (done["day"], done["sport"], done["session_id"]) == (day(-3), "running", session_id)
    assert done["compliance"] == round(100 * (20 / 30) / 0.9, 1)
    assert [part["name"] for part in done["compliance_parts"]] == ["duration"]
    run_of(anna, work, noon(-3) + timedelta(hours=5), minutes=30)
    deliver()
    assert [row["day"] for row in schedule(anna) if row["state"] != "planned"] == [day(-3)]  # not the next day's
    run_of(anna, work, noon(0), minutes=10)
    deliver()
    (failed,) = [row for row in schedule(anna) if row["state"] == "failed"]
    assert failed["day"] == day(1)
    assert_invariants_hold()


def test_wo2_a_session_counts_once_and_can_be_named_by_hand(anna, register, work, deliver):
    session_id = run_of(anna, work, noon(-5))
    deliver()
    adopt(anna, write_plan(anna, write_workout(anna)))
    first, second, _ = schedule(anna)
    assert complete(anna, first, session_id=session_id, rpe=7)["compliance"] == 100
    again = anna.api.post(f"{WORKOUT}/schedule/{second['id']}/complete", {"session_id": session_id})
    assert again.json()["code"] == "session_taken"
    boris = register()
    adopt(boris, write_plan(boris, write_workout(boris)))
    theirs = schedule(boris)[0]
    stolen = boris.api.post(f"{WORKOUT}/schedule/{theirs['id']}/complete", {"session_id": session_id})
    assert stolen.status_code == 404


def test_wo2_what_was_not_done_is_missed_when_the_athletes_own_day_is_over(register):
    anna = register(time_zone="Pacific/Kiritimati")  # 14 hours ahead of UTC
    anna.api.token = sign_in(anna.email)["access"]
    adopt(anna, write_plan(anna, write_workout(anna)), today())
    ten_utc = datetime.combine(today(), datetime.min.time(), UTC) + timedelta(hours=10)
    assert following.sweep(at=ten_utc - timedelta(minutes=1)) == 0
    assert schedule(anna)[0]["state"] == "planned"
    assert following.sweep(at=ten_utc) == 1
    assert following.sweep(at=ten_utc) == 0
    assert schedule(anna)[0]["state"] == "missed"


def test_wo2_a_missed_key_session_is_made_up_once_and_a_missed_week_is_repeated(anna):
    plan = write_plan(anna, write_workout(anna), days=((1, "key"), (2, "normal")), weeks=2)
    adopt(anna, plan, today())
    following.sweep(at=noon(1))
    first = next(row for row in schedule(anna) if row["made_up"])
    assert (first["day"], first["state"], first["plan_week"]) == (day(2), "planned", 1)
    following.sweep(at=noon(8))
    rows = schedule(anna)
    assert [(row["plan_week"], row["week"]) for row in rows] == [(1, 1)] * 2 + [(1, 2)] * 2 + [(2, 3)] * 2
    assert [row["state"] for row in rows[:2]] == ["missed", "missed"]
    assert_invariants_hold()


def test_wo2_a_session_that_came_in_late_undoes_that_its_workout_was_missed(anna, work, deliver):
    adopt(anna, write_plan(anna, write_workout(anna), days=(1, 3)), today() - timedelta(days=4))
    following.sweep(at=now())
    assert [row["state"] for row in schedule(anna)[:2]] == ["missed", "missed"]
    run_of(anna, work, noon(-4))
    deliver()
    assert [row["state"] for row in schedule(anna)[:2]] == ["done", "missed"]


def test_wo2_the_same_inputs_give_the_same_schedule(anna, register):
    boris = register()
    workout = write_workout(anna, squats(), sport="strength")
    rules = [{"workout_id": workout, "changes": "weight", "operation": "multiply", "value": 1.03, "round_to": 2.5}]
    plan = write_plan(anna, workout, days=((1, "key"), (4, "normal")), weeks=4, rules=rules, visibility="public")
    for person in (anna, boris):
        adopt(person, plan)
        complete(person, schedule(person)[0], results=[{"step": 0, "reps": [5, 5, 5]}])
    following.sweep(at=noon(5))
    told = ("day", "week", "plan_week", "title", "priority", "state", "moved", "steps", "compliance")
    hers, his = ([{name: row[name] for name in told} for row in schedule(person)] for person in (anna, boris))
    assert hers == his


# --- Elsewhere ----------------------------------------------------------------------------------------------------


def test_wo2_a_workout_is_downloaded_for_a_watch(anna):
    target = {"by": "pace", "low": 95, "high": 100}
    workout = write_workout(anna, timed(600, target=target))
    adopt(anna, write_plan(anna, workout), threshold_pace_s_per_km=250)
    for path in (f"workouts/{workout}/fit", f"schedule/{schedule(anna)[0]['id']}/fit"):
        answer = anna.api.get(f"{WORKOUT}/{path}", headers={"Accept": "application/vnd.ant.fit"})
        assert (answer.status_code, answer["Content-Type"]) == (200, "application/vnd.ant.fit")
        assert answer.content[8:12] == b".FIT"
        assert answer["Content-Disposition"].endswith('.fit"')
    assert (4000).to_bytes(4, "little") in answer.content


def test_wo2_the_schedule_is_a_calendar_behind_an_address_that_can_be_revoked(anna, anonymous):
    workout = write_workout(anna, timed(600, "warmup"), squats(), title="Mix\r\nBEGIN:VEVENT", sport="strength")
    adopt(anna, write_plan(anna, workout))
    complete(anna, schedule(anna)[0])
    feed = made(anna, "plan-feeds", {"name": "Phone"})
    address = "/" + feed["url"].split("/", 3)[3]
    answer = anonymous.get(address)
    assert answer["Content-Type"] == "text/calendar; charset=utf-8"
    calendar = icalendar.Calendar.from_ical(answer.content)
    assert [str(entry.start) for entry in calendar.events] == [day(0), day(7), day(14)]
    assert str(calendar.events[0]["summary"]).startswith("✓ Mix")
    assert "Back squat 3 × 5 @ 100 kg" in str(calendar.events[1]["description"])
    assert anonymous.get(address, headers={"If-None-Match": answer["ETag"]}).status_code == 304
    (shown,) = anna.api.get(f"{WORKOUT}/plan-feeds").json()["items"]
    assert shown["read_at"]
    assert "url" not in shown
    assert anna.api.delete(f"{WORKOUT}/plan-feeds/{feed['id']}").status_code == 204
    assert anonymous.get(address).status_code == 404


def test_id10_plans_schedules_and_own_exercises_go(anna, deliver):
    workout = write_workout(anna)
    adopt(anna, write_plan(anna, workout))
    made(anna, "exercises", {"name_en": "Sandbag carry", "muscles": ["full_body"]})
    made(anna, "plan-feeds", {"name": "Phone"})
    assert anna.api.post("/api/v1/identity/erasure", {"password": anna.password}).status_code == 202
    deliver()
    assert not ScheduledWorkout.objects.exists()
    assert not Exercise.objects.filter(owner_id=anna.user_id).exists()
    assert Exercise.objects.filter(pk=SQUAT).exists()
