"""Connecting a device by a short code, and changing its secret."""

from typing import Any

from django.urls import path
from django.utils.timezone import now
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.health.api.devices import ConnectedDevice
from contexts.health.rules import DeviceKind
from contexts.health.worn import devices, enrolling
from contexts.health.worn.signatures import DeviceSignature
from contexts.health.worn.signatures import device as connected_device
from kernel.access import RateLimit, anyone, recent_mfa
from kernel.http import Endpoint, validated


class BeginEnrolment(serializers.Serializer):
    name = serializers.CharField(max_length=80, required=False, default="", help_text="Else what it calls itself.")
    kind = serializers.ChoiceField(
        choices=list(DeviceKind), required=False, default="", help_text="Else what it says it is."
    )


class EnrolmentCode(serializers.Serializer):
    code = serializers.CharField(help_text="Eight letters and digits; shown this once.")
    expires_at = serializers.DateTimeField()


class RedeemCode(serializers.Serializer):
    code = serializers.CharField(max_length=20, help_text="Small letters, blanks and hyphens are fine.")
    name = serializers.CharField(max_length=80)
    kind = serializers.ChoiceField(choices=list(DeviceKind))


class NewSecret(serializers.Serializer):
    secret = serializers.CharField(help_text="Base64url; shown this once. Use it within ten minutes.")


class Rotation(Endpoint):
    access = connected_device
    credentials = "deviceSignature"
    authentication_classes = [DeviceSignature]
    limit = {"POST": RateLimit("30/h")}

    @extend_schema(operation_id="rotate_device_secret", request=None, responses=NewSecret)
    def post(self, request: Request, device_id: Any) -> Response:
        """A new secret, asked for with the old one. Both are good until the new one is used; unused, it lapses."""
        secret = devices.rotate_secret(device_id=device_id, by=request.user.device.device_id, at=now())
        return Response({"secret": secret})


class Enrolments(Endpoint):
    access = recent_mfa
    limit = {"POST": RateLimit("30/h")}

    # Not idempotent by key: the answer would have to be kept, and with it the code.
    @extend_schema(operation_id="begin_enrolment", request=BeginEnrolment, responses={201: EnrolmentCode})
    def post(self, request: Request) -> Response:
        """A code that connects one device for you, within ten minutes. The one before is of no use any more."""
        made = enrolling.begin_enrolment(**validated(BeginEnrolment, request), by=request.user.user_id, at=now())
        return Response({"code": made.code, "expires_at": made.expires_at}, status=201)


class Redemption(Endpoint):
    access = anyone
    limit = {"POST": RateLimit("10/h", by="address")}

    @extend_schema(operation_id="redeem_enrolment", request=RedeemCode, responses={201: ConnectedDevice})
    def post(self, request: Request) -> Response:
        """Connect this device with the code its owner was shown. Its secret is in this answer and nowhere else."""
        made, secret = enrolling.redeem(**validated(RedeemCode, request), at=now())
        return Response({"device_id": made.device_id, "secret": secret}, status=201)


urlpatterns = [
    path("devices/<uuid:device_id>/rotate", Rotation.as_view()),
    path("enrolments", Enrolments.as_view()),
    path("enrolments/redeem", Redemption.as_view()),
]
