"""A device's papers: what it is certified for, and how it was calibrated."""

from itertools import pairwise
from typing import Any

from django.urls import path
from django.utils.timezone import now
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.health import catalogue, rules
from contexts.health.api.readings import METRIC_NAMES
from contexts.health.rules import Stream
from contexts.health.worn import calibrating, describing
from contexts.health.worn.devices import own_device
from kernel.access import member
from kernel.http import Endpoint, validated

LEAST, MOST = catalogue.POSSIBLE


class NewCertification(serializers.Serializer):
    standard = serializers.CharField(max_length=64, help_text="For example ISO 81060-2.")
    number = serializers.CharField(max_length=64)
    issued_by = serializers.CharField(max_length=80, required=False, allow_blank=True, default="")
    valid_from = serializers.DateField()
    valid_until = serializers.DateField(required=False, allow_null=True, default=None)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """A certification ends on the day it begins, or later."""
        if attrs["valid_until"] is not None and attrs["valid_until"] < attrs["valid_from"]:
            raise serializers.ValidationError({"valid_until": _("It ends before it begins.")})
        return attrs


class CertificationItem(serializers.Serializer):
    certification_id = serializers.UUIDField()
    standard = serializers.CharField()
    number = serializers.CharField()
    issued_by = serializers.CharField()
    valid_from = serializers.DateField()
    valid_until = serializers.DateField(allow_null=True)
    is_valid = serializers.SerializerMethodField(help_text="Whether it is valid today, by UTC.")

    def get_is_valid(self, row: Any) -> bool:
        """By the days written on it."""
        today = now().date()
        return bool(row.valid_from <= today and (row.valid_until is None or today <= row.valid_until))


class Certifications(serializers.Serializer):
    items = CertificationItem(many=True)


class CurvePoint(serializers.Serializer):
    measured = serializers.FloatField(min_value=LEAST, max_value=MOST)
    true = serializers.FloatField(min_value=LEAST, max_value=MOST)


class NewCalibration(serializers.Serializer):
    stream = serializers.ChoiceField(choices=METRIC_NAMES)
    points = serializers.ListField(
        child=CurvePoint(),
        min_length=1,
        max_length=rules.MAX_CURVE_POINTS,
        help_text="In the stored unit, by rising measured value. Between two points the correction changes evenly.",
    )
    valid_from = serializers.DateTimeField()

    def validate_points(self, points: list[dict[str, float]]) -> list[tuple[float, float]]:
        """A curve has one true value for each measured one."""
        if any(high["measured"] <= low["measured"] for low, high in pairwise(points)):
            raise serializers.ValidationError(_("The measured values have to rise."))
        return [(point["measured"], point["true"]) for point in points]


class CalibrationItem(serializers.Serializer):
    stream = serializers.SerializerMethodField()
    version = serializers.IntegerField()
    points = serializers.SerializerMethodField()
    valid_from = serializers.DateTimeField()
    added_at = serializers.DateTimeField()

    def get_stream(self, row: Any) -> str:
        """Its name."""
        return Stream(row.stream).name

    @extend_schema(responses=CurvePoint(many=True))
    def get_points(self, row: Any) -> list[dict[str, float]]:
        """As they were given."""
        return [{"measured": measured, "true": true} for measured, true in row.points]


class Calibrations(serializers.Serializer):
    items = CalibrationItem(many=True)


class DeviceCertifications(Endpoint):
    access = member

    @extend_schema(operation_id="list_certifications", responses=Certifications)
    def get(self, request: Request, device_id: Any) -> Response:
        """What a device is certified for."""
        device = own_device(device_id=device_id, by=request.user.user_id)
        return Response(Certifications({"items": describing.certifications_of(device)}).data)

    @extend_schema(operation_id="add_certification", request=NewCertification, responses={201: CertificationItem})
    def post(self, request: Request, device_id: Any) -> Response:
        """Write down what a device is certified for."""
        wanted = validated(NewCertification, request)
        made = describing.add_certification(device_id=device_id, by=request.user.user_id, **wanted, at=now())
        return Response(CertificationItem(made).data, status=201)


class OneCertification(Endpoint):
    access = member

    @extend_schema(operation_id="remove_certification", request=None, responses={204: None})
    def delete(self, request: Request, device_id: Any, certification_id: Any) -> Response:
        """Take back what was written down in error."""
        describing.remove_certification(
            device_id=device_id, certification_id=certification_id, by=request.user.user_id
        )
        return Response(status=204)


class DeviceCalibrations(Endpoint):
    access = member

    @extend_schema(operation_id="list_calibrations", responses=Calibrations)
    def get(self, request: Request, device_id: Any) -> Response:
        """A device's calibrations, the newest first. None is ever rewritten."""
        device = own_device(device_id=device_id, by=request.user.user_id)
        return Response(Calibrations({"items": describing.calibrations_of(device)}).data)

    @extend_schema(operation_id="calibrate_device", request=NewCalibration, responses={201: CalibrationItem})
    def post(self, request: Request, device_id: Any) -> Response:
        """Add a calibration: what was measured since `valid_from` is read by it. What was measured stays stored."""
        wanted = validated(NewCalibration, request)
        made = calibrating.calibrate(
            device_id=device_id,
            by=request.user.user_id,
            stream=Stream[wanted["stream"]],
            points=wanted["points"],
            valid_from=wanted["valid_from"],
            at=now(),
        )
        return Response(CalibrationItem(made).data, status=201)


urlpatterns = [
    path("devices/<uuid:device_id>/certifications", DeviceCertifications.as_view()),
    path("devices/<uuid:device_id>/certifications/<uuid:certification_id>", OneCertification.as_view()),
    path("devices/<uuid:device_id>/calibrations", DeviceCalibrations.as_view()),
]
