"""What people enter by hand, with its history."""

from django.db import models

from contexts.health import rules
from kernel.models import uuid7


class Entry(models.Model):
    """A value a person has entered by hand, as it is now. Its reading is in the batch `batch_id`, while there is one.

    `value` is in the stored unit, `told` as it was entered, in `unit`.
    """

    entry_id = models.UUIDField(primary_key=True, default=uuid7)
    user_id = models.UUIDField()
    stream = models.SmallIntegerField(choices=[(stream.value, stream.name) for stream in rules.Stream])
    time = models.DateTimeField()
    sequence = models.IntegerField()
    value = models.FloatField()
    told = models.FloatField()
    unit = models.CharField(max_length=16)
    version = models.IntegerField()
    batch_id = models.UUIDField(null=True)
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["user_id", "time", "entry_id"], name="health_entry_of_person")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(deleted_at=None, batch_id__isnull=False)
                | models.Q(deleted_at__isnull=False, batch_id=None),
                name="health_entry_has_its_reading",
            )
        ]


class EntryVersion(models.Model):
    """What an entry said after each change. Rows are only ever added."""

    pk = models.CompositePrimaryKey("entry_id", "version")
    entry_id = models.UUIDField()
    version = models.IntegerField()
    user_id = models.UUIDField(db_index=True)
    time = models.DateTimeField()
    told = models.FloatField()
    unit = models.CharField(max_length=16)
    is_deletion = models.BooleanField()
    written_at = models.DateTimeField()
