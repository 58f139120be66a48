"""Privacy zones hold in every output: each that shows places is known here, and tried by everybody (ID-7)."""

import json
import re
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import h3
import pytest
from asgiref.sync import sync_to_async
from django.core.files.storage import default_storage
from drf_spectacular.generators import SchemaGenerator
from hypothesis import given
from hypothesis import strategies as st

from contexts.workout import tasks
from contexts.workout.api.places import LineField
from contexts.workout.places import geography, privacy
from contexts.workout.rules import haversine
from kernel import personal_data
from kernel.events import catalogue
from tests.architecture.test_doors import consumers
from tests.contracts.accounts import coach as make_coach
from tests.workout.conftest import moment, move, start, wear
from tests.workout.going import befriend, go, place, zone

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

WORKOUT = "/api/v1/workout"
HOME, HOME_M = (0, 0), 300
WORK, WORK_M = (0, 1500), 200
NAMES = re.compile(
    r"^(lat|lon|lng|latitude|longitude|coordinates?|geometry|polyline|line|path|track|bbox|bounds|box|cells?|outline"
    r"|cent(re|er)|locations?|positions?|places?|points?|geohash|start_place|end_place)$"
)
"""What a property that shows places may be called, should somebody forget to mark it."""


def seen(latitude: float, longitude: float) -> bool:
    """Whether a place lies inside one of the athlete's zones."""
    return any(
        haversine(latitude, longitude, *place(*centre)) < radius - 0.1
        for centre, radius in ((HOME, HOME_M), (WORK, WORK_M))
    )


def pairs(value: Any) -> Iterator[tuple[float, float]]:
    """Everything in an answer that might be a place, whichever way round it is written."""
    if isinstance(value, dict):
        numbers = {name: number for name, number in value.items() if isinstance(number, float)}
        for one in numbers.values():
            yield from ((one, other) for other in numbers.values())
        if "streams" in value:
            by_kind = {stream["kind"]: stream["values"] for stream in value["streams"]}
            yield from zip(by_kind.get("latitude", []), by_kind.get("longitude", []), strict=False)
        for inner in value.values():
            yield from pairs(inner)
    elif isinstance(value, list):
        if len(value) in (2, 3) and all(isinstance(number, int | float) for number in value):
            yield value[0], value[1]
            yield value[1], value[0]
        for inner in value:
            yield from pairs(inner)
    elif isinstance(value, str) and h3.is_valid_cell(value):
        yield h3.cell_to_latlng(value)


def inside(value: Any) -> list[tuple[float, float]]:
    return [(north, east) for north, east in pairs(value) if abs(north) <= 90 and seen(north, east)]


class Anna:
    """An athlete who shares everything, with a home and a workplace on her way, and those who look."""

    def __init__(self, register: Any, deliver: Any) -> None:
        shared = {"visibility": {"workouts": "everyone"}}
        self.owner, self.friend, self.stranger = register(**shared), register(**shared), register()
        self.coach = make_coach()
        befriend(self.owner, self.friend, deliver)
        form = {"coach_id": str(self.coach.user_id), "scopes": ["workout:read"]}
        assert self.owner.api.post("/api/v1/identity/coaches", form).status_code == 201
        self.session = go(self.owner, [(0, 0), (0, 3000)])
        self.route = self._made("routes", name="Way to work", visibility="everyone")
        self.segment = self._made("segments", name="Past work", visibility="everyone", from_s=100, to_s=560)
        go(self.friend, [(0, 0), (0, 3000)])
        zone(self.owner, HOME, HOME_M)
        zone(self.owner, WORK, WORK_M)
        deliver()

    @property
    def recording(self) -> str:
        return str(self.owner.api.get(f"{WORKOUT}/sessions/{self.session}").json()["import_id"])

    def _made(self, what: str, **form: Any) -> str:
        answer = self.owner.api.post(f"{WORKOUT}/{what}", form | {"session_id": self.session})
        assert answer.status_code == 201, answer.content
        return str(answer.json()["id"])

    @property
    def viewers(self) -> dict[str, Any]:
        return {"friend": self.friend, "coach": self.coach, "stranger": self.stranger}


@pytest.fixture
def anna(register, deliver, monkeypatch):
    monkeypatch.setattr(tasks.match_segment, "delay", tasks.match_segment)
    return Anna(register, deliver)


NEAR = {"latitude": place(0, 0)[0], "longitude": place(0, 0)[1], "radius_m": 5000}
AROUND = {"south": 49.9, "north": 50.1, "west": 7.9, "east": 8.1, "resolution": 9}

OUTPUTS = {
    "show_session_streams": lambda anna, api: api.get(f"{WORKOUT}/sessions/{anna.session}/streams"),
    "show_session_track": lambda anna, api: api.get(f"{WORKOUT}/sessions/{anna.session}/track"),
    "list_routes": lambda anna, api: api.get(f"{WORKOUT}/routes"),
    "list_routes_near": lambda anna, api: api.get(f"{WORKOUT}/routes/near", data=NEAR),
    "show_route": lambda anna, api: api.get(f"{WORKOUT}/routes/{anna.route}"),
    "save_route": lambda anna, api: api.post(f"{WORKOUT}/routes", {"session_id": anna.session, "name": "Mine"}),
    "change_route": lambda anna, api: api.patch(f"{WORKOUT}/routes/{anna.route}", {"name": "Mine"}),
    "list_segments_near": lambda anna, api: api.get(f"{WORKOUT}/segments/near", data=NEAR),
    "show_segment": lambda anna, api: api.get(f"{WORKOUT}/segments/{anna.segment}"),
    "make_segment": lambda anna, api: api.post(
        f"{WORKOUT}/segments", {"session_id": anna.session, "name": "Mine", "from_s": 100, "to_s": 560}
    ),
    "change_segment": lambda anna, api: api.patch(f"{WORKOUT}/segments/{anna.segment}", {"name": "Mine"}),
    "show_heat_map": lambda anna, api: api.get(f"{WORKOUT}/heatmap", data=AROUND),
}
"""Every operation that shows places as JSON."""
PICTURES = {"show_heat_map_tile": lambda anna, api: api.get(f"{WORKOUT}/heatmap/14/8556/5555.png")}
FILES = {
    "export_session": lambda anna, api: api.get(f"{WORKOUT}/sessions/{anna.session}/export?format=gpx"),
    "download_import_original": lambda anna, api: api.get(f"{WORKOUT}/imports/{anna.recording}/original"),
}
"""Files of recordings, whole: for their athlete and nobody else."""
WITHOUT_PLACES = {
    "list_import_batch_members",  # its positions are those in an archive
    "download_workout",
    "download_scheduled_workout",
    "show_plan_calendar",
}
"""What only sounds like places, and files of what is planned."""
OWN_ONLY = {"list_routes", "save_route", "change_route", "make_segment", "change_segment", "show_heat_map"}
"""What others may call too, but only about themselves, or not at all."""
SOCKETS = {
    f"/ws/v1/workout/{path}"
    for path in (
        "sessions/<uuid:session_id>",
        "group-workouts/<uuid:group_id>",
        "imports/<uuid:import_id>",
        "imports/batches/<uuid:batch_id>",
        "me",
    )
}


def described() -> tuple[set[str], set[str]]:
    """The operations of workout that show places, by mark or by name, and those that answer pictures."""
    document = SchemaGenerator().get_schema(request=None, public=True)
    places, pictures = set(), set()
    for path, item in document["paths"].items():
        for operation in item.values() if path.startswith(WORKOUT) else ():
            for status, answer in operation["responses"].items():
                if not status.startswith("2"):
                    continue
                for kind, content in answer.get("content", {}).items():
                    if kind != "application/json":
                        pictures.add(operation["operationId"])
                    elif has_places(content.get("schema", {}), document, set()):
                        places.add(operation["operationId"])
    return places, pictures


def has_places(schema: Any, document: Any, known: set[str]) -> bool:
    if isinstance(schema, list):
        return any(has_places(each, document, known) for each in schema)
    if not isinstance(schema, dict):
        return False
    if (name := schema.get("$ref")) in known:
        return False
    if name:
        return has_places(document["components"]["schemas"][name.rpartition("/")[2]], document, known | {name})
    if schema.get("x-places") or any(NAMES.match(name) for name in schema.get("properties", {})):
        return True
    return any(has_places(each, document, known) for each in schema.values())


def test_id7_no_output_shows_a_place_inside_a_privacy_zone(anna):
    """Whoever adds an output with places has to name it in `OUTPUTS`, so that it is tried here."""
    places, others = described()
    assert places - WITHOUT_PLACES == set(OUTPUTS)
    assert others - WITHOUT_PLACES == PICTURES.keys() | FILES.keys()
    assert {path for path in consumers() if path.startswith("/ws/v1/workout/")} == SOCKETS
    leaks, shown = {}, set()
    for name, output in OUTPUTS.items():
        for who, viewer in anna.viewers.items():
            answer = output(anna, viewer.api)
            assert answer.status_code in (200, 201, 404), (name, who, answer.content)
            if found := inside(answer.json()):
                leaks[name, who] = found[:3]
            if any(abs(north) <= 90 and 49 < north < 51 for north, _ in pairs(answer.json())):
                shown.add(name)
    # A heat map of one's own is whole: the friend has gone through Anna's zones without having any.
    leaks.pop(("show_heat_map", "friend"))
    assert leaks == {}
    assert shown >= set(OUTPUTS) - OWN_ONLY


def test_id7_the_athlete_sees_all_of_it(anna):
    """The negative control: the same outputs do show the places in her zones to Anna herself."""
    hidden = [name for name, output in OUTPUTS.items() if not inside(output(anna, anna.owner.api).json())]
    assert hidden == []


def test_id7_files_of_recordings_are_their_athletes_alone(anna):
    for name, output in FILES.items():
        assert output(anna, anna.owner.api).status_code == 200, name
        for viewer in anna.viewers.values():
            assert output(anna, viewer.api).status_code == 404, name


def test_id7_a_heat_map_is_ones_own(anna):
    for output in PICTURES.values():
        own, empty = output(anna, anna.owner.api), output(anna, anna.stranger.api)
        assert own["Content-Type"] == empty["Content-Type"] == "image/png"
        assert own.content.startswith(b"\x89PNG")
        assert len(own.content) > len(empty.content)
        assert output(anna, anna.coach.api).content == empty.content
    assert OUTPUTS["show_heat_map"](anna, anna.coach.api).json()["cells"] == []


def test_id7_what_is_hidden_cannot_be_searched_for(anna):
    """A search near a place inside a zone finds nothing by what is hidden there."""
    tight = NEAR | {"radius_m": 100}
    at_work = dict(zip(("latitude", "longitude"), place(*WORK), strict=True)) | {"radius_m": 100}
    for what in ("routes", "segments"):
        assert anna.owner.api.get(f"{WORKOUT}/{what}/near", data=at_work).json()["items"]
        for viewer in anna.viewers.values():
            for query in (tight, at_work):
                assert viewer.api.get(f"{WORKOUT}/{what}/near", data=query).json()["items"] == []


def test_id7_an_export_has_nobody_elses_places(anna):
    folder = f"exports/test-{anna.friend.user_id}"
    personal_data.export("workout", anna.friend.user_id, folder)
    for path in personal_data.files_below(folder):
        if path.endswith(".jsonl") and "companion" not in path:
            with default_storage.open(path) as file:
                rows = [json.loads(line) for line in file]
            assert str(anna.owner.user_id) not in json.dumps(rows)


def test_id7_no_event_of_workout_has_a_place():
    """Feeds and neighbours know what events tell them."""
    ours = [event for event in catalogue() if event.context == "workout"]
    assert ours
    assert [event for event in ours if any(NAMES.match(field.name) for field in fields(event))] == []


in_thread = sync_to_async


async def test_id7_nobody_is_shown_a_place_live(register, deliver, socket):
    athlete, friend = await in_thread(register)(), await in_thread(register)()
    await in_thread(befriend)(athlete, friend, deliver)
    strap, session = await in_thread(wear)(athlete), await in_thread(start)(athlete, visibility="friends")
    frames = []
    async with socket(f"/ws/v1/workout/sessions/{session['id']}", friend.token) as ws:
        frames.append(await ws.next("snapshot"))
        await in_thread(strap.send)([(moment(session["started_at"]), 120)])
        await in_thread(deliver)()
        frames.append(await ws.next("samples"))
        await in_thread(move)(athlete, session, "complete")
        frames.append(await ws.next("completed"))
    assert not [name for frame in frames for name in names_in(frame) if NAMES.match(name)]


def names_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from names_in(inner)


class TestGate:
    def test_places_that_came_through_no_gate_are_not_written(self):
        line = geography.line_of([50.0, 50.1], [8.0, 8.0])
        with pytest.raises(TypeError):
            LineField().to_representation([line])
        with pytest.raises(TypeError):
            privacy.Shown([line], seal=object())

    def test_a_gate_knows_only_whom_it_was_opened_for(self, register):
        one, other = register(), register()
        line = geography.line_of([50.0, 50.1], [8.0, 8.0])
        gate = privacy.gate_for(one.user_id, athletes=[one.user_id])
        assert gate.line(line, of=one.user_id).places == [line]
        with pytest.raises(KeyError):
            gate.line(line, of=other.user_id)
        with pytest.raises(PermissionError):
            gate.own(line, of=other.user_id)


metres = st.floats(-3_000, 3_000)
ways = st.lists(st.tuples(metres, metres), min_size=2, max_size=12)
circles = st.lists(st.tuples(metres, metres, st.integers(50, 2_000)), min_size=1, max_size=3)


@pytest.mark.django_db(databases=[])
@given(ways, circles)
def test_id7_no_piece_of_a_line_touches_a_zone(way, drawn):
    """Not a place, nor anything between two: looked at every three metres."""
    line = geography.line_of(*zip(*(place(*point) for point in way), strict=True))
    around = [(*place(east, north), float(radius)) for east, north, radius in drawn]
    gate = privacy.Gate("viewer", {"athlete": around})
    for piece in gate.line(line, of="athlete").places:
        for longitude, latitude in geography.densified(piece, step_m=3).points():
            assert all(haversine(latitude, longitude, *circle[:2]) > circle[2] - 0.5 for circle in around)


@pytest.mark.django_db(databases=[])
@given(ways)
def test_id7_what_is_far_from_zones_is_shown_whole(way):
    line = geography.line_of(*zip(*(place(*point) for point in way), strict=True))
    gate = privacy.Gate("viewer", {"athlete": [(*place(20_000, 20_000), 2_000.0)]})
    (piece,) = gate.line(line, of="athlete").places
    assert piece.points() == line.points()
