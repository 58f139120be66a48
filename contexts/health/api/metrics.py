"""What can be measured, and what was: the catalogue, readings one by one, and the heart rate over time."""

from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from django.urls import path
from django.utils.dateparse import parse_datetime
from django.utils.timezone import now
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.health import rules
from contexts.health.api.purposes import PURPOSE, own_purpose
from contexts.health.catalogue import BY_NAME, METRICS, Aggregation, Kind, Metric
from contexts.health.looking import measurements
from contexts.health.looking.merging import BY_TIME, After
from contexts.health.models import Device, Reading
from contexts.health.rules import Stream
from kernel.access import anyone, recent_mfa
from kernel.conditional import unless_known
from kernel.errors import NotFound
from kernel.http import (
    PAGE_PARAMETERS,
    Endpoint,
    bad_cursor,
    decode_cursor,
    encode_cursor,
    encode_json,
    page_size,
)

RANGE = [
    OpenApiParameter("from", {"type": "string", "format": "date-time"}, required=True),
    OpenApiParameter("to", {"type": "string", "format": "date-time"}, required=True),
]


class MetricRange(serializers.Serializer):
    def get_fields(self) -> dict[str, Any]:
        """`from` is a word of Python's, so these two are named here."""
        bounds = {name: serializers.DateTimeField() for name in ("from", "to")}
        return {**bounds, **super().get_fields()}


class BucketedRange(MetricRange):
    bucket = serializers.ChoiceField(choices=list(rules.BUCKETS), default="1m")


class MetricPoint(serializers.Serializer):
    time = serializers.DateTimeField(help_text="When the bucket begins.")
    avg = serializers.FloatField()
    min = serializers.FloatField()
    max = serializers.FloatField()
    count = serializers.IntegerField()


class HeartRate(serializers.Serializer):
    bucket = serializers.CharField()
    points = MetricPoint(many=True)


class Between(serializers.Serializer):
    low = serializers.FloatField()
    high = serializers.FloatField()


class MetricItem(serializers.Serializer):
    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=list(Kind))
    unit = serializers.CharField(help_text="UCUM. Values are stored in it, and told in it where no unit is named.")
    units = serializers.ListField(child=serializers.CharField(), help_text="UCUM. All that are accepted.")
    loinc = serializers.CharField(allow_null=True)
    plausible = Between(help_text="Outside of it a reading is kept in quarantine.")
    resolution = serializers.FloatField()
    aggregation = serializers.ChoiceField(choices=list(Aggregation))


class MetricCatalogue(serializers.Serializer):
    items = MetricItem(many=True)


class ReadingItem(serializers.Serializer):
    time = serializers.DateTimeField()
    sequence = serializers.IntegerField()
    value = serializers.FloatField()
    device_id = serializers.UUIDField()
    calibration = serializers.IntegerField(
        allow_null=True, help_text="The version of the device's calibration by which the value is read."
    )


class ReadingPage(serializers.Serializer):
    unit = serializers.CharField()
    items = ReadingItem(many=True)
    next = serializers.CharField(allow_null=True)


@cache
def catalogue_document() -> bytes:
    """The catalogue as it is answered."""
    return encode_json({"items": [_item(metric) for metric in METRICS.values()]})


def _item(metric: Metric) -> dict[str, Any]:
    low, high = metric.plausible
    return {
        "name": metric.name,
        "kind": metric.kind,
        "unit": metric.unit,
        "units": list(metric.units.ways),
        "loinc": metric.loinc,
        "plausible": {"low": low, "high": high},
        "resolution": metric.resolution,
        "aggregation": metric.aggregation,
    }


class Catalogue(Endpoint):
    access = anyone

    @extend_schema(operation_id="list_metrics", responses=MetricCatalogue)
    def get(self, request: Request) -> Any:
        """Everything that can be measured, with its units, codes and ranges."""
        return unless_known(
            request, catalogue_document(), content_type="application/json", keep="public, max-age=3600"
        )


class MetricReadings(Endpoint):
    access = recent_mfa

    @extend_schema(
        operation_id="read_metric",
        parameters=[
            *RANGE,
            OpenApiParameter("unit", str, description="UCUM; of the catalogue's units for this metric."),
            PURPOSE,
            *PAGE_PARAMETERS,
        ],
        responses=ReadingPage,
    )
    def get(self, request: Request, metric: str) -> Response:
        """Your plausible readings of a metric, oldest first, corrected by calibration. Each look is written down."""
        stream, unit, since, until = asked_readings(request, metric)
        measurements.look_at(
            user_id=request.user.user_id,
            stream=stream,
            since=since,
            until=until,
            by=request.user,
            at=now(),
            purpose=own_purpose(request),
        )
        return Response(
            reading_page(request, of=request.user.user_id, stream=stream, since=since, until=until, unit=unit)
        )


def asked_readings(request: Request, metric: str) -> tuple[Stream, str, datetime, datetime]:
    """Of which metric, in which unit, from when, to before when."""
    if metric not in BY_NAME:
        raise NotFound
    stream, unit = BY_NAME[metric].stream, request.query_params.get("unit") or BY_NAME[metric].unit
    measurements.shown(stream, 0.0, unit=unit)
    wanted = MetricRange(data=request.query_params)
    wanted.is_valid(raise_exception=True)
    return stream, unit, wanted.validated_data["from"], wanted.validated_data["to"]


def reading_page(
    request: Request, *, of: UUID, stream: Stream, since: datetime, until: datetime, unit: str
) -> dict[str, Any]:
    """A page of readings, the look at which is written down."""
    size, after = page_size(request), _after(request.query_params.get("cursor"))
    rows = measurements.readings_of(user_id=of, stream=stream, since=since, until=until, after=after, limit=size + 1)
    shown = rows[:size]
    numbers = {row.device_number for row in shown}
    device_ids = dict(Device.objects.filter(number__in=numbers).values_list("number", "device_id"))
    items = [
        {
            "time": one.time,
            "sequence": one.sequence,
            "value": measurements.shown(stream, one.value, unit=unit),
            "device_id": device_ids[one.device_number],
            "calibration": one.calibration,
        }
        for one in measurements.as_measured(shown, numbers, [stream])
    ]
    return {"unit": unit, "items": items, "next": _cursor(shown) if len(rows) > size else None}


def _after(cursor: str | None) -> After | None:
    """The last reading of the page before."""
    if not cursor:
        return None
    time, sequence, device = decode_cursor(cursor, length=3)
    try:
        known = parse_datetime(time)
    except (ValueError, TypeError):
        raise bad_cursor() from None
    if known is None or known.tzinfo is None or type(sequence) is not int or type(device) is not int:
        raise bad_cursor()
    return known, sequence, device


def _cursor(shown: list[Reading]) -> str:
    return encode_cursor([getattr(shown[-1], name) for name in BY_TIME])


class HeartRateMetric(Endpoint):
    access = recent_mfa

    @extend_schema(
        operation_id="read_heart_rate",
        parameters=[*RANGE, OpenApiParameter("bucket", str, enum=list(rules.BUCKETS), default="1m"), PURPOSE],
        responses=HeartRate,
    )
    def get(self, request: Request) -> Response:
        """Your heart rate, averaged over buckets. Each look is written down."""
        wanted = BucketedRange(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        points = measurements.heart_rate_of(
            user_id=request.user.user_id,
            since=wanted.validated_data["from"],
            until=wanted.validated_data["to"],
            bucket=wanted.validated_data["bucket"],
            by=request.user,
            at=now(),
            purpose=own_purpose(request),
        )
        return Response({"bucket": wanted.validated_data["bucket"], "points": points})


urlpatterns = [
    path("metrics", Catalogue.as_view()),
    path("metrics/heart_rate", HeartRateMetric.as_view()),
    path("metrics/<str:metric>/readings", MetricReadings.as_view()),
]
