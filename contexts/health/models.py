"""Devices, the batches they sent, the readings in them, and who looked at those."""

from datetime import timedelta

from django.db import models
from timescale.db.models.fields import TimescaleDateTimeField

from contexts.health import rules
from kernel.access import CONNECTION_LASTS, MFA_IS_RECENT
from kernel.models import uuid7

MFA_WAS_RECENT = MFA_IS_RECENT + timedelta(minutes=1)
"""The policy looks first and the row is written a moment later."""


class Device(models.Model):
    """A device that belongs to one person for good; handed on, it is connected anew and is another device.

    Readings name it by its `number`, four bytes instead of sixteen.
    """

    number = models.AutoField(primary_key=True)
    device_id = models.UUIDField(unique=True, default=uuid7, editable=False)
    user_id = models.UUIDField(db_index=True)
    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=32)
    sealed_secret = models.BinaryField()
    connected_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    suspended_at = models.DateTimeField(null=True, help_text="When consent to process health data was withdrawn.")

    def __str__(self) -> str:
        return f"{self.kind} {self.device_id}"


class Batch(models.Model):
    """A request's new readings. It finds them again by device, time span and `mark`.

    The mark is 31 random bits of the batch's id: four bytes in each reading and no index of its own. It tells apart
    batches of one device whose spans overlap.
    """

    batch_id = models.UUIDField(primary_key=True)
    device_number = models.IntegerField()
    mark = models.IntegerField()
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    count = models.IntegerField()
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(count__gt=0), name="health_batch_is_not_empty"),
            models.CheckConstraint(
                condition=models.Q(first_at__lte=models.F("last_at")), name="health_batch_ends_after_it_began"
            ),
        ]


def _is_implausible() -> models.Case:
    outside = [
        models.When(stream=stream.value, then=models.Q(value__lt=low) | models.Q(value__gt=high))
        for stream, (low, high) in rules.PLAUSIBLE.items()
    ]
    return models.Case(*outside, default=True, output_field=models.BooleanField())


class Reading(models.Model):
    """One measured value, narrow because there are many: widest columns first, no padding between them.

    `quarantined` is computed by the database, so no way of writing can put an implausible value among the good ones.
    The primary key is what makes sending a reading twice harmless.
    """

    pk = models.CompositePrimaryKey("device_number", "stream", "time", "sequence")
    time = TimescaleDateTimeField(interval="7 days")
    value = models.FloatField()
    device_number = models.IntegerField()
    sequence = models.IntegerField()
    mark = models.IntegerField()
    stream = models.SmallIntegerField(choices=[(stream.value, stream.name) for stream in rules.Stream])
    quarantined = models.GeneratedField(
        expression=_is_implausible(), output_field=models.BooleanField(), db_persist=True
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(stream__in=[stream.value for stream in rules.Stream]),
                name="health_reading_stream_is_known",
            ),
            models.CheckConstraint(condition=models.Q(sequence__gte=0), name="health_reading_sequence_counts_up"),
        ]


class Access(models.Model):
    """One look at medical data: who, at whose, which, when, and how fresh the second factor was.

    Rows are only ever added.
    """

    access_id = models.UUIDField(primary_key=True, default=uuid7)
    by = models.UUIDField()
    subject_id = models.UUIDField()
    stream = models.CharField(max_length=32)
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
            )
        ]
