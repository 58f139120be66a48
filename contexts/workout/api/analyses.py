"""What is computed about sessions, and why, over HTTP."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django.urls import path
from django.utils.timezone import now
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.workout.analysis import algorithms, load
from contexts.workout.models import Sport, Thresholds
from contexts.workout.numbers import analysing, progress, telling, thresholds
from contexts.workout.sessions import history
from kernel.access import RateLimit, anyone, member
from kernel.errors import InvalidInput
from kernel.http import Endpoint, validated

LONGEST_DAYS = 3_660


class AnalysisItem(serializers.Serializer):
    state = serializers.ChoiceField(choices=["ready", "waiting"], help_text="`waiting`: it is being computed anew.")
    version = serializers.IntegerField(allow_null=True)
    computed_at = serializers.DateTimeField(allow_null=True)
    load = serializers.FloatField(allow_null=True)
    numbers = serializers.DictField(
        help_text="Nested; each number says its algorithm, inputs and exclusions, each reason its code."
    )


class EarlierNumber(serializers.Serializer):
    computed_at = serializers.DateTimeField()
    reason = serializers.CharField(help_text="new, data, settings or algorithm.")
    algorithm = serializers.CharField()
    value = serializers.JSONField()


class Exclusion(serializers.Serializer):
    what = serializers.CharField(help_text="What is counted: samples, seconds, sets, …; a stable word.")
    count = serializers.FloatField()
    code = serializers.CharField(help_text="Why, as a stable word.")
    reason = serializers.CharField(help_text="Why, in the reader's language.")


class Why(serializers.Serializer):
    name = serializers.CharField()
    value = serializers.FloatField(required=False)
    values = serializers.ListField(child=serializers.FloatField(), required=False)
    unit = serializers.CharField(allow_blank=True)
    algorithm = serializers.CharField(help_text="name@version")
    formula = serializers.CharField()
    source = serializers.CharField(help_text="Where the formula comes from.")
    parameters = serializers.DictField()
    inputs = serializers.DictField()
    exclusions = Exclusion(many=True, help_text="What did not count, and why.")
    computed_at = serializers.DateTimeField()
    earlier = EarlierNumber(many=True, help_text="What it was before, the latest first.")


class AlgorithmItem(serializers.Serializer):
    name = serializers.CharField()
    unit = serializers.CharField(allow_blank=True)
    formula = serializers.CharField()
    source = serializers.CharField()
    parameters = serializers.DictField()
    replaced_by = serializers.CharField(allow_null=True)


class Algorithms(serializers.Serializer):
    algorithms = AlgorithmItem(many=True)


class Days(serializers.Serializer):
    def get_fields(self) -> dict[str, Any]:
        """`from` is a word of Python's."""
        return {name: serializers.DateField(required=False) for name in ("from", "to")}


class FitnessDay(serializers.Serializer):
    day = serializers.DateField()
    load = serializers.FloatField()
    estimated = serializers.BooleanField(
        help_text="Whether any of the load is estimated from heart rates: of its thresholds nothing is known."
    )
    fitness = serializers.FloatField(help_text="Load of the last 42 days, fading.")
    fatigue = serializers.FloatField(help_text="Load of the last 7 days, fading.")
    form = serializers.FloatField(help_text="Fitness less fatigue, as the day began.")


class Fitness(serializers.Serializer):
    days = FitnessDay(many=True)
    algorithms = AlgorithmItem(many=True, help_text="How fitness, fatigue and form follow from the loads, in order.")
    waiting = serializers.IntegerField(help_text="Sessions that are being analysed anew.")
    sessions = serializers.IntegerField()


class FitnessNumber(serializers.Serializer):
    name = serializers.ChoiceField(choices=["fitness", "fatigue", "form"])
    value = serializers.FloatField()
    inputs = serializers.DictField(child=serializers.FloatField(), help_text="The day's load, and the day before it.")
    algorithm = AlgorithmItem()


class SessionLoad(serializers.Serializer):
    session_id = serializers.UUIDField()
    load = serializers.FloatField()
    algorithm = serializers.CharField(help_text="name@version; the session's own `why` says more.")


class WhyOfDay(serializers.Serializer):
    day = serializers.DateField()
    numbers = FitnessNumber(many=True)
    sessions = SessionLoad(many=True, help_text="What the day's load is made of.")


class Day(serializers.Serializer):
    day = serializers.DateField()


class ThresholdsForm(serializers.Serializer):
    sport = serializers.ChoiceField(choices=Sport.choices, default="", allow_blank=True)
    valid_from = serializers.DateField()
    ftp_w = serializers.FloatField(min_value=20, max_value=1_000, required=False, allow_null=True)
    threshold_bpm = serializers.FloatField(min_value=60, max_value=230, required=False, allow_null=True)
    vt1_bpm = serializers.FloatField(
        min_value=60,
        max_value=230,
        required=False,
        allow_null=True,
        help_text="At the first ventilatory threshold, with that at the second.",
    )
    vt2_bpm = serializers.FloatField(min_value=60, max_value=230, required=False, allow_null=True)
    threshold_mps = serializers.FloatField(min_value=0.2, max_value=25, required=False, allow_null=True)
    resting_bpm = serializers.FloatField(min_value=25, max_value=120, required=False, allow_null=True)
    hr_max = serializers.IntegerField(min_value=100, max_value=240, required=False, allow_null=True)
    height_cm = serializers.FloatField(min_value=80, max_value=260, required=False, allow_null=True)
    zones_by = serializers.ChoiceField(choices=thresholds.ZONES_BY, default="maximum")
    zones_bpm = serializers.ListField(
        child=serializers.FloatField(min_value=30, max_value=240), required=False, allow_null=True, max_length=10
    )


class ThresholdsItem(ThresholdsForm):
    id = serializers.UUIDField()


class ThresholdsList(serializers.Serializer):
    thresholds = ThresholdsItem(many=True, help_text="The latest first.")


class AnalysisOfSession(Endpoint):
    """Everything computed about a session."""

    access = member

    @extend_schema(operation_id="show_analysis", responses=AnalysisItem)
    def get(self, request: Request, session_id: UUID) -> Response:
        """Zones, splits, best efforts, power, load, energy, quality. Your coach sees it as well."""
        session = history.shown_session(session_id=session_id, by=request.user.user_id, at=now())
        found = analysing.current(session)
        return Response(
            {
                "state": "waiting" if session.analysis_due or not session.ended_at else "ready",
                "version": found and found.version,
                "computed_at": found and found.computed_at,
                "load": found and found.load,
                "numbers": telling.told(found.numbers) if found else {},
            }
        )


class WhyOfSession(Endpoint):
    """Why a number is what it is."""

    access = member

    @extend_schema(operation_id="explain_number", responses=Why)
    def get(self, request: Request, session_id: UUID, number: str) -> Response:
        """Formula, source, version, parameters, inputs, exclusions, and what the number was before.

        `number` is its path in the analysis, such as `pacing.efforts.5k`; what several sources say is named after
        them, as in `energy.estimates.heart_rate.total`. Of time in zones the first is below all of them.
        """
        session = history.shown_session(session_id=session_id, by=request.user.user_id, at=now())
        return Response(analysing.why(session=session, name=number))


class AllAlgorithms(Endpoint):
    """Every formula we compute with."""

    access = anyone

    @extend_schema(operation_id="list_algorithms", responses=Algorithms)
    def get(self, request: Request) -> Response:
        """By name, those that were replaced too."""
        return Response({"algorithms": [analysing.explained(one) for one in algorithms()]})


class FitnessOfAthlete(Endpoint):
    """Fitness, fatigue and form."""

    access = member

    @extend_schema(
        operation_id="show_fitness",
        parameters=[OpenApiParameter(name, OpenApiTypes.DATE) for name in ("from", "to")],
        responses=Fitness,
    )
    def get(self, request: Request) -> Response:
        """Day by day; a day without training has the load 0. The last 90 days unless asked otherwise."""
        asked = Days(data=request.query_params)
        asked.is_valid(raise_exception=True)
        until = asked.validated_data.get("to") or progress.local_day(now(), request.user.time_zone)
        since = asked.validated_data.get("from") or until - timedelta(days=90)
        if since < progress.EARLIEST or not timedelta(0) <= until - since <= timedelta(days=LONGEST_DAYS):
            raise InvalidInput("The days are out of order, or too many.", field="from", code="bad_range")
        return Response(_fitness(request.user.user_id, since, until))


class WhyOfFitness(Endpoint):
    """Why fitness, fatigue and form are what they are."""

    access = member

    @extend_schema(
        operation_id="explain_fitness",
        parameters=[OpenApiParameter("day", OpenApiTypes.DATE, required=True)],
        responses=WhyOfDay,
    )
    def get(self, request: Request) -> Response:
        """Of one day: formulas, what went in, and the sessions behind the day's load."""
        asked = Day(data=request.query_params)
        asked.is_valid(raise_exception=True)
        if (day := asked.validated_data["day"]) < progress.EARLIEST:
            raise InvalidInput("This day is too long ago.", field="day", code="bad_range")
        return Response(thresholds.why(user_id=request.user.user_id, day=day))


def _fitness(user_id: UUID, since: date, until: date) -> dict[str, Any]:
    return {
        "days": thresholds.fitness(user_id=user_id, since=since, until=until),
        "algorithms": [analysing.explained(one) for one in (load.FITNESS, load.FATIGUE, load.FORM)],
        **thresholds.waiting(user_id=user_id),
    }


class ThresholdsOfAthlete(Endpoint):
    """What you know of your body, each from a day on."""

    access = member
    limit = {"PUT": RateLimit("60/h", by="user")}

    @extend_schema(operation_id="list_thresholds", responses=ThresholdsList)
    def get(self, request: Request) -> Response:
        """The latest first."""
        own = Thresholds.objects.filter(user_id=request.user.user_id).order_by("-valid_from", "sport")
        return Response({"thresholds": ThresholdsItem(own, many=True).data})

    @extend_schema(operation_id="put_thresholds", request=ThresholdsForm, responses=ThresholdsItem)
    def put(self, request: Request) -> Response:
        """Say what holds from a day on, in one sport or in all. Sessions since then are analysed anew."""
        wanted = validated(ThresholdsForm, request)
        return Response(ThresholdsItem(thresholds.put(by=request.user.user_id, **wanted)).data)


class OneThresholds(Endpoint):
    """One entry."""

    access = member

    @extend_schema(operation_id="remove_thresholds", responses={204: None})
    def delete(self, request: Request, thresholds_id: UUID) -> Response:
        """Take it back. Sessions since then are analysed anew."""
        thresholds.remove(thresholds_id=thresholds_id, by=request.user.user_id)
        return Response(status=204)


urlpatterns = [
    path("sessions/<uuid:session_id>/analysis", AnalysisOfSession.as_view()),
    path("sessions/<uuid:session_id>/why/<path:number>", WhyOfSession.as_view()),
    path("algorithms", AllAlgorithms.as_view()),
    path("fitness", FitnessOfAthlete.as_view()),
    path("fitness/why", WhyOfFitness.as_view()),
    path("thresholds", ThresholdsOfAthlete.as_view()),
    path("thresholds/<uuid:thresholds_id>", OneThresholds.as_view()),
]
