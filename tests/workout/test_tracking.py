"""Live sessions over HTTP: started, paused, resumed, completed, one at a time."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from django.db import IntegrityError
from django.utils.timezone import now

from contexts.workout import events
from contexts.workout.models import TrainingSession
from kernel.databases import release_connections, unit_of_work
from tests.workout.conftest import SESSIONS, moment, move, start

pytestmark = pytest.mark.django_db(databases="__all__")


class TestWo1OneSessionFromStartToEnd:
    def test_wo1_a_session_is_started_paused_resumed_and_completed(self, register):
        person = register()
        session = start(person)
        assert (session["state"], session["source"], session["ended_at"]) == ("active", "live", None)
        assert move(person, session, "pause")["state"] == "paused"
        assert move(person, session, "resume")["state"] == "active"
        done = move(person, session, "complete")
        assert done["state"] == "completed"
        assert len(done["pauses"]) == 2
        lasted = (moment(done["ended_at"]) - moment(done["started_at"])).total_seconds()
        paused = (moment(done["pauses"][1]) - moment(done["pauses"][0])).total_seconds()
        assert done["duration_s"] == pytest.approx(lasted - paused, abs=1e-5)

    @pytest.mark.parametrize("step", ["pause", "resume", "complete"])
    def test_wo1_repeating_a_step_changes_nothing(self, register, step):
        person = register()
        session = start(person)
        once = move(person, session, step)
        assert move(person, session, step) == once

    @pytest.mark.parametrize("step", ["pause", "resume"])
    def test_wo1_nothing_happens_to_a_session_after_its_end(self, register, step):
        person = register()
        session = start(person)
        move(person, session, "complete")
        answer = person.api.post(f"{SESSIONS}/{session['id']}/{step}")
        assert (answer.status_code, answer.json()["code"]) == (409, "session_completed")

    def test_wo1_a_pause_still_open_ends_with_the_session(self, register):
        person = register()
        session = start(person)
        move(person, session, "pause")
        done = move(person, session, "complete")
        assert done["pauses"][1] == done["ended_at"]

    def test_wo1_a_clock_set_back_does_not_turn_a_session_inside_out(self):
        session = TrainingSession(user_id=uuid4(), sport="running", started_at=now())
        session.complete(at=session.started_at.replace(year=2001))
        assert session.ended_at == session.started_at


class TestWo1OneSessionAtATime:
    def test_wo1_a_second_session_is_refused_while_one_is_under_way(self, register):
        person = register()
        first = start(person)
        move(person, first, "pause")
        answer = person.api.post(SESSIONS, {"sport": "cycling"})
        assert (answer.status_code, answer.json()["code"]) == (409, "session_already_active")
        assert answer.json()["session_id"] == first["id"]
        move(person, first, "complete")
        assert start(person, "cycling")["sport"] == "cycling"

    def test_wo1_the_database_itself_refuses_a_second_session_under_way(self):
        athlete = uuid4()

        @unit_of_work("workout")
        def two():
            for _ in range(2):
                TrainingSession.objects.create(user_id=athlete, sport="running", started_at=now())

        with pytest.raises(IntegrityError, match="session_one_underway_per_athlete"):
            two()

    def test_wo1_an_idempotency_key_starts_one_session_however_often_it_is_sent(self, register):
        person = register()
        answers = [
            person.api.post(SESSIONS, {"sport": "running"}, headers={"Idempotency-Key": "one"}) for _ in range(3)
        ]
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.content for answer in answers}) == 1


class TestPrivacy:
    def test_id7_a_new_session_is_private_unless_the_profile_says_otherwise(self, register):
        assert start(register())["visibility"] == "private"
        assert start(register(visibility={"workouts": "friends"}))["visibility"] == "friends"
        assert start(register(visibility={"workouts": "friends"}), visibility="everyone")["visibility"] == "everyone"

    @pytest.mark.parametrize("step", ["", "/streams", "/pause", "/resume", "/complete"])
    def test_a_session_of_somebody_else_does_not_exist(self, register, step):
        session, stranger = start(register()), register()
        path = f"{SESSIONS}/{session['id']}{step}"
        answer = stranger.api.get(path) if step in ("", "/streams") else stranger.api.post(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")

    def test_nobody_tracks_without_signing_in(self, anonymous):
        for answer in (anonymous.get(SESSIONS), anonymous.post(SESSIONS, {"sport": "running"})):
            assert answer.status_code == 401


class TestAnnouncements:
    def test_started_and_completed_are_announced_once(self, register, announced):
        person = register(time_zone="Europe/Berlin", visibility={"workouts": "friends"})
        session = start(person)
        for _ in range(2):
            done = move(person, session, "complete")
        (started,) = announced(events.WorkoutStarted)
        assert (str(started.session_id), started.user_id, started.sport) == (session["id"], person.user_id, "running")
        assert (started.visibility, started.started_at) == ("friends", moment(session["started_at"]))
        (completed,) = announced(events.WorkoutCompleted)
        assert str(completed.session_id) == session["id"]
        assert (completed.duration_s, completed.source) == (done["duration_s"], "live")
        assert (completed.visibility, completed.ended_at) == ("friends", moment(done["ended_at"]))

    def test_an_unknown_sport_starts_nothing(self, register, announced):
        answer = register().api.post(SESSIONS, {"sport": "chess"})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "sport")
        assert announced(events.WorkoutStarted) == []


@pytest.mark.django_db(databases="__all__", transaction=True)
class TestRaces:
    def test_wo1_of_many_starts_at_once_one_wins(self, register, announced):
        person = register()
        answers = _at_once(12, lambda: person.api.post(SESSIONS, {"sport": "running"}))
        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 11
        assert len(announced(events.WorkoutStarted)) == 1

    def test_wo1_of_many_completions_at_once_one_counts(self, register, announced):
        person = register()
        session = start(person)
        answers = _at_once(12, lambda: person.api.post(f"{SESSIONS}/{session['id']}/complete"))
        assert {answer.status_code for answer in answers} == {200}
        assert all(answer.json() == answers[0].json() for answer in answers)
        assert len(announced(events.WorkoutCompleted)) == 1

    def test_wo1_pauses_and_resumes_at_once_leave_whole_pauses(self, register):
        person = register()
        session = start(person)
        steps = ["pause", "resume"] * 8
        _at_once(16, lambda: person.api.post(f"{SESSIONS}/{session['id']}/{steps.pop()}"))
        done = move(person, session, "complete")
        assert len(done["pauses"]) % 2 == 0
        assert done["pauses"] == sorted(done["pauses"])


def _at_once(times, call):
    def one(_):
        try:
            return call()
        finally:
            release_connections()

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(one, range(times)))
