"""Calendars that other programs subscribe to."""

from django.db import models

from kernel.models import uuid7


class CalendarFeed(models.Model):
    """A person's private calendar, open to whoever knows its token; only a digest of it is kept."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user_id = models.UUIDField(db_index=True)
    name = models.CharField(max_length=80)
    token_sha256 = models.BinaryField(max_length=32, unique=True)
    created_at = models.DateTimeField()
    read_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.name
