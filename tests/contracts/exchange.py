"""Recordings that come and go: what the API's description is tried with."""

import io
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from contexts.workout.imports import importing
from tests.workout.conftest import gpx

BEGIN = datetime(2026, 3, 1, 8, tzinfo=UTC)


def archive() -> bytes:
    """A zip with one recording in it; the same bytes each time."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as opened:
        opened.writestr(zipfile.ZipInfo("run.gpx", (2026, 3, 1, 8, 0, 0)), gpx(BEGIN, points=5))
    return made.getvalue()


class Exchange:
    """Anna's recordings; each is made when it is first asked for."""

    def __init__(self, world: Any) -> None:
        self.world = world

    def id_for(self, name: str, operation_id: str) -> str | None:
        """The thing an operation on files or sessions should name; None where another one will do."""
        if name == "batch_id":
            return self.batch_id
        if name == "session_id" and operation_id == "export_session":
            return self.run
        if name == "session_id" and operation_id == "split_session":
            return self.twice_recorded
        if name == "session_id" and operation_id == "delete_session":
            return self.imported(day=2)
        return None

    @property
    def batch_id(self) -> str:
        """An archive of Anna's; handing in the same one again finds it."""
        return str(self._handed_in("imports/batches", archive())["batch_id"])

    @cached_property
    def run(self) -> str:
        """A run of Anna's with places."""
        return self.imported(day=1)

    @cached_property
    def twice_recorded(self) -> str:
        """A run that two devices have recorded."""
        first = self.imported(day=3)
        self.imported(day=3, bpm=150)
        return first

    def imported(self, *, day: int, **course: Any) -> str:
        """A session of that day."""
        answer = self._handed_in("imports", gpx(BEGIN + timedelta(days=day), **course))
        importing.read_import(import_id=answer["import_id"], at=datetime.now(UTC))
        found = self.world.anna.api.get(f"/api/v1/workout/imports/{answer['import_id']}").json()
        return str(found["sessions"][0])

    def _handed_in(self, path: str, data: bytes) -> dict[str, Any]:
        file = io.BytesIO(data)
        file.name = "recording"
        answer = self.world.anna.api.request("post", f"/api/v1/workout/{path}", data={"file": file})
        assert answer.status_code in (200, 202), answer.content
        found: dict[str, Any] = answer.json()
        return found

    def calls(self) -> dict[str, Callable[[], dict[str, Any]]]:
        """By operation: what to send."""
        return {
            "post_import_batch": lambda: {"body": {"file": archive()}},
            "change_session": lambda: {"body": {"title": "Лес", "effort": 7, "gear": ["Shoes"]}},
            "export_session": lambda: {"query": {"format": "gpx"}},
        }
