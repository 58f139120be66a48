"""A phone records: samples of its own in batches, laps, sets; and a session nobody ends ends by itself."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils.timezone import now

from contexts.workout import events, tasks
from contexts.workout.models import Exercise, LiveSample, TrainingSession
from contexts.workout.plans import exercise_library
from contexts.workout.recording import sampling
from kernel.databases import redis_client, unit_of_work
from kernel.realtime import in_thread
from tests.workout.conftest import SESSIONS, gpx, hand_in, move, start
from tests.workout.planning import WORKOUT

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

DEGREE_M = 111_195.08


def begun_ago(session, ago):
    """Move a session's start back on the clock."""
    TrainingSession.objects.filter(id=session["id"]).update(started_at=now() - ago)


def north(begin, seconds, speed=3.0):
    """Samples of somebody who runs straight north."""
    times = [int((begin + timedelta(seconds=second)).timestamp() * 1_000) for second in seconds]
    return [
        {"kind": "latitude", "times_ms": times, "values": [50 + second * speed / DEGREE_M for second in seconds]},
        {"kind": "longitude", "times_ms": times, "values": [8.0] * len(times)},
        {"kind": "altitude", "times_ms": times, "values": [100.0] * len(times)},
    ]


def send(person, session, series):
    """Add samples."""
    answer = person.api.post(f"{SESSIONS}/{session['id']}/samples", {"series": series})
    assert answer.status_code == 200, answer.content
    return answer.json()


def started(person, ago=timedelta(minutes=10)):
    """A session that began a while ago, and when."""
    session = start(person)
    begun_ago(session, ago)
    return session, TrainingSession.objects.get(id=session["id"]).started_at


class TestSamplesOfAPhone:
    def test_wo10_a_phones_track_becomes_the_sessions_route_and_distance(self, register):
        anna = register()
        session, begin = started(anna)
        for minute in range(5):
            taken = send(anna, session, north(begin, range(60 * minute, 60 * minute + 60, 2)))
            assert taken == {"new": 90, "known": 0, "out_of_range": 0, "outside_session": 0}
        done = move(anna, session, "complete")
        assert done["distance_m"] == pytest.approx(298 * 3, rel=0.01)
        kinds = {one["kind"] for one in anna.api.get(f"{SESSIONS}/{session['id']}/streams").json()["streams"]}
        assert kinds == {"latitude", "longitude", "altitude"}

    def test_wo9_a_batch_sent_again_counts_once(self, register):
        anna = register()
        session, begin = started(anna)
        batch = north(begin, range(0, 20, 2))
        send(anna, session, batch)
        assert send(anna, session, batch) == {"new": 0, "known": 30, "out_of_range": 0, "outside_session": 0}
        assert LiveSample.objects.count() == 30

    def test_wo3_what_cannot_be_is_counted_and_left_out(self, register):
        anna = register()
        session, begin = started(anna)
        at = int(begin.timestamp() * 1_000) + 5_000
        taken = send(
            anna,
            session,
            [
                {"kind": "heart_rate", "times_ms": [at, at + 1_000], "values": [300, 120]},
                {"kind": "speed", "times_ms": [at - 3_600_000], "values": [3.0]},
            ],
        )
        assert taken == {"new": 1, "known": 0, "out_of_range": 1, "outside_session": 1}

    def test_wo9_samples_after_the_end_revise_the_summary(self, register):
        anna = register()
        session, begin = started(anna)
        send(anna, session, north(begin, range(0, 60, 2)))
        before = move(anna, session, "complete")
        send(anna, session, north(begin, range(60, 120, 2)))
        after = anna.api.get(f"{SESSIONS}/{session['id']}").json()
        assert after["revision"] == 1
        assert after["distance_m"] == pytest.approx(2 * before["distance_m"], rel=0.05)

    def test_samples_that_are_none_are_refused(self, register):
        anna = register()
        session, _ = started(anna)
        for body in ({"series": [{"kind": "mood", "times_ms": [1], "values": [1]}]}, {"series": 3}, {}):
            answer = anna.api.post(f"{SESSIONS}/{session['id']}/samples", body)
            assert answer.status_code == 400
            assert answer.json()["errors"][0]["code"] == "samples_invalid"
        uneven = {"series": [{"kind": "speed", "times_ms": [1, 2], "values": [1]}]}
        assert anna.api.post(f"{SESSIONS}/{session['id']}/samples", uneven).status_code == 400

    def test_a_session_from_a_file_takes_no_samples(self, register, work):
        anna = register()
        hand_in(anna, gpx(now() - timedelta(days=1)))
        work()
        session = {"id": str(TrainingSession.objects.get().id)}
        series = [{"kind": "speed", "times_ms": [1], "values": [1]}]
        answer = anna.api.post(f"{SESSIONS}/{session['id']}/samples", {"series": series})
        assert (answer.status_code, answer.json()["code"]) == (409, "not_live")

    def test_somebody_elses_session_does_not_exist(self, register):
        anna, boris = register(), register()
        session, begin = started(anna)
        answer = boris.api.post(f"{SESSIONS}/{session['id']}/samples", {"series": north(begin, [1])})
        assert answer.status_code == 404

    async def test_watchers_see_speed_and_no_places(self, register, socket):
        anna = await in_thread(register)
        session, begin = await in_thread(started, anna)
        at = int(begin.timestamp() * 1_000)
        async with socket(f"/ws/v1/workout/sessions/{session['id']}", anna.token) as ws:
            await ws.next("snapshot")
            fast = {"kind": "speed", "times_ms": [at], "values": [3.5]}
            await in_thread(send, anna, session, [fast, *north(begin, [0])])
            frame = await ws.next("samples")
        assert frame["speed"] == [[0.0, 3.5]]
        assert not {"latitude", "longitude"} & frame.keys()


class TestTheSessionUnderWay:
    def test_wo7_the_active_session_comes_from_redis_for_two_hours(self, register):
        anna = register()
        assert anna.api.get(f"{SESSIONS}/active").status_code == 404
        session = start(anna)
        assert anna.api.get(f"{SESSIONS}/active").json()["id"] == session["id"]
        key = f"workout:active:{anna.user_id}"
        assert 7_100 < redis_client().ttl(key) <= 7_200
        move(anna, session, "pause")
        assert anna.api.get(f"{SESSIONS}/active").json()["state"] == "paused"
        move(anna, session, "complete")
        assert anna.api.get(f"{SESSIONS}/active").status_code == 404

    def test_wo7_without_redis_the_database_answers(self, register):
        anna = register()
        session = start(anna)
        redis_client().delete(f"workout:active:{anna.user_id}")
        assert anna.api.get(f"{SESSIONS}/active").json()["id"] == session["id"]

    def test_wo1_a_pause_is_announced(self, register, announced):
        anna = register()
        session = start(anna)
        move(anna, session, "pause")
        move(anna, session, "pause")
        (event,) = announced(events.WorkoutPaused)
        assert str(event.session_id) == session["id"]

    def test_wo1_laps_are_marked_as_they_are_run(self, register):
        anna = register()
        session = start(anna)
        for laps in (1, 2):
            answer = anna.api.post(f"{SESSIONS}/{session['id']}/laps")
            assert (answer.status_code, len(answer.json()["laps"])) == (201, laps)
        done = move(anna, session, "complete")
        assert len(done["laps"]) == 2
        late = anna.api.post(f"{SESSIONS}/{session['id']}/laps")
        assert (late.status_code, late.json()["code"]) == (409, "session_completed")

    def test_wo1_a_lost_phones_session_ends_at_its_last_sign_of_life(self, register):
        anna = register()
        session, begin = started(anna, timedelta(hours=3))
        send(anna, session, north(begin, range(0, 600, 60)))
        assert tasks.end_lost_sessions() == 1
        done = anna.api.get(f"{SESSIONS}/{session['id']}").json()
        assert (done["state"], done["duration_s"]) == ("completed", pytest.approx(540, abs=0.01))
        assert tasks.end_lost_sessions() == 0

    def test_wo1_a_session_that_still_speaks_or_rests_goes_on(self, register):
        anna, boris = register(), register()
        session, begin = started(anna, timedelta(hours=3))
        send(anna, session, north(begin, [10_000]))
        resting, _ = started(boris, timedelta(hours=3))
        move(boris, resting, "pause")
        long_ago = now() - sampling.LOST_AFTER - timedelta(hours=1)
        TrainingSession.objects.filter(id=resting["id"]).update(started_at=long_ago, pauses=[long_ago])
        assert tasks.end_lost_sessions() == 0


class TestSets:
    def test_wo1_sets_are_added_changed_and_taken_back(self, register):
        anna = register()
        session = start(anna, "strength")
        sets = f"{SESSIONS}/{session['id']}/sets"
        added = anna.api.post(sets, {"exercise": "Squat", "reps": 5, "weight_kg": 80, "rpe": 8.5})
        assert added.status_code == 201, added.content
        one, mine = f"{sets}/{added.json()['set_id']}", f"{sets}/{uuid4()}"
        assert anna.api.put(one, {"exercise": "Squat", "reps": 6, "weight_kg": 80}).json()["reps"] == 6
        assert anna.api.put(mine, {"exercise": "Plank", "duration_s": 60}).status_code == 201
        assert [done["exercise"] for done in anna.api.get(sets).json()["sets"]] == ["Squat", "Plank"]
        assert anna.api.delete(one).status_code == 204
        assert anna.api.delete(one).status_code == 404
        assert [done["exercise"] for done in anna.api.get(sets).json()["sets"]] == ["Plank"]

    def test_wo1_a_set_knows_its_exercise_by_name_or_by_id(self, register):
        unit_of_work("workout")(exercise_library.plant)(Exercise, using="workout")
        anna, boris = register(), register()
        own = {"name_en": "Ostrich waltz", "muscles": ["full_body"]}
        hers, his = (person.api.post(f"{WORKOUT}/exercises", own).json()["id"] for person in (anna, boris))
        squat = str(Exercise.objects.get(name_en="Back squat").pk)
        sets = f"{SESSIONS}/{start(anna, 'strength')['id']}/sets"

        def put(language="en", **done):
            answer = anna.api.post(sets, {"reps": 5} | done, headers={"Accept-Language": language})
            said = answer.json()
            if answer.status_code != 201:
                return said["errors"][0]["code"]
            return said["exercise"], said["exercise_id"]

        assert put(exercise="  приседания  СО штангой") == ("приседания  СО штангой", squat)
        assert put(exercise="back squat") == ("back squat", squat)
        assert put(exercise_id=squat, language="ru") == ("Приседания со штангой", squat)
        assert put(exercise="My squats", exercise_id=squat) == ("My squats", squat)
        assert put(exercise="ostrich waltz") == ("ostrich waltz", hers)
        assert put(exercise="Sofa lift") == ("Sofa lift", None)
        assert put(exercise="Mine", exercise_id=his) == put(exercise_id=str(uuid4())) == "unknown_exercise"
        assert put() == "exercise_missing"
        assert len(anna.api.get(sets).json()["sets"]) == 6

    def test_a_set_has_an_extent(self, register):
        anna = register()
        session = start(anna, "strength")
        answer = anna.api.post(f"{SESSIONS}/{session['id']}/sets", {"exercise": "Squat"})
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "extent_missing")

    def test_somebody_elses_sets_do_not_exist(self, register):
        anna, boris = register(), register()
        session = start(anna, "strength")
        sets = f"{SESSIONS}/{session['id']}/sets"
        assert boris.api.get(sets).status_code == 404
        assert boris.api.post(sets, {"exercise": "Squat", "reps": 5}).status_code == 404
