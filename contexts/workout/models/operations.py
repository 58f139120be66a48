"""What an athlete's phone recorded while it was offline (WO-9)."""

from __future__ import annotations

from django.db import models


class Operation(models.Model):
    """One thing that happened on a phone; the set of them says what a session is, whatever order they came in."""

    pk = models.CompositePrimaryKey("user_id", "operation_id")
    user_id = models.UUIDField()
    operation_id = models.UUIDField(help_text="Chosen by the phone: what is sent again is known again.")
    session_id = models.UUIDField(help_text="Chosen by the phone too.")
    happened_at = models.DateTimeField()
    what = models.JSONField()
    received_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["user_id", "session_id"], name="operation_of_session"),
            models.Index(fields=["received_at"], name="operation_received"),
        ]

    def __str__(self) -> str:
        return f"operation {self.operation_id}"
