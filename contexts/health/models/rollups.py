"""Readings rolled up to quarters of an hour, until when they are, and what of that holds no more."""

from django.db import models


class Rollup(models.Model):
    """A device's plausible readings of one stream over the quarter of an hour from `begin` on, calibrated.

    It holds where its time lies before the watermark and in no invalidation of its device; else the readings do.
    """

    pk = models.CompositePrimaryKey("device_number", "stream", "begin")
    begin = models.DateTimeField()
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    total = models.FloatField()
    least = models.FloatField()
    greatest = models.FloatField()
    device_number = models.IntegerField()
    count = models.IntegerField()
    stream = models.SmallIntegerField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(count__gt=0, first_at__gte=models.F("begin"), first_at__lte=models.F("last_at")),
                name="health_rollup_is_not_empty",
            )
        ]


class Invalidation(models.Model):
    """Time of a device that is to be rolled up anew, or for the first time: whole quarters of an hour."""

    invalidation_id = models.BigAutoField(primary_key=True)
    since = models.DateTimeField()
    until = models.DateTimeField()
    device_number = models.IntegerField()

    class Meta:
        indexes = [models.Index(fields=["device_number", "since"], name="health_invalidation_of_device")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(since__lt=models.F("until")), name="health_invalidation_is_not_empty"
            )
        ]


class Watermark(models.Model):
    """Until when everything is rolled up that no invalidation names; one row, or none before the first run."""

    ONE = 1

    watermark_id = models.SmallIntegerField(primary_key=True, default=ONE)
    until = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(watermark_id=1), name="health_watermark_is_one")]
