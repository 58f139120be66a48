"""The sport event: what takes place where and when, and how many places it has of which kind."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.contrib.postgres.indexes import GinIndex, GistIndex
from django.contrib.postgres.search import SearchVector, SearchVectorField
from django.db import connections, models
from django.db.models import F, Func, Q

from contexts.booking import rules
from kernel.databases import alias_of
from kernel.models import uuid7


class Series(models.Model):
    """Sport events that recur by a rule of RFC 5545; each of them is a sport event of its own."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organiser_id = models.UUIDField(db_index=True)
    rule = models.CharField(max_length=500, help_text="RRULE, in the venue's local time.")
    template = models.JSONField(help_text="What every event of the series begins as.")
    time_zone = models.CharField(max_length=64)
    first_starts_at = models.DateTimeField()
    duration = models.DurationField()
    made_until = models.DateTimeField(help_text="Events of the series exist up to here.")
    ended_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "series"

    def __str__(self) -> str:
        return f"series {self.pk}"


LOOKED_AT = (
    *(
        "title",
        "status",
        "refund_tiers",
        "starts_at",
        "ends_at",
        "time_zone",
        "opens_at",
        "closes_at",
        "min_age",
        "max_age",
    ),
    *("currency", "is_numbered", "capacity", "held", "confirmed", "waiting"),
)
"""What giving out places looks at; the rest, descriptions above all, stays in the database."""


class SportEvents(models.QuerySet["SportEvent"]):
    """Sport events, read or locked."""

    def locked(self, sport_event_id: UUID) -> "SportEvent":
        """One sport event under its row lock; raises `DoesNotExist`."""
        return self.select_for_update(no_key=True).get(pk=sport_event_id)

    def narrow(self) -> "SportEvents":
        """With only what giving out places looks at."""
        return self.only(*LOOKED_AT)

    def all_locked(self, ids: Iterable[UUID]) -> dict[UUID, "SportEvent"]:
        """Those of these sport events that there are, under their row locks."""
        rows = self.filter(pk__in=ids).order_by("pk").narrow().select_for_update(no_key=True)
        return {one.pk: one for one in rows}

    def move_places(
        self, by_event: Mapping[UUID, int], by_type: Mapping[UUID, int], *, held: int, confirmed: int
    ) -> None:
        """Add so many places to the counts of these events and ticket types, so often (+1, 0, −1).

        The database refuses what does not add up. The events' rows must be locked.
        """
        values: list[Any] = []
        for numbers in (by_type, by_event):
            values += [held, confirmed, list(numbers), list(numbers.values())]
        with connections[alias_of("booking")].cursor() as cursor:
            cursor.execute(_MOVE_PLACES, values)


_MOVE_PLACES = """
    WITH of_types AS (
        UPDATE booking_tickettype AS counted SET held = held + %s * number, confirmed = confirmed + %s * number
        FROM unnest(%s::uuid[], %s::integer[]) AS moved (id, number) WHERE counted.id = moved.id
    )
    UPDATE booking_sportevent AS counted SET held = held + %s * number, confirmed = confirmed + %s * number
    FROM unnest(%s::uuid[], %s::integer[]) AS moved (id, number) WHERE counted.id = moved.id
"""


class SportEvent(models.Model):
    """Something to take part in (BO-1). Its row counts its places: whoever changes them holds its lock."""

    class Status(models.TextChoices):
        DRAFT = "draft"
        PUBLISHED = "published"
        CANCELLED = "cancelled"
        FINISHED = "finished"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    series = models.ForeignKey(Series, models.PROTECT, null=True, related_name="sport_events")
    recurrence_at = models.DateTimeField(null=True, help_text="When its series wanted it, wherever it is now.")
    organiser_id = models.UUIDField()
    title = models.CharField(max_length=rules.MAX_TITLE)
    description = models.TextField(max_length=rules.MAX_TEXT, blank=True)
    sport = models.CharField(max_length=16, choices=[(sport, sport) for sport in rules.SPORTS])
    venue = models.CharField(max_length=200)
    address = models.CharField(max_length=300, blank=True)
    latitude = models.FloatField(null=True)
    longitude = models.FloatField(null=True)
    time_zone = models.CharField(max_length=64)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    cover_id = models.UUIDField(null=True)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.DRAFT)

    opens_at = models.DateTimeField(help_text="From here on everybody books; premium members 24 hours earlier.")
    closes_at = models.DateTimeField()
    min_age = models.PositiveSmallIntegerField(null=True)
    max_age = models.PositiveSmallIntegerField(null=True)
    refund_tiers = models.JSONField(default=list, help_text='[{"hours": 48, "percent": 100}, …]: hours to the start.')
    min_participants = models.PositiveIntegerField(null=True)
    decide_at = models.DateTimeField(null=True, help_text="When it is looked whether enough take part.")

    currency = models.CharField(max_length=3, default="EUR")
    is_numbered = models.BooleanField(default=False, help_text="Places have names, and one chooses.")
    capacity = models.PositiveIntegerField()
    held = models.PositiveIntegerField(default=0)
    confirmed = models.PositiveIntegerField(default=0)
    waiting = models.PositiveIntegerField(default=0, help_text="How many stand on the waitlist.")

    cancel_reason = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()
    words = models.GeneratedField(
        expression=SearchVector("title", "venue", "address", "description", config="simple"),
        output_field=SearchVectorField(),
        db_persist=True,
    )

    objects = SportEvents.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(capacity__gte=F("held") + F("confirmed")), name="booking_never_more_places_than_there_are"
            ),
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="booking_sport_event_lasts"),
            models.CheckConstraint(condition=Q(closes_at__gt=F("opens_at")), name="booking_registration_lasts"),
            models.CheckConstraint(
                condition=Q(min_age__isnull=True) | Q(max_age__isnull=True) | Q(max_age__gte=F("min_age")),
                name="booking_ages_in_order",
            ),
            models.UniqueConstraint(fields=["series", "recurrence_at"], name="booking_one_event_a_recurrence"),
        ]
        indexes = [
            models.Index(fields=["starts_at", "id"], name="booking_calendar", condition=Q(status="published")),
            models.Index(
                fields=["sport", "starts_at", "id"],
                name="booking_calendar_of_a_sport",
                condition=Q(status="published"),
            ),
            models.Index(fields=["organiser_id", "starts_at"], name="booking_of_an_organiser"),
            models.Index(fields=["decide_at"], name="booking_to_decide", condition=Q(status="published")),
            GinIndex(fields=["words"], name="booking_words"),
            GistIndex(Func(F("longitude"), F("latitude"), function="point"), name="booking_near"),
        ]

    def __str__(self) -> str:
        return f"{self.title}, {self.starts_at:%Y-%m-%d %H:%M}"

    @property
    def registration(self) -> rules.Registration:
        """When and for whom it is open."""
        return rules.Registration(
            opens_at=self.opens_at, closes_at=self.closes_at, min_age=self.min_age, max_age=self.max_age
        )

    @property
    def local_day(self) -> date:
        """The day on which it takes place, at its venue."""
        return rules.local_day(self.starts_at, self.time_zone)

    @property
    def free(self) -> int:
        """Places nobody has, as the row counts them."""
        return self.capacity - self.held - self.confirmed

    def is_open(self, *, at: datetime) -> bool:
        """Whether it is published and has not begun."""
        return self.status == self.Status.PUBLISHED and at < self.ends_at


class TicketType(models.Model):
    """One kind of place of a sport event, with a price and a quota inside the capacity."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    sport_event = models.ForeignKey(SportEvent, models.CASCADE, related_name="ticket_types")
    position = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=80)
    price_minor = models.PositiveIntegerField(help_text="In the smallest unit of the event's currency.")
    quota = models.PositiveIntegerField()
    held = models.PositiveIntegerField(default=0)
    confirmed = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(quota__gte=F("held") + F("confirmed")), name="booking_never_more_than_the_quota"
            ),
            models.UniqueConstraint(fields=["sport_event", "name"], name="booking_ticket_type_once"),
        ]

    def __str__(self) -> str:
        return self.name


class Seat(models.Model):
    """A place with a name: a spin bike, a start lane."""

    id = models.BigAutoField(primary_key=True)
    sport_event = models.ForeignKey(SportEvent, models.CASCADE, related_name="seats")
    ticket_type = models.ForeignKey(TicketType, models.CASCADE, related_name="seats")
    label = models.CharField(max_length=16)
    booking = models.ForeignKey("Booking", models.SET_NULL, null=True, related_name="seats")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["sport_event", "label"], name="booking_seat_once")]

    def __str__(self) -> str:
        return self.label
