"""Who is whose friend: a read model fed by social's events."""

from __future__ import annotations

from django.db import models


class Companion(models.Model):
    """Our own copy of who is whose friend, fed by social's events; both directions are rows."""

    pk = models.CompositePrimaryKey("user_id", "friend_id")
    user_id = models.UUIDField()
    friend_id = models.UUIDField()
