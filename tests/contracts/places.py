"""A session with places, a route and a segment for the API's description to be tried with."""

import io
from collections.abc import Callable
from functools import cached_property
from typing import Any

from contexts.workout import tasks
from contexts.workout.models import TrainingSession
from tests.workout.going import START, along, gpx_of, place

WAY = [(0.0, 0.0), (0.0, 2000.0)]
WITH_PLACES = {"show_session_track", "list_sessions_along", "list_similar_sessions", "list_session_efforts"}
"""Operations on a session that need one which has been somewhere."""


class Places:
    """Where Anna has been; each thing is made when it is first asked for."""

    def __init__(self, world: Any) -> None:
        self.world = world

    @cached_property
    def session_id(self) -> str:
        """Two kilometres north, hers alone."""
        file = io.BytesIO(gpx_of(along(WAY), begin=START, step_s=2, sport="running", bpm=140))
        file.name = "way.gpx"
        answer = self.world.anna.api.request("post", "/api/v1/workout/imports", data={"file": file})
        assert answer.status_code == 202, answer.content
        tasks.read_import(answer.json()["import_id"])
        return str(TrainingSession.objects.get(recording_id=answer.json()["import_id"]).pk)

    @cached_property
    def route_id(self) -> str:
        """A route of hers alone."""
        return str(self.world.made("workout/routes", self.route_form())["id"])

    @cached_property
    def segment_id(self) -> str:
        """A segment of hers alone."""
        return str(self.world.made("workout/segments", self.segment_form())["id"])

    def route_form(self) -> dict[str, Any]:
        """Her way."""
        return {"session_id": self.session_id, "name": "North"}

    def segment_form(self) -> dict[str, Any]:
        """A part of it."""
        return self.route_form() | {"from_s": 100, "to_s": 300}

    def calls(self) -> dict[str, Callable[[], dict[str, Any]]]:
        """By operation: what to send."""
        latitude, longitude = place(0, 0)
        near = {"query": {"latitude": latitude, "longitude": longitude}}
        around = {"query": {"south": 49.9, "west": 7.9, "north": 50.1, "east": 8.1}}
        return {
            "list_sessions_near": lambda: near,
            "list_routes_near": lambda: near,
            "list_segments_near": lambda: near,
            "show_heat_map": lambda: around,
            "save_route": lambda: {"body": self.route_form()},
            "change_route": lambda: {"body": {"name": "South"}},
            "change_segment": lambda: {"body": {"name": "South"}},
            "make_segment": lambda: {"body": self.segment_form()},
        }
