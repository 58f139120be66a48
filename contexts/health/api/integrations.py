"""Accounts at vendors: connected, looked at, let go; whose word goes first; and what vendors post."""

from typing import Any

from django.urls import path
from django.utils.timezone import now
from drf_spectacular.utils import OpenApiParameter, OpenApiTypes, extend_schema
from rest_framework import serializers
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.health import rules
from contexts.health.catalogue import Kind
from contexts.health.integrations import connecting, receiving, showing
from contexts.health.integrations.contract import Way
from contexts.health.looking import priorities
from contexts.health.models import Connection
from kernel.access import RateLimit, anyone, member
from kernel.http import Endpoint, Identifier, read_body, validated

MAX_POSTED_BYTES = 1_000_000


class VendorItem(serializers.Serializer):
    vendor = serializers.CharField()
    label = serializers.CharField()
    available = serializers.BooleanField(help_text="Whether this installation has a contract with them.")
    ways = serializers.ListField(child=serializers.ChoiceField(choices=list(Way)))


class VendorList(serializers.Serializer):
    items = VendorItem(many=True)


class ConnectVendor(serializers.Serializer):
    vendor = serializers.CharField(max_length=32)


class BegunConnection(serializers.Serializer):
    authorization_url = serializers.CharField(help_text="Where to send the browser.")
    state = serializers.CharField(help_text="The browser comes back with it, within ten minutes.")


class CompleteConnection(serializers.Serializer):
    state = serializers.CharField(max_length=128)
    code = serializers.CharField(max_length=2_048)


class BackfillProgress(serializers.Serializer):
    since = serializers.DateTimeField()
    portions = serializers.IntegerField()
    done = serializers.IntegerField()


class ConnectionItem(serializers.Serializer):
    connection_id = serializers.UUIDField()
    vendor = serializers.CharField()
    label = serializers.CharField()
    state = serializers.ChoiceField(choices=Connection.State.choices)
    device_id = serializers.UUIDField(help_text="Readings that came this way name it.")
    connected_at = serializers.DateTimeField()
    synced_at = serializers.DateTimeField(allow_null=True, help_text="When readings last came.")
    devices = serializers.ListField(child=serializers.CharField(), help_text="What has measured, as the vendor says.")


class ConnectionDetail(ConnectionItem):
    ways = serializers.ListField(child=serializers.ChoiceField(choices=list(Way)))
    scopes = serializers.ListField(child=serializers.CharField())
    next_pull_at = serializers.DateTimeField(allow_null=True)
    waiting = serializers.IntegerField(help_text="Portions that are to be fetched, the back-fill's among them.")
    next_try_at = serializers.DateTimeField(allow_null=True, help_text="When the first of them is tried.")
    backfill = BackfillProgress()
    rejected = serializers.IntegerField(help_text="Readings that could not be stored.")


class ConnectionList(serializers.Serializer):
    items = ConnectionItem(many=True)


class SourceItem(serializers.Serializer):
    device_id = serializers.UUIDField()
    name = serializers.CharField()
    kind = serializers.CharField()


class SourceOrderForm(serializers.Serializer):
    kind = serializers.ChoiceField(choices=list(Kind))
    device_ids = serializers.ListField(
        child=Identifier(), max_length=rules.MAX_SOURCES_ORDERED, help_text="The first one's word goes first."
    )


class SourceOrders(serializers.Serializer):
    sources = SourceItem(many=True, help_text="In the order that counts where nothing is said.")
    orders = SourceOrderForm(many=True)


class Vendors(Endpoint):
    access = member

    @extend_schema(operation_id="list_vendors", responses=VendorList)
    def get(self, request: Request) -> Response:
        """Vendors whose accounts can be connected, and those that could if this installation had a contract."""
        return Response({"items": showing.vendor_items()})


class Connections(Endpoint):
    access = member
    limit = {"POST": RateLimit("30/h")}

    @extend_schema(operation_id="list_connections", responses=ConnectionList)
    def get(self, request: Request) -> Response:
        """Your accounts at vendors."""
        found = connecting.connections_of(request.user.user_id)
        return Response({"items": [ConnectionItem(showing.item(one)).data for one in found]})

    # Not idempotent by key: the answer would have to be kept, and with it the state.
    @extend_schema(operation_id="connect_vendor", request=ConnectVendor, responses={201: BegunConnection})
    def post(self, request: Request) -> Response:
        """Begin to connect an account: send the browser there; it comes back to `/account/integrations`."""
        url, state = connecting.begin(**validated(ConnectVendor, request), by=request.user.user_id)
        return Response({"authorization_url": url, "state": state}, status=201)


class Completion(Endpoint):
    access = member
    limit = RateLimit("60/h")

    @extend_schema(operation_id="complete_connection", request=CompleteConnection, responses={201: ConnectionDetail})
    def post(self, request: Request) -> Response:
        """The browser is back from the vendor, with a code. Good once, for whoever has begun it."""
        made = connecting.complete(**validated(CompleteConnection, request), by=request.user.user_id, at=now())
        return Response(ConnectionDetail(showing.detail(made)).data, status=201)


class OneConnection(Endpoint):
    access = member

    @extend_schema(operation_id="show_integration", responses=ConnectionDetail)
    def get(self, request: Request, connection_id: Any) -> Response:
        """How an account stands: how far its past is fetched, what waits and until when."""
        found = connecting.own_connection(connection_id=connection_id, by=request.user.user_id)
        return Response(ConnectionDetail(showing.detail(found)).data)

    @extend_schema(operation_id="disconnect_vendor", request=None, responses={204: None})
    def delete(self, request: Request, connection_id: Any) -> Response:
        """Let an account go. The vendor is told, its tokens are forgotten; readings that came stay yours."""
        connecting.disconnect(connection_id=connection_id, by=request.user.user_id, at=now())
        return Response(status=204)


class Priorities(Endpoint):
    access = member

    @extend_schema(operation_id="show_source_orders", responses=SourceOrders)
    def get(self, request: Request) -> Response:
        """What your readings come from, and whose word goes first where two tell the same."""
        return Response(self._orders(request))

    @extend_schema(operation_id="set_source_order", request=SourceOrderForm, responses=SourceOrders)
    def put(self, request: Request) -> Response:
        """Say whose word goes first for metrics of a kind; those you do not name come after, as usual."""
        form = validated(SourceOrderForm, request)
        priorities.set_order(kind=Kind(form["kind"]), device_ids=form["device_ids"], by=request.user.user_id)
        return Response(self._orders(request))

    def _orders(self, request: Request) -> dict[str, Any]:
        sources = priorities.sources_of(request.user.user_id)
        ids = {source.number: source.device_id for source in sources}
        orders = priorities.orders_of(request.user.user_id)
        listed = [
            {"kind": kind, "device_ids": [ids[number] for number in numbers if number in ids]}
            for kind, numbers in sorted(orders.items())
        ]
        return {"sources": [SourceItem(source).data for source in sources], "orders": listed}


class Unread(BaseParser):
    """Leaves the body as it came: signatures are over its bytes."""

    media_type = "*/*"

    def parse(self, stream: object, media_type: str | None = None, parser_context: object = None) -> bytes:
        """The bytes, within the limit."""
        return read_body(stream, limit=MAX_POSTED_BYTES)


POSTED = {"application/json": OpenApiTypes.OBJECT, "application/x-www-form-urlencoded": OpenApiTypes.OBJECT}


class Webhook(Endpoint):
    access = anyone
    limit = RateLimit("6000/min", by="address")
    parser_classes = [Unread]

    @extend_schema(
        operation_id="check_webhook",
        responses={200: None, 204: None},
        parameters=[OpenApiParameter("verify", str, description="Fitbit's code.")],
    )
    def get(self, request: Request, vendor: str, token: str) -> Response:
        """For vendors that try our address out."""
        return Response(status=receiving.check(vendor=vendor, token=token, query=request.query_params))

    @extend_schema(operation_id="receive_webhook", request=POSTED, responses={204: None})
    def post(self, request: Request, vendor: str, token: str) -> Response:
        """What a vendor tells: written down and answered at once. Told twice, it is told once."""
        receiving.webhook(vendor=vendor, token=token, body=_bytes(request), headers=request.headers, at=now())
        return Response(status=204)


class Callback(Endpoint):
    access = anyone
    limit = RateLimit("6000/min", by="address")
    parser_classes = [Unread]

    @extend_schema(operation_id="receive_callback", request=POSTED, responses={204: None})
    def post(self, request: Request, vendor: str, token: str) -> Response:
        """What we have asked a vendor for, at the address made for this request."""
        receiving.callback(vendor=vendor, token=token, body=_bytes(request), headers=request.headers, at=now())
        return Response(status=204)


def _bytes(request: Request) -> bytes:
    """An empty body is parsed by nobody."""
    return request.data if isinstance(request.data, bytes) else b""


urlpatterns = [
    path("integrations/vendors", Vendors.as_view()),
    path("integrations", Connections.as_view()),
    path("integrations/complete", Completion.as_view()),
    path("integrations/source-orders", Priorities.as_view()),
    path("integrations/<uuid:connection_id>", OneConnection.as_view()),
    path("integrations/webhooks/<str:vendor>/<str:token>", Webhook.as_view()),
    path("integrations/callbacks/<str:vendor>/<str:token>", Callback.as_view()),
]
