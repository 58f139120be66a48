"""Segments: made from a session, matched with others, efforts and leaderboards (WO-6)."""

import json
from datetime import timedelta

import pytest
from django.core.files.storage import default_storage

from contexts.workout import tasks
from contexts.workout.models import Route, Segment, SegmentEffort, SessionTrack, TrainingSession
from contexts.workout.outdoors import efforts
from kernel import personal_data
from kernel.databases import unit_of_work
from tests.workout.going import START, befriend, go, items, zone

pytestmark = pytest.mark.django_db(databases="__all__")

SEGMENTS = "/api/v1/workout/segments"
STRAIGHT = [(0, 0), (0, 2000)]
"""Two kilometres north, 10 m every 2 s."""


@pytest.fixture(autouse=True)
def matched_at_once(monkeypatch):
    monkeypatch.setattr(tasks.match_segment, "delay", tasks.match_segment)


def make(person, session_id, from_s=100, to_s=300, **more):
    form = {
        "session_id": session_id,
        "from_s": from_s,
        "to_s": to_s,
        "name": "Climb",
        "visibility": "everyone",
    } | more
    return person.api.post(SEGMENTS, form)


def made(person, session_id, **more):
    answer = make(person, session_id, **more)
    assert answer.status_code == 201, answer.content
    return answer.json()


def share(person):
    answer = person.api.patch("/api/v1/identity/me", {"visibility": {"workouts": "everyone"}})
    assert answer.status_code == 200, answer.content
    return person


@pytest.fixture
def athlete(register):
    """`athlete()`: somebody who shares their workouts with everybody."""
    return lambda: share(register())


def board(person, segment, **query):
    return items(person.api.get(f"{SEGMENTS}/{segment['id']}/leaderboard", data=query))


def own(person, segment):
    return items(person.api.get(f"{SEGMENTS}/{segment['id']}/efforts"))


def test_wo6_a_segment_is_cut_from_a_session_and_its_maker_has_an_effort(athlete):
    anna = athlete()
    session = go(anna, STRAIGHT)
    segment = made(anna, session)
    assert segment["length_m"] == pytest.approx(1000, abs=0.5)
    (effort,) = own(anna, segment)
    assert effort["elapsed_s"] == pytest.approx(200, abs=0.01)
    assert effort["started_at"] == (START + timedelta(seconds=100)).isoformat().replace("+00:00", "Z")
    assert effort["heart_rate"] == 140
    assert effort["speed_mps"] == pytest.approx(5, abs=0.01)
    shown = anna.api.get(f"{SEGMENTS}/{segment['id']}").json()
    assert shown["matching"] == {"is_done": True, "looked_at": 1, "of": 1}


def test_wo6_crossings_are_interpolated_between_samples(athlete, deliver):
    anna, boris = athlete(), athlete()
    segment = made(anna, go(anna, STRAIGHT))
    go(boris, [(3, -7), (3, 2003)], every_m=30, step_s=4.5)  # no sample falls on a gate
    deliver()
    (effort,) = own(boris, segment)
    assert effort["elapsed_s"] == pytest.approx(150, abs=0.05)


def test_wo6_every_lap_is_an_effort(athlete, deliver):
    anna, boris = athlete(), athlete()
    block = [(0, 0), (0, 1000), (600, 1000), (600, 0), (0, 0)]
    segment = made(anna, go(anna, block), from_s=20, to_s=180)
    go(boris, [*block, *block[1:], *block[1:]], step_s=3)
    deliver()
    laps = own(boris, segment)
    assert [lap["nth"] for lap in sorted(laps, key=lambda lap: lap["started_at"])] == [0, 1, 2]
    assert [lap["elapsed_s"] for lap in laps] == pytest.approx([240, 240, 240], abs=0.05)


def test_wo6_a_round_that_is_a_segment_counts_each_time(athlete, deliver):
    anna = athlete()
    block = [(0, 0), (0, 600), (600, 600), (600, 0), (0, 0)]
    session = go(anna, [(0, -200), *block, *block[1:], *block[1:], (0, 200)])
    lap_s = 2400 / 10 * 2
    segment = made(anna, session, from_s=60, to_s=60 + lap_s)
    assert [lap["elapsed_s"] for lap in own(anna, segment)] == pytest.approx([lap_s] * 3, abs=0.5)


@pytest.mark.parametrize(
    "way",
    [
        [(0, 2000), (0, 0)],
        [(200, 0), (200, 2000)],
        [(0, 0), (0, 900), (300, 900), (300, 1100), (0, 1100), (0, 2000)],
        [(0, 0), (0, 1200)],
        [(0, 1000), (0, 2000)],
    ],
    ids=["the other way round", "beside it", "a detour", "only its beginning", "only its end"],
)
def test_wo6_another_way_is_no_effort(athlete, deliver, way):
    anna, boris = athlete(), athlete()
    segment = made(anna, go(anna, STRAIGHT))
    go(boris, way)
    deliver()
    assert own(boris, segment) == []


def test_wo6_another_sport_is_no_effort(athlete, deliver):
    anna, boris = athlete(), athlete()
    segment = made(anna, go(anna, STRAIGHT))
    go(boris, STRAIGHT, sport="cycling")
    deliver()
    assert own(boris, segment) == []


def test_wo6_a_new_segment_finds_the_sessions_there_were(athlete, deliver):
    anna, boris = athlete(), athlete()
    go(boris, STRAIGHT, step_s=3)
    go(boris, STRAIGHT, step_s=4, begin=START + timedelta(days=1))
    deliver()
    segment = made(anna, go(anna, STRAIGHT))
    assert [effort["elapsed_s"] for effort in own(boris, segment)] == pytest.approx([300, 400], abs=0.01)


def test_wo6_matching_twice_finds_the_same(athlete, deliver):
    anna = athlete()
    session = go(anna, STRAIGHT)
    segment = made(anna, session)
    before = list(SegmentEffort.objects.values_list("segment", "session", "nth", "elapsed_s"))
    Segment.objects.update(matched_at=None, matched_through=None, looked_at=0)
    efforts.match_segment(segment_id=segment["id"], at=START)
    deliver()
    assert list(SegmentEffort.objects.values_list("segment", "session", "nth", "elapsed_s")) == before
    assert len(before) == 1


def test_wo6_a_lost_wake_up_is_made_up_for(athlete, monkeypatch):
    anna = athlete()
    session = go(anna, STRAIGHT)
    with monkeypatch.context() as lost:
        lost.setattr(tasks.match_segment, "delay", lambda segment_id: None)
        segment = made(anna, session)
    Segment.objects.update(created_at=START)
    TrainingSession.objects.update(completed_at=START)
    assert own(anna, segment) == []
    assert tasks.match_what_waits() == 2
    assert len(own(anna, segment)) == 1
    assert tasks.match_what_waits() == 0


class TestLeaderboard:
    def test_wo6_each_athletes_best_ranks_and_equal_times_share_a_rank(self, athlete, deliver):
        anna, boris, chloe, dmitri = (athlete() for _ in range(4))
        segment = made(anna, go(anna, STRAIGHT, step_s=2))
        go(boris, STRAIGHT, step_s=3)
        go(boris, STRAIGHT, step_s=1.5, begin=START + timedelta(days=1))
        go(chloe, STRAIGHT, step_s=2)
        go(dmitri, STRAIGHT, step_s=4)
        deliver()
        rows = board(chloe, segment)
        assert [row["rank"] for row in rows] == [1, 2, 2, 4]
        assert rows[0]["user_id"] == str(boris.user_id)
        assert "heart_rate" not in rows[0]

    def test_wo6_pages_continue_the_ranks(self, athlete, deliver):
        people = [athlete() for _ in range(3)]
        segment = made(people[0], go(people[0], STRAIGHT, step_s=2))
        for nth, person in enumerate(people[1:]):
            go(person, STRAIGHT, step_s=2 + nth)
        deliver()
        whole = board(people[0], segment)
        path = f"{SEGMENTS}/{segment['id']}/leaderboard"
        paged, cursor = [], None
        while True:
            page = people[0].api.get(path, data={"limit": 1} | ({"cursor": cursor} if cursor else {})).json()
            paged += page["items"]
            cursor = page["next"]
            if cursor is None:
                break
        assert paged == whole
        assert len(whole) == 3

    def test_wo6_what_is_not_shared_is_not_in_it(self, athlete, register, deliver):
        anna, friend, hermit = athlete(), register(visibility={"workouts": "friends"}), register()
        segment = made(anna, go(anna, STRAIGHT))
        befriend(anna, friend, deliver)
        stranger = register()
        go(friend, STRAIGHT)
        go(hermit, STRAIGHT)
        deliver()
        seen = {
            name: {row["user_id"] for row in board(viewer, segment)}
            for name, viewer in {"anna": anna, "friend": friend, "hermit": hermit, "stranger": stranger}.items()
        }
        a, f, h = (str(person.user_id) for person in (anna, friend, hermit))
        assert seen == {"anna": {a, f}, "friend": {a, f}, "hermit": {a, h}, "stranger": {a}}

    def test_wo6_who_begins_in_a_zone_of_their_own_is_seen_by_nobody_else(self, athlete, deliver):
        anna, boris = athlete(), athlete()
        segment = made(anna, go(anna, STRAIGHT))
        go(boris, STRAIGHT, step_s=1)
        deliver()
        assert len(board(anna, segment)) == 2
        zone(boris, (0, 500))
        assert [row["user_id"] for row in board(anna, segment)] == [str(anna.user_id)]
        assert [row["rank"] for row in board(anna, segment)] == [1]
        assert [row["user_id"] for row in board(boris, segment)] == [str(boris.user_id), str(anna.user_id)]

    def test_wo6_the_effort_of_a_deleted_session_goes(self, athlete, deliver):
        anna, boris = athlete(), athlete()
        segment = made(anna, go(anna, STRAIGHT))
        session = go(boris, STRAIGHT)
        deliver()
        assert len(board(anna, segment)) == 2
        delete_session(session_id=session)
        assert len(board(anna, segment)) == 1

    @pytest.mark.parametrize("cursor", ["x", "WzFd", "WyJhIiwiYiIsImMiLCJkIl0"])
    def test_a_cursor_that_is_not_ours_is_refused(self, athlete, cursor):
        anna = athlete()
        segment = made(anna, go(anna, STRAIGHT))
        answer = anna.api.get(f"{SEGMENTS}/{segment['id']}/leaderboard", data={"cursor": cursor})
        assert answer.json()["errors"][0]["code"] == "bad_cursor"


@unit_of_work("workout")
def delete_session(*, session_id):
    SessionTrack.objects.get(session_id=session_id).session.delete()


def test_wo6_a_segment_may_not_end_in_its_makers_privacy_zone(athlete):
    anna = athlete()
    session = go(anna, STRAIGHT)
    zone(anna, (0, 400))
    answer = make(anna, session)
    assert (answer.status_code, answer.json()["code"]) == (409, "end_in_privacy_zone")
    assert make(anna, session, from_s=160, to_s=360).status_code == 201


def test_id7_a_segment_is_private_until_its_maker_shares_it(athlete, register):
    anna, boris = athlete(), register()
    form = {"session_id": go(anna, STRAIGHT), "from_s": 100, "to_s": 300, "name": "Climb"}
    path = f"{SEGMENTS}/{anna.api.post(SEGMENTS, form).json()['id']}"
    assert boris.api.get(path).status_code == 404
    assert boris.api.patch(path, {"visibility": "everyone"}).status_code == 404
    assert anna.api.patch(path, {"visibility": "everyone", "name": "Hill"}).json()["name"] == "Hill"
    assert boris.api.get(path).json()["visibility"] == "everyone"
    assert anna.api.patch(path, {"visibility": "private"}).status_code == 200
    zone(anna, (0, 500))
    answer = anna.api.patch(path, {"visibility": "friends"})
    assert (answer.status_code, answer.json()["code"]) == (409, "end_in_privacy_zone")


@pytest.mark.parametrize(("from_s", "to_s"), [(100, 110), (300, 100), (5000, 6000)])
def test_wo6_a_segment_has_100_m_to_100_km(athlete, from_s, to_s):
    anna = athlete()
    answer = make(anna, go(anna, STRAIGHT), from_s=from_s, to_s=to_s)
    assert (answer.status_code, answer.json()["code"]) == (409, "segment_length_refused")


def test_wo6_a_session_without_places_makes_no_segment(athlete):
    anna = athlete()
    session = anna.api.post("/api/v1/workout/sessions", {"sport": "running"}).json()["id"]
    anna.api.post(f"/api/v1/workout/sessions/{session}/complete")
    answer = make(anna, session)
    assert (answer.status_code, answer.json()["code"]) == (409, "no_places")


def test_wo6_a_segment_others_use_stays(athlete, deliver):
    anna, boris = athlete(), athlete()
    segment = made(anna, go(anna, STRAIGHT))
    path = f"{SEGMENTS}/{segment['id']}"
    assert boris.api.delete(path).status_code == 404
    session = go(boris, STRAIGHT)
    deliver()
    assert anna.api.delete(path).json()["code"] == "segment_in_use"
    delete_session(session_id=session)
    assert anna.api.delete(path).status_code == 204
    assert anna.api.get(path).status_code == 404


def near(person, **more):
    query = {"latitude": 50.009, "longitude": 8.0} | more
    return [segment["id"] for segment in items(person.api.get(f"{SEGMENTS}/near", data=query))]


def test_wo6_segments_are_found_near_a_place_as_far_as_they_are_shared(athlete, register):
    anna, boris = athlete(), register()
    session = go(anna, STRAIGHT)
    public, secret = made(anna, session), made(anna, session, visibility="private")
    assert set(near(anna)) == {public["id"], secret["id"]}
    assert near(boris) == [public["id"]]
    assert near(boris, sport="cycling") == []
    assert near(boris, latitude=50.2) == []
    assert near(boris, latitude=50.2, radius_m=20_000) == []
    assert near(boris, latitude=50.15, radius_m=20_000) == [public["id"]]
    assert boris.api.get(f"{SEGMENTS}/{secret['id']}").status_code == 404
    assert boris.api.get(f"{SEGMENTS}/{secret['id']}/leaderboard").status_code == 404


def test_wo6_efforts_of_a_session_name_only_segments_one_may_see(athlete, register, deliver):
    anna, boris = athlete(), register()
    session = go(anna, STRAIGHT)
    public = made(anna, session)
    made(anna, session, visibility="private")
    theirs = go(boris, STRAIGHT)
    deliver()
    listed = items(boris.api.get(f"/api/v1/workout/sessions/{theirs}/efforts"))
    assert [effort["segment_id"] for effort in listed] == [public["id"]]
    assert anna.api.get(f"/api/v1/workout/sessions/{theirs}/efforts").status_code == 404


class TestModerators:
    def act(self, client, action, segment):
        return client.post("/admin/workout/segment/", {"action": action, "_selected_action": segment["id"]})

    def test_wo6_moderators_hide_show_and_delete_segments(self, athlete, register, staff_client):
        anna, boris, client = athlete(), register(), staff_client("moderator")
        segment = made(anna, go(anna, STRAIGHT))
        path = f"{SEGMENTS}/{segment['id']}"
        self.act(client, "hide_segments", segment)
        assert (anna.api.get(path).status_code, boris.api.get(path).status_code) == (200, 404)
        assert near(boris) == []
        self.act(client, "unhide_segments", segment)
        assert boris.api.get(path).status_code == 200
        self.act(client, "delete_segments", segment)
        assert anna.api.get(path).status_code == 404
        assert not SegmentEffort.objects.exists()

    def test_the_admin_pages_of_segments_open_without_places(self, athlete, staff_client):
        anna, client = athlete(), staff_client("superuser")
        segment = made(anna, go(anna, STRAIGHT))
        for path in ("", f"{segment['id']}/change/"):
            assert client.get(f"/admin/workout/segment/{path}").status_code == 200


def test_id10_places_go_and_others_keep_theirs(athlete, deliver):
    anna, boris = athlete(), athlete()
    session = go(anna, STRAIGHT)
    hers, theirs = made(anna, session), made(boris, go(boris, STRAIGHT))
    anna.api.post("/api/v1/workout/routes", {"session_id": session, "name": "North"})
    deliver()
    assert len(board(boris, theirs)) == 2
    personal_data.erase("workout", anna.user_id)
    assert boris.api.get(f"{SEGMENTS}/{hers['id']}").status_code == 404
    assert [row["user_id"] for row in board(boris, theirs)] == [str(boris.user_id)]
    assert not Route.objects.exists()
    assert SessionTrack.objects.count() == SegmentEffort.objects.count() == 1


def test_id10_an_export_shows_places_as_people_read_them(athlete):
    anna = athlete()
    segment = made(anna, go(anna, STRAIGHT))
    folder = f"exports/test-{anna.user_id}"
    personal_data.export("workout", anna.user_id, folder)
    with default_storage.open(f"{folder}/workout_segment.jsonl") as file:
        (row,) = [json.loads(line) for line in file]
    assert (row["id"], row["places"][0][0]) == (segment["id"], 8.0)
    assert "sure_cells" not in row
