"""The payment provider's word over HTTP: signed, and believed only then."""

from django.urls import path
from drf_spectacular.utils import OpenApiTypes, extend_schema
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.booking import paying
from kernel import payments
from kernel.access import RateLimit, anyone
from kernel.databases import database_time
from kernel.http import Endpoint, read_body

MAX_BYTES = 262_144


class Unread(BaseParser):
    """Leaves the body as it came: the signature is over its bytes."""

    media_type = "*/*"

    def parse(self, stream: object, media_type: str | None = None, parser_context: object = None) -> bytes:
        """The bytes, within the limit."""
        return read_body(stream, limit=MAX_BYTES)


class Webhook(Endpoint):
    """Where the payment provider tells what has happened."""

    access = anyone
    limit = RateLimit("6000/min")
    parser_classes = [Unread]

    @extend_schema(
        operation_id="note_payment", request={"application/json": OpenApiTypes.OBJECT}, responses={204: None}
    )
    def post(self, request: Request) -> Response:
        """Signed by the provider. Its word twice is its word once."""
        at = database_time("booking")
        told = payments.provider().read_webhook(body=request.data, headers=request.headers, at=at)
        paying.note_webhook(told, at=at)
        return Response(status=204)


urlpatterns = [path("payments/webhook", Webhook.as_view())]
