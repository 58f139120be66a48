"""Personal bests (WO-5)."""

from __future__ import annotations

from django.db import models

from contexts.workout.models.kinds import Sport
from contexts.workout.models.sessions import TrainingSession


class PersonalBest(models.Model):
    """The best an athlete has done in a sport, and in which session (WO-5)."""

    class Record(models.TextChoices):
        """Those that a session's own row holds; all others come from its best efforts."""

        LONGEST_DISTANCE = "longest_distance"
        FASTEST_1K = "fastest_1k"
        FASTEST_5K = "fastest_5k"

    pk = models.CompositePrimaryKey("user_id", "sport", "record")
    user_id = models.UUIDField()
    sport = models.CharField(max_length=10, choices=Sport)
    record = models.CharField(max_length=32, help_text="longest_distance, fastest_10k, longest_20min, power_5min …")
    value = models.FloatField(help_text="Metres for a distance, seconds for a time, watts for a power.")
    session = models.ForeignKey(TrainingSession, on_delete=models.CASCADE, related_name="bests")
    achieved_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(value__gt=0), name="personal_best_positive"),
        ]


class BestEffort(models.Model):
    """The best a session holds over one standard distance or duration; bests are chosen among these."""

    pk = models.CompositePrimaryKey("session_id", "record")
    session = models.ForeignKey(
        TrainingSession, on_delete=models.CASCADE, db_index=False, related_name="best_efforts"
    )
    record = models.CharField(max_length=32)
    user_id = models.UUIDField()
    sport = models.CharField(max_length=10, choices=Sport)
    value = models.FloatField()

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(value__gt=0), name="best_effort_positive")]
        indexes = [models.Index(fields=["user_id", "sport", "record", "value"], name="best_efforts_of_an_athlete")]

    def __str__(self) -> str:
        return f"{self.record}: {self.value:g}"


class AnnouncedRecord(models.Model):
    """A record that has been announced. It outlives its session, whose file may be handed in again (WO-5)."""

    pk = models.CompositePrimaryKey("user_id", "achieved_at", "sport", "record")
    user_id = models.UUIDField()
    achieved_at = models.DateTimeField(help_text="When the session ended: it says which activity this was.")
    sport = models.CharField(max_length=10, choices=Sport)
    record = models.CharField(max_length=32)

    def __str__(self) -> str:
        return f"{self.record} in {self.sport}"
