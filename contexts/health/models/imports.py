"""Imports of exported health data, the files in them, and what phones have sent, by their own identifiers."""

from __future__ import annotations

from typing import Final

from django.db import models

from kernel.models import uuid7


class DataImport(models.Model):
    """An export of health data, uploaded part by part. This row, not the queue's message, says what is to be done."""

    class State(models.TextChoices):
        UPLOADING = "uploading"
        QUEUED = "queued"
        READING = "reading"
        DONE = "done"
        REFUSED = "refused"

    UNFINISHED: Final = ("uploading", "queued", "reading")

    import_id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user_id = models.UUIDField()
    file_name = models.CharField(max_length=255)
    size = models.PositiveBigIntegerField(help_text="Bytes, as announced.")
    received = models.PositiveBigIntegerField(default=0, help_text="Bytes that are here.")
    parts = models.JSONField(default=list, help_text="Names and sizes of the stored parts, in their order.")
    state = models.CharField(max_length=9, choices=State, default=State.UPLOADING)
    begun_at = models.DateTimeField()
    touched_at = models.DateTimeField(help_text="When a part came, or a worker last got on with it.")
    claim = models.UUIDField(null=True, help_text="Which worker is at it.")
    attempts = models.PositiveSmallIntegerField(default=0, help_text="Since something was last stored of it.")
    finished_at = models.DateTimeField(null=True)
    refusal_code = models.CharField(max_length=60, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state="refused") & ~models.Q(refusal_code="")
                | ~models.Q(state="refused") & models.Q(refusal_code=""),
                name="health_import_refused_says_why",
            ),
            models.CheckConstraint(
                condition=models.Q(received__lte=models.F("size")), name="health_import_is_not_longer_than_said"
            ),
        ]
        indexes = [
            models.Index(fields=["user_id", "begun_at", "import_id"], name="health_import_of_person"),
            models.Index(
                fields=["touched_at"],
                condition=models.Q(state__in=["uploading", "queued", "reading"]),
                name="health_import_unfinished",
            ),
        ]


class ImportedFile(models.Model):
    """A file of an import, and what became of what is in it; committed together with the readings of each batch.

    `reached` is where to go on: a byte of an Apple export, a number of readings of any other file.
    """

    class Outcome(models.TextChoices):
        WAITING = "waiting"
        READ = "read"
        REFUSED = "refused"
        LEFT_OUT = "left_out"

    pk = models.CompositePrimaryKey("source_id", "position")
    source = models.ForeignKey(DataImport, on_delete=models.CASCADE, db_index=False, related_name="files")
    position = models.PositiveIntegerField(help_text="Its place in the archive, from 0.")
    path = models.CharField(max_length=400, help_text="As the archive names it.")
    size = models.PositiveBigIntegerField(help_text="Bytes, unpacked.")
    shape = models.CharField(max_length=40, blank=True, help_text="As what it is read.")
    outcome = models.CharField(max_length=8, choices=Outcome, default=Outcome.WAITING)
    code = models.CharField(max_length=60, blank=True, help_text="Why it was refused, left out, or ends early.")
    reached = models.PositiveBigIntegerField(default=0)
    records = models.PositiveBigIntegerField(default=0, help_text="What was read, of whatever fate.")
    accepted = models.PositiveBigIntegerField(default=0)
    duplicates = models.PositiveBigIntegerField(default=0)
    rejected = models.JSONField(default=dict, help_text="Records by code.")
    unknown = models.JSONField(default=dict, help_text="Records by the type nobody here knows.")

    class Meta:
        indexes = [
            models.Index(
                fields=["source", "position"], condition=models.Q(outcome="waiting"), name="health_file_waiting"
            )
        ]


class PhoneSample(models.Model):
    """A sample or record of a phone, by the identifier it has there: what a deletion or a new version will name.

    Its readings are those of the source in these streams and this span with this `sequence`.
    """

    pk = models.CompositePrimaryKey("device_number", "sample_id")
    device_number = models.IntegerField()
    sample_id = models.CharField(max_length=64)
    sequence = models.IntegerField()
    streams = models.JSONField()
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    withdrawn_at = models.DateTimeField(null=True, help_text="When the phone took it back; it does not return.")
    modified_at = models.DateTimeField(null=True, help_text="Its version, where the platform tells one.")
