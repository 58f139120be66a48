"""Workouts, plans and a schedule for the API's description to be tried with."""

from collections.abc import Callable
from datetime import timedelta
from functools import cached_property
from typing import Any

from django.utils.timezone import now

from contexts.workout.models import ScheduledWorkout
from tests.conftest import Person
from tests.contracts import accounts

WORKOUT = {
    "title": "Tempo",
    "sport": "running",
    "steps": [{"kind": "work", "length": {"by": "time", "seconds": 1800}, "target": None}],
}


class Plans:
    """Anna has written a plan and follows it; a coach has shared one with her. Made when it is first asked for."""

    NAMES = ("workout_id", "plan_id", "adopted_id", "scheduled_id", "feed_id", "feed_token", "athlete_id")
    HERS = ("workout_id", "plan_id", "adopted_id", "scheduled_id", "feed_id")
    OF_THE_COACH = ("list_plan_shares", "share_plan", "withdraw_plan_share")

    def __init__(self, world: Any) -> None:
        self.world = world

    @cached_property
    def coach(self) -> Person:
        """Somebody whom Anna lets see her workouts."""
        coach = accounts.coach()
        self.world.made("identity/coaches", {"coach_id": str(coach.user_id), "scopes": ["workout:read"]})
        return coach

    @cached_property
    def workout_id(self) -> str:
        """A workout that is in Anna's plan."""
        return str(self.world.made("workout/workouts", WORKOUT)["id"])

    @cached_property
    def plan_id(self) -> str:
        """A plan of Anna's."""
        return str(self.world.made("workout/plans", self.plan_form(self.workout_id))["id"])

    @cached_property
    def shared_plan_id(self) -> str:
        """A plan of the coach's, which Anna sees."""
        workout_id = self.world.made("workout/workouts", WORKOUT, by=self.coach)["id"]
        plan = self.world.made("workout/plans", self.plan_form(workout_id), by=self.coach)
        shares = f"/api/v1/workout/plans/{plan['id']}/shares"
        answer = self.coach.api.post(shares, {"athlete_id": str(self.world.anna.user_id)})
        assert answer.status_code == 204, answer.content
        return str(plan["id"])

    @cached_property
    def adopted_id(self) -> str:
        """What Anna follows."""
        return str(self.world.made(f"workout/plans/{self.plan_id}/adopt", self.start())["id"])

    @cached_property
    def scheduled_id(self) -> str:
        """What she has to do today."""
        return str(ScheduledWorkout.objects.filter(adopted_id=self.adopted_id).earliest("day").pk)

    @cached_property
    def feed(self) -> dict[str, Any]:
        """A calendar address of Anna's."""
        made: dict[str, Any] = self.world.made("workout/plan-feeds", {"name": "Phone"})
        return made

    @staticmethod
    def plan_form(workout_id: str) -> dict[str, Any]:
        """Two weeks of one workout that grows."""
        week = {"days": [{"day": 1, "workout_id": workout_id}]}
        rule = {"workout_id": workout_id, "changes": "duration", "operation": "add", "value": 300}
        return {"title": "Base", "sport": "running", "weeks": [week, week], "rules": [rule]}

    @staticmethod
    def start() -> dict[str, Any]:
        """From today on."""
        return {"starts_on": str(now().date()), "thresholds": {"threshold_pace_s_per_km": 270}}

    def id_for(self, name: str, operation_id: str) -> str:
        """The thing which a path parameter should name."""
        match name:
            case "plan_id" if operation_id in self.OF_THE_COACH:
                return self.shared_plan_id
            case "workout_id" if operation_id == "delete_workout":
                return str(self.world.made("workout/workouts", WORKOUT)["id"])
            case "athlete_id":
                return str(self.world.anna.user_id)
            case "feed_id":
                return str(self.feed["id"])
            case "feed_token":
                return str(self.feed["url"]).split("/")[-2]
        return str(getattr(self, name))

    def calls(self) -> dict[str, Callable[[], dict[str, Any]]]:
        """By operation: what to send."""
        exercise = {"name_en": "Sandbag carry", "muscles": ["full_body"]}
        tomorrow = str(now().date() + timedelta(days=1))
        return {
            "add_exercise": lambda: {"body": exercise},
            "write_workout": lambda: {"body": WORKOUT},
            "change_workout": lambda: {"body": {"title": "Threshold"}},
            "write_plan": lambda: {"body": self.plan_form(self.workout_id)},
            "change_plan": lambda: {"body": {"title": "Build"}},
            "adopt_plan": lambda: {"body": self.start()},
            "change_adopted_plan": lambda: {"body": {"thresholds": {"ftp_w": 250}}},
            "move_scheduled_workout": lambda: {"body": {"day": tomorrow}},
            "complete_scheduled_workout": lambda: {"body": {"rpe": 7}},
            "make_plan_feed": lambda: {"body": {"name": "Watch"}},
            "show_athletes_schedule": lambda: {"by": self.coach},
            "list_plan_shares": lambda: {"by": self.coach},
            "share_plan": lambda: {"by": self.coach, "body": {"athlete_id": str(self.world.anna.user_id)}},
            "withdraw_plan_share": lambda: {"by": self.coach},
        }
