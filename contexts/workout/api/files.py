"""Files for an athlete to keep: originals as they were handed in, and exports of sessions."""

from typing import Any
from uuid import UUID

from django.core.files.storage import default_storage
from django.http import FileResponse, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request

from contexts.workout.imports import importing
from contexts.workout.sessions import exporting
from kernel.access import RateLimit, member
from kernel.http import Endpoint

FORMATS = tuple(exporting.FORMATS)


def _download(kind: str) -> dict[tuple[int, str], Any]:
    shape = OpenApiTypes.OBJECT if kind == "application/json" else OpenApiTypes.BINARY
    return {(200, kind): OpenApiResponse(shape, description="The file.")}


class OriginalOfImport(Endpoint):
    """A recording as it was handed in."""

    access = member
    limit = RateLimit("600/h", by="user")

    @extend_schema(operation_id="download_import_original", responses=_download("application/octet-stream"))
    def get(self, request: Request, import_id: UUID) -> HttpResponseBase:
        """The original, byte for byte; never shown in the browser."""
        found = importing.own_import(import_id=import_id, by=request.user.user_id)
        return FileResponse(
            default_storage.open(found.original),
            as_attachment=True,
            filename=importing.safe_name(found.file_name),
            content_type="application/octet-stream",
            headers={"X-Content-Type-Options": "nosniff"},
        )


class ExportOfSession(Endpoint):
    """A session as a file."""

    access = member
    limit = RateLimit("600/h", by="user")

    @extend_schema(
        operation_id="export_session",
        parameters=[OpenApiParameter("format", str, enum=FORMATS, required=True)],
        responses={
            key: value for each in exporting.FORMATS.values() for key, value in _download(each.media_type).items()
        },
    )
    def get(self, request: Request, session_id: UUID) -> HttpResponseBase:
        """Your session as FIT, GPX or TCX, or as our own JSON, which loses nothing."""
        wanted = request.query_params.get("format")
        made = exporting.export_session(session_id=session_id, format=wanted, by=request.user.user_id)
        headers = {
            "Content-Disposition": f'attachment; filename="{made.name}"',
            "X-Content-Type-Options": "nosniff",
        }
        return HttpResponse(made.content, content_type=made.media_type, headers=headers)


urlpatterns = [
    path("imports/<uuid:import_id>/original", OriginalOfImport.as_view()),
    path("sessions/<uuid:session_id>/export", ExportOfSession.as_view()),
]
