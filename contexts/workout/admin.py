"""What moderators see of sessions and imports: never streams, heart rate, or the physiology behind a summary."""

from django.contrib import admin

from contexts.workout.models import Import, TrainingSession
from kernel.admin import LookOnlyAdmin


@admin.register(TrainingSession)
class TrainingSessionAdmin(LookOnlyAdmin):
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
class ImportAdmin(LookOnlyAdmin):
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
