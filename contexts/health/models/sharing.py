"""Grants to look, and looks without one in an emergency."""

from django.db import models
from django.db.models import F, Q

from contexts.health.sealing import sealed_in
from contexts.health.terms import EMERGENCY_LASTS, LONGEST_GRANT, Role, Terms
from kernel.models import uuid7


class Grant(models.Model):
    """One person lets another see some metrics, of some time, for some purposes, until it expires or is ended.

    Metrics and purposes are by name. It counts once it is accepted; while consent is withdrawn it is suspended.
    """

    class Ended(models.TextChoices):
        """By whom."""

        OWNER = "owner"
        GRANTEE = "grantee"

    grant_id = models.UUIDField(primary_key=True, default=uuid7)
    owner_id = models.UUIDField()
    grantee_id = models.UUIDField()
    role = models.CharField(max_length=8, choices=[(role.value, role.value) for role in Role])
    metrics = models.JSONField()
    purposes = models.JSONField()
    since = models.DateTimeField(null=True)
    until = models.DateTimeField(null=True)
    made_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=8, choices=Ended.choices, blank=True)
    suspended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(owner_id=F("grantee_id")), name="health_grant_is_for_another"),
            models.CheckConstraint(
                condition=Q(expires_at__gt=F("made_at"), expires_at__lte=F("made_at") + LONGEST_GRANT),
                name="health_grant_lasts_a_year_at_most",
            ),
            models.CheckConstraint(
                condition=Q(ended_at=None, ended_by="") | Q(ended_at__isnull=False) & ~Q(ended_by=""),
                name="health_grant_ended_by_somebody",
            ),
        ]
        indexes = [
            models.Index(fields=["owner_id", "made_at"], name="health_grant_of_owner"),
            models.Index(fields=["grantee_id", "made_at"], name="health_grant_of_grantee"),
        ]

    @property
    def terms(self) -> Terms:
        """As the rules read it."""
        return Terms(
            metrics=frozenset(self.metrics),
            purposes=frozenset(self.purposes),
            since=self.since,
            until=self.until,
            expires_at=self.expires_at,
            accepted_at=self.accepted_at,
            ended_at=self.ended_at,
            suspended_at=self.suspended_at,
        )


class EmergencyAccess(models.Model):
    """A member of staff has opened one person's data without a grant, said why, and somebody else judges it."""

    class Verdict(models.TextChoices):
        JUSTIFIED = "justified"
        ABUSE = "abuse"

    emergency_id = models.UUIDField(primary_key=True, default=uuid7)
    subject_id = models.UUIDField(db_index=True)
    opened_by = models.UUIDField()
    sealed_reason = models.BinaryField()
    reason = sealed_in("sealed_reason")
    opened_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    verdict = models.CharField(max_length=9, choices=Verdict.choices, blank=True)
    judged_by = models.UUIDField(null=True)
    judged_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "emergency accesses"
        permissions = [
            ("break_glass", "Can open a person's data in an emergency"),
            ("judge_emergency", "Can judge emergency accesses of others"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(expires_at__lte=F("opened_at") + EMERGENCY_LASTS), name="health_emergency_lasts_an_hour"
            ),
            models.CheckConstraint(
                condition=Q(verdict="", judged_by=None, judged_at=None)
                | ~Q(verdict="") & Q(judged_by__isnull=False, judged_at__isnull=False),
                name="health_emergency_judged_by_somebody",
            ),
            models.CheckConstraint(
                condition=Q(judged_by=None) | ~Q(judged_by=F("opened_by")), name="health_emergency_judged_by_another"
            ),
        ]
        indexes = [models.Index(fields=["opened_by", "expires_at"], name="health_emergency_open")]

    def __str__(self) -> str:
        return str(self.emergency_id)
