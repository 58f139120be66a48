"""What other contexts ask identity over HTTP once they run by themselves."""

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.identity import sessions
from kernel.http import Endpoint, Identifier, validated
from kernel.service_tokens import ServiceToken, service_of

MAX_CHECKED = 500


class SessionCheck(serializers.Serializer):
    """Sessions to look up."""

    session_ids = serializers.ListField(child=Identifier(), max_length=MAX_CHECKED)


class ActiveSessions(serializers.Serializer):
    """Those of them whose tokens are honoured."""

    active = serializers.ListField(child=serializers.UUIDField())


class SessionChecks(Endpoint):
    """Whether sessions live."""

    access = service_of()
    authentication_classes = [ServiceToken]
    credentials = "service"

    @extend_schema(operation_id="check_sessions", request=SessionCheck, responses=ActiveSessions)
    def post(self, request: Request) -> Response:
        """Which of these sessions are active."""
        asked = validated(SessionCheck, request)["session_ids"]
        return Response({"active": sorted(sessions.active_sessions(session_ids=asked))})


urlpatterns = [path("internal/session-checks", SessionChecks.as_view())]
