"""The manifest of cold files, and the keys without which they say nothing."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import models

from kernel.models import uuid7


class DataKey(models.Model):
    """The key of a person's cold files, sealed under `FIELD_KEY`. Without it they are noise, wherever copies lie."""

    user_id = models.UUIDField(primary_key=True)
    sealed_key = models.BinaryField()
    made_at = models.DateTimeField()


class ColdFile(models.Model):
    """An object in the cold store that somebody's data are in, and how it has to look.

    A person has one current file of readings for a month (UTC); for late readings another takes its place.
    """

    class Kind(models.TextChoices):
        READINGS = "readings"
        PAYLOADS = "payloads", "request bodies as devices sent them"

    class State(models.TextChoices):
        CURRENT = "current"
        SUPERSEDED = "superseded"

    file_id = models.UUIDField(primary_key=True, default=uuid7)
    user_id = models.UUIDField()
    kind = models.CharField(max_length=8, choices=Kind.choices)
    state = models.CharField(max_length=10, choices=State.choices, default=State.CURRENT)
    month = models.DateField(help_text="The first day of the month.")
    object_key = models.CharField(max_length=200, unique=True)
    rows = models.IntegerField(help_text="Readings, or request bodies.")
    bytes = models.BigIntegerField(help_text="As it lies in the store.")
    sha256 = models.CharField(max_length=64, help_text="Of the bytes as they lie in the store.")
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    streams = models.JSONField(help_text="The numbers of the streams in it.")
    last_readings = models.JSONField(help_text="By device and stream (their numbers), when the last was measured.")
    stored_at = models.DateTimeField()
    superseded_at = models.DateTimeField(null=True)

    withdrawn: Sequence[ColdWithdrawal] = ()
    """What is to be left out of it, if whoever found the file has asked (`withdrawals.attach`)."""

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user_id", "month"],
                condition=models.Q(kind="readings", state="current"),
                name="health_cold_file_one_a_month",
            ),
            models.CheckConstraint(
                condition=models.Q(rows__gt=0, bytes__gt=0, first_at__lte=models.F("last_at")),
                name="health_cold_file_is_not_empty",
            ),
            models.CheckConstraint(
                condition=models.Q(state="current", superseded_at=None)
                | models.Q(state="superseded", superseded_at__isnull=False),
                name="health_cold_file_superseded_at_some_time",
            ),
        ]
        indexes = [models.Index(fields=["user_id", "kind", "first_at"], name="health_cold_file_of_person")]

    def __str__(self) -> str:
        return f"{self.kind} {self.month:%Y-%m} {self.file_id}"


class ColdWithdrawal(models.Model):
    """Readings of a month's cold file that were taken back, until the month is written anew without them.

    Those of a device and stream with this sequence, measured from `first_at` to `last_at`.
    """

    withdrawal_id = models.UUIDField(primary_key=True, default=uuid7)
    user_id = models.UUIDField()
    month = models.DateField(help_text="The first day of the file's month.")
    device_number = models.IntegerField()
    stream = models.SmallIntegerField()
    sequence = models.IntegerField()
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    noted_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["user_id", "month"], name="health_withdrawal_of_month")]
