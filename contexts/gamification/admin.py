"""The ledger for moderators: to read, never to change."""

from django.contrib import admin

from contexts.gamification.models import PointsEntry, UserDay
from kernel.admin import LookOnlyAdmin


@admin.register(PointsEntry)
class PointsEntryAdmin(LookOnlyAdmin):
    """Every award, with what the daily cap cut off."""

    list_display = ("awarded_at", "user_id", "rule", "points_asked", "points_granted", "local_day")
    list_filter = ("rule",)
    search_fields = ("=user_id", "=source_id")
    date_hierarchy = "local_day"
    ordering = ("-awarded_at", "-id")


@admin.register(UserDay)
class UserDayAdmin(LookOnlyAdmin):
    """What every athlete has earned on each of their days."""

    list_display = ("local_day", "user_id", "points", "reached_at")
    search_fields = ("=user_id",)
    date_hierarchy = "local_day"
    ordering = ("-local_day", "-points")
