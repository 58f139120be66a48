"""What an athlete has set out to do (WO-4)."""

from __future__ import annotations

from django.db import models

from contexts.workout.models.kinds import Sport
from kernel.models import uuid7


class Goal(models.Model):
    """So much of something in each week or month, or until a day."""

    class Measure(models.TextChoices):
        DISTANCE = "distance_m"
        DURATION = "duration_s"
        ASCENT = "ascent_m"
        ENERGY = "energy_kcal"
        SESSIONS = "sessions"

    class Period(models.TextChoices):
        WEEK = "week"
        MONTH = "month"
        ONCE = "once"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user_id = models.UUIDField(db_index=True)
    sport = models.CharField(max_length=10, choices=Sport, blank=True, help_text="Empty: every sport.")
    measure = models.CharField(max_length=12, choices=Measure)
    target = models.FloatField(help_text="Metres, seconds, kcal or a number of sessions.")
    period = models.CharField(max_length=5, choices=Period)
    starts_on = models.DateField()
    ends_on = models.DateField(null=True, help_text="Its last day; a goal that is to be reached once has one.")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(target__gt=0), name="goal_target_positive"),
            models.CheckConstraint(
                condition=models.Q(ends_on__isnull=True) | models.Q(ends_on__gte=models.F("starts_on")),
                name="goal_ends_after_start",
            ),
            models.CheckConstraint(
                condition=~models.Q(period="once") | models.Q(ends_on__isnull=False), name="goal_once_has_an_end"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.target:g} {self.measure} a {self.period}"


class ReachedGoal(models.Model):
    """A goal was reached in one of its periods: a row, so that it is announced once."""

    pk = models.CompositePrimaryKey("goal_id", "period_starts_on")
    goal = models.ForeignKey(Goal, on_delete=models.CASCADE, db_index=False, related_name="reached")
    period_starts_on = models.DateField()
    session_id = models.UUIDField(help_text="The session that did it.")
    reached_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.goal_id} on {self.period_starts_on}"
