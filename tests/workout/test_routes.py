"""Sessions found by place, routes, and the heat map (WO-6)."""

from datetime import timedelta

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from contexts.workout import tasks
from contexts.workout.models import SessionTrack, TrainingSession
from contexts.workout.outdoors import tracks
from kernel.observability import invariants as declared
from tests.workout.going import START, befriend, go, items, place

pytestmark = pytest.mark.django_db(databases="__all__")

WORKOUT = "/api/v1/workout"
ROUND = [(0, 0), (0, 1500), (1500, 1500), (1500, 0), (0, 0)]


def near(person, what, east=0.0, north=0.0, **more):
    latitude, longitude = place(east, north)
    query = {"latitude": latitude, "longitude": longitude} | more
    return items(person.api.get(f"{WORKOUT}/{what}/near", data=query))


def test_wo6_a_session_with_places_has_a_track_within_five_metres(register):
    person = register()
    session = go(person, ROUND, every_m=5, step_s=2)
    track = person.api.get(f"{WORKOUT}/sessions/{session}/track").json()
    (piece,) = track["line"]["coordinates"]
    assert track["length_m"] == pytest.approx(6000, rel=0.001)
    assert len(piece) < 30
    latitude, longitude = place(1500, 1500)
    assert any(abs(north - latitude) < 5e-5 and abs(east - longitude) < 8e-5 for east, north in piece)


def test_wo6_a_session_without_places_has_no_track(register):
    person = register()
    session = person.api.post(f"{WORKOUT}/sessions", {"sport": "strength"}).json()["id"]
    person.api.post(f"{WORKOUT}/sessions/{session}/complete")
    assert person.api.get(f"{WORKOUT}/sessions/{session}/track").status_code == 404
    assert not SessionTrack.objects.exists()


def test_wo6_sessions_older_than_tracks_get_theirs_portion_by_portion(register, monkeypatch):
    monkeypatch.setattr(tracks, "DERIVED_AT_ONCE", 2)
    person = register()
    sessions = [go(person, ROUND, begin=START + timedelta(days=nth)) for nth in range(3)]
    still = person.api.post(f"{WORKOUT}/sessions", {"sport": "strength"}).json()["id"]
    person.api.post(f"{WORKOUT}/sessions/{still}/complete")
    before = list(SessionTrack.objects.order_by("session").values_list("session", "samples", "cells"))
    SessionTrack.objects.filter(session__in=sessions[:2]).delete()
    TrainingSession.objects.update(track_due=True)  # as the migration leaves them
    (without_track,) = [each for each in declared() if (each.context, each.id) == ("workout", "W8")]
    assert len(without_track.violations()) == 2
    assert [tasks.derive_missing_tracks() for _ in range(3)] == [2, 2, 0]
    assert list(SessionTrack.objects.order_by("session").values_list("session", "samples", "cells")) == before
    assert without_track.violations() == []
    with CaptureQueriesContext(connections["workout"]) as asked:
        assert tasks.derive_missing_tracks() == 0
    (query,) = asked.captured_queries
    with connections["workout"].cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")
        cursor.execute(f"EXPLAIN {query['sql']}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
        cursor.execute("RESET enable_seqscan")
    assert "session_track_due" in plan


def test_wo6_a_track_is_seen_by_whom_the_session_is_shared_with(register, deliver):
    hermit, social = register(), register(visibility={"workouts": "friends"})
    friend, stranger = register(), register()
    befriend(social, friend, deliver)
    befriend(hermit, friend, deliver)
    secret, shared = go(hermit, ROUND), go(social, ROUND)

    def seen(person, session):
        return person.api.get(f"{WORKOUT}/sessions/{session}/track").status_code

    assert [seen(person, shared) for person in (social, friend, stranger)] == [200, 200, 404]
    assert [seen(person, secret) for person in (hermit, friend, stranger)] == [200, 404, 404]


def test_wo6_ones_own_sessions_are_found_near_a_place(register):
    person, other = register(), register()
    session = go(person, ROUND)
    far = go(person, [(9000, 0), (9000, 900)], begin=START + timedelta(days=1))
    go(other, ROUND)
    (found,) = near(person, "sessions", east=750, north=1450)
    assert found["session_id"] == session
    assert found["distance_m"] == pytest.approx(50, abs=6)
    assert near(person, "sessions", east=750, north=750, radius_m=700) == []
    wide = near(person, "sessions", east=750, north=750, radius_m=20_000)
    assert [each["session_id"] for each in wide] == [session, far]


@pytest.mark.parametrize(
    "query", [{}, {"latitude": "x"}, {"latitude": 91}, {"radius_m": 0}, {"radius_m": 20_001}, {"longitude": "nan"}]
)
def test_a_search_that_makes_no_sense_is_refused(register, query):
    whole = {"latitude": 50, "longitude": 8} | query if query else {}
    assert register().api.get(f"{WORKOUT}/sessions/near", data=whole).status_code == 400


def test_wo6_similar_sessions_are_those_on_the_same_route_either_way_round(register):
    person, other = register(), register()
    session = go(person, ROUND)
    again = go(person, [(east + 8, north - 6) for east, north in ROUND], begin=START + timedelta(days=1))
    back = go(person, ROUND[::-1], begin=START + timedelta(days=2))
    half = go(person, ROUND[:3], begin=START + timedelta(days=3))
    go(person, ROUND, begin=START + timedelta(days=4), sport="cycling")
    go(other, ROUND)
    similar = items(person.api.get(f"{WORKOUT}/sessions/{session}/similar"))
    assert {each["session_id"]: each["direction"] for each in similar} == {again: "same", back: "opposite"}
    alongside = items(person.api.get(f"{WORKOUT}/sessions/{half}/along"))
    assert session in {each["session_id"] for each in alongside}
    assert other.api.get(f"{WORKOUT}/sessions/{session}/similar").status_code == 404


def save(person, session, **more):
    answer = person.api.post(f"{WORKOUT}/routes", {"session_id": session, "name": "Round"} | more)
    assert answer.status_code == 201, answer.content
    return answer.json()


def test_wo6_a_route_is_saved_changed_and_forgotten(register):
    person, other = register(), register()
    session = go(person, ROUND)
    back = go(person, ROUND[::-1], begin=START + timedelta(days=2))
    route = save(person, session)
    path = f"{WORKOUT}/routes/{route['id']}"
    assert route["visibility"] == "private"
    shown = person.api.get(path).json()
    assert {each["session_id"]: each["direction"] for each in shown["sessions"]} == {
        session: "same",
        back: "opposite",
    }
    assert person.api.patch(path, {"name": "Block"}).json()["name"] == "Block"
    assert [each["name"] for each in items(person.api.get(f"{WORKOUT}/routes"))] == ["Block"]
    for refused in (other.api.get(path), other.api.patch(path, {"name": "Mine"}), other.api.delete(path)):
        assert refused.status_code == 404
    assert person.api.delete(path).status_code == 204
    assert person.api.get(path).status_code == 404


def test_wo6_public_routes_are_found_near_a_place(register):
    person, other = register(), register()
    session = go(person, ROUND)
    secret, public = save(person, session), save(person, session, visibility="everyone")
    assert {each["id"] for each in near(person, "routes")} == {secret["id"], public["id"]}
    assert [each["id"] for each in near(other, "routes")] == [public["id"]]
    assert near(other, "routes", east=6_000) == []
    assert other.api.get(f"{WORKOUT}/routes/{public['id']}").json()["sessions"] == []


def test_wo6_saving_a_route_twice_with_one_key_saves_it_once(register):
    person = register()
    session = go(person, ROUND)
    form, key = {"session_id": session, "name": "Round"}, {"Idempotency-Key": "once"}
    first, second = (person.api.post(f"{WORKOUT}/routes", form, headers=key) for _ in range(2))
    assert first.content == second.content
    assert len(items(person.api.get(f"{WORKOUT}/routes"))) == 1


def test_wo6_somebody_elses_session_makes_no_route(register):
    session = go(register(), ROUND)
    answer = register().api.post(f"{WORKOUT}/routes", {"session_id": session, "name": "Theirs"})
    assert answer.status_code == 404


class TestHeatMap:
    BOX = {"south": 49.95, "north": 50.05, "west": 7.95, "east": 8.05}

    def cells(self, person, **more):
        answer = person.api.get(f"{WORKOUT}/heatmap", data=self.BOX | more)
        assert answer.status_code == 200, answer.content
        return {cell["cell"]: cell["sessions"] for cell in answer.json()["cells"]}

    def test_wo6_a_heat_map_counts_the_sessions_in_each_cell(self, register):
        person = register()
        go(person, ROUND)
        go(person, ROUND[:2], begin=START + timedelta(days=1))
        counts = self.cells(person)
        assert set(counts.values()) == {1, 2}
        assert sum(count == 2 for count in counts.values()) < len(counts) / 2
        assert max(self.cells(person, resolution=7).values()) == 2
        assert self.cells(person, south=50.02) == {}
        assert self.cells(register()) == {}

    @pytest.mark.parametrize("query", [{"south": 51}, {"west": 8.1}, {"resolution": 8}, {"north": "x"}])
    def test_a_rectangle_that_makes_no_sense_is_refused(self, register, query):
        assert register().api.get(f"{WORKOUT}/heatmap", data=self.BOX | query).status_code == 400

    @pytest.mark.parametrize("tile", ["19/0/0", "3/8/0", "3/0/8", "0/0/1"])
    def test_a_tile_beside_the_map_does_not_exist(self, register, tile):
        assert register().api.get(f"{WORKOUT}/heatmap/{tile}.png").status_code == 404

    def test_wo6_a_tile_shows_the_way_at_every_zoom(self, register):
        person, other = register(), register()
        go(person, ROUND)
        for zoom, column, row in ((0, 0, 0), (14, 8556, 5555), (14, 8556, 5556)):
            path = f"{WORKOUT}/heatmap/{zoom}/{column}/{row}.png"
            drawn, blank = person.api.get(path), other.api.get(path)
            assert drawn["Content-Type"] == "image/png"
            assert drawn.content != blank.content
