"""The import: a recording an athlete handed in."""

from __future__ import annotations

import datetime

from django.db import models

from contexts.workout.models.kinds import holds
from kernel.errors import Text
from kernel.models import uuid7


class Import(models.Model):
    """A recording an athlete handed in. This row, not the queue's message, says what is still to be done."""

    class State(models.TextChoices):
        QUEUED = "queued"
        WORKING = "working"
        DONE = "done"
        REFUSED = "refused"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user_id = models.UUIDField()
    sha256 = models.CharField(max_length=64)
    file_name = models.CharField(max_length=255)
    size = models.PositiveIntegerField(help_text="Bytes.")
    original = models.CharField(max_length=255, help_text="Where the storage keeps the file, byte for byte.")
    state = models.CharField(max_length=8, choices=State, default=State.QUEUED)
    posted_at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    finished_at = models.DateTimeField(null=True)
    refusal_code = models.CharField(max_length=60, blank=True)
    refusal_detail = models.CharField(max_length=500, blank=True)
    refusal_values = models.JSONField(default=dict, help_text="What fills the `{name}`s of the detail.")
    warnings = models.JSONField(default=list)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user_id", "sha256"], name="import_same_file_once"),
            models.CheckConstraint(
                condition=holds("(state = 'refused') = (refusal_code <> '')"), name="import_refusal_has_a_code"
            ),
        ]
        indexes = [
            models.Index(
                fields=["posted_at"], condition=models.Q(state__in=["queued", "working"]), name="import_unfinished"
            ),
            models.Index(fields=["user_id", "id"], name="import_own"),
            # Few are not done among many that are: a list of those refused would read past all others.
            models.Index(fields=["user_id", "id"], condition=~models.Q(state="done"), name="import_own_not_done"),
        ]

    def __str__(self) -> str:
        return f"import {self.id}"

    def claim(self, *, at: datetime.datetime) -> None:
        """Take it to work on; the attempt's number tells this worker from one thought dead."""
        self.state, self.claimed_at, self.attempts = self.State.WORKING, at, self.attempts + 1

    def queue_again(self, *, at: datetime.datetime) -> None:
        """Forget that it was refused, and what it cost."""
        self.state, self.posted_at, self.attempts = self.State.QUEUED, at, 0
        self.claimed_at, self.finished_at = None, None
        self.refusal_code, self.refusal_detail, self.refusal_values = "", "", {}

    def finish(self, *, warnings: list[dict[str, str]], at: datetime.datetime) -> None:
        """Its sessions exist."""
        self.state, self.warnings, self.finished_at = self.State.DONE, warnings, at

    def refuse(self, *, code: str, detail: Text, at: datetime.datetime) -> None:
        """It cannot become a session, and the athlete is told why."""
        self.state, self.finished_at = self.State.REFUSED, at
        self.refusal_code, self.refusal_detail, self.refusal_values = code[:60], detail.template[:500], detail.values
