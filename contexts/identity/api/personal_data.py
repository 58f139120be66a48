"""Taking everything about oneself along, and erasing the account, over HTTP."""

from typing import Any
from uuid import UUID

from django.http import FileResponse
from django.urls import path
from django.utils.timezone import now
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.identity import erasing, exporting, reauthentication, rules
from contexts.identity.api.forms import OpenEndpoint
from contexts.identity.models import DataExport, Erasure, Session
from kernel.access import RateLimit, member
from kernel.errors import NotFound
from kernel.http import PAGE_PARAMETERS, Endpoint, JsonRenderer, page, page_of, validated


class ExportDetails(serializers.Serializer):
    """An export, and which contexts have left their part; `ready_at` is when the archive was made."""

    id = serializers.UUIDField()
    requested_at = serializers.DateTimeField()
    ready_at = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)
    done = serializers.SerializerMethodField()
    waiting = serializers.SerializerMethodField()

    def get_done(self, export: DataExport) -> list[str]:
        """Contexts that have answered."""
        return list(export.parts)

    def get_waiting(self, export: DataExport) -> list[str]:
        """Contexts that have not."""
        return exporting.missing_parts(export)


class Erasing(serializers.Serializer):
    """The account's password, where it has one."""

    password = serializers.CharField(trim_whitespace=False, max_length=rules.MAX_PASSWORD_LENGTH, required=False)


class ErasureBegun(serializers.Serializer):
    """Where its progress can be read, by whoever knows this id."""

    erasure_id = serializers.UUIDField(source="pk")


class ErasureProgress(ErasureBegun):
    """Which contexts have erased the person, and when the last one had."""

    requested_at = serializers.DateTimeField()
    completed_at = serializers.DateTimeField(allow_null=True)
    done = serializers.ListField(child=serializers.CharField(), source="erased_in")
    waiting = serializers.SerializerMethodField()

    def get_waiting(self, erasure: Erasure) -> list[str]:
        """Contexts that have not yet."""
        return erasing.missing_answers(erasure)


class Zip(JsonRenderer):
    """Lets a client say that it wants an archive; what is not one is a problem document all the same."""

    media_type = "application/zip"
    format = "zip"


def _ensure_recent(request: Request) -> None:
    session = Session.objects.filter(pk=request.user.session_id).first()
    if session is None:
        raise NotFound
    reauthentication.ensure_recent(session, now())


class Exports(Endpoint):
    """One's own exports."""

    access = member

    @extend_schema(operation_id="list_exports", parameters=PAGE_PARAMETERS, responses=page_of(ExportDetails))
    def get(self, request: Request) -> Response:
        """Your exports, the newest first."""
        own = exporting.own_exports(by=request.user.user_id)
        order = ("-requested_at", "-id")
        return Response(page(request, own, order=order, to_item=lambda row: ExportDetails(row).data))

    @extend_schema(operation_id="request_export", request=None, responses={202: ExportDetails})
    def post(self, request: Request) -> Response:
        """Collect everything about you into one archive. Takes a recent sign-in; one at a time, three a day."""
        _ensure_recent(request)
        made = exporting.request_export(by=request.user.user_id, at=now())
        return Response(ExportDetails(made).data, status=202)


class OneExport(Endpoint):
    """One of one's own exports."""

    access = member

    @extend_schema(operation_id="get_export", responses=ExportDetails)
    def get(self, request: Request, export_id: UUID) -> Response:
        """How far it is."""
        return Response(ExportDetails(exporting.own_export(export_id=export_id, by=request.user.user_id)).data)


class ExportArchive(Endpoint):
    """The archive itself."""

    access = member
    renderer_classes = [JsonRenderer, Zip]

    @extend_schema(
        operation_id="download_export",
        responses={(200, "application/zip"): OpenApiResponse(bytes, description="The archive.")},
    )
    def get(self, request: Request, export_id: UUID) -> Any:
        """Download it, within a day. Takes a recent sign-in."""
        _ensure_recent(request)
        archive = exporting.open_archive(export_id=export_id, by=request.user.user_id, at=now())
        return FileResponse(archive, as_attachment=True, filename=f"stayer-{export_id}.zip")


class EraseAccount(Endpoint):
    """The end of an account."""

    access = member
    limit = RateLimit("10/h")

    @extend_schema(operation_id="erase_account", request=Erasing, responses={202: ErasureBegun})
    def post(self, request: Request) -> Response:
        """Erase your account and all that is in it, from everywhere. Takes a recent sign-in and your password.

        You are signed out at once. There is no way back.
        """
        _ensure_recent(request)
        wanted = {"password": None} | validated(Erasing, request)
        made = erasing.request_erasure(**wanted, by=request.user.user_id, at=now())
        return Response(ErasureBegun(made).data, status=202)


class OneErasure(OpenEndpoint):
    """The progress of an erasure, whose person has no account to sign in to any more."""

    limit = RateLimit("60/min", by="address")

    @extend_schema(operation_id="get_erasure", responses=ErasureProgress)
    def get(self, request: Request, erasure_id: UUID) -> Response:
        """How far it is. Its id is known to its person alone."""
        return Response(ErasureProgress(erasing.get_erasure(erasure_id=erasure_id)).data)


urlpatterns = [
    path("exports", Exports.as_view()),
    path("exports/<uuid:export_id>", OneExport.as_view()),
    path("exports/<uuid:export_id>/archive", ExportArchive.as_view()),
    path("erasure", EraseAccount.as_view()),
    path("erasures/<uuid:erasure_id>", OneErasure.as_view()),
]
