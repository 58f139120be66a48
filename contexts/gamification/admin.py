"""The ledger for moderators: to read, never to change."""

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from contexts.gamification.models import PointsEntry, UserDay


class ReadOnlyAdmin(admin.ModelAdmin):
    """Points are earned, not edited."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(PointsEntry)
class PointsEntryAdmin(ReadOnlyAdmin):
    """Every award, with what the daily cap cut off."""

    list_display = ("awarded_at", "user_id", "rule", "points_asked", "points_granted", "local_day")
    list_filter = ("rule",)
    search_fields = ("=user_id", "=source_id")
    date_hierarchy = "local_day"
    ordering = ("-awarded_at", "-id")


@admin.register(UserDay)
class UserDayAdmin(ReadOnlyAdmin):
    """What every athlete has earned on each of their days."""

    list_display = ("local_day", "user_id", "points", "reached_at")
    search_fields = ("=user_id",)
    date_hierarchy = "local_day"
    ordering = ("-local_day", "-points")
