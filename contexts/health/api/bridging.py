"""What bridges ask for: devices of their own for what they hear."""

from django.urls import path
from django.utils.timezone import now
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.health.api.devices import ConnectedDevice
from contexts.health.bridging import companions
from contexts.health.rules import DeviceKind
from contexts.health.worn.signatures import DeviceSignature
from contexts.health.worn.signatures import device as connected_device
from kernel.access import RateLimit
from kernel.http import Endpoint, decode_json


class BridgeDevice(serializers.Serializer):
    key = serializers.CharField(max_length=64, help_text="What the bridge knows it by; only a digest of it is kept.")
    name = serializers.CharField(max_length=80)
    kind = serializers.ChoiceField(choices=list(DeviceKind))


class BridgeDevices(Endpoint):
    access = connected_device
    credentials = "deviceSignature"
    authentication_classes = [DeviceSignature]
    limit = {"POST": RateLimit("60/h")}

    # Not idempotent by key: the answer would have to be kept, and with it the secret. Asked again, it gives another.
    @extend_schema(operation_id="connect_bridge_device", request=BridgeDevice, responses={201: ConnectedDevice})
    def post(self, request: Request) -> Response:
        """A device of its own for something this bridge hears. Its secret is in this answer and nowhere else."""
        told = BridgeDevice(data=decode_json(request.auth))
        told.is_valid(raise_exception=True)
        made, secret = companions.connect_companion(bridge=request.user.device, **told.validated_data, at=now())
        return Response({"device_id": made.device_id, "secret": secret}, status=201)


urlpatterns = [path("bridge-devices", BridgeDevices.as_view())]
