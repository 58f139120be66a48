"""What an athlete has taken on: an adopted plan, and each of its workouts on a day (WO-2)."""

from __future__ import annotations

import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db import models

from contexts.workout.models.kinds import Sport, holds
from contexts.workout.models.plans import TrainingPlan
from contexts.workout.models.sessions import TrainingSession
from kernel.models import uuid7


class AdoptedPlan(models.Model):
    """A plan as an athlete has taken it on: its content of that day, whatever becomes of the plan."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user_id = models.UUIDField(db_index=True)
    plan = models.ForeignKey(TrainingPlan, null=True, on_delete=models.SET_NULL, related_name="adoptions")
    plan_version = models.PositiveIntegerField()
    title = models.CharField(max_length=120)
    content: models.JSONField[Any, Any] = models.JSONField(help_text="As `planning.schedule.Content` reads it.")
    thresholds: models.JSONField[Any, Any] = models.JSONField(help_text="As `planning.steps.Thresholds` reads them.")
    usual_hr_max = models.PositiveSmallIntegerField(
        null=True, help_text="What the profile said: counts where nothing else is known."
    )
    starts_on = models.DateField()
    time_zone = models.CharField(max_length=64, help_text="Whose days these are.")
    adopted_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, help_text="When the athlete gave it up.")

    def __str__(self) -> str:
        return f"adopted plan {self.id}"

    def today(self, *, at: datetime.datetime) -> datetime.date:
        """The athlete's local day."""
        return at.astimezone(ZoneInfo(self.time_zone)).date()


class ScheduledWorkout(models.Model):
    """One workout of an adopted plan on one day."""

    class State(models.TextChoices):
        PLANNED = "planned"
        DONE = "done"
        FAILED = "failed"
        MISSED = "missed"
        SKIPPED = "skipped"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    adopted = models.ForeignKey(AdoptedPlan, on_delete=models.CASCADE, db_index=False, related_name="scheduled")
    user_id = models.UUIDField()
    week = models.PositiveSmallIntegerField(help_text="Of the athlete's calendar, from 1.")
    place = models.PositiveSmallIntegerField(help_text="Within that week, from 0.")
    plan_week = models.PositiveSmallIntegerField(help_text="Which week of the plan it belongs to, from 1.")
    workout_id = models.UUIDField()
    priority = models.CharField(max_length=8)
    title = models.CharField(max_length=120)
    sport = models.CharField(max_length=10, choices=Sport)
    day = models.DateField()
    moved = models.BooleanField(default=False, help_text="Stands elsewhere than the plan laid it out.")
    made_up = models.BooleanField(default=False, help_text="Was missed once, and has another day.")
    steps: models.JSONField[Any, Any] = models.JSONField()
    thresholds: models.JSONField[Any, Any] = models.JSONField(
        null=True, help_text="The athlete's when it was settled; until then those of its day hold."
    )
    state = models.CharField(max_length=7, choices=State, default=State.PLANNED)
    settled_at = models.DateTimeField(null=True)
    changed_at = models.DateTimeField()
    session = models.OneToOneField(
        TrainingSession, null=True, on_delete=models.SET_NULL, related_name="scheduled_workout"
    )
    outcome: models.JSONField[Any, Any] = models.JSONField(
        default=dict, help_text="What the athlete reported, as `planning.progression.Outcome` reads it."
    )
    compliance = models.FloatField(null=True, help_text="0 to 100.")
    compliance_parts: models.JSONField[Any, Any] = models.JSONField(default=list)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["adopted", "week", "place"], name="scheduled_once_per_slot"),
            models.CheckConstraint(
                condition=holds("(state = 'planned') = (settled_at IS NULL)"), name="scheduled_settled_has_instant"
            ),
            models.CheckConstraint(
                condition=holds("session_id IS NULL OR state IN ('done', 'failed')"),
                name="scheduled_session_was_done",
            ),
            models.CheckConstraint(
                condition=holds("compliance IS NULL OR compliance BETWEEN 0 AND 100"),
                name="scheduled_compliance_in_range",
            ),
        ]
        indexes = [
            models.Index(fields=["user_id", "day", "id"], name="scheduled_days"),
            models.Index(fields=["day"], condition=models.Q(state="planned"), name="scheduled_waiting"),
        ]

    def __str__(self) -> str:
        return f"scheduled {self.id}"

    def settle(self, state: str, *, thresholds: dict[str, Any], at: datetime.datetime) -> None:
        """It is history from now on, with the thresholds it was done with."""
        self.state, self.settled_at, self.changed_at = state, at, at
        self.thresholds = self.thresholds or thresholds

    def unsettle(self, *, at: datetime.datetime) -> None:
        """It is still to come, and nothing is known of it."""
        self.state, self.settled_at, self.changed_at = self.State.PLANNED, None, at
        self.session, self.thresholds, self.outcome = None, None, {}
        self.compliance, self.compliance_parts = None, []


class PlanFeed(models.Model):
    """An address from which calendar programs read an athlete's schedule. Its token is not kept, only its digest."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user_id = models.UUIDField(db_index=True)
    name = models.CharField(max_length=80)
    token_sha256 = models.BinaryField(max_length=32, unique=True)
    created_at = models.DateTimeField()
    read_at = models.DateTimeField(null=True)
