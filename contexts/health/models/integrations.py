"""Connections to vendors, the spans that are to be fetched, what was posted to us, and whose word goes first."""

from django.db import models

from contexts.health.catalogue import Kind
from kernel.models import uuid7


class Connection(models.Model):
    """A person's account at a vendor. Its readings are those of the device `device_number`, its source.

    Disconnected, the row stays without tokens, so that who connects the same account again has one source for good:
    what comes twice is stored once.
    """

    class State(models.TextChoices):
        CONNECTED = "connected"
        NEEDS_RECONNECT = "needs_reconnect"
        DISCONNECTED = "disconnected"

    connection_id = models.UUIDField(primary_key=True, default=uuid7)
    user_id = models.UUIDField()
    vendor = models.CharField(max_length=32)
    vendor_user = models.CharField(max_length=128)
    device_number = models.IntegerField(unique=True)
    state = models.CharField(max_length=16, choices=State.choices)
    sealed_tokens = models.BinaryField(null=True)
    tokens_version = models.IntegerField(default=0, help_text="Counts the refreshes: whoever lost a race sees it.")
    access_until = models.DateTimeField(null=True)
    scopes = models.JSONField(default=list)
    devices = models.JSONField(default=list, help_text="What has measured, as the vendor calls it.")
    connected_at = models.DateTimeField()
    backfill_from = models.DateTimeField()
    pulled_until = models.DateTimeField(help_text="Until when it was planned to ask the vendor.")
    next_pull_at = models.DateTimeField(null=True)
    is_subscribed = models.BooleanField(default=False)
    missed_since = models.DateTimeField(null=True, help_text="Since when something posted was not taken.")
    synced_at = models.DateTimeField(null=True)
    rejected = models.IntegerField(default=0, help_text="Readings that could not be stored.")
    told_at = models.DateTimeField(null=True, help_text="When its person was told to connect it anew.")
    revoke_until = models.DateTimeField(null=True, help_text="Until when we try to give the tokens back.")

    class Meta:
        indexes = [
            models.Index(fields=["user_id"], name="health_connection_of_person"),
            models.Index(
                fields=["next_pull_at"], condition=models.Q(state="connected"), name="health_connection_pulls"
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["vendor", "vendor_user"],
                condition=~models.Q(state="disconnected"),
                name="health_connection_one_an_account",
            ),
            models.UniqueConstraint(
                fields=["user_id", "vendor"],
                condition=~models.Q(state="disconnected"),
                name="health_connection_one_a_vendor",
            ),
            models.CheckConstraint(
                condition=~models.Q(state="connected") | models.Q(sealed_tokens__isnull=False),
                name="health_connection_has_tokens",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.vendor} {self.connection_id}"


class Portion(models.Model):
    """A span of a collection that is to be fetched. A message to the worker is only a wake-up: this row is the truth.

    `not_before` is also the lease of whoever works on it. Those of a back-fill stay when they are done, so that one
    sees how far it is; the others go.
    """

    class Reason(models.TextChoices):
        PING = "ping"
        PULL = "pull"
        BACKFILL = "backfill"

    portion_id = models.UUIDField(primary_key=True, default=uuid7)
    connection_id = models.UUIDField()
    reason = models.CharField(max_length=8, choices=Reason.choices)
    rank = models.SmallIntegerField(help_text="What is new goes before what is old.")
    collection = models.CharField(max_length=32)
    since = models.DateTimeField()
    until = models.DateTimeField()
    page = models.CharField(max_length=256, blank=True, help_text="Where to go on.")
    not_before = models.DateTimeField()
    is_taken = models.BooleanField(default=False)
    tries = models.IntegerField(default=0)
    callback_digest = models.CharField(max_length=64, null=True, unique=True)  # noqa: DJ001  (NULL is no digest)
    done_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["rank", "not_before"], condition=models.Q(done_at=None), name="health_portion_waiting"
            ),
            models.Index(fields=["connection_id", "done_at"], name="health_portion_of_connection"),
        ]


class Posted(models.Model):
    """A body that a vendor has posted, sealed, until its readings are stored; then only that it was there."""

    pk = models.CompositePrimaryKey("connection_id", "delivery_id")
    connection_id = models.UUIDField()
    delivery_id = models.CharField(max_length=64)
    portion_id = models.UUIDField(null=True)
    sealed_body = models.BinaryField(null=True)
    posted_at = models.DateTimeField()
    not_before = models.DateTimeField()
    tries = models.IntegerField(default=0)

    class Meta:
        indexes = [
            models.Index(
                fields=["not_before"],
                condition=models.Q(sealed_body__isnull=False),
                name="health_posted_waiting",
            ),
            models.Index(fields=["posted_at"], name="health_posted_at"),
        ]


class SourceOrder(models.Model):
    """Whose word goes first for a kind of metric, as a person has said: their devices' numbers, the best first."""

    pk = models.CompositePrimaryKey("user_id", "kind")
    user_id = models.UUIDField()
    kind = models.CharField(max_length=16, choices=[(kind.value, kind.name) for kind in Kind])
    numbers = models.JSONField()
