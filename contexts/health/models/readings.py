"""The batches devices sent, and the readings in them."""

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from timescale.db.models.fields import TimescaleDateTimeField

from contexts.health import rules
from contexts.health.doubts import Doubt


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
    cold = models.IntegerField(db_default=0, help_text="How many of them have gone to cold files since.")
    recorded_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["device_number", "recorded_at"], name="health_batch_of_device"),
            # What was recorded of late is found by this, at no cost for those who record.
            BrinIndex(fields=["recorded_at"], autosummarize=True, name="health_batch_recorded_at"),
        ]
        constraints = [
            models.CheckConstraint(condition=models.Q(count__gt=0), name="health_batch_is_not_empty"),
            models.CheckConstraint(
                condition=models.Q(first_at__lte=models.F("last_at")), name="health_batch_ends_after_it_began"
            ),
        ]


class Bound(models.Func):
    """A stream's entry in an array in PostgreSQL's writing; null for a stream that has none.

    A CASE over all streams says the same, and is read anew for each statement that stores: for one of a single
    reading that was most of its time.
    """

    template = "('%(of)s'::float8[])[%(expressions)s]"
    arity = 1
    output_field = models.FloatField()


def _bound(which: int) -> Bound:
    """The least or the greatest plausible value, by the streams' numbers: these count from 1, as arrays do."""
    values = [str(rules.PLAUSIBLE[stream][which]) for stream in sorted(rules.Stream)]
    return Bound("stream", of=f"{{{','.join(values)}}}")


def _is_implausible() -> models.Case:
    return models.Case(
        models.When(doubt__isnull=False, then=models.Value(True)),
        models.When(value__range=(_bound(0), _bound(1)), then=models.Value(False)),
        default=True,
        output_field=models.BooleanField(),
    )


class Reading(models.Model):
    """One measured value, narrow because there are many: widest columns first, no padding between them.

    `quarantined` is computed by the database, so no way of writing can put an implausible or a doubted value among
    the good ones.
    The primary key is what makes sending a reading twice harmless.
    """

    pk = models.CompositePrimaryKey("device_number", "stream", "time", "sequence")
    time = TimescaleDateTimeField(interval="7 days")
    value = models.FloatField()
    device_number = models.IntegerField()
    sequence = models.IntegerField()
    mark = models.IntegerField()
    stream = models.SmallIntegerField(choices=[(stream.value, stream.name) for stream in rules.Stream])
    doubt = models.SmallIntegerField(
        null=True,
        choices=[(doubt.value, doubt.name) for doubt in Doubt],
        help_text="What the device itself says against the value.",
    )
    quarantined = models.GeneratedField(
        expression=_is_implausible(), output_field=models.BooleanField(), db_persist=True
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(stream__range=(min(rules.Stream).value, max(rules.Stream).value)),
                name="health_reading_stream_is_known",
            ),
            models.CheckConstraint(condition=models.Q(sequence__gte=0), name="health_reading_sequence_counts_up"),
        ]
