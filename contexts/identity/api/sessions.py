"""One's sessions over HTTP: what is signed in where, and an end to it."""

from typing import Any

from django.urls import path
from django.utils.timezone import now
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.identity import rules, sessions
from contexts.identity.models import Session
from kernel.access import member
from kernel.errors import InvalidInput
from kernel.http import PAGE_PARAMETERS, Endpoint, page, page_of


class SessionApp(serializers.Serializer):
    """The app that acts in a session."""

    id = serializers.UUIDField()
    name = serializers.CharField()


class OwnSession(serializers.Serializer):
    """A sign-in that still holds. `network` is where it came from, coarsely; `last_seen_at` moves with refreshes."""

    id = serializers.UUIDField()
    device = serializers.CharField()
    network = serializers.CharField()
    signed_in_with = serializers.CharField()
    second_factor = serializers.BooleanField()
    started_at = serializers.DateTimeField()
    last_seen_at = serializers.DateTimeField()
    is_current = serializers.BooleanField()
    app = SessionApp(allow_null=True)


class Sessions(Endpoint):
    """One's sessions."""

    access = member

    @extend_schema(operation_id="list_own_sessions", parameters=PAGE_PARAMETERS, responses=page_of(OwnSession))
    def get(self, request: Request) -> Response:
        """What is signed in, the newest first."""
        found = sessions.open_sessions(user_id=request.user.user_id, at=now())
        current = request.user.session_id
        return Response(page(request, found, order=("-started_at", "-id"), to_item=lambda s: _item(s, current)))

    @extend_schema(
        operation_id="end_sessions",
        parameters=[
            OpenApiParameter("keep", str, enum=["current", "none"], description="`none` signs out here too.")
        ],
        responses={204: None},
    )
    def delete(self, request: Request) -> Response:
        """End all sessions, apps' too; the one that asks stays unless `keep=none`."""
        keep = request.query_params.get("keep", "current")
        if keep not in ("current", "none"):
            raise InvalidInput("Say current or none.", field="keep", code="invalid_choice")
        kept = request.user.session_id if keep == "current" else None
        sessions.revoke_all_sessions(user_id=request.user.user_id, reason="revoked", at=now(), but=kept)
        return Response(status=204)


class OneSession(Endpoint):
    """One of one's sessions."""

    access = member

    @extend_schema(operation_id="end_session", responses={204: None})
    def delete(self, request: Request, session_id: Any) -> Response:
        """End this session: its tokens are refused at once, its sockets close within five seconds."""
        sessions.revoke_own_session(by=request.user.user_id, session_id=session_id, at=now())
        return Response(status=204)


def _item(session: Session, current: Any) -> dict[str, Any]:
    return {
        "id": session.pk,
        "device": rules.device_name(session.user_agent),
        "network": session.address,
        "signed_in_with": session.signed_in_with,
        "second_factor": session.mfa_at is not None,
        "started_at": session.started_at,
        "last_seen_at": session.last_seen_at,
        "is_current": session.pk == current,
        "app": {"id": session.app.pk, "name": session.app.name} if session.app else None,
    }


urlpatterns = [
    path("sessions", Sessions.as_view()),
    path("sessions/<uuid:session_id>", OneSession.as_view()),
]
