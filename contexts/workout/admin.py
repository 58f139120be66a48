"""What moderators see of sessions and imports: never streams, heart rate, or the physiology behind a summary."""

from django.contrib import admin
from django.http import HttpRequest

from contexts.workout.models import Import, TrainingSession


class ReadOnly(admin.ModelAdmin):
    """Athletes write these rows through the product; moderators look."""

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(TrainingSession)
class TrainingSessionAdmin(ReadOnly):
    list_display = (
        "id",
        "user_id",
        "sport",
        "state",
        "source",
        "started_at",
        "duration_s",
        "distance_m",
        "visibility",
    )
    list_filter = ("sport", "state", "source", "visibility")
    search_fields = ("=id", "=user_id")
    ordering = ("-started_at",)
    fields = (
        "id",
        "user_id",
        "sport",
        "state",
        "source",
        "visibility",
        "started_at",
        "ended_at",
        "time_zone",
        "duration_s",
        "moving_s",
        "distance_m",
        "revision",
        "recording",
        "part",
    )
    show_full_result_count = False


@admin.register(Import)
class ImportAdmin(ReadOnly):
    list_display = ("id", "user_id", "state", "size", "posted_at", "attempts", "refusal_code")
    list_filter = ("state", "refusal_code")
    search_fields = ("=id", "=user_id", "=sha256")
    ordering = ("-posted_at",)
    fields = (
        "id",
        "user_id",
        "state",
        "size",
        "sha256",
        "posted_at",
        "claimed_at",
        "attempts",
        "finished_at",
        "refusal_code",
        "refusal_detail",
        "warnings",
    )
    show_full_result_count = False
