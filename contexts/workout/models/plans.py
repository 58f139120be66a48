"""Exercises, workouts to be done, and plans made of them (WO-2)."""

from __future__ import annotations

from typing import Any, Final

from django.contrib.postgres.fields import ArrayField
from django.db import models

from contexts.workout.models.kinds import Sport, holds
from kernel.models import uuid7

MUSCLES: Final = (
    "abdominals",
    "abductors",
    "adductors",
    "biceps",
    "calves",
    "chest",
    "forearms",
    "glutes",
    "hamstrings",
    "hip_flexors",
    "lats",
    "lower_back",
    "neck",
    "obliques",
    "quadriceps",
    "shoulders",
    "traps",
    "triceps",
    "upper_back",
    "full_body",
)
EQUIPMENT: Final = (
    "none",
    "barbell",
    "dumbbell",
    "kettlebell",
    "machine",
    "cable",
    "band",
    "bench",
    "pull_up_bar",
    "parallel_bars",
    "box",
    "medicine_ball",
    "rope",
    "trap_bar",
)


class Exercise(models.Model):
    """A movement of strength training. The library is everybody's; one's own are private until accepted."""

    class State(models.TextChoices):
        LIBRARY = "library"
        PRIVATE = "private"
        PROPOSED = "proposed"
        DECLINED = "declined"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner_id = models.UUIDField(null=True, db_index=True, help_text="Nobody for what is in the library.")
    state = models.CharField(max_length=8, choices=State, default=State.PRIVATE)
    name_en = models.CharField(max_length=80)
    name_ru = models.CharField(max_length=80, blank=True)
    muscles = ArrayField(models.CharField(max_length=16), help_text="Of MUSCLES, the one most worked first.")
    equipment = ArrayField(models.CharField(max_length=16), help_text="Of EQUIPMENT.")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=holds("(state = 'library') = (owner_id IS NULL)"), name="exercise_library_is_nobodys"
            ),
            models.UniqueConstraint(
                fields=["name_en"], condition=models.Q(state="library"), name="exercise_library_names_differ"
            ),
        ]

    def __str__(self) -> str:
        return self.name_en

    def name(self, language: str) -> str:
        """In this language, if it has a name in it."""
        return self.name_ru if language.startswith("ru") and self.name_ru else self.name_en


class PlannedWorkout(models.Model):
    """A workout to be done: ordered steps with lengths and targets, for whoever does it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner_id = models.UUIDField(db_index=True)
    title = models.CharField(max_length=120)
    sport = models.CharField(max_length=10, choices=Sport)
    description = models.TextField(blank=True, max_length=2000)
    steps: models.JSONField[Any, Any] = models.JSONField(help_text="As `planning.steps` reads them.")
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"workout {self.id}"


class TrainingPlan(models.Model):
    """Weeks of workouts, and the rules by which they grow."""

    class Visibility(models.TextChoices):
        PRIVATE = "private"
        SHARED = "shared"
        PUBLIC = "public"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner_id = models.UUIDField(db_index=True)
    title = models.CharField(max_length=120)
    description = models.TextField(blank=True, max_length=2000)
    sport = models.CharField(max_length=10, choices=Sport)
    visibility = models.CharField(max_length=7, choices=Visibility, default=Visibility.PRIVATE)
    version = models.PositiveIntegerField(default=1, help_text="Grows with each change of it or of a workout in it.")
    weeks: models.JSONField[Any, Any] = models.JSONField(help_text="As `planning.schedule` reads them.")
    rules: models.JSONField[Any, Any] = models.JSONField(
        default=list, help_text="As `planning.progression` reads them."
    )
    workout_ids = ArrayField(models.UUIDField(), help_text="The workouts its weeks name.")
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()
    hidden_at = models.DateTimeField(null=True, help_text="When a moderator took it out of the public list.")

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(version__gte=1), name="plan_version_counts")]
        indexes = [
            models.Index(
                fields=["sport", "-id"],
                condition=models.Q(visibility="public", hidden_at__isnull=True),
                name="plan_public",
            )
        ]

    def __str__(self) -> str:
        return f"plan {self.id}"


class PlanShare(models.Model):
    """A coach lets an athlete see a plan."""

    pk = models.CompositePrimaryKey("plan_id", "athlete_id")
    plan = models.ForeignKey(TrainingPlan, on_delete=models.CASCADE, related_name="shares")
    athlete_id = models.UUIDField(db_index=True)
    shared_at = models.DateTimeField()
