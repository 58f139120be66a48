"""The batch: an archive of many recordings handed in at once, and its members."""

from __future__ import annotations

import datetime
from typing import Final

from django.db import models

from contexts.workout.models.imports import Import
from contexts.workout.models.kinds import holds
from kernel.errors import Text
from kernel.models import uuid7


class ImportBatch(models.Model):
    """An archive of recordings. Its rows, not the queue's messages, say what is still to be done."""

    class State(models.TextChoices):
        QUEUED = "queued"
        READING = "reading"
        DONE = "done"
        REFUSED = "refused"

    UNFINISHED: Final = ("queued", "reading")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user_id = models.UUIDField()
    sha256 = models.CharField(max_length=64)
    file_name = models.CharField(max_length=255)
    size = models.PositiveBigIntegerField(help_text="Bytes.")
    archive = models.CharField(max_length=255, help_text="Where the storage keeps the archive, byte for byte.")
    state = models.CharField(max_length=8, choices=State, default=State.QUEUED)
    posted_at = models.DateTimeField()
    touched_at = models.DateTimeField(help_text="When a worker last took it up.")
    attempts = models.PositiveSmallIntegerField(default=0)
    finished_at = models.DateTimeField(null=True)
    refusal_code = models.CharField(max_length=60, blank=True)
    refusal_detail = models.CharField(max_length=500, blank=True)
    refusal_values = models.JSONField(default=dict, help_text="What fills the `{name}`s of the detail.")
    told = models.JSONField(default=dict, help_text="What the export's own lists say of activities, by their start.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user_id", "sha256"], name="batch_same_archive_once"),
            models.CheckConstraint(
                condition=holds("(state = 'refused') = (refusal_code <> '')"), name="batch_refusal_has_a_code"
            ),
            models.CheckConstraint(
                condition=holds("(state IN ('done', 'refused')) = (finished_at IS NOT NULL)"),
                name="batch_finished_has_a_time",
            ),
        ]
        indexes = [
            models.Index(
                fields=["touched_at"], condition=models.Q(state__in=["queued", "reading"]), name="batch_unfinished"
            )
        ]

    def __str__(self) -> str:
        return f"batch {self.id}"

    def refuse(self, *, code: str, detail: Text, at: datetime.datetime) -> None:
        """It is no archive that we can open, and the athlete is told why."""
        self.state, self.finished_at = self.State.REFUSED, at
        self.refusal_code, self.refusal_detail, self.refusal_values = code[:60], detail.template[:500], detail.values


class BatchMember(models.Model):
    """A file of a batch: it became an import, or was left out with a code; neither means it is still to be read."""

    pk = models.CompositePrimaryKey("batch_id", "position")
    batch = models.ForeignKey(ImportBatch, on_delete=models.CASCADE, db_index=False, related_name="members")
    position = models.PositiveIntegerField(help_text="Its place in the archive, from 0.")
    path = models.CharField(max_length=500, help_text="As the archive names it; inside an inner one after `!/`.")
    container = models.CharField(max_length=255, help_text="The stored archive it lies in.")
    entry = models.PositiveIntegerField(help_text="Which entry of that archive, from 0.")
    recording = models.ForeignKey(Import, null=True, on_delete=models.SET_NULL, related_name="members")
    code = models.CharField(max_length=60, blank=True, help_text="Why it was left out.")
    told = models.JSONField(default=dict, help_text="What the export's own list says of it.")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=holds("recording_id IS NULL OR code = ''"), name="batch_member_read_or_left_out"
            )
        ]
        indexes = [
            models.Index(
                fields=["batch", "position"],
                condition=models.Q(recording__isnull=True, code=""),
                name="batch_member_waiting",
            )
        ]

    def __str__(self) -> str:
        return self.path
