"""Sets of strength training."""

from __future__ import annotations

from django.db import models

from contexts.workout.models.sessions import TrainingSession
from kernel.models import uuid7


class StrengthSet(models.Model):
    """One set of one exercise in a session: repetitions or a time, with or without weight."""

    pk = models.CompositePrimaryKey("session_id", "set_id")
    session = models.ForeignKey(TrainingSession, on_delete=models.CASCADE, db_index=False, related_name="sets")
    set_id = models.UUIDField(default=uuid7)
    done_at = models.DateTimeField()
    exercise = models.CharField(max_length=80, help_text="As the athlete calls it.")
    exercise_id = models.UUIDField(null=True, help_text="Of the library, the athlete's own, or a plan they follow.")
    reps = models.PositiveSmallIntegerField(null=True)
    duration_s = models.FloatField(null=True)
    weight_kg = models.FloatField(null=True)
    rpe = models.FloatField(null=True, help_text="Rate of perceived exertion, 1 to 10.")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(reps__isnull=False) | models.Q(duration_s__isnull=False), name="set_has_an_extent"
            ),
            models.CheckConstraint(
                condition=models.Q(rpe__isnull=True) | models.Q(rpe__gte=1, rpe__lte=10), name="set_rpe_from_1_to_10"
            ),
            models.CheckConstraint(
                condition=models.Q(weight_kg__isnull=True) | models.Q(weight_kg__gte=0, weight_kg__lte=1_000),
                name="set_weight_possible",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.exercise} {self.set_id}"

    @classmethod
    def shown_in(cls, session: TrainingSession) -> models.QuerySet[StrengthSet]:
        """The sets of an activity in the order in which they were done, from whichever recording of it they are."""
        return cls.objects.filter(session_id=session.sets_from).order_by("done_at", "set_id")
