"""Norms, bounds of one's own, the alerts that follow, and whom they are told."""

from typing import Final

from django.db import models

from contexts.health import rules
from contexts.health.sealing import sealed_in
from kernel.models import uuid7


class NormVersion(models.Model):
    """A norm as a medical reviewer has published it. Rows are only ever added; the newest is in force."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    key = models.CharField(max_length=64)
    version = models.IntegerField()
    document = models.JSONField()
    note = models.CharField(max_length=200)
    made_by = models.UUIDField()
    made_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key", "version"], name="health_norm_version"),
            models.CheckConstraint(condition=models.Q(version__gt=0), name="health_norm_counts_from_one"),
        ]

    def __str__(self) -> str:
        return f"{self.key}@{self.version}"


class AlertRule(models.Model):
    """A bound a person has set for themselves; it takes the place of their norm's on the same side."""

    class Side(models.TextChoices):
        LOW = "low"
        HIGH = "high"

    class Severity(models.TextChoices):
        WARNING = "warning"
        CRITICAL = "critical"

    rule_id = models.UUIDField(primary_key=True, default=uuid7)
    user_id = models.UUIDField()
    stream = models.SmallIntegerField(choices=[(stream.value, stream.name) for stream in rules.Stream])
    side = models.CharField(max_length=4, choices=Side.choices)
    bound = models.FloatField()
    hysteresis = models.FloatField()
    lasts_s = models.IntegerField()
    silence_s = models.IntegerField()
    cool_down_s = models.IntegerField()
    severity = models.CharField(max_length=8, choices=Severity.choices)
    version = models.IntegerField(default=1)
    written_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user_id", "stream", "side"], name="health_alert_rule_one_a_side"),
            models.CheckConstraint(
                condition=models.Q(hysteresis__gte=0, lasts_s__gte=0, silence_s__gt=0, cool_down_s__gte=0),
                name="health_alert_rule_times_are_positive",
            ),
        ]


class Alert(models.Model):
    """An episode in which what is measured was beyond a rule's bound: one row, one announcement.

    It says by which rule and when, and nothing that was measured. `terms` are the rule's numbers at that time.
    """

    class State(models.TextChoices):
        OPEN = "open"
        ACKNOWLEDGED = "acknowledged"
        SNOOZED = "snoozed"
        CLOSED = "closed"

    class Reason(models.TextChoices):
        """Why it is closed."""

        CLEARED = "cleared"
        SILENCE = "silence"
        SUPERSEDED = "superseded", "later readings showed that it was part of another one, or none"
        RULE_GONE = "rule_gone"
        RECALIBRATED = "recalibrated", "by its device's new calibration it is part of another one, or none"

    DISSOLVED: Final = ("superseded", "recalibrated")
    """No episodes any more. Such a row is taken up again, should its episode come back."""

    alert_id = models.UUIDField(primary_key=True, default=uuid7)
    user_id = models.UUIDField()
    rule = models.CharField(max_length=80)
    rule_version = models.IntegerField()
    stream = models.SmallIntegerField(choices=[(stream.value, stream.name) for stream in rules.Stream])
    severity = models.CharField(max_length=8, choices=AlertRule.Severity.choices)
    terms = models.JSONField()
    began_at = models.DateTimeField()
    last_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    state = models.CharField(max_length=12, choices=State.choices)
    reason = models.CharField(max_length=12, choices=Reason.choices, blank=True)
    triggered_at = models.DateTimeField()
    acknowledged_at = models.DateTimeField(null=True)
    snoozed_until = models.DateTimeField(null=True)
    escalate_at = models.DateTimeField(null=True)
    escalated_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user_id", "rule"], condition=~models.Q(state="closed"), name="health_alert_one_open"
            ),
            models.CheckConstraint(
                condition=models.Q(began_at__lte=models.F("last_at")), name="health_alert_ends_after_it_began"
            ),
            models.CheckConstraint(
                condition=models.Q(state="closed", closed_at__isnull=False) & ~models.Q(reason="")
                | ~models.Q(state="closed") & models.Q(closed_at=None, reason=""),
                name="health_alert_closed_says_why",
            ),
        ]
        indexes = [
            models.Index(fields=["user_id", "rule", "last_at"], name="health_alert_of_rule"),
            models.Index(fields=["user_id", "triggered_at", "alert_id"], name="health_alert_of_person"),
            models.Index(
                fields=["escalate_at"], condition=models.Q(escalate_at__isnull=False), name="health_alert_escalates"
            ),
            models.Index(fields=["last_at"], condition=~models.Q(state="closed"), name="health_alert_unclosed"),
        ]

    def __str__(self) -> str:
        return f"{self.rule}@{self.rule_version}"


CLOSED_BECAUSE = [*Alert.Reason.values, ""]
"""What an alert says of why it is closed; nothing while it is not."""


class AlertComment(models.Model):
    """What a person has written down about an alert."""

    comment_id = models.UUIDField(primary_key=True, default=uuid7)
    alert_id = models.UUIDField(db_index=True)
    user_id = models.UUIDField(db_index=True)
    sealed_text = models.BinaryField()
    text = sealed_in("sealed_text")
    written_at = models.DateTimeField()


class EmergencyContact(models.Model):
    """Whom to write to when an alert of this person waits too long. They have agreed, says this person."""

    user_id = models.UUIDField(primary_key=True)
    sealed_name = models.BinaryField()
    name = sealed_in("sealed_name")
    sealed_email = models.BinaryField()
    email = sealed_in("sealed_email")
    locale = models.CharField(max_length=2, choices=[("en", "en"), ("ru", "ru")])
    after_minutes = models.IntegerField()
    agreed_at = models.DateTimeField()
