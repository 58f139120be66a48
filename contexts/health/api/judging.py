"""Norms, how one's value stands against them, and what is odd about one's readings."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.urls import path
from django.utils.timezone import now
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.health import rules
from contexts.health.api.metrics import RANGE, MetricRange
from contexts.health.api.purposes import PURPOSE, own_purpose
from contexts.health.catalogue import BY_NAME, Metric
from contexts.health.judging import anomalies, reviewing
from contexts.health.judging.norms import Norm
from contexts.health.looking import measurements
from kernel.access import anyone, recent_mfa
from kernel.errors import InvalidInput, NotFound
from kernel.http import Endpoint, validated

STATUSES = ["normal", "attention", "critical"]


class NormBand(serializers.Serializer):
    name = serializers.CharField()
    status = serializers.ChoiceField(choices=STATUSES)
    begin = serializers.FloatField(allow_null=True, help_text="The band reaches to before the next one's.")


class NormItem(serializers.Serializer):
    norm = serializers.CharField(source="named", help_text="key@version")
    metric = serializers.CharField()
    unit = serializers.SerializerMethodField(help_text="UCUM.")
    condition = serializers.CharField()
    sex = serializers.CharField(help_text="Empty for everybody.")
    age_from = serializers.IntegerField()
    age_below = serializers.IntegerField()
    bands = NormBand(many=True)
    source = serializers.CharField()
    url = serializers.CharField()
    note = serializers.CharField()

    def get_unit(self, norm: Norm) -> str:
        """The metric's stored one."""
        return BY_NAME[norm.metric].unit


class Norms(serializers.Serializer):
    items = NormItem(many=True)


class AskVerdict(serializers.Serializer):
    value = serializers.FloatField(required=False, help_text="Without one your latest reading of 30 days is judged.")
    unit = serializers.CharField(required=False, max_length=16)
    condition = serializers.ChoiceField(choices=["", "fasting", "random"], default="")


class VerdictItem(serializers.Serializer):
    value = serializers.FloatField()
    unit = serializers.CharField()
    measured_at = serializers.DateTimeField(allow_null=True)
    band = serializers.CharField()
    status = serializers.ChoiceField(choices=STATUSES)
    explanation = serializers.CharField()
    age = serializers.IntegerField()
    sex = serializers.CharField()
    norm = NormItem()


class AnomalyItem(serializers.Serializer):
    rule = serializers.CharField(help_text="rule@version")
    begin = serializers.DateTimeField()
    end = serializers.DateTimeField()
    window_begin = serializers.DateTimeField()
    window_end = serializers.DateTimeField()
    inputs = serializers.DictField(child=serializers.FloatField())


class Anomalies(serializers.Serializer):
    readings = serializers.IntegerField()
    items = AnomalyItem(many=True)


def _explained(status: str) -> str:
    if status == "normal":
        return _("The value is within the norm for your age and sex.")
    if status == "attention":
        return _("The value is outside the norm for your age and sex. Talk about it with a doctor if it stays so.")
    return _("The value is critical. Measure again, and if it stays so seek medical help at once.")


def _metric(name: str) -> Metric:
    if name not in BY_NAME:
        raise NotFound
    return BY_NAME[name]


class NormsInForce(Endpoint):
    access = anyone

    @extend_schema(operation_id="list_norms", responses=Norms)
    def get(self, request: Request) -> Response:
        """Every norm in force with its source."""
        items = sorted((norm for norm in reviewing.in_force() if not norm.withdrawn), key=lambda norm: norm.key)
        return Response(Norms({"items": items}).data)


class MetricVerdict(Endpoint):
    access = recent_mfa

    @extend_schema(operation_id="judge_metric", parameters=[PURPOSE], request=AskVerdict, responses=VerdictItem)
    def post(self, request: Request, metric: str) -> Response:
        """How your value stands against the norm for your age and sex, and which norm that is. Each look is kept."""
        measured, asked = _metric(metric), validated(AskVerdict, request)
        unit, value = asked.get("unit", measured.unit), asked.get("value")
        way = measured.way(unit)
        if way is None:
            raise InvalidInput("This metric is not measured in that unit.", field="unit", code="unknown_unit")
        found = reviewing.judge(
            metric=measured,
            value=None if value is None else way.to_stored(value),
            condition=asked["condition"],
            by=request.user,
            at=now(),
            purpose=own_purpose(request),
        )
        told: dict[str, Any] = {
            **vars(found),
            "value": measurements.shown(measured.stream, found.value, unit=unit),
            "unit": unit,
            "band": found.band.name,
            "status": found.band.status,
            "explanation": _explained(found.band.status),
        }
        return Response(VerdictItem(told).data)


class MetricAnomalies(Endpoint):
    access = recent_mfa

    @extend_schema(operation_id="list_anomalies", parameters=[*RANGE, PURPOSE], responses=Anomalies)
    def get(self, request: Request, metric: str) -> Response:
        """What is odd about your readings, by which rule, with its inputs. Each look is written down."""
        stream = _metric(metric).stream
        wanted = MetricRange(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        since, until = wanted.validated_data["from"], wanted.validated_data["to"]
        if not timedelta() < until - since <= rules.ANOMALIES_WITHIN:
            raise InvalidInput("At most 31 days at once.", field="to", code="range_too_long")
        zone = ZoneInfo(request.user.time_zone)
        count, found = anomalies.anomalies_of(
            stream=stream,
            since=since,
            until=until,
            zone=zone,
            by=request.user,
            at=now(),
            purpose=own_purpose(request),
        )
        return Response(Anomalies({"readings": count, "items": found}).data)


urlpatterns = [
    path("norms", NormsInForce.as_view()),
    path("metrics/<str:metric>/verdict", MetricVerdict.as_view()),
    path("metrics/<str:metric>/anomalies", MetricAnomalies.as_view()),
]
