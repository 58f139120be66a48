"""WO-8: friends train together: places for those who are free, live with consent, everybody's result in the end."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connections
from django.utils.timezone import now

from contexts.workout import events
from contexts.workout.models import GroupPlace, GroupWorkout
from contexts.workout.recording import together, watching
from kernel.realtime import in_thread
from tests.workout.conftest import SESSIONS, move

GROUPS = "/api/v1/workout/group-workouts"

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


@pytest.fixture
def friends(register):
    """Anna, and Boris and Chloe who are her friends."""
    anna, boris, chloe = register(), register(), register()
    for other in (boris, chloe):
        watching.befriend(user_a=anna.user_id, user_b=other.user_id)
    return anna, boris, chloe


def planned(person, *invited, starts_in=timedelta(minutes=10), hours=1):
    """Plan a run."""
    body = {
        "title": "Hills",
        "sport": "running",
        "starts_at": (now() + starts_in).isoformat(),
        "duration_s": hours * 3_600,
        "invited": [str(other.user_id) for other in invited],
    }
    return person.api.post(GROUPS, body)


def answer(person, group, accepts=True, **shares):
    """Answer an invitation."""
    return person.api.post(f"{GROUPS}/{group['id']}/answer", {"accepts": accepts} | shares)


class TestPlanning:
    def test_wo8_a_place_is_kept_for_each_friend_who_is_free(self, friends, register, announced):
        anna, boris, chloe = friends
        stranger = register()
        planned(chloe, starts_in=timedelta(minutes=30))
        made = planned(anna, boris, chloe, stranger)
        assert made.status_code == 201, made.content
        outcomes = {one["user_id"]: one["outcome"] for one in made.json()["invited"]}
        assert outcomes == {
            str(boris.user_id): "reserved", str(chloe.user_id): "busy", str(stranger.user_id): "not_a_friend",
        }  # fmt: skip
        (*_, event) = announced(events.GroupWorkoutCreated)
        assert event.invited == [boris.user_id]
        assert [one["title"] for one in boris.api.get(GROUPS).json()["group_workouts"]] == ["Hills"]

    def test_wo8_nobody_has_two_places_at_one_time_however_many_invite_at_once(self, friends, register):
        anna, boris, _ = friends
        hosts = [anna, *(register() for _ in range(7))]
        for host in hosts[1:]:
            watching.befriend(user_a=host.user_id, user_b=boris.user_id)
        starts_at = now() + timedelta(hours=1)

        def invite(host):
            try:
                _, told = together.plan_group_workout(
                    by=host.user_id, title="Run", sport="running", starts_at=starts_at,
                    duration=timedelta(hours=1), invited=[boris.user_id], at=now(),
                )  # fmt: skip
                return told[boris.user_id]
            finally:
                connections.close_all()

        with ThreadPoolExecutor(8) as pool:
            told = list(pool.map(invite, hosts))
        assert sorted(told) == ["busy"] * 7 + ["reserved"]
        assert GroupPlace.objects.filter(user_id=boris.user_id).count() == 1

    def test_who_is_busy_cannot_plan_or_accept(self, friends):
        anna, boris, _ = friends
        group = planned(anna, boris).json()
        assert planned(anna).json()["code"] == "busy"
        answer(boris, group, accepts=False)
        planned(boris)
        assert (answer(boris, group).status_code, answer(boris, group).json()["code"]) == (409, "busy")

    def test_a_group_workout_is_seen_by_those_invited_alone(self, friends, register):
        anna, boris, _ = friends
        group = planned(anna, boris).json()
        assert boris.api.get(f"{GROUPS}/{group['id']}").json()["my_state"] == "reserved"
        stranger = register()
        assert stranger.api.get(f"{GROUPS}/{group['id']}").status_code == 404
        assert answer(stranger, group).status_code == 404
        assert boris.api.post(f"{GROUPS}/{group['id']}/cancel").status_code == 404

    def test_wo8_calling_it_off_frees_everybody(self, friends):
        anna, boris, _ = friends
        group = planned(anna, boris).json()
        assert anna.api.post(f"{GROUPS}/{group['id']}/cancel").status_code == 200
        assert set(GroupPlace.objects.values_list("state", flat=True)) == {"released"}
        assert planned(boris).status_code == 201
        assert answer(boris, group).json()["code"] == "workout_over"

    def test_what_cannot_be_planned_is_refused(self, register):
        anna = register()
        late = planned(anna, starts_in=timedelta(days=-1))
        assert (late.status_code, late.json()["errors"][0]["code"]) == (400, "not_in_time")


class TestTraining:
    def test_wo8_each_records_their_own_session_and_all_see_the_results(self, friends, deliver):
        anna, boris, chloe = friends
        group = planned(anna, boris, chloe).json()
        answer(boris, group, shares_heart_rate=True)
        sessions = [person.api.post(f"{GROUPS}/{group['id']}/begin").json() for person in (anna, boris)]
        again = boris.api.post(f"{GROUPS}/{group['id']}/begin").json()
        assert again["id"] == sessions[1]["id"]
        move(boris, sessions[1], "complete")
        deliver()
        seen = {one["user_id"]: one for one in chloe.api.get(f"{GROUPS}/{group['id']}").json()["participants"]}
        assert seen[str(anna.user_id)]["is_training"] is True
        assert "hr_avg" in seen[str(boris.user_id)]["result"]
        assert seen[str(chloe.user_id)]["result"] is None

    def test_who_has_not_accepted_or_comes_too_early_does_not_begin(self, friends):
        anna, boris, _ = friends
        group = planned(anna, boris, starts_in=timedelta(hours=2)).json()
        assert boris.api.post(f"{GROUPS}/{group['id']}/begin").json()["code"] == "answer_first"
        answer(boris, group)
        assert boris.api.post(f"{GROUPS}/{group['id']}/begin").json()["code"] == "too_early"

    async def test_wo8_the_group_sees_live_what_each_shares(self, friends, socket, deliver):
        anna, boris, _ = friends
        group = (await in_thread(planned, anna, boris)).json()
        async with socket("/ws/v1/workout/me", boris.token) as mine:
            await mine.next("ready")
            await in_thread(deliver)
            assert (await mine.next("invitation"))["group_id"] == group["id"]
        await in_thread(lambda: answer(boris, group, shares_heart_rate=True))
        for person in (anna, boris):
            await in_thread(person.api.post, f"{GROUPS}/{group['id']}/begin")
        async with socket(f"/ws/v1/workout/group-workouts/{group['id']}", anna.token) as ws:
            await ws.next("snapshot")
            for person in (anna, boris):
                await in_thread(_measure, person)
            frames = [await ws.next("samples") for _ in range(2)]
        assert frames[0].keys() >= {"speed"}
        assert "heart_rate" not in frames[0]
        assert frames[1]["heart_rate"] == 150
        assert not any({"latitude", "longitude"} & frame.keys() for frame in frames)

    async def test_wo8_a_position_is_shared_with_consent_and_never_from_inside_a_privacy_zone(self, friends, socket):
        anna, boris, _ = friends
        home = {"name": "home", "latitude": 56.9, "longitude": 24.1, "radius_m": 300}
        await in_thread(boris.api.post, "/api/v1/identity/privacy-zones", home)
        group = (await in_thread(planned, anna, boris)).json()
        await in_thread(lambda: answer(boris, group, shares_position=True))
        await in_thread(boris.api.post, f"{GROUPS}/{group['id']}/begin")
        async with socket(f"/ws/v1/workout/group-workouts/{group['id']}", anna.token) as ws:
            await ws.next("snapshot")
            await in_thread(_measure, boris)
            at_home = await ws.next("samples")
            await in_thread(_measure, boris, 56.95)
            away = await ws.next("samples")
        assert not {"latitude", "longitude"} & at_home.keys()
        assert (away["latitude"], away["longitude"]) == (56.95, 24.1)


def _measure(person, latitude=56.9):
    session = person.api.get(f"{SESSIONS}/active").json()
    at = int(now().timestamp() * 1_000)
    series = [
        {"kind": kind, "times_ms": [at], "values": [value]}
        for kind, value in (("heart_rate", 150), ("speed", 3.5), ("latitude", latitude), ("longitude", 24.1))
    ]
    answered = person.api.post(f"{SESSIONS}/{session['id']}/samples", {"series": series})
    assert answered.json()["new"] == 4, answered.content


def test_a_cancelled_group_has_no_places_that_are_taken(friends):
    anna, boris, _ = friends
    group = planned(anna, boris).json()
    anna.api.post(f"{GROUPS}/{group['id']}/cancel")
    anna.api.post(f"{GROUPS}/{group['id']}/cancel")
    assert GroupWorkout.objects.get().cancelled_at is not None
    assert not GroupPlace.objects.filter(state__in=GroupPlace.TAKEN).exists()
