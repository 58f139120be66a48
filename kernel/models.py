"""The kernel's tables. They exist once in every context's database, beside the data they speak of."""

from django.db import models

from kernel.events import uuid7

__all__ = ["FailedDelivery", "IdempotencyKey", "InboxEntry", "LedgerEntry", "OutboxEvent", "uuid7"]


class OutboxEvent(models.Model):
    """A domain event, written in the transaction that made it true and not yet, or already, handed on."""

    position = models.BigAutoField(primary_key=True)
    event_id = models.UUIDField(unique=True)
    type = models.TextField()
    version = models.SmallIntegerField()
    key = models.TextField()
    lane = models.SmallIntegerField()
    occurred_at = models.DateTimeField()
    correlation_id = models.TextField()
    causation_id = models.UUIDField(null=True)
    payload = models.JSONField()
    recorded_at = models.DateTimeField(db_default=models.functions.Now())
    published_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "kernel_outbox"
        indexes = [
            models.Index(
                fields=["lane", "position"],
                name="kernel_outbox_waiting",
                condition=models.Q(published_at__isnull=True),
            ),
            models.Index(fields=["type", "position"], name="kernel_outbox_type"),
            models.Index(fields=["published_at"], name="kernel_outbox_published"),
        ]


class InboxEntry(models.Model):
    """Proof that a handler's effect for an event is in this database: written in the same transaction."""

    pk = models.CompositePrimaryKey("handler", "event_id")
    handler = models.TextField()
    event_id = models.UUIDField()
    applied_at = models.DateTimeField(db_default=models.functions.Now())

    class Meta:
        db_table = "kernel_inbox"
        indexes = [models.Index(fields=["applied_at"], name="kernel_inbox_applied")]


class FailedDelivery(models.Model):
    """An event a handler could not take. It is tried again with growing pauses, then lies here as a dead letter."""

    class State(models.TextChoices):
        RETRYING = "retrying"
        DEAD = "dead"

    handler = models.TextField()
    event_id = models.UUIDField()
    type = models.TextField()
    version = models.SmallIntegerField()
    key = models.TextField()
    occurred_at = models.DateTimeField()
    correlation_id = models.TextField()
    causation_id = models.UUIDField(null=True)
    payload = models.JSONField()
    keep_order = models.BooleanField()
    attempts = models.SmallIntegerField()
    state = models.TextField(choices=State.choices)
    next_attempt_at = models.DateTimeField()
    error = models.TextField()
    parked_at = models.DateTimeField(db_default=models.functions.Now())

    class Meta:
        db_table = "kernel_failed_delivery"
        verbose_name_plural = "failed deliveries"
        constraints = [models.UniqueConstraint(fields=["handler", "event_id"], name="kernel_failed_delivery_once")]
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                name="kernel_failed_delivery_due",
                condition=models.Q(state="retrying"),
            ),
            models.Index(fields=["handler", "key"], name="kernel_failed_delivery_key"),
        ]


class IdempotencyKey(models.Model):
    """The answer of a request that carried an `Idempotency-Key`, kept for 24 hours beside its effect."""

    pk = models.CompositePrimaryKey("actor", "route", "key")
    actor = models.UUIDField()
    route = models.TextField()
    key = models.TextField()
    request_hash = models.BinaryField()
    status = models.SmallIntegerField()
    headers = models.JSONField()
    body = models.BinaryField()
    created_at = models.DateTimeField(db_default=models.functions.Now())

    class Meta:
        db_table = "kernel_idempotency_key"
        indexes = [models.Index(fields=["created_at"], name="kernel_idempotency_created")]


class LedgerEntry(models.Model):
    """One side of a transfer of money (`kernel.payments.ledger`), written once; a transfer's sides sum to nothing."""

    transfer_id = models.UUIDField()
    order_id = models.UUIDField(db_index=True)
    account = models.CharField(max_length=32)
    currency = models.CharField(max_length=3)
    amount_minor = models.BigIntegerField(help_text="Debit positive, credit negative.")
    occurred_at = models.DateTimeField()
    memo = models.CharField(max_length=32)

    class Meta:
        db_table = "kernel_ledger_entry"
        verbose_name_plural = "ledger entries"
        constraints = [
            models.UniqueConstraint(fields=["transfer_id", "account", "currency"], name="kernel_ledger_entry_once")
        ]
