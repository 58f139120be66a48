"""What was computed about a session, and what about the athlete it was computed with."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q

from contexts.workout.models.kinds import Sport
from contexts.workout.models.sessions import TrainingSession
from kernel.models import uuid7


class Thresholds(models.Model):
    """What an athlete knows of their body, from a day on; for one sport or for every."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user_id = models.UUIDField()
    sport = models.CharField(max_length=10, choices=Sport, blank=True, help_text="Empty: every sport.")
    valid_from = models.DateField()
    ftp_w = models.FloatField(null=True, help_text="Functional threshold power, W.")
    threshold_bpm = models.FloatField(null=True, help_text="Heart rate at the lactate threshold.")
    vt1_bpm = models.FloatField(null=True, help_text="Heart rate at the first ventilatory threshold.")
    vt2_bpm = models.FloatField(null=True, help_text="Heart rate at the second; known together.")
    threshold_mps = models.FloatField(null=True, help_text="Speed at the threshold, m/s.")
    resting_bpm = models.FloatField(null=True)
    hr_max = models.PositiveSmallIntegerField(null=True, help_text="Measured; goes before 220 − age.")
    height_cm = models.FloatField(null=True)
    zones_by = models.CharField(max_length=9, default="maximum", help_text="maximum, reserve, threshold or custom.")
    zones_bpm = ArrayField(models.FloatField(), null=True, help_text="Custom lower bounds of the zones.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user_id", "sport", "valid_from"], name="thresholds_once_a_day"),
            models.CheckConstraint(
                condition=~Q(zones_by="custom") | Q(zones_bpm__isnull=False), name="thresholds_custom_zones_are_named"
            ),
            models.CheckConstraint(
                condition=Q(vt1_bpm__isnull=True, vt2_bpm__isnull=True)
                | Q(vt1_bpm__isnull=False, vt2_bpm__isnull=False, vt1_bpm__lt=F("vt2_bpm")),
                name="thresholds_ventilatory_rise",
            ),
        ]

    def __str__(self) -> str:
        return f"from {self.valid_from}"


class Analysis(models.Model):
    """Everything computed about a session. Earlier ones stay beside the current one."""

    pk = models.CompositePrimaryKey("session_id", "version")
    session = models.ForeignKey(TrainingSession, on_delete=models.CASCADE, db_index=False, related_name="analyses")
    version = models.PositiveIntegerField()
    is_current = models.BooleanField(default=True)
    computed_at = models.DateTimeField()
    reason = models.CharField(max_length=9, help_text="new, data, settings or algorithm.")
    settings = models.JSONField(help_text="What of the athlete it was computed with.")
    numbers = models.JSONField(help_text="Nested; each number with its algorithm, inputs and exclusions.")
    load = models.FloatField(null=True, help_text="The session's training load.")
    algorithms = ArrayField(
        models.CharField(max_length=80),
        default=list,
        help_text="That computed it, unless their successors were tried.",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["session"], condition=Q(is_current=True), name="analysis_one_is_current")
        ]
        indexes = [GinIndex(fields=["algorithms"], condition=Q(is_current=True), name="analysis_algorithms")]

    def __str__(self) -> str:
        return f"analysis {self.version} of {self.session_id}"
