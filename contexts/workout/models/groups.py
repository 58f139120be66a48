"""Training together (WO-8)."""

from __future__ import annotations

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.db import models
from django.db.models import F, Func, Q

from contexts.workout.models.kinds import Sport
from kernel.models import uuid7


class GroupWorkout(models.Model):
    """A workout that several people do at the same time, wherever each of them is."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organiser_id = models.UUIDField(db_index=True)
    title = models.CharField(max_length=120)
    sport = models.CharField(max_length=10, choices=Sport)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    created_at = models.DateTimeField()
    cancelled_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="group_workout_lasts"),
        ]

    def __str__(self) -> str:
        return f"{self.title}, {self.starts_at:%Y-%m-%d %H:%M}"


class GroupPlace(models.Model):
    """The virtual place that is kept for one participant; nobody has two at the same time."""

    class State(models.TextChoices):
        RESERVED = "reserved"
        ACCEPTED = "accepted"
        DECLINED = "declined"
        RELEASED = "released"

    TAKEN = ("reserved", "accepted")

    pk = models.CompositePrimaryKey("group_id", "user_id")
    group = models.ForeignKey(GroupWorkout, on_delete=models.CASCADE, db_index=False, related_name="places")
    user_id = models.UUIDField()
    state = models.CharField(max_length=8, choices=State, default=State.RESERVED)
    starts_at = models.DateTimeField(help_text="The group's own, for the constraint.")
    ends_at = models.DateTimeField()
    shares_heart_rate = models.BooleanField(default=False)
    shares_position = models.BooleanField(default=False)
    session_id = models.UUIDField(null=True, help_text="The participant's own session.")
    answered_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            ExclusionConstraint(
                name="group_place_one_at_a_time",
                expressions=[
                    ("user_id", RangeOperators.EQUAL),
                    (
                        Func("starts_at", "ends_at", function="TSTZRANGE", output_field=DateTimeRangeField()),
                        RangeOperators.OVERLAPS,
                    ),
                ],
                condition=Q(state__in=("reserved", "accepted")),
            )
        ]
        indexes = [models.Index(fields=["user_id", "starts_at"], name="group_places_of_a_person")]

    def __str__(self) -> str:
        return f"{self.state} in {self.group_id}"
