"""How one's measurements go over days, weeks and months, and what is derived from them."""

from dataclasses import replace
from datetime import date
from typing import Any

from django.urls import path
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.health.api.purposes import PURPOSE
from contexts.health.catalogue import BY_NAME, Aggregation
from contexts.health.looking import measurements
from contexts.health.sharing import looking
from contexts.health.sharing.looking import Sight
from contexts.health.trends import buckets, deriving
from contexts.health.trends.formulas import ALGORITHMS
from kernel.access import anyone, recent_mfa
from kernel.errors import InvalidInput, NotFound
from kernel.http import Endpoint

DAYS = [
    OpenApiParameter("from", {"type": "string", "format": "date"}, required=True),
    OpenApiParameter("to", {"type": "string", "format": "date"}, required=True, description="With this day."),
]
BUCKET = OpenApiParameter("bucket", str, enum=list(buckets.WIDTHS), default="day")
UNIT = OpenApiParameter("unit", str, description="UCUM; of the catalogue's units for this metric.")


class DayRange(serializers.Serializer):
    def get_fields(self) -> dict[str, Any]:
        """`from` is a word of Python's, so these two are named here."""
        return {**{name: serializers.DateField() for name in ("from", "to")}, **super().get_fields()}


class TrendRange(DayRange):
    bucket = serializers.ChoiceField(choices=list(buckets.WIDTHS), default="day")


class TrendBucket(serializers.Serializer):
    begin = serializers.DateField()
    end = serializers.DateField(help_text="The first day after it.")
    value = serializers.FloatField(help_text="By the metric's aggregation: a sum, the mean, or the last value.")
    mean = serializers.FloatField(help_text="For sums this and those below are of the days' sums.")
    median = serializers.FloatField()
    min = serializers.FloatField()
    max = serializers.FloatField()
    count = serializers.IntegerField(help_text="Readings.")


class MetricTrend(serializers.Serializer):
    metric = serializers.CharField()
    unit = serializers.CharField()
    aggregation = serializers.ChoiceField(choices=list(Aggregation))
    time_zone = serializers.CharField(help_text="In which days are days.")
    bucket = serializers.ChoiceField(choices=list(buckets.WIDTHS))
    algorithm = serializers.CharField(help_text="name@version")
    items = TrendBucket(many=True)


class TrendAlgorithm(serializers.Serializer):
    name = serializers.CharField()
    algorithm = serializers.CharField(source="named", help_text="name@version")
    inputs = serializers.SerializerMethodField()
    unit = serializers.CharField()
    formula = serializers.SerializerMethodField()
    source = serializers.CharField()
    url = serializers.CharField()
    parameters = serializers.DictField(child=serializers.FloatField())

    def get_inputs(self, algorithm: Any) -> list[str]:
        """Metrics by name."""
        return [stream.name for stream in algorithm.inputs]

    def get_formula(self, algorithm: Any) -> str:
        """In the language of the request."""
        return _(algorithm.formula)


class TrendAlgorithms(serializers.Serializer):
    items = TrendAlgorithm(many=True)


class DerivedDay(serializers.Serializer):
    day = serializers.DateField()
    value = serializers.FloatField()
    low = serializers.FloatField(allow_null=True, help_text="Of what is usual for this person.")
    high = serializers.FloatField(allow_null=True)
    standing = serializers.ChoiceField(choices=["", "below", "usual", "above"])
    inputs = serializers.DictField(child=serializers.FloatField(), help_text="Numbers from which the value was made.")


class DerivedTrend(serializers.Serializer):
    algorithm = TrendAlgorithm()
    time_zone = serializers.CharField()
    items = DerivedDay(many=True)


def _days(form: type[DayRange], request: Request, *, width: str | None = None) -> tuple[date, date, dict[str, Any]]:
    wanted = form(data=request.query_params)
    wanted.is_valid(raise_exception=True)
    first, last = wanted.validated_data["from"], wanted.validated_data["to"]
    buckets.ensure_days(first, last, width=width or wanted.validated_data["bucket"])
    return first, last, wanted.validated_data


def metric_trend(request: Request, sight: Sight, metric: str) -> Response:
    """A metric over buckets, to whoever may see it. The look is written down."""
    if metric not in BY_NAME:
        raise NotFound
    stream, unit = BY_NAME[metric].stream, request.query_params.get("unit") or BY_NAME[metric].unit
    measurements.shown(stream, 0.0, unit=unit)
    first, last, wanted = _days(TrendRange, request)
    since, until = buckets.instants_of(first, last, sight.zone)
    looking.look(sight, streams=[stream], since=since, until=until)
    found = buckets.buckets_of(
        user_id=sight.subject_id, stream=stream, first=first, last=last, width=wanted["bucket"], zone=sight.zone
    )
    numbers = ("value", "mean", "median", "min", "max")
    in_unit = [
        replace(one, **{name: measurements.shown(stream, getattr(one, name), unit=unit) for name in numbers})
        for one in found
    ]
    told = {
        "metric": metric,
        "unit": unit,
        "aggregation": BY_NAME[metric].aggregation,
        "time_zone": sight.zone.key,
        "bucket": wanted["bucket"],
        "algorithm": buckets.NAMED,
        "items": in_unit,
    }
    return Response(MetricTrend(told).data)


def derived_trend(request: Request, sight: Sight, trend: str) -> Response:
    """What is derived, day by day, to whoever may see all of its inputs. The look is written down."""
    algorithm = ALGORITHMS.get(trend)
    if algorithm is None:
        raise NotFound
    first, last, _wanted = _days(DayRange, request, width="day")
    if (last - first).days >= deriving.LONGEST[trend]:
        most = deriving.LONGEST[trend]
        raise InvalidInput("1 to {most} days, please.", field="to", code="range_out_of_bounds", most=most)
    since, until = deriving.reach(trend, first=first, last=last, zone=sight.zone)
    looking.look(sight, streams=algorithm.inputs, since=since, until=until)
    found = deriving.derive(trend, user_id=sight.subject_id, first=first, last=last, zone=sight.zone)
    return Response(DerivedTrend({"algorithm": algorithm, "time_zone": sight.zone.key, "items": found}).data)


def own_sight(request: Request) -> Sight:
    """One's own measurements, for the purpose that the request names."""
    return looking.own(by=request.user, purpose=request.query_params.get("purpose"))


class Algorithms(Endpoint):
    access = anyone

    @extend_schema(operation_id="list_trends", responses=TrendAlgorithms)
    def get(self, request: Request) -> Response:
        """What is derived, by which formula, from which source."""
        return Response(TrendAlgorithms({"items": list(ALGORITHMS.values())}).data)


class OwnMetricTrend(Endpoint):
    access = recent_mfa

    @extend_schema(operation_id="show_metric_trend", parameters=[*DAYS, BUCKET, UNIT, PURPOSE], responses=MetricTrend)
    def get(self, request: Request, metric: str) -> Response:
        """A metric of yours over the days, weeks or months of your time zone. Each look is written down."""
        return metric_trend(request, own_sight(request), metric)


class OwnDerivedTrend(Endpoint):
    access = recent_mfa

    @extend_schema(operation_id="show_trend", parameters=[*DAYS, PURPOSE], responses=DerivedTrend)
    def get(self, request: Request, trend: str) -> Response:
        """Resting heart rate, HRV baseline, weight or sleep, with what it was made of. Each look is written down."""
        return derived_trend(request, own_sight(request), trend)


urlpatterns = [
    path("trends", Algorithms.as_view()),
    path("trends/<str:trend>", OwnDerivedTrend.as_view()),
    path("metrics/<str:metric>/trend", OwnMetricTrend.as_view()),
]
