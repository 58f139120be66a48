"""A person's devices: connected, described, lost and found, handed on, let go."""

from datetime import datetime
from typing import Any

from django.urls import path
from django.utils.timezone import now
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.health.api.readings import DeviceInformation, SyncMarker
from contexts.health.models import Device, Status
from contexts.health.rules import DeviceKind
from contexts.health.worn import describing, devices, handing_on
from kernel.access import RateLimit, member
from kernel.http import PAGE_PARAMETERS, Endpoint, page, page_of, validated


class ConnectDevice(serializers.Serializer):
    name = serializers.CharField(max_length=80)
    kind = serializers.ChoiceField(choices=list(DeviceKind))


class ConnectedDevice(serializers.Serializer):
    device_id = serializers.UUIDField()
    secret = serializers.CharField(help_text="Base64url; shown this once. The device signs with it.")


class ChangeDevice(DeviceInformation):
    name = serializers.CharField(max_length=80, required=False)
    lost = serializers.BooleanField(required=False, help_text="A lost device sends nothing until it is found.")


class DeviceItem(serializers.Serializer):
    device_id = serializers.UUIDField()
    name = serializers.CharField()
    kind = serializers.CharField()
    status = serializers.ChoiceField(choices=Status.choices)
    connected_at = serializers.DateTimeField()
    revoked_at = serializers.DateTimeField(allow_null=True)
    suspended_at = serializers.DateTimeField(allow_null=True, help_text="Since when consent is withdrawn.")


class DeviceDetail(DeviceItem):
    lost_at = serializers.DateTimeField(allow_null=True)
    received_at = serializers.DateTimeField(allow_null=True, help_text="When it was taken over from another owner.")
    maker = serializers.CharField()
    model = serializers.CharField()
    serial = serializers.CharField()
    hardware = serializers.CharField()
    firmware = serializers.CharField()
    software = serializers.CharField()
    last_seen_at = serializers.DateTimeField(allow_null=True, help_text="When it last sent anything new.")
    battery = serializers.FloatField(allow_null=True, help_text="Per cent.")
    battery_at = serializers.DateTimeField(allow_null=True)
    synchronisation = SyncMarker()


class Handover(serializers.Serializer):
    code = serializers.CharField(help_text="For the next owner; shown this once.")
    good_until = serializers.DateTimeField()


class TakeOver(serializers.Serializer):
    code = serializers.CharField(max_length=64)
    name = serializers.CharField(max_length=80)


def detail_of(device: Device) -> dict[str, Any]:
    """Everything its owner may know of a device."""
    fields = {name: getattr(device, name) for name in DeviceDetail().fields if hasattr(device, name)}
    signs = describing.signs_of(device)
    shown = DeviceDetail(fields | vars(signs) | {"synchronisation": describing.marker_of(device)})
    return dict(shown.data)


class Devices(Endpoint):
    access = member
    limit = {"POST": RateLimit("30/h")}

    @extend_schema(operation_id="list_devices", parameters=PAGE_PARAMETERS, responses=page_of(DeviceItem))
    def get(self, request: Request) -> Response:
        """Your devices, the newest first."""
        own = devices.worn(request.user.user_id)
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

    @extend_schema(operation_id="show_device", responses=DeviceDetail)
    def get(self, request: Request, device_id: Any) -> Response:
        """What is known of a device: what it is, when it was last heard, what it should send next."""
        return Response(detail_of(devices.own_device(device_id=device_id, by=request.user.user_id)))

    @extend_schema(operation_id="change_device", request=ChangeDevice, responses=DeviceDetail)
    def patch(self, request: Request, device_id: Any) -> Response:
        """Rename a device, say what it is, or that it is lost or found again."""
        changes = validated(ChangeDevice, request, partial=True)
        changed = describing.change_device(device_id=device_id, by=request.user.user_id, changes=changes, at=now())
        return Response(detail_of(changed))

    @extend_schema(operation_id="revoke_device", request=None, responses={204: None})
    def delete(self, request: Request, device_id: Any) -> Response:
        """Let a device go: within five seconds it can send nothing more. What it has sent stays yours."""
        devices.revoke_device(device_id=device_id, by=request.user.user_id, at=now())
        return Response(status=204)


class Handovers(Endpoint):
    access = member
    limit = RateLimit("30/h")

    # Not idempotent by key: the answer would have to be kept, and with it the code.
    @extend_schema(operation_id="hand_on_device", request=None, responses={201: Handover})
    def post(self, request: Request, device_id: Any) -> Response:
        """A code for its next owner. Until it is used the device stays yours, and and its past for good."""
        code, until = handing_on.offer(device_id=device_id, by=request.user.user_id, at=now())
        return Response(Handover({"code": code, "good_until": until}).data, status=201)


class Takeovers(Endpoint):
    access = member
    limit = RateLimit("30/h")

    # Not idempotent by key: the answer would have to be kept, and with it the secret.
    @extend_schema(operation_id="take_over_device", request=TakeOver, responses={201: ConnectedDevice})
    def post(self, request: Request) -> Response:
        """Take a device over from its owner. What it measures from now on is yours, and nothing from before."""
        wanted = validated(TakeOver, request)
        at: datetime = now()
        made, secret = handing_on.take_over(**wanted, by=request.user.user_id, at=at)
        return Response({"device_id": made.device_id, "secret": secret}, status=201)


urlpatterns = [
    path("devices", Devices.as_view()),
    path("devices/taken-over", Takeovers.as_view()),
    path("devices/<uuid:device_id>", OneDevice.as_view()),
    path("devices/<uuid:device_id>/handover", Handovers.as_view()),
]
