"""What an athlete has taken on, day by day, over HTTP; and as a calendar."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from django.conf import settings
from django.urls import path
from django.utils.timezone import now
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.workout.api.plan_forms import (
    FILE_RENDERERS,
    AdoptedItem,
    AdoptedThresholdsForm,
    CompleteForm,
    Ics,
    MoveForm,
    NewPlanFeed,
    PlanFeedForm,
    PlanFeedItem,
    ScheduledItem,
    item_of,
)
from contexts.workout.api.plans import adopted_item, fit_answer, thresholds_from
from contexts.workout.models import AdoptedPlan, PlanFeed, ScheduledWorkout, Thresholds
from contexts.workout.planning import steps as parts
from contexts.workout.planning.progression import Result
from contexts.workout.plans import authoring, coaching, dated, following, plan_calendars, targets
from kernel.access import RateLimit, anyone, member
from kernel.conditional import unless_known
from kernel.errors import InvalidInput
from kernel.http import PAGE_PARAMETERS, Endpoint, JsonRenderer, page, page_of, validated

SHOWN_BY_DEFAULT = timedelta(days=28)


class ScheduleDays(serializers.Serializer):
    items = ScheduledItem(many=True)


def shown(row: ScheduledWorkout, entries: Sequence[Thresholds] | None = None) -> dict[str, Any]:
    """A workout of the schedule as its athlete sees it."""
    thresholds = targets.thresholds_of(row, entries)
    ranged = parts.resolved(parts.read(row.steps), thresholds, following.names_of(row))
    return item_of(ScheduledItem, row) | following.outcome_said(row) | {"steps": ranged}


class Adoptions(Endpoint):
    """Plans you follow."""

    access = member

    @extend_schema(operation_id="list_adopted_plans", parameters=PAGE_PARAMETERS, responses=page_of(AdoptedItem))
    def get(self, request: Request) -> Response:
        """And those you have given up, the newest first."""
        mine = AdoptedPlan.objects.filter(user_id=request.user.user_id).defer("content")
        entries = dated.entries_of(request.user.user_id)
        return Response(page(request, mine, order=("-id",), to_item=lambda one: adopted_item(one, entries)))


class OneAdoption(Endpoint):
    """One plan you follow."""

    access = member

    @extend_schema(operation_id="show_adopted_plan", responses=AdoptedItem)
    def get(self, request: Request, adopted_id: UUID) -> Response:
        """Since when, and what its targets are relative to."""
        found = following.own_adopted(adopted_id=adopted_id, by=request.user.user_id)
        return Response(adopted_item(found))

    @extend_schema(operation_id="change_adopted_plan", request=AdoptedThresholdsForm, responses=AdoptedItem)
    def patch(self, request: Request, adopted_id: UUID) -> Response:
        """After a new test: from now on targets are relative to this."""
        thresholds = thresholds_from(validated(AdoptedThresholdsForm, request)["thresholds"])
        by = request.user.user_id
        changed = following.change_thresholds(adopted_id=adopted_id, thresholds=thresholds, by=by)
        return Response(adopted_item(changed))

    @extend_schema(operation_id="give_up_plan", responses={204: None})
    def delete(self, request: Request, adopted_id: UUID) -> Response:
        """What is to come goes, what you have done stays."""
        following.give_up_plan(adopted_id=adopted_id, by=request.user.user_id, at=now())
        return Response(status=204)


def _day(request: Request, name: str, usual: date) -> date:
    said = request.query_params.get(name)
    try:
        return date.fromisoformat(said) if said else usual
    except ValueError:
        raise InvalidInput("A day is written like 2026-05-17.", field=name, code="bad_day") from None


def _days(request: Request) -> tuple[date, date]:
    """The first and the last day that were asked for."""
    first = _day(request, "from", now().astimezone(ZoneInfo(request.user.time_zone)).date())
    try:
        usual = first + SHOWN_BY_DEFAULT
    except OverflowError:
        usual = date.max
    return first, _day(request, "to", usual)


DAYS = [
    OpenApiParameter("from", OpenApiTypes.DATE, description="Unsaid: today."),
    OpenApiParameter("to", OpenApiTypes.DATE, description="This day included. Unsaid: four weeks later."),
]


class Schedule(Endpoint):
    """Your days."""

    access = member

    @extend_schema(operation_id="show_schedule", parameters=DAYS, responses=ScheduleDays)
    def get(self, request: Request) -> Response:
        """What is planned and what became of it, at most a year at once."""
        first, last = _days(request)
        rows = following.days(by=request.user.user_id, first=first, last=last)
        entries = dated.entries_of(request.user.user_id)
        return Response({"items": [shown(row, entries) for row in rows]})


class ScheduleOfAthlete(Endpoint):
    """The days of an athlete whom you coach."""

    access = member

    @extend_schema(operation_id="show_athletes_schedule", parameters=DAYS, responses=ScheduleDays)
    def get(self, request: Request, athlete_id: UUID) -> Response:
        """As they see it, while they let you see their workouts; each look is in their audit."""
        first, last = _days(request)
        rows = coaching.athletes_days(
            athlete_id=athlete_id, first=first, last=last, by=request.user.user_id, at=now()
        )
        entries = dated.entries_of(athlete_id)
        return Response({"items": [shown(row, entries) for row in rows]})


class OneScheduled(Endpoint):
    """One workout of your schedule."""

    access = member

    @extend_schema(operation_id="show_scheduled_workout", responses=ScheduledItem)
    def get(self, request: Request, scheduled_id: UUID) -> Response:
        """With its targets for you."""
        return Response(shown(following.own_scheduled(scheduled_id=scheduled_id, by=request.user.user_id)))


class FitOfScheduled(Endpoint):
    """A workout of your schedule for your watch."""

    access = member
    renderer_classes = FILE_RENDERERS

    @extend_schema(
        operation_id="download_scheduled_workout",
        responses={(200, "application/vnd.ant.fit"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, scheduled_id: UUID) -> Response:
        """As a FIT workout file, with your own paces and weights."""
        row = following.own_scheduled(scheduled_id=scheduled_id, by=request.user.user_id)
        return fit_answer(
            identifier=row.pk,
            title=row.title,
            sport=row.sport,
            steps=row.steps,
            thresholds=targets.thresholds_of(row),
            names=following.names_of(row),
            made_at=row.changed_at,
        )


class MoveScheduled(Endpoint):
    """Another day."""

    access = member

    @extend_schema(operation_id="move_scheduled_workout", request=MoveForm, responses=ScheduledItem)
    def post(self, request: Request, scheduled_id: UUID) -> Response:
        """From today on, up to seven days from where the plan has it."""
        day, by = validated(MoveForm, request)["day"], request.user.user_id
        return Response(shown(following.move_workout(scheduled_id=scheduled_id, to=day, by=by, at=now())))


class SkipScheduled(Endpoint):
    """Leaving it out."""

    access = member

    @extend_schema(operation_id="skip_scheduled_workout", request=None, responses=ScheduledItem)
    def post(self, request: Request, scheduled_id: UUID) -> Response:
        """On purpose: it is not missed, and changes nothing of what is to come."""
        skipped = following.skip_workout(scheduled_id=scheduled_id, by=request.user.user_id, at=now())
        return Response(shown(skipped))


class CompleteScheduled(Endpoint):
    """It was done."""

    access = member

    @extend_schema(operation_id="complete_scheduled_workout", request=CompleteForm, responses=ScheduledItem)
    def post(self, request: Request, scheduled_id: UUID) -> Response:
        """In this session, with these results; what is to come follows from it. Again: in place of what was said."""
        said = validated(CompleteForm, request)
        try:
            results = msgspec.convert(said.get("results", []), type=tuple[Result, ...])
        except msgspec.ValidationError as error:
            raise authoring.malformed("results", error) from None
        done = following.complete_workout(
            scheduled_id=scheduled_id,
            session_id=said.get("session_id"),
            results=results,
            rpe=said.get("rpe"),
            by=request.user.user_id,
            at=now(),
        )
        return Response(shown(done))


class Feeds(Endpoint):
    """Calendar addresses of your schedule."""

    access = member
    limit = {"POST": RateLimit("30/h")}

    @extend_schema(operation_id="list_plan_feeds", parameters=PAGE_PARAMETERS, responses=page_of(PlanFeedItem))
    def get(self, request: Request) -> Response:
        """Their names and when they were last read; addresses are not shown again."""
        mine = PlanFeed.objects.filter(user_id=request.user.user_id)
        return Response(page(request, mine, order=("-id",), to_item=lambda feed: item_of(PlanFeedItem, feed)))

    @extend_schema(operation_id="make_plan_feed", request=PlanFeedForm, responses={201: NewPlanFeed})
    def post(self, request: Request) -> Response:
        """An address for a calendar program, at most ten."""
        name = validated(PlanFeedForm, request)["name"]
        feed, token = plan_calendars.make_feed(name=name, by=request.user.user_id, at=now())
        url = f"{settings.PUBLIC_URL}/api/v1/workout/plan-feeds/{token}/plan.ics"
        return Response(item_of(PlanFeedItem, feed) | {"url": url}, status=201)


class OneFeed(Endpoint):
    """One calendar address."""

    access = member

    @extend_schema(operation_id="revoke_plan_feed", responses={204: None})
    def delete(self, request: Request, feed_id: UUID) -> Response:
        """It leads nowhere from now on."""
        plan_calendars.revoke_feed(feed_id=feed_id, by=request.user.user_id)
        return Response(status=204)


class PlanCalendar(Endpoint):
    """Somebody's schedule, for programs that cannot sign in."""

    access = anyone
    limit = RateLimit("60/min", by="address")
    renderer_classes = [Ics, JsonRenderer]

    @extend_schema(operation_id="show_plan_calendar", responses={(200, "text/calendar"): OpenApiTypes.STR})
    def get(self, request: Request, feed_token: str) -> Any:
        """The workouts of whoever made this address; 304 for a program that has them already."""
        body = plan_calendars.read_feed(token=feed_token, at=now())
        return unless_known(request, body, content_type="text/calendar; charset=utf-8", file_name="plan.ics")


urlpatterns = [
    path("adopted-plans", Adoptions.as_view()),
    path("adopted-plans/<uuid:adopted_id>", OneAdoption.as_view()),
    path("schedule", Schedule.as_view()),
    path("athletes/<uuid:athlete_id>/schedule", ScheduleOfAthlete.as_view()),
    path("schedule/<uuid:scheduled_id>", OneScheduled.as_view()),
    path("schedule/<uuid:scheduled_id>/fit", FitOfScheduled.as_view()),
    path("schedule/<uuid:scheduled_id>/move", MoveScheduled.as_view()),
    path("schedule/<uuid:scheduled_id>/skip", SkipScheduled.as_view()),
    path("schedule/<uuid:scheduled_id>/complete", CompleteScheduled.as_view()),
    path("plan-feeds", Feeds.as_view()),
    path("plan-feeds/<uuid:feed_id>", OneFeed.as_view()),
    path("plan-feeds/<str:feed_token>/plan.ics", PlanCalendar.as_view()),
]
