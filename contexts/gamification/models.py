"""The points ledger and its daily balance."""

from collections.abc import Iterable
from datetime import date, datetime
from uuid import UUID

from django.db import models
from django.db.models import F, Max, Q, Sum

from contexts.gamification import rules
from kernel.models import uuid7


class UserDays(models.QuerySet["UserDay"]):
    """Balances, read as boards or locked for one award."""

    def locked(self, days: Iterable[tuple[UUID, date]]) -> "dict[tuple[UUID, date], UserDay]":
        """The balances of these athletes and days, under row locks; a day's first award makes its balance.

        Everybody takes the locks in one order, so that two batches cannot wait for each other.
        """
        wanted = sorted(set(days))
        self.bulk_create([UserDay(user_id=user, local_day=day) for user, day in wanted], ignore_conflicts=True)
        rows = self.filter(user_id__in={user for user, _ in wanted}, local_day__in={day for _, day in wanted})
        return {
            (row.user_id, row.local_day): row for row in rows.order_by("user_id", "local_day").select_for_update()
        }

    def counting_for(self, board: rules.Board) -> "UserDays":
        """The balances which a board adds up."""
        return self.filter(local_day__range=(board.first_day, board.last_day), points__gt=0)

    def standings(self, board: rules.Board, *, users: list[UUID] | None = None) -> list[rules.Standing]:
        """A board as the ledger has it, best first; `users` narrows it (the order among equals is Redis' own)."""
        days = self.counting_for(board)
        if users is not None:
            days = days.filter(user_id__in=users)
        totals = days.values("user_id").annotate(total=Sum("points"), reached=Max("reached_at"))
        rows = totals.order_by("-total", "reached", "-user_id").values_list("user_id", "total", "reached")
        return [rules.Standing(*row) for row in rows.iterator(chunk_size=10_000)]


class UserDay(models.Model):
    """What one athlete has earned in one local day: the row that holds the daily cap (GA-1)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user_id = models.UUIDField()
    local_day = models.DateField()
    points = models.PositiveIntegerField(default=0)
    reached_at = models.DateTimeField(
        null=True, help_text="End of the last workout that raised the points; decides among equals."
    )

    objects = UserDays.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user_id", "local_day"], name="one_balance_per_user_and_day"),
            models.CheckConstraint(condition=Q(points__lte=rules.DAILY_CAP), name="at_most_1000_points_a_day"),
            models.CheckConstraint(
                condition=Q(points=0) | Q(reached_at__isnull=False), name="points_have_been_reached_once"
            ),
        ]
        indexes = [
            models.Index(fields=["local_day", "user_id"], include=["points", "reached_at"], name="boards_by_day")
        ]

    def __str__(self) -> str:
        return f"{self.points} points on {self.local_day}"

    def grant(self, points: int, *, earned_at: datetime) -> None:
        """Take granted points into the balance; the row must be locked, the caller saves it."""
        if points:
            self.points += points
            self.reached_at = max(filter(None, [self.reached_at, earned_at]))


class PointsEntry(models.Model):
    """One award, or what takes a workout's awards back: written once, never changed (a trigger refuses updates)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user_id = models.UUIDField()
    rule = models.CharField(max_length=40)
    source_id = models.UUIDField(help_text="What earned it: the workout's session.")
    points_asked = models.IntegerField(help_text="What the rule says, before the daily cap; negative: taken back.")
    points_granted = models.IntegerField(help_text="What the daily cap let through; negative: taken back.")
    local_day = models.DateField(help_text="The athlete's calendar day of `earned_at`.")
    earned_at = models.DateTimeField(help_text="When the effort ended.")
    awarded_at = models.DateTimeField(help_text="When it became known.")

    class Meta:
        verbose_name_plural = "points entries"
        constraints = [
            models.UniqueConstraint(fields=["rule", "source_id"], name="one_award_per_rule_and_source"),
            models.CheckConstraint(
                condition=Q(points_granted__gte=0, points_granted__lte=F("points_asked"))
                | Q(points_granted__lte=0, points_granted__gte=F("points_asked"), rule=rules.DELETED_WORKOUT),
                name="never_grants_more_than_asked",
            ),
        ]
        indexes = [
            models.Index(fields=["user_id", "-awarded_at", "-id"], name="ledger_of_user"),
            models.Index(fields=["user_id", "local_day"], include=["points_granted"], name="ledger_by_day"),
        ]

    def __str__(self) -> str:
        return f"{self.points_granted} of {self.points_asked} points for {self.rule}"
