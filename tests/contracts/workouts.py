"""Recording, progress, analysis and training together, for the API's description to be tried with."""

from collections.abc import Callable
from datetime import timedelta
from functools import cached_property
from typing import Any
from uuid import uuid4

from django.utils.timezone import now

from contexts.workout import tasks
from contexts.workout.recording import watching

WORKOUT = "/api/v1/workout"
ANALYSED = {"show_analysis", "explain_number", "compare_session"}


class Workouts:
    """What Anna records and plans; each thing is made when it is first asked for."""

    def __init__(self, world: Any) -> None:
        self.world = world

    @cached_property
    def analysed(self) -> str:
        """A session of Anna's of which everything is computed."""
        tasks.analyse_sessions()
        return str(self.world.ended)

    @cached_property
    def set_id(self) -> str:
        """A set of Anna's session."""
        set_id = str(uuid4())
        path = f"{WORKOUT}/sessions/{self.world.session}/sets/{set_id}"
        assert self.world.anna.api.put(path, {"exercise": "Squat", "reps": 5}).status_code == 201
        return set_id

    @cached_property
    def thresholds_id(self) -> str:
        """What Anna knows of her body."""
        made = self.world.anna.api.put(f"{WORKOUT}/thresholds", {"valid_from": "2026-01-01", "resting_bpm": 50})
        return str(made.json()["id"])

    @cached_property
    def goal_id(self) -> str:
        """A goal of Anna's."""
        return str(self.world.made("workout/goals", self.goal())["id"])

    @cached_property
    def group_id(self) -> str:
        """A group workout of Anna's."""
        return str(self.world.made("workout/group-workouts", self.together())["id"])

    @cached_property
    def boris_group(self) -> str:
        """One that Boris has planned for himself."""
        return str(self.world.made("workout/group-workouts", self.together(), by=self.world.boris)["id"])

    @staticmethod
    def goal() -> dict[str, Any]:
        """Three sessions a week."""
        return {"measure": "sessions", "target": 3, "period": "week"}

    def together(self) -> dict[str, Any]:
        """A run in ten minutes."""
        friend = self.world.boris.user_id
        watching.befriend(user_a=self.world.anna.user_id, user_b=friend)
        starts_at = (now() + timedelta(minutes=10)).isoformat()
        return {"title": "Hills", "sport": "running", "starts_at": starts_at, "duration_s": 3_600}

    def id_for(self, name: str, operation_id: str) -> str | None:
        """The thing which a path parameter should name; none if it is not ours to say."""
        if name == "session_id":
            return self.analysed if operation_id in ANALYSED else None
        if name == "number":
            return "duration"
        if name == "group_id" and operation_id == "begin_group_workout":
            return self.boris_group
        return str(getattr(self, name)) if name in ("set_id", "thresholds_id", "goal_id", "group_id") else None

    def calls(self) -> dict[str, Callable[[], dict[str, Any]]]:
        """By operation: what to send."""
        moment = int(now().timestamp() * 1_000)
        series = [{"kind": "heart_rate", "times_ms": [moment], "values": [120]}]
        start = {
            "operation_id": str(uuid4()),
            "session_id": str(uuid4()),
            "at": now().isoformat(),
            "operation": {"kind": "start", "sport": "running"},
        }
        done = {"exercise": "Squat", "reps": 5, "weight_kg": 80}
        return {
            "add_samples": lambda: {"body": {"series": series}},
            "add_set": lambda: {"body": done},
            "put_set": lambda: {"body": done},
            "sync_operations": lambda: {"body": {"operations": [start]}},
            "switch_auto_pause": lambda: {"body": {"on": True}},
            "explain_fitness": lambda: {"query": {"day": now().date().isoformat()}},
            "put_thresholds": lambda: {"body": {"valid_from": "2026-01-01", "ftp_w": 250}},
            "set_goal": lambda: {"body": self.goal()},
            "plan_group_workout": lambda: {"body": self.together()},
            "answer_group_workout": lambda: {"body": {"accepts": True}},
            "begin_group_workout": lambda: {"by": self.world.boris},
        }
