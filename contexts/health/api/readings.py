"""What devices send: readings, in two forms, and what they are."""

import msgspec
from django.urls import path
from django.utils.timezone import now
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.health import catalogue, rules
from contexts.health.doubts import Doubt
from contexts.health.intake.ingesting import COLUMNS, DECODERS, JSON, record_readings
from contexts.health.worn import describing
from contexts.health.worn.signatures import DeviceSignature
from contexts.health.worn.signatures import device as connected_device
from kernel.http import Endpoint, decode_json

METRIC_NAMES = list(catalogue.BY_NAME)


class NewReading(serializers.Serializer):
    stream = serializers.ChoiceField(choices=METRIC_NAMES)
    time = serializers.DateTimeField(help_text="RFC 3339 with its offset from UTC, to the microsecond.")
    sequence = serializers.IntegerField(min_value=0, max_value=2**31 - 1)
    value = serializers.FloatField(min_value=catalogue.SAID[0], max_value=catalogue.SAID[1])


class Places(serializers.ListField):
    """Of readings in their request."""

    child = serializers.IntegerField(min_value=0, max_value=rules.MAX_COLUMNS - 1)


ABOUT_DOUBTS = (
    "What the device says against its own readings, by their places (in columns, of their stream): these are stored"
    f" and stay in quarantine. Of {', '.join(Doubt.__members__)}; any other word counts as `other`."
)


class ReadingBatch(serializers.Serializer):
    readings = serializers.ListField(child=NewReading(), min_length=1, max_length=rules.MAX_BATCH)
    units = serializers.DictField(
        child=serializers.CharField(),
        required=False,
        help_text="By stream, the UCUM unit of its values where it is not the stored one.",
    )
    doubts = serializers.DictField(child=Places(), required=False, help_text=ABOUT_DOUBTS)


class ColumnStream(serializers.Serializer):
    stream = serializers.ChoiceField(choices=METRIC_NAMES)
    unit = serializers.CharField(required=False, allow_null=True, help_text="UCUM; where it is not the stored one.")
    base = serializers.DateTimeField(help_text="RFC 3339 with its offset from UTC, to the microsecond.")
    steps_us = serializers.ListField(
        child=serializers.IntegerField(min_value=-rules.LONGEST_STEP_US, max_value=rules.LONGEST_STEP_US),
        min_length=1,
        max_length=rules.MAX_COLUMNS,
        help_text="Microseconds: of the first reading after `base`, of each other one after the one before it.",
    )
    sequences = serializers.ListField(
        child=serializers.IntegerField(min_value=0, max_value=2**31 - 1),
        required=False,
        allow_null=True,
        help_text="All 0 where there are none.",
    )
    values = serializers.ListField(
        child=serializers.FloatField(min_value=catalogue.SAID[0], max_value=catalogue.SAID[1])
    )
    doubts = serializers.DictField(child=Places(), required=False, allow_null=True, help_text=ABOUT_DOUBTS)


class RejectedReading(serializers.Serializer):
    index = serializers.IntegerField(help_text="Its place in the request, counted through all streams.")
    code = serializers.CharField()


class ReadingReceipt(serializers.Serializer):
    accepted = serializers.IntegerField()
    duplicates = serializers.IntegerField()
    rejected = RejectedReading(many=True)


class DeviceInformation(serializers.Serializer):
    maker = serializers.CharField(max_length=64, required=False, allow_blank=True)
    model = serializers.CharField(max_length=64, required=False, allow_blank=True)
    serial = serializers.CharField(max_length=64, required=False, allow_blank=True)
    hardware = serializers.CharField(max_length=64, required=False, allow_blank=True)
    firmware = serializers.CharField(max_length=64, required=False, allow_blank=True)
    software = serializers.CharField(max_length=64, required=False, allow_blank=True)


class SyncMarker(serializers.Serializer):
    sync_from = serializers.DateTimeField(help_text="Nothing from before is taken.")
    last_readings = serializers.DictField(
        child=serializers.DateTimeField(), help_text="By stream, the latest reading that is here already."
    )
    calibration_due_at = serializers.DateTimeField(allow_null=True)


class Readings(Endpoint):
    access = connected_device
    credentials = "deviceSignature"
    authentication_classes = [DeviceSignature]

    @extend_schema(
        operation_id="record_readings",
        request={JSON: ReadingBatch, COLUMNS: ColumnStream(many=True)},
        responses=ReadingReceipt,
        parameters=[
            OpenApiParameter(
                "Content-Encoding", str, OpenApiParameter.HEADER, description="gzip, or zstd where it is understood."
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """Take in a signed batch. What was sent before counts as a duplicate; one bad reading spoils no other."""
        form = (request.content_type or JSON).partition(";")[0].strip().lower()
        if form not in DECODERS:
            raise UnsupportedMediaType(request.content_type)
        receipt = record_readings(
            body=request.auth,
            by=request.user.device,
            at=now(),
            form=form,
            encoding=request.headers.get("Content-Encoding", ""),
        )
        return Response(msgspec.json.encode(receipt))


class OwnInformation(Endpoint):
    access = connected_device
    credentials = "deviceSignature"
    authentication_classes = [DeviceSignature]

    @extend_schema(operation_id="tell_device_information", request=DeviceInformation, responses=SyncMarker)
    def post(self, request: Request) -> Response:
        """A device says what it is, and learns from where on to synchronise and whether to be calibrated."""
        told = DeviceInformation(data=decode_json(request.auth))
        told.is_valid(raise_exception=True)
        marker = describing.note_information(device_id=request.user.device.device_id, told=told.validated_data)
        return Response(SyncMarker(marker).data)


urlpatterns = [
    path("readings", Readings.as_view()),
    path("device-information", OwnInformation.as_view()),
]
