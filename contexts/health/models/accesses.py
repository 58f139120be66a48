"""Who looked at whose measurements."""

from datetime import timedelta

from django.db import models

from contexts.health.terms import Purpose
from kernel.access import CONNECTION_LASTS, MFA_IS_RECENT
from kernel.models import uuid7

MFA_WAS_RECENT = MFA_IS_RECENT + timedelta(minutes=1)
"""The policy looks first and the row is written a moment later."""


class Access(models.Model):
    """One look at medical data: who, at whose, which, for what, when, and how fresh the second factor was.

    `grant_id` and `emergency_id` say by what right another person looked.

    Rows are only ever added.
    """

    access_id = models.UUIDField(primary_key=True, default=uuid7)
    by = models.UUIDField()
    subject_id = models.UUIDField()
    stream = models.CharField(max_length=32)
    purpose = models.CharField(
        max_length=16, choices=[(purpose.value, purpose.value) for purpose in Purpose], default=Purpose.OWN_CARE
    )
    grant_id = models.UUIDField(null=True)
    emergency_id = models.UUIDField(null=True)
    since = models.DateTimeField()
    until = models.DateTimeField()
    mfa_at = models.DateTimeField()
    app_id = models.UUIDField(
        null=True, help_text="The app that looked for them; it was let in under a second factor."
    )
    at = models.DateTimeField()
    correlation_id = models.CharField(max_length=64)

    class Meta:
        verbose_name_plural = "accesses"
        indexes = [models.Index(fields=["subject_id", "at"], name="health_access_subject")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(mfa_at__gte=models.F("at") - MFA_WAS_RECENT)
                | models.Q(app_id__isnull=False, mfa_at__gte=models.F("at") - CONNECTION_LASTS),
                name="health_access_had_recent_mfa",
            ),
            models.CheckConstraint(
                condition=models.Q(by=models.F("subject_id"), grant_id=None, emergency_id=None)
                | ~models.Q(by=models.F("subject_id")) & models.Q(grant_id__isnull=False, emergency_id=None)
                | ~models.Q(by=models.F("subject_id"))
                & models.Q(grant_id=None, emergency_id__isnull=False, purpose=Purpose.EMERGENCY),
                name="health_access_by_right",
            ),
        ]
