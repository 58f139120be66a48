"""What a member's app reads from HealthKit or Health Connect. No answer holds what was measured."""

from collections.abc import Sequence
from typing import Any

from django.urls import path
from django.utils.timezone import now
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.health import rules
from contexts.health.imports import phones
from contexts.health.intake.inflating import inflated
from contexts.health.looking import entering
from contexts.health.rules import Origin
from kernel.access import RateLimit, member
from kernel.http import Endpoint, JsonParser, decode_json, read_body, validated

ENCODED = OpenApiParameter(
    "Content-Encoding", str, OpenApiParameter.HEADER, description="gzip, or zstd where it is understood."
)


class DeletedObject(serializers.Serializer):
    uuid = serializers.CharField(max_length=64)


class HealthKitBatch(serializers.Serializer):
    samples = serializers.ListField(
        child=serializers.JSONField(),
        max_length=rules.MAX_PHONE_SAMPLES,
        default=list,
        help_text=(
            "Each with `uuid`, `type` (HealthKit's identifier), `startDate`, `endDate`, `value` and `unit` as"
            " HealthKit writes it; a correlation with `objects`. Percentages are fractions."
        ),
    )
    deletedObjects = serializers.ListField(  # noqa: N815  (HealthKit's name)
        child=DeletedObject(), max_length=rules.MAX_PHONE_SAMPLES, default=list
    )


class HealthConnectBatch(serializers.Serializer):
    records = serializers.ListField(
        child=serializers.JSONField(),
        max_length=rules.MAX_PHONE_SAMPLES,
        default=list,
        help_text=(
            "Each with `recordType`, `metadata.id`, `metadata.lastModifiedTime`, `time` or `startTime` and `endTime`,"
            " and its fields by the names of `androidx.health.connect.client.records`."
        ),
    )
    deletedRecordIds = serializers.ListField(  # noqa: N815  (written as the names beside it)
        child=serializers.CharField(max_length=64), max_length=rules.MAX_PHONE_SAMPLES, default=list
    )


class RejectedSample(serializers.Serializer):
    index = serializers.IntegerField(help_text="Its place in the request.")
    code = serializers.CharField()


class PhoneReceipt(serializers.Serializer):
    accepted = serializers.IntegerField(help_text="New samples.")
    replaced = serializers.IntegerField(help_text="Later versions of samples that were here.")
    duplicates = serializers.IntegerField()
    withdrawn = serializers.IntegerField(help_text="Samples that were taken back because the phone has deleted them.")
    rejected = RejectedSample(many=True)
    unknown = serializers.DictField(
        child=serializers.IntegerField(), help_text="Samples of types that are not measured here, by type."
    )
    fates = serializers.ListField(
        child=serializers.ChoiceField(choices=list(phones.FATES)), help_text="Of each sample, in the request's order."
    )


class PhoneParser(JsonParser):
    """JSON, perhaps compressed, within the bounds of a device's readings."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """Unpack within a bound, then decode."""
        body = read_body(stream, limit=rules.MAX_BODY_BYTES)
        encoding = (parser_context or {})["request"].headers.get("Content-Encoding", "")
        return decode_json(inflated(body, encoding=encoding))


def _take(request: Request, origin: Origin, samples: Sequence[Any], deleted: Sequence[str]) -> Response:
    entering.ensure_consent(request.user.user_id)
    found = phones.take_samples(
        user_id=request.user.user_id, origin=origin, samples=samples, deleted=deleted, at=now()
    )
    counts = phones.counts_of(found)
    receipt = {
        "accepted": counts[phones.ACCEPTED],
        "replaced": counts[phones.REPLACED],
        "duplicates": counts[phones.DUPLICATE],
        "withdrawn": found.withdrawn,
        "rejected": [{"index": index, "code": code} for index, code in sorted(found.codes.items())],
        "unknown": dict(found.unknown),
        "fates": found.fates,
    }
    return Response(receipt)


class HealthKitSamples(Endpoint):
    access = member
    limit = RateLimit("3600/h", by="user")
    parser_classes = [PhoneParser]

    @extend_schema(
        operation_id="send_healthkit_samples", request=HealthKitBatch, responses=PhoneReceipt, parameters=[ENCODED]
    )
    def post(self, request: Request) -> Response:
        """Hand in what an anchored query of HealthKit found: samples, and objects that were deleted.

        A sample is known by its uuid: sent again it is a duplicate, deleted it is taken back and does not return.
        """
        told = validated(HealthKitBatch, request)
        deleted = [each["uuid"] for each in told["deletedObjects"]]
        return _take(request, Origin.APPLE_HEALTH, told["samples"], deleted)


class HealthConnectRecords(Endpoint):
    access = member
    limit = RateLimit("3600/h", by="user")
    parser_classes = [PhoneParser]

    @extend_schema(
        operation_id="send_health_connect_records",
        request=HealthConnectBatch,
        responses=PhoneReceipt,
        parameters=[ENCODED],
    )
    def post(self, request: Request) -> Response:
        """Hand in what Health Connect's changes say: records that are new or changed, and ids that were deleted."""
        told = validated(HealthConnectBatch, request)
        return _take(request, Origin.HEALTH_CONNECT, told["records"], told["deletedRecordIds"])


urlpatterns = [
    path("phone/healthkit", HealthKitSamples.as_view()),
    path("phone/health-connect", HealthConnectRecords.as_view()),
]
