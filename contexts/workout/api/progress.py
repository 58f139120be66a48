"""Progress and goals over HTTP."""

from uuid import UUID

from django.urls import path
from django.utils.timezone import now
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.workout.models import Goal, Sport
from contexts.workout.numbers import progress, records
from contexts.workout.sessions import history
from kernel.access import RateLimit, member
from kernel.http import Endpoint, validated
from kernel.idempotency import idempotent


class ProgressQuery(serializers.Serializer):
    period = serializers.ChoiceField(choices=progress.PERIOD_CHOICES, default="week")
    last = serializers.IntegerField(
        min_value=1, max_value=progress.MAX_PERIODS, default=12, help_text="How many periods before the current one."
    )
    sport = serializers.ChoiceField(choices=Sport.choices, default="", allow_blank=True)


class PeriodSums(serializers.Serializer):
    starts_on = serializers.DateField()
    sessions = serializers.IntegerField()
    distance_m = serializers.FloatField()
    duration_s = serializers.FloatField()
    moving_s = serializers.FloatField()
    ascent_m = serializers.FloatField()
    energy_kcal = serializers.FloatField()


class Progress(serializers.Serializer):
    periods = PeriodSums(many=True, help_text="The latest first.")
    against_mean = serializers.DictField(
        child=serializers.FloatField(allow_null=True), help_text="The current period by the mean of those before."
    )


class LastQuery(serializers.Serializer):
    last = serializers.IntegerField(min_value=1, max_value=500, default=10)


class Compared(serializers.Serializer):
    measure = serializers.CharField()
    value = serializers.FloatField()
    mean = serializers.FloatField(help_text="Of those before.")
    best = serializers.FloatField(help_text="Of those before.")
    rank = serializers.IntegerField(help_text="1 is the best of all.")
    of = serializers.IntegerField()


class Comparison(serializers.Serializer):
    measures = Compared(many=True)


class GoalForm(serializers.Serializer):
    sport = serializers.ChoiceField(
        choices=Sport.choices, default="", allow_blank=True, help_text="Empty: every sport."
    )
    measure = serializers.ChoiceField(choices=Goal.Measure.choices)
    target = serializers.FloatField(min_value=0.001, max_value=1e9, help_text="Metres, seconds, kcal or sessions.")
    period = serializers.ChoiceField(choices=Goal.Period.choices)
    starts_on = serializers.DateField(required=False, help_text="Today, unless given.")
    ends_on = serializers.DateField(required=False, allow_null=True, default=None)


class GoalItem(serializers.Serializer):
    id = serializers.UUIDField()
    sport = serializers.CharField(allow_blank=True)
    measure = serializers.ChoiceField(choices=Goal.Measure.choices)
    target = serializers.FloatField()
    period = serializers.ChoiceField(choices=Goal.Period.choices)
    starts_on = serializers.DateField()
    ends_on = serializers.DateField(allow_null=True)
    created_at = serializers.DateTimeField()
    period_starts_on = serializers.DateField(allow_null=True)
    period_ends_on = serializers.DateField(allow_null=True)
    done = serializers.FloatField(help_text="In the current period.")
    part = serializers.FloatField(help_text="Of the target.")
    reached = serializers.BooleanField()


class Goals(serializers.Serializer):
    goals = GoalItem(many=True)


class RecordsQuery(serializers.Serializer):
    sport = serializers.ChoiceField(choices=Sport.choices, default="", allow_blank=True)


class RecordItem(serializers.Serializer):
    sport = serializers.ChoiceField(choices=Sport.choices)
    record = serializers.CharField(help_text="longest_distance, fastest_10k, longest_20min, power_5min …")
    value = serializers.FloatField(help_text="Metres, seconds or watts.")
    session_id = serializers.UUIDField()
    achieved_at = serializers.DateTimeField()


class Records(serializers.Serializer):
    records = RecordItem(many=True)


class RecordsOfAthlete(Endpoint):
    """Your personal records."""

    access = member

    @extend_schema(operation_id="list_records", parameters=[RecordsQuery], responses=Records)
    def get(self, request: Request) -> Response:
        """By sport: the longest, the fastest of each standard distance, the most of each standard time."""
        wanted = RecordsQuery(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        found = records.records_of(user_id=request.user.user_id, **wanted.validated_data)
        return Response({"records": RecordItem(found, many=True).data})


class ProgressOfAthlete(Endpoint):
    """Your sums."""

    access = member

    @extend_schema(operation_id="show_progress", parameters=[ProgressQuery], responses=Progress)
    def get(self, request: Request) -> Response:
        """This week, month or year beside those before; a session counts on its local day."""
        wanted = ProgressQuery(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        today = progress.local_day(now(), request.user.time_zone)
        sums = progress.sums_by_period(user_id=request.user.user_id, today=today, **wanted.validated_data)
        return Response({"periods": sums, "against_mean": progress.against_mean(sums)})


class ComparisonOfSession(Endpoint):
    """A session beside those before it."""

    access = member

    @extend_schema(operation_id="compare_session", parameters=[LastQuery], responses=Comparison)
    def get(self, request: Request, session_id: UUID) -> Response:
        """This one against the last of its sport."""
        wanted = LastQuery(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        session = history.own_session(session_id=session_id, by=request.user.user_id)
        return Response({"measures": progress.beside_the_last(session=session, **wanted.validated_data)})


class GoalsOfAthlete(Endpoint):
    """What you have set out to do."""

    access = member
    limit = {"POST": RateLimit("60/h", by="user")}

    @extend_schema(operation_id="list_goals", responses=Goals)
    def get(self, request: Request) -> Response:
        """Your goals, and how far you are."""
        today = progress.local_day(now(), request.user.time_zone)
        return Response({"goals": progress.goals_of(user_id=request.user.user_id, today=today)})

    @extend_schema(operation_id="set_goal", request=GoalForm, responses={201: GoalItem})
    @idempotent("workout")
    def post(self, request: Request) -> Response:
        """Set a goal: so much in each week or month, or once until a day."""
        at, who = now(), request.user
        today = progress.local_day(at, who.time_zone)
        wanted = {"starts_on": today} | validated(GoalForm, request)
        goal = progress.set_goal(by=who.user_id, at=at, **wanted)
        shown = progress.goals_of(user_id=who.user_id, today=today)
        return Response(next(one for one in shown if one["id"] == goal.pk), status=201)


class OneGoal(Endpoint):
    """One goal."""

    access = member

    @extend_schema(operation_id="drop_goal", responses={204: None})
    def delete(self, request: Request, goal_id: UUID) -> Response:
        """Let it go."""
        progress.drop_goal(goal_id=goal_id, by=request.user.user_id)
        return Response(status=204)


urlpatterns = [
    path("records", RecordsOfAthlete.as_view()),
    path("progress", ProgressOfAthlete.as_view()),
    path("sessions/<uuid:session_id>/comparison", ComparisonOfSession.as_view()),
    path("goals", GoalsOfAthlete.as_view()),
    path("goals/<uuid:goal_id>", OneGoal.as_view()),
]
