"""Health over HTTP: a person's devices, the readings these send, and the heart rate a person looks at."""

from typing import Any

import msgspec
from django.urls import path
from django.utils.timezone import now
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.health import devices, measurements, rules
from contexts.health.ingesting import record_readings
from contexts.health.models import Device
from contexts.health.signatures import DeviceSignature
from contexts.health.signatures import device as connected_device
from kernel.access import RateLimit, member, recent_mfa
from kernel.http import PAGE_PARAMETERS, Endpoint, page, page_of, validated


class ConnectDevice(serializers.Serializer):
    name = serializers.CharField(max_length=80)
    kind = serializers.RegexField(r"^[a-z][a-z0-9_-]{0,31}\Z", help_text="For example heart_rate_strap, watch.")


class ConnectedDevice(serializers.Serializer):
    device_id = serializers.UUIDField()
    secret = serializers.CharField(help_text="Base64url; shown this once. The device signs with it.")


class DeviceItem(serializers.Serializer):
    device_id = serializers.UUIDField()
    name = serializers.CharField()
    kind = serializers.CharField()
    connected_at = serializers.DateTimeField()
    revoked_at = serializers.DateTimeField(allow_null=True)
    suspended_at = serializers.DateTimeField(allow_null=True, help_text="Since when consent is withdrawn.")


class NewReading(serializers.Serializer):
    stream = serializers.ChoiceField(choices=[stream.name for stream in rules.Stream])
    time = serializers.DateTimeField(help_text="RFC 3339 with its offset from UTC, to the microsecond.")
    sequence = serializers.IntegerField(min_value=0, max_value=2**31 - 1)
    value = serializers.FloatField(min_value=rules.POSSIBLE[0], max_value=rules.POSSIBLE[1])


class ReadingBatch(serializers.Serializer):
    readings = serializers.ListField(child=NewReading(), min_length=1, max_length=rules.MAX_BATCH)


class RejectedReading(serializers.Serializer):
    index = serializers.IntegerField()
    code = serializers.CharField()


class ReadingReceipt(serializers.Serializer):
    accepted = serializers.IntegerField()
    duplicates = serializers.IntegerField()
    rejected = RejectedReading(many=True)


class MetricRange(serializers.Serializer):
    bucket = serializers.ChoiceField(choices=list(rules.BUCKETS), default="1m")

    def get_fields(self) -> dict[str, Any]:
        """`from` is a word of Python's, so these two are named here."""
        bounds = {name: serializers.DateTimeField() for name in ("from", "to")}
        return {**bounds, **super().get_fields()}


class MetricPoint(serializers.Serializer):
    time = serializers.DateTimeField(help_text="When the bucket begins.")
    avg = serializers.FloatField()
    min = serializers.FloatField()
    max = serializers.FloatField()
    count = serializers.IntegerField()


class HeartRate(serializers.Serializer):
    bucket = serializers.CharField()
    points = MetricPoint(many=True)


class Devices(Endpoint):
    access = member
    limit = {"POST": RateLimit("30/h")}

    @extend_schema(operation_id="list_devices", parameters=PAGE_PARAMETERS, responses=page_of(DeviceItem))
    def get(self, request: Request) -> Response:
        """Your devices, the newest first."""
        own = Device.objects.filter(user_id=request.user.user_id)
        return Response(
            page(request, own, order=("-connected_at", "-device_id"), to_item=lambda row: DeviceItem(row).data)
        )

    # Not idempotent by key: the answer would have to be kept, and with it the secret.
    @extend_schema(operation_id="connect_device", request=ConnectDevice, responses={201: ConnectedDevice})
    def post(self, request: Request) -> Response:
        """Connect a device. Its secret is in this answer and nowhere else."""
        wanted = validated(ConnectDevice, request)
        made, secret = devices.connect_device(**wanted, by=request.user.user_id, at=now())
        return Response({"device_id": made.device_id, "secret": secret}, status=201)


class OneDevice(Endpoint):
    access = member

    @extend_schema(operation_id="revoke_device", request=None, responses={204: None})
    def delete(self, request: Request, device_id: Any) -> Response:
        """Let a device go: within five seconds it can send nothing more. What it has sent stays yours."""
        devices.revoke_device(device_id=device_id, by=request.user.user_id, at=now())
        return Response(status=204)


class Readings(Endpoint):
    access = connected_device
    credentials = "deviceSignature"
    authentication_classes = [DeviceSignature]

    @extend_schema(operation_id="record_readings", request=ReadingBatch, responses=ReadingReceipt)
    def post(self, request: Request) -> Response:
        """Take in a signed batch. What was sent before counts as a duplicate; one bad reading spoils no other."""
        if request.content_type and not request.content_type.startswith("application/json"):
            raise UnsupportedMediaType(request.content_type)
        receipt = record_readings(body=request.auth, by=request.user.device, at=now())
        return Response(msgspec.json.encode(receipt))


class HeartRateMetric(Endpoint):
    access = recent_mfa

    @extend_schema(
        operation_id="read_heart_rate",
        parameters=[
            OpenApiParameter("from", {"type": "string", "format": "date-time"}, required=True),
            OpenApiParameter("to", {"type": "string", "format": "date-time"}, required=True),
            OpenApiParameter("bucket", str, enum=list(rules.BUCKETS), default="1m"),
        ],
        responses=HeartRate,
    )
    def get(self, request: Request) -> Response:
        """Your heart rate, averaged over buckets. Each look is written down."""
        wanted = MetricRange(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        points = measurements.heart_rate_of(
            user_id=request.user.user_id,
            since=wanted.validated_data["from"],
            until=wanted.validated_data["to"],
            bucket=wanted.validated_data["bucket"],
            by=request.user,
            at=now(),
        )
        return Response({"bucket": wanted.validated_data["bucket"], "points": points})


urlpatterns = [
    path("devices", Devices.as_view()),
    path("devices/<uuid:device_id>", OneDevice.as_view()),
    path("readings", Readings.as_view()),
    path("metrics/heart_rate", HeartRateMetric.as_view()),
]
