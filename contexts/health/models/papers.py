"""What is written about devices: certifications and calibrations."""

from django.db import models

from contexts.health import rules
from kernel.models import uuid7


class Certification(models.Model):
    """What a device was certified for, by which standard, until when; as its owner has it in writing."""

    certification_id = models.UUIDField(primary_key=True, default=uuid7)
    device_number = models.IntegerField(db_index=True)
    standard = models.CharField(max_length=64)
    number = models.CharField(max_length=64)
    issued_by = models.CharField(max_length=80, blank=True)
    valid_from = models.DateField()
    valid_until = models.DateField(null=True)
    added_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(valid_until=None) | models.Q(valid_until__gte=models.F("valid_from")),
                name="health_certification_ends_after_it_began",
            )
        ]


class Calibration(models.Model):
    """A curve that corrects what a device measures from `valid_from` on. Rows are only ever added.

    `points` are pairs of measured and true value, in the stored unit, by rising measured value.
    """

    calibration_id = models.UUIDField(primary_key=True, default=uuid7)
    device_number = models.IntegerField()
    stream = models.SmallIntegerField(choices=[(stream.value, stream.name) for stream in rules.Stream])
    version = models.IntegerField()
    points = models.JSONField()
    valid_from = models.DateTimeField()
    added_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["device_number", "stream", "version"], name="health_calibration_version"),
            models.CheckConstraint(condition=models.Q(version__gt=0), name="health_calibration_counts_from_one"),
        ]
