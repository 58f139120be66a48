"""Devices of a person, and the codes that connect them."""

from django.db import models

from contexts.health import rules
from kernel.models import uuid7


class Status(models.TextChoices):
    """What may become of a device."""

    ACTIVE = "active"
    LOST = "lost"
    RETIRED = "retired"


class Device(models.Model):
    """A device that belongs to one person for good; handed on, it is connected anew and is another row.

    A person's own entries come from a device too, of the kind `rules.OWN_SOURCE`, whose secret nobody has; what is
    imported, from one for each `rules.Origin`.

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
    sealed_next = models.BinaryField(null=True, help_text="The secret which takes over when it is used first.")
    next_until = models.DateTimeField(null=True, help_text="Until when that may happen.")
    lost_at = models.DateTimeField(null=True)
    maker = models.CharField(max_length=64, blank=True)
    model = models.CharField(max_length=64, blank=True)
    serial = models.CharField(max_length=64, blank=True)
    hardware = models.CharField(max_length=64, blank=True)
    firmware = models.CharField(max_length=64, blank=True)
    software = models.CharField(max_length=64, blank=True)
    received_at = models.DateTimeField(null=True, help_text="When it was handed on to this owner by another one.")
    handover_digest = models.BinaryField(
        null=True, help_text="Of the code with which somebody else may take it over."
    )
    handover_until = models.DateTimeField(null=True)
    checked_at = models.DateTimeField(null=True, help_text="When its calibration was last looked at.")
    calibration_due_at = models.DateTimeField(null=True)
    due_told_at = models.DateTimeField(null=True, help_text="When its owner was told that a calibration is due.")
    sync_from = models.DateTimeField(null=True, help_text="The earliest measurement it was asked for.")
    bridge_number = models.IntegerField(null=True, help_text="The number of the bridge it was connected by.")
    bridge_key = models.BinaryField(null=True, help_text="Digest of what that bridge knows it by.")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(sealed_next=None, next_until=None)
                | models.Q(sealed_next__isnull=False, next_until__isnull=False),
                name="health_device_next_secret_has_an_end",
            ),
            models.UniqueConstraint(
                fields=["user_id"], condition=models.Q(kind=rules.OWN_SOURCE), name="health_device_one_own_source"
            ),
            models.UniqueConstraint(
                fields=["user_id", "kind"],
                condition=models.Q(kind__in=rules.ORIGINS),
                name="health_device_one_of_an_origin",
            ),
            models.UniqueConstraint(
                fields=["handover_digest"],
                condition=models.Q(handover_digest__isnull=False),
                name="health_device_one_of_a_code",
            ),
            models.UniqueConstraint(fields=["bridge_number", "bridge_key"], name="health_device_one_of_a_bridge_key"),
            models.CheckConstraint(
                condition=models.Q(bridge_number=None, bridge_key=None)
                | models.Q(bridge_number__isnull=False, bridge_key__isnull=False),
                name="health_device_of_a_bridge_has_a_key",
            ),
        ]
        indexes = [
            models.Index(
                fields=["calibration_due_at"],
                condition=models.Q(calibration_due_at__isnull=False, revoked_at=None),
                name="health_device_due",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.device_id}"

    @property
    def status(self) -> Status:
        """In use, lost, or retired for good."""
        if self.revoked_at is not None:
            return Status.RETIRED
        return Status.ACTIVE if self.lost_at is None else Status.LOST


class Enrolment(models.Model):
    """A code that connects one device without its owner being there; gone once it is used.

    The code itself is not stored. A person has one at a time: a new one takes the place of the one before.
    """

    code_digest = models.CharField(primary_key=True, max_length=64, editable=False)
    user_id = models.UUIDField(unique=True)
    name = models.CharField(max_length=80, blank=True)
    kind = models.CharField(max_length=32, blank=True)
    expires_at = models.DateTimeField()
