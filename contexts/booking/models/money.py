"""What was asked, taken and given back, and the processes that see to it."""

from django.db import models
from django.db.models import F, Q

from contexts.booking.models.bookings import Booking
from kernel.models import uuid7


class Payment(models.Model):
    """The one payment of a booking, as far as we know it; the provider keeps the money."""

    class Status(models.TextChoices):
        OPEN = "open"
        AUTHORISED = "authorised"
        CAPTURED = "captured"
        VOIDED = "voided"
        DECLINED = "declined"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    booking = models.OneToOneField(Booking, models.PROTECT, related_name="payment")
    provider = models.CharField(max_length=16)
    provider_id = models.CharField(max_length=255, null=True, unique=True)  # noqa: DJ001  (unknown is not empty)
    page_url = models.TextField(blank=True)
    description = models.CharField(max_length=200, blank=True, help_text="What the payer reads.")
    return_url = models.TextField(blank=True, help_text="Where the page leads back to: asked twice, asked the same.")
    amount_minor = models.PositiveIntegerField()
    refunded_minor = models.PositiveIntegerField(default=0)
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.OPEN)
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(refunded_minor__lte=F("amount_minor")), name="booking_never_more_back_than_was_paid"
            ),
            models.CheckConstraint(
                condition=Q(refunded_minor=0) | Q(status="captured"), name="booking_only_what_was_taken_is_refunded"
            ),
        ]

    def __str__(self) -> str:
        return f"payment {self.pk}"


class Refund(models.Model):
    """Money that goes back, and why."""

    class Status(models.TextChoices):
        DUE = "due"
        DONE = "done"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    payment = models.ForeignKey(Payment, models.PROTECT, related_name="refunds")
    amount_minor = models.PositiveIntegerField()
    reason = models.CharField(max_length=32)
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.DUE)
    asked_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(amount_minor__gt=0), name="booking_a_refund_is_something")]

    def __str__(self) -> str:
        return f"refund {self.pk}"


class Process(models.Model):
    """A saga: what has still to be done, by when, and what is done instead when it cannot be (BO-7).

    A row is written in the transaction that makes its work necessary. Whoever finds it due may do the next step;
    each step may be done twice.
    """

    class Kind(models.TextChoices):
        SETTLE = "settle"
        GIVE_BACK = "give_back"
        CANCEL_SPORT_EVENT = "cancel_sport_event"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    subject_id = models.UUIDField(help_text="The payment or the sport event. One subject's processes run in order.")
    refund = models.OneToOneField(Refund, models.PROTECT, null=True)
    total = models.PositiveIntegerField(default=1, help_text="Steps, as far as they are known.")
    done = models.PositiveIntegerField(default=0)
    tries = models.PositiveIntegerField(default=0)
    started_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True, help_text="null: over, or waiting for a person.")
    deadline_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=16, blank=True)
    error = models.CharField(max_length=200, blank=True)

    class Meta:
        verbose_name_plural = "processes"
        indexes = [
            models.Index(fields=["due_at"], name="booking_process_due", condition=Q(finished_at__isnull=True)),
            models.Index(fields=["subject_id", "id"], name="booking_process_of_subject"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"
