"""The waitlist of a sport event."""

from django.db import models
from django.db.models import Q

from contexts.booking import rules
from contexts.booking.models.bookings import Booking
from contexts.booking.models.sport_events import SportEvent, TicketType
from kernel.models import uuid7


class WaitlistEntries(models.QuerySet["WaitlistEntry"]):
    """The queue in its order."""

    def waiting(self) -> "WaitlistEntries":
        """Those not served yet: premium members first, then who came first (BO-3, BO-4)."""
        return self.filter(status="waiting").order_by("-is_premium", "joined_at", "id")


class WaitlistEntry(models.Model):
    """Somebody wants so many places of a sport event when there are any (BO-3)."""

    class Status(models.TextChoices):
        WAITING = "waiting"
        OFFERED = "offered"
        TAKEN = "taken"
        LAPSED = "lapsed"
        LEFT = "left"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    sport_event = models.ForeignKey(SportEvent, models.CASCADE, related_name="waitlist")
    user_id = models.UUIDField()
    ticket_type = models.ForeignKey(TicketType, models.CASCADE, null=True, help_text="null: any will do.")
    quantity = models.PositiveSmallIntegerField()
    is_premium = models.BooleanField()
    joined_at = models.DateTimeField()
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.WAITING)
    booking = models.ForeignKey(Booking, models.SET_NULL, null=True, help_text="What was offered.")

    objects = WaitlistEntries.as_manager()

    class Meta:
        verbose_name_plural = "waitlist entries"
        constraints = [
            models.UniqueConstraint(
                fields=["sport_event", "user_id"],
                name="booking_wait_once_for_an_event",
                condition=Q(status__in=("waiting", "offered")),
            ),
            models.CheckConstraint(
                condition=Q(quantity__gte=1, quantity__lte=rules.MAX_PLACES), name="booking_wait_for_1_to_10_places"
            ),
        ]
        indexes = [
            models.Index(
                fields=["sport_event", "-is_premium", "joined_at", "id"],
                name="booking_queue",
                condition=Q(status="waiting"),
            ),
            models.Index(fields=["user_id"], name="booking_waits_of_a_person"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} for {self.user_id}"
