"""The booking: who has which places, and until when."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from django.db import connections, models
from django.db.models import Q

from contexts.booking import rules
from contexts.booking.models.sport_events import SportEvent, TicketType
from kernel.databases import alias_of
from kernel.models import uuid7


class Bookings(models.QuerySet["Booking"]):
    """Bookings by where they stand."""

    def active(self) -> "Bookings":
        """Those that have places."""
        return self.filter(status__in=rules.ACTIVE)

    def lapsed(self, *, at: datetime) -> "Bookings":
        """Those whose time is over, whether or not anybody has tidied up yet."""
        return self.filter(status__in=rules.EXPIRING, expires_at__lte=at)

    def write(self, bookings: Sequence["Booking"], lines: Iterable[tuple[UUID, UUID, int, int]]) -> None:
        """Insert fresh holds with what they consist of (booking, ticket type, quantity, price) in one statement."""
        rows = (
            (b.pk, b.sport_event_id, b.user_id, b.quantity, b.total_minor, b.currency, b.held_at, b.expires_at)
            for b in bookings
        )
        columns = [list(column) for table in (rows, lines) for column in zip(*table, strict=True)]
        with connections[alias_of("booking")].cursor() as cursor:
            cursor.execute(_INSERT_HOLDS, columns)


_INSERT_HOLDS = """
    WITH held AS (
        INSERT INTO booking_booking (id, sport_event_id, user_id, quantity, total_minor, currency, held_at,
                                     expires_at, status, is_offer, end_reason)
        SELECT *, 'held', false, '' FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::smallint[], %s::integer[],
                                                %s::text[], %s::timestamptz[], %s::timestamptz[])
    )
    INSERT INTO booking_bookingline (booking_id, ticket_type_id, quantity, price_minor)
    SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::smallint[], %s::integer[])
"""


class Booking(models.Model):
    """Places of one sport event that somebody holds, pays for, has, or had (BO-2)."""

    class Status(models.TextChoices):
        HELD = "held"
        PENDING_PAYMENT = "pending_payment"
        CONFIRMED = "confirmed"
        CANCELLED = "cancelled"
        EXPIRED = "expired"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    sport_event = models.ForeignKey(SportEvent, models.PROTECT, related_name="bookings")
    user_id = models.UUIDField()
    status = models.CharField(max_length=16, choices=Status.choices)
    is_offer = models.BooleanField(default=False, help_text="Came from the waitlist.")
    quantity = models.PositiveSmallIntegerField()
    total_minor = models.PositiveIntegerField()
    currency = models.CharField(max_length=3)
    held_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    confirmed_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    end_reason = models.CharField(max_length=32, blank=True)
    asked_to_move_at = models.DateTimeField(null=True, help_text="The event was moved; its holder has not answered.")

    objects = Bookings.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["sport_event", "user_id"],
                name="booking_one_for_each_person_and_event",
                condition=Q(status__in=rules.ACTIVE),
            ),
            models.CheckConstraint(
                condition=Q(quantity__gte=1, quantity__lte=rules.MAX_PLACES), name="booking_1_to_10_places"
            ),
            models.CheckConstraint(
                condition=~Q(status__in=rules.EXPIRING) | Q(expires_at__isnull=False),
                name="booking_what_is_not_confirmed_ends",
            ),
        ]
        indexes = [
            models.Index(
                fields=["sport_event", "expires_at"],
                name="booking_expiring_of_event",
                condition=Q(status__in=rules.EXPIRING),
            ),
            models.Index(fields=["expires_at"], name="booking_expiring", condition=Q(status__in=rules.EXPIRING)),
            models.Index(fields=["user_id", "-held_at"], name="booking_of_a_person"),
            models.Index(fields=["sport_event", "status"], name="booking_of_an_event"),
        ]

    def __str__(self) -> str:
        return f"booking {self.pk}"

    def stands_at(self, at: datetime) -> str:
        """Its status as it is true at `at`: what has run out is expired, tidied up or not."""
        if self.status in rules.EXPIRING and self.expires_at is not None and self.expires_at <= at:
            return self.Status.EXPIRED
        return self.status

    @property
    def places(self) -> list[rules.Place]:
        """What it takes of the event, by ticket type."""
        return [rules.Place(ticket_type_id=line.ticket_type_id, quantity=line.quantity) for line in self.lines.all()]


class BookingLine(models.Model):
    """So many places of one ticket type, at the price of the moment."""

    id = models.BigAutoField(primary_key=True)
    booking = models.ForeignKey(Booking, models.CASCADE, related_name="lines")
    ticket_type = models.ForeignKey(TicketType, models.PROTECT)
    quantity = models.PositiveSmallIntegerField()
    price_minor = models.PositiveIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["booking", "ticket_type"], name="booking_line_once")]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.price_minor}"


class DayPlaces(models.QuerySet["DayPlace"]):
    """The two events a person may have on one day."""

    def take(self, owners: Iterable["DayOwner"], *, at: datetime) -> set[UUID]:
        """Give each one of their user's places of the day; returns the bookings that got one.

        A place whose time is over is as good as free, so nobody has to have tidied up.
        """
        served, waiting = set[UUID](), list(owners)
        while waiting:  # one statement may want one place of a person's day only once
            first = {(owner.user_id, owner.day): owner for owner in reversed(waiting)}
            served |= self._take(list(first.values()), at=at)
            taken = {owner.booking_id for owner in first.values()}
            waiting = [owner for owner in waiting if owner.booking_id not in taken]
        return served

    @staticmethod
    def _take(owners: list["DayOwner"], *, at: datetime) -> set[UUID]:
        served, waiting = (
            set[UUID](),
            sorted(owners, key=lambda owner: owner.user_id),
        )  # one order: no two wait in turn
        for number in range(1, rules.MAX_EVENTS_A_DAY + 1):
            if not waiting:
                break
            with connections[alias_of("booking")].cursor() as cursor:
                columns = (list(column) for column in zip(*waiting, strict=True))
                cursor.execute(_TAKE_DAY_PLACE, [number, *columns, at])
                served |= {booking_id for (booking_id,) in cursor.fetchall()}
            waiting = [owner for owner in waiting if owner.booking_id not in served]
        return served


_TAKE_DAY_PLACE = """
    INSERT INTO booking_dayplace (user_id, day, number, booking_id, until)
    SELECT user_id, day, %s, booking_id, until
    FROM unnest(%s::uuid[], %s::uuid[], %s::date[], %s::timestamptz[]) AS owner (booking_id, user_id, day, until)
    ON CONFLICT (user_id, day, number) DO UPDATE SET booking_id = EXCLUDED.booking_id, until = EXCLUDED.until
    WHERE booking_dayplace.until <= %s
    RETURNING booking_id
"""


class DayOwner(NamedTuple):
    """A booking that wants one of its user's two events of a day, until then or, confirmed, for good."""

    booking_id: UUID
    user_id: UUID
    day: date
    until: datetime | None


class DayPlace(models.Model):
    """One of the two events of a person's day (BO-4): the key and the check are the rule."""

    pk = models.CompositePrimaryKey("user_id", "day", "number")
    user_id = models.UUIDField()
    day = models.DateField()
    number = models.PositiveSmallIntegerField()
    booking_id = models.UUIDField(db_index=True)
    until = models.DateTimeField(null=True, help_text="Free again from here on; null while the booking is confirmed.")

    objects = DayPlaces.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(number__gte=1, number__lte=rules.MAX_EVENTS_A_DAY), name="booking_two_events_a_day"
            )
        ]

    def __str__(self) -> str:
        return f"{self.day} #{self.number}"


class Ticket(models.Model):
    """One place of a confirmed booking, in somebody's hand."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    booking = models.ForeignKey(Booking, models.CASCADE, related_name="tickets")
    sport_event = models.ForeignKey(SportEvent, models.PROTECT, related_name="tickets")
    ticket_type = models.ForeignKey(TicketType, models.PROTECT)
    seat_label = models.CharField(max_length=16, blank=True)
    holder_id = models.UUIDField()
    version = models.PositiveSmallIntegerField(default=1, help_text="Grows with each transfer: older codes are void.")
    checked_in_at = models.DateTimeField(null=True)
    checked_in_by = models.UUIDField(null=True)
    scan_id = models.CharField(max_length=64, blank=True, help_text="The scan that counted.")
    voided_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["holder_id", "sport_event"], name="booking_tickets_of_a_person"),
            models.Index(fields=["sport_event", "id"], name="booking_tickets_of_an_event"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(checked_in_at__isnull=True) | Q(checked_in_by__isnull=False),
                name="booking_somebody_checked_in",
            ),
        ]

    def __str__(self) -> str:
        return f"ticket {self.pk}"
