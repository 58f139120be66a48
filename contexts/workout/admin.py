"""What moderators see of workout: never streams, places, heart rate, or the physiology behind a summary.

Exercises, plans and segments are moderated here: proposals become everybody's or not, a public plan or a segment can
be hidden. Operators have refused imports read again.
"""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, QuerySet, Value
from django.db.models.functions import Coalesce, NullIf
from django.http import HttpRequest

from contexts.workout import tasks
from contexts.workout.imports import importing
from contexts.workout.models import (
    AdoptedPlan,
    BatchMember,
    Exercise,
    Import,
    ImportBatch,
    Segment,
    TrainingPlan,
    TrainingSession,
)
from contexts.workout.outdoors import segments
from contexts.workout.plans import authoring, exercises
from kernel.admin import LookOnlyAdmin
from kernel.databases import database_time
from kernel.errors import Refused

IMPLAUSIBLE = ("impossible_speed", "energy_differs_from_formula")
"""What is flagged here; what is wrong with a heart rate is nothing that moderators see."""


class ImplausibleFilter(admin.SimpleListFilter):
    """Sessions in which something cannot have been as it was recorded."""

    title = "implausible"
    parameter_name = "implausible"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """By what is wrong."""
        return [(code, code.replace("_", " ")) for code in IMPLAUSIBLE]

    def queryset(self, request: HttpRequest, queryset: QuerySet[TrainingSession]) -> QuerySet[TrainingSession]:
        """Those with this flag."""
        wanted = self.value()
        return queryset.filter(anomalies__contains=[{"code": wanted}]) if wanted in IMPLAUSIBLE else queryset


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
        "implausible",
    )
    list_filter = (ImplausibleFilter, "sport", "state", "source", "visibility")
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
        "implausible",
        "revision",
        "recording",
        "part",
    )
    readonly_fields = ("implausible",)
    show_full_result_count = False

    @admin.display(description="Implausible")
    def implausible(self, row: TrainingSession) -> str:
        """How often what cannot have been as it was recorded."""
        return ", ".join(f"{one['code']}: {one['count']}" for one in row.anomalies if one["code"] in IMPLAUSIBLE)


@admin.register(Import)
class ImportAdmin(LookOnlyAdmin):
    list_display = ("id", "user_id", "state", "size", "posted_at", "attempts", "refusal_code", "refusal_detail")
    actions = ("read_again",)
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
        "refusal_values",
        "warnings",
    )
    show_full_result_count = False

    @admin.action(description="Read the selected refused imports again", permissions=["reread"])
    def read_again(self, request: HttpRequest, queryset: QuerySet[Import]) -> None:
        """For files that our reader failed on, once it has been mended."""
        at = database_time("workout")
        again = [row.pk for row in queryset if importing.read_again(import_id=row.pk, at=at)]
        for import_id in again:
            tasks.read_import.delay(str(import_id))
        messages.success(request, f"{len(again)} will be read again.")

    def has_reread_permission(self, request: HttpRequest) -> bool:
        """Operators."""
        return request.user.has_perm("workout.change_import")


@admin.register(ImportBatch)
class ImportBatchAdmin(LookOnlyAdmin):
    list_display = ("id", "user_id", "state", "size", "posted_at", "attempts", "finished_at", "refusal_code")
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
        "touched_at",
        "attempts",
        "finished_at",
        "refusal_code",
        "refusal_detail",
        "refusal_values",
        "failures",
    )
    readonly_fields = ("failures",)
    show_full_result_count = False

    @admin.display(description="What was left out or refused, by code")
    def failures(self, row: ImportBatch) -> str:
        """Counted; never the paths, which are people's own words."""
        codes = BatchMember.objects.filter(batch=row).annotate(
            why=Coalesce(NullIf("code", Value("")), "recording__refusal_code")
        )
        counted = (
            codes.exclude(why="").exclude(why=None).values("why").annotate(many=Count("position")).order_by("why")
        )
        return ", ".join(f"{each['why']}: {each['many']}" for each in counted) or "nothing"


def _each(request: HttpRequest, rows: QuerySet[Any], call: Callable[[Any], bool], done: str) -> None:
    """Call an action for each row, and say what came of it."""
    count = 0
    for row in rows:
        try:
            count += call(row)
        except Refused as refusal:
            messages.warning(request, f"{row}: {refusal.code}")
    messages.success(request, f"{count} {done}.")


@admin.register(Exercise)
class ExerciseAdmin(LookOnlyAdmin):
    whose = ("owner_id",)
    list_display = ("name_en", "name_ru", "state", "muscles", "equipment", "owner_id")
    list_filter = ("state",)
    search_fields = ("=id", "=owner_id", "name_en", "name_ru")
    ordering = ("state", "name_en")
    actions = ("accept_exercises", "decline_exercises")

    def has_moderate_permission(self, request: HttpRequest) -> bool:
        """Whoever may change exercises decides over proposals."""
        return request.user.has_perm("workout.change_exercise")

    @admin.action(description="Accept the selected proposals into the library", permissions=["moderate"])
    def accept_exercises(self, request: HttpRequest, queryset: QuerySet[Exercise]) -> None:
        """They become everybody's."""
        _each(request, queryset, lambda row: exercises.accept_exercise(exercise_id=row.pk), "accepted")

    @admin.action(description="Decline the selected proposals", permissions=["moderate"])
    def decline_exercises(self, request: HttpRequest, queryset: QuerySet[Exercise]) -> None:
        """They stay their owners' own."""
        _each(request, queryset, lambda row: exercises.decline_exercise(exercise_id=row.pk), "declined")


@admin.register(TrainingPlan)
class TrainingPlanAdmin(LookOnlyAdmin):
    whose = ("owner_id",)
    list_display = ("title", "sport", "visibility", "version", "owner_id", "changed_at", "hidden_at")
    list_filter = ("visibility", "sport")
    search_fields = ("=id", "=owner_id", "title")
    ordering = ("-changed_at",)
    actions = ("hide_plans",)

    def has_moderate_permission(self, request: HttpRequest) -> bool:
        """Whoever may change plans may hide them."""
        return request.user.has_perm("workout.change_trainingplan")

    @admin.action(description="Hide the selected plans from everybody but their owners", permissions=["moderate"])
    def hide_plans(self, request: HttpRequest, queryset: QuerySet[TrainingPlan]) -> None:
        """Who has adopted one keeps their copy."""
        at = database_time("workout")
        _each(request, queryset, lambda row: authoring.hide_plan(plan_id=row.pk, at=at), "hidden")


@admin.register(AdoptedPlan)
class AdoptedPlanAdmin(LookOnlyAdmin):
    list_display = ("id", "user_id", "plan_id", "plan_version", "starts_on", "time_zone", "adopted_at", "ended_at")
    search_fields = ("=id", "=user_id")
    ordering = ("-adopted_at",)
    fields = list_display
    show_full_result_count = False


@admin.register(Segment)
class SegmentAdmin(LookOnlyAdmin):
    """What athletes call their segments, and how they are used; never where they lie."""

    list_display = ("name", "sport", "visibility", "user_id", "length_m", "created_at", "hidden_at", "matched_at")
    list_filter = ("sport", "visibility")
    search_fields = ("=id", "=user_id", "name")
    ordering = ("-created_at",)
    fields = (
        "id",
        "name",
        "user_id",
        "sport",
        "visibility",
        "length_m",
        "ascent_m",
        "created_at",
        "hidden_at",
        "looked_at",
        "to_look_at",
        "matched_at",
    )
    show_full_result_count = False
    actions = ("hide_segments", "unhide_segments", "delete_segments")

    @admin.action(description="Hide the selected segments from everybody but their makers", permissions=["moderate"])
    def hide_segments(self, request: HttpRequest, queryset: QuerySet[Segment]) -> None:
        """They are found by nobody else any more."""
        at = database_time("workout")
        _each(request, queryset, lambda row: segments.hide_segment(segment_id=row.pk, at=at), "hidden")

    @admin.action(description="Show the selected segments again", permissions=["moderate"])
    def unhide_segments(self, request: HttpRequest, queryset: QuerySet[Segment]) -> None:
        """They are as they were."""
        _each(request, queryset, lambda row: segments.unhide_segment(segment_id=row.pk), "shown again")

    @admin.action(description="Delete the selected segments with all times on them", permissions=["moderate"])
    def delete_segments(self, request: HttpRequest, queryset: QuerySet[Segment]) -> None:
        """They go."""
        _each(request, queryset, lambda row: segments.delete_segment(segment_id=row.pk), "deleted")

    def has_moderate_permission(self, request: HttpRequest) -> bool:
        """Moderators."""
        return request.user.has_perm("workout.delete_segment")
