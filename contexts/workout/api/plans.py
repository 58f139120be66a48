"""Workouts to be done, and plans made of them, over HTTP."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from django.urls import path
from django.utils.timezone import now
from django.utils.translation import get_language
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.identity import services as identity
from contexts.workout import rules
from contexts.workout.api.plan_forms import (
    FILE_RENDERERS,
    AdoptedItem,
    AdoptForm,
    PlanDetail,
    PlanFilters,
    PlanForm,
    PlanItem,
    ShareForm,
    ShareItem,
    WorkoutDetail,
    WorkoutForm,
    WorkoutItem,
    asked,
    item_of,
)
from contexts.workout.models import AdoptedPlan, PlannedWorkout, Thresholds, TrainingPlan
from contexts.workout.planning import steps as parts
from contexts.workout.planning.fit_workouts import fit_workout
from contexts.workout.plans import authoring, dated, exercises, following, targets
from kernel.access import RateLimit, has_role, member
from kernel.http import PAGE_PARAMETERS, Endpoint, page, page_of, validated
from kernel.idempotency import idempotent

WRITES = RateLimit("300/h", by="user")


def workout_detail(workout: PlannedWorkout, *, by: UUID) -> dict[str, Any]:
    """A workout with its steps."""
    return item_of(WorkoutDetail, workout) | {"is_mine": workout.owner_id == by}


def plan_item(plan: TrainingPlan) -> dict[str, Any]:
    """A plan in a list."""
    return item_of(PlanItem, plan) | {"week_count": len(plan.weeks)}


def plan_detail(plan: TrainingPlan) -> dict[str, Any]:
    """A plan with its weeks and rules."""
    return item_of(PlanDetail, plan) | {"week_count": len(plan.weeks)}


def adopted_item(adopted: AdoptedPlan, entries: Sequence[Thresholds] | None = None) -> dict[str, Any]:
    """A plan somebody follows, with the thresholds that hold in every sport today, or when it begins."""
    day = max(adopted.today(at=now()), adopted.starts_on)
    thresholds = targets.thresholds_on(adopted, day=day, sport="", entries=entries)
    return item_of(AdoptedItem, adopted) | {"thresholds": parts.plain(thresholds)}


def fit_answer(
    *,
    identifier: UUID,
    title: str,
    sport: str,
    steps: Any,
    thresholds: parts.Thresholds,
    names: dict[UUID, str],
    made_at: datetime,
) -> Response:
    """A FIT file to be saved."""
    body = fit_workout(
        title=title,
        sport=sport,
        steps=parts.read(steps),
        thresholds=thresholds,
        names=names,
        serial=identifier.int,
        made_at=made_at,
    )
    headers = {"Content-Disposition": f'attachment; filename="workout-{identifier}.fit"'}
    return Response(body, content_type="application/vnd.ant.fit", headers=headers)


class Workouts(Endpoint):
    """Workouts you have written."""

    access = member
    limit = {"POST": WRITES}

    @extend_schema(operation_id="list_workouts", parameters=PAGE_PARAMETERS, responses=page_of(WorkoutItem))
    def get(self, request: Request) -> Response:
        """Your own, the newest first."""
        mine = PlannedWorkout.objects.filter(owner_id=request.user.user_id).defer("steps")
        return Response(page(request, mine, order=("-id",), to_item=lambda one: item_of(WorkoutItem, one)))

    @extend_schema(operation_id="write_workout", request=WorkoutForm, responses={201: WorkoutDetail})
    @idempotent("workout")
    def post(self, request: Request) -> Response:
        """A new workout: steps with lengths and targets."""
        written = {"description": ""} | validated(WorkoutForm, request)
        made = authoring.write_workout(**written, by=request.user.user_id, at=now())
        return Response(workout_detail(made, by=request.user.user_id), status=201)


class OneWorkout(Endpoint):
    """One workout."""

    access = member
    limit = {"PATCH": WRITES}

    @extend_schema(operation_id="show_workout", responses=WorkoutDetail)
    def get(self, request: Request, workout_id: UUID) -> Response:
        """Your own, or one of a plan you may see."""
        found = authoring.workout_for(workout_id=workout_id, by=request.user.user_id)
        return Response(workout_detail(found, by=request.user.user_id))

    @extend_schema(operation_id="change_workout", request=WorkoutForm(partial=True), responses=WorkoutDetail)
    def patch(self, request: Request, workout_id: UUID) -> Response:
        """Change what you name. Plans with it get a new version; who has adopted one keeps the old."""
        by, changes = request.user.user_id, validated(WorkoutForm, request, partial=True)
        changed = authoring.change_workout(workout_id=workout_id, changes=changes, by=by, at=now())
        return Response(workout_detail(changed, by=by))

    @extend_schema(operation_id="delete_workout", responses={204: None})
    def delete(self, request: Request, workout_id: UUID) -> Response:
        """409 `workout_in_use` while a plan of yours contains it."""
        authoring.delete_workout(workout_id=workout_id, by=request.user.user_id)
        return Response(status=204)


class FitOfWorkout(Endpoint):
    """A workout for a watch."""

    access = member
    renderer_classes = FILE_RENDERERS

    @extend_schema(operation_id="download_workout", responses={(200, "application/vnd.ant.fit"): OpenApiTypes.BINARY})
    def get(self, request: Request, workout_id: UUID) -> Response:
        """As a FIT workout file, with your paces of today where your threshold is known."""
        who = request.user
        found = authoring.workout_for(workout_id=workout_id, by=who.user_id)
        today = now().astimezone(ZoneInfo(who.time_zone)).date()
        used = parts.exercises_in(parts.read(found.steps))
        return fit_answer(
            identifier=found.pk,
            title=found.title,
            sport=found.sport,
            steps=found.steps,
            thresholds=targets.known_on(dated.entries_of(who.user_id), day=today, sport=found.sport),
            names=exercises.names_of(used, language=get_language() or "en"),
            made_at=found.changed_at,
        )


class Plans(Endpoint):
    """Training plans."""

    access = member
    limit = {"POST": WRITES}

    @extend_schema(
        operation_id="list_plans",
        parameters=[PlanFilters, *PAGE_PARAMETERS],
        responses=page_of(PlanItem),
    )
    def get(self, request: Request) -> Response:
        """Those you may see, the newest first: your own, shared with you, public."""
        found = authoring.find_plans(by=request.user.user_id, **asked(PlanFilters, request))
        return Response(page(request, found, order=("-id",), to_item=plan_item))

    @extend_schema(operation_id="write_plan", request=PlanForm, responses={201: PlanDetail})
    @idempotent("workout")
    def post(self, request: Request) -> Response:
        """A new plan of your own workouts; private unless you say otherwise."""
        written = {"rules": []} | validated(PlanForm, request)
        made = authoring.write_plan(written=written, by=request.user.user_id, at=now())
        return Response(plan_detail(made), status=201)


class OnePlan(Endpoint):
    """One plan."""

    access = member
    limit = {"PATCH": WRITES}

    @extend_schema(operation_id="show_plan", responses=PlanDetail)
    def get(self, request: Request, plan_id: UUID) -> Response:
        """With its weeks and rules."""
        return Response(plan_detail(authoring.plan_for(plan_id=plan_id, by=request.user.user_id)))

    @extend_schema(operation_id="change_plan", request=PlanForm(partial=True), responses=PlanDetail)
    def patch(self, request: Request, plan_id: UUID) -> Response:
        """Change what you name: a new version. Who has adopted an earlier one keeps that."""
        by, changes = request.user.user_id, validated(PlanForm, request, partial=True)
        return Response(plan_detail(authoring.change_plan(plan_id=plan_id, changes=changes, by=by, at=now())))

    @extend_schema(operation_id="delete_plan", responses={204: None})
    def delete(self, request: Request, plan_id: UUID) -> Response:
        """Who has adopted it keeps their copy."""
        authoring.delete_plan(plan_id=plan_id, by=request.user.user_id)
        return Response(status=204)


class SharesOfPlan(Endpoint):
    """Whom a coach has shown a plan."""

    access = has_role("coach")

    @extend_schema(operation_id="list_plan_shares", parameters=PAGE_PARAMETERS, responses=page_of(ShareItem))
    def get(self, request: Request, plan_id: UUID) -> Response:
        """The athletes who see this plan of yours."""
        shares = authoring.shares_of(plan_id=plan_id, by=request.user.user_id)
        return Response(page(request, shares, order=("athlete_id",), to_item=lambda one: item_of(ShareItem, one)))

    @extend_schema(operation_id="share_plan", request=ShareForm, responses={204: None})
    def post(self, request: Request, plan_id: UUID) -> Response:
        """Show an athlete who lets you coach them a plan of yours; a private one becomes shared."""
        athlete_id = validated(ShareForm, request)["athlete_id"]
        authoring.share_plan(plan_id=plan_id, athlete_id=athlete_id, by=request.user.user_id, at=now())
        return Response(status=204)


class OneShareOfPlan(Endpoint):
    """An athlete who sees a plan."""

    access = has_role("coach")

    @extend_schema(operation_id="withdraw_plan_share", responses={204: None})
    def delete(self, request: Request, plan_id: UUID, athlete_id: UUID) -> Response:
        """They see it no longer; what they have adopted stays theirs."""
        authoring.withdraw_plan(plan_id=plan_id, athlete_id=athlete_id, by=request.user.user_id)
        return Response(status=204)


def thresholds_from(raw: Any) -> parts.Thresholds:
    """The thresholds somebody has given, or a refusal that says what is wrong with them."""
    try:
        return msgspec.convert(raw, type=parts.Thresholds)
    except msgspec.ValidationError as error:
        raise authoring.malformed("thresholds", error) from None


def _usual_hr_max(request: Request) -> int | None:
    """What the athlete's profile says, measured or by age."""
    known = identity.get_physiology(user_id=request.user.user_id)
    return round(rules.max_heart_rate(known).value) if known else None


class AdoptPlan(Endpoint):
    """Taking a plan on."""

    access = member
    limit = RateLimit("60/h", by="user")

    @extend_schema(operation_id="adopt_plan", request=AdoptForm, responses={201: AdoptedItem})
    @idempotent("workout", prepare=_usual_hr_max)
    def post(self, request: Request, usual_hr_max: int | None, plan_id: UUID) -> Response:
        """Your own copy of it, from this day on; its workouts stand in your schedule."""
        wanted = validated(AdoptForm, request)
        thresholds = thresholds_from(wanted.get("thresholds", {}))
        adopted = following.adopt_plan(
            plan_id=plan_id,
            starts_on=wanted["starts_on"],
            thresholds=thresholds,
            usual_hr_max=usual_hr_max,
            time_zone=request.user.time_zone,
            language=get_language() or "en",
            by=request.user.user_id,
            at=now(),
        )
        return Response(adopted_item(adopted), status=201)


urlpatterns = [
    path("workouts", Workouts.as_view()),
    path("workouts/<uuid:workout_id>", OneWorkout.as_view()),
    path("workouts/<uuid:workout_id>/fit", FitOfWorkout.as_view()),
    path("plans", Plans.as_view()),
    path("plans/<uuid:plan_id>", OnePlan.as_view()),
    path("plans/<uuid:plan_id>/shares", SharesOfPlan.as_view()),
    path("plans/<uuid:plan_id>/shares/<uuid:athlete_id>", OneShareOfPlan.as_view()),
    path("plans/<uuid:plan_id>/adopt", AdoptPlan.as_view()),
]
