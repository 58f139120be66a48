"""Recordings from files over HTTP."""

from typing import Any, ClassVar
from uuid import UUID

from django.urls import path
from django.utils.timezone import now
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.workout import tasks
from contexts.workout.imports import importing
from contexts.workout.models import Import, ImportBatch
from kernel.access import RateLimit, member
from kernel.databases import run_after_commit
from kernel.errors import Refused, Text
from kernel.http import PAGE_PARAMETERS, Endpoint, page, page_of, translated, validated
from kernel.idempotency import idempotent

FORM_OVERHEAD_BYTES = 65_536
"""What the multipart form may weigh beside the file."""


class PostImport(serializers.Serializer):
    file = serializers.FileField(
        allow_empty_file=True, help_text="FIT, GPX, TCX, KML or our JSON, plain or in gzip, up to 25 MB."
    )


class ImportRefusal(serializers.Serializer):
    code = serializers.CharField()
    detail = serializers.CharField()


class ImportWarning(serializers.Serializer):
    code = serializers.CharField()
    detail = serializers.CharField()


class ImportProgress(serializers.Serializer):
    import_id = serializers.UUIDField()
    state = serializers.ChoiceField(choices=Import.State.choices)
    sessions = serializers.ListField(child=serializers.UUIDField())
    warnings = ImportWarning(many=True)
    refusal = ImportRefusal(allow_null=True)


class ImportsQuery(serializers.Serializer):
    state = serializers.ChoiceField(choices=Import.State.choices, required=False)


class ImportItem(serializers.Serializer):
    import_id = serializers.UUIDField()
    file_name = serializers.CharField()
    state = serializers.ChoiceField(choices=Import.State.choices)
    posted_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    session_count = serializers.IntegerField(help_text="How many sessions there are of it.")
    refusal = ImportRefusal(allow_null=True)


class RecordingParser(MultiPartParser):
    """A multipart form; one that says it is too large is refused before it is read. Its file goes to the disk."""

    most: ClassVar[int] = importing.MAX_FILE_BYTES
    too_large: ClassVar[type[Refused]] = importing.FileTooLarge

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        declared = str((parser_context or {})["request"].META.get("CONTENT_LENGTH") or 0)
        if declared.isdecimal() and int(declared) > self.most + FORM_OVERHEAD_BYTES:
            raise self.too_large(limit_bytes=self.most)
        return super().parse(stream, media_type, parser_context)


def progress_of(found: Import) -> dict[str, Any]:
    """Where an import stands."""
    return {
        "import_id": found.id,
        "state": found.state,
        "sessions": importing.sessions_of(import_id=found.id) if found.state == Import.State.DONE else [],
        "warnings": [_told(warning) for warning in found.warnings],
        "refusal": refusal_of(found),
    }


def refusal_of(found: Import | ImportBatch) -> dict[str, str] | None:
    """Why it was refused, in the reader's language."""
    if not found.refusal_code:
        return None
    return {"code": found.refusal_code, "detail": translated(Text(found.refusal_detail, **found.refusal_values))}


def listed(found: Import | ImportBatch) -> dict[str, Any]:
    """What a list says of an import or a batch beside its identifier; `found` has its `session_count`."""
    return {
        "file_name": found.file_name,
        "state": found.state,
        "posted_at": found.posted_at,
        "finished_at": found.finished_at,
        "session_count": found.session_count,
        "refusal": refusal_of(found),
    }


def _told(warning: dict[str, Any]) -> dict[str, str]:
    """A warning in the reader's language."""
    return {"code": warning["code"], "detail": translated(Text(warning["detail"], **warning.get("values", {})))}


class Imports(Endpoint):
    """Recordings from files."""

    access = member
    limit = {"POST": RateLimit("600/h", by="user")}
    parser_classes = [RecordingParser]

    @extend_schema(
        operation_id="list_imports",
        parameters=[ImportsQuery, *PAGE_PARAMETERS],
        responses=page_of(ImportItem),
    )
    def get(self, request: Request) -> Response:
        """Your imports, of all states or one, the newest first; files of archives are among them."""
        wanted = ImportsQuery(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        own = importing.imports_of(by=request.user.user_id, **wanted.validated_data)
        return Response(page(request, own, order=["-id"], to_item=lambda one: {"import_id": one.id, **listed(one)}))

    @extend_schema(
        operation_id="post_import",
        request={"multipart/form-data": PostImport},
        responses={
            202: ImportProgress,
            200: OpenApiResponse(
                ImportProgress, description="You have handed in this file before; this became of it."
            ),
        },
    )
    @idempotent("workout")
    def post(self, request: Request) -> Response:
        """Hand in a FIT, GPX, TCX or KML file, or an export of ours; it becomes sessions soon after."""
        file = validated(PostImport, request)["file"]
        taken, is_new = importing.accept_file(file=file, name=file.name, by=request.user.user_id, at=now())
        if is_new:
            run_after_commit(lambda: tasks.read_import.delay(str(taken.id)))
        settled = taken.state in (Import.State.DONE, Import.State.REFUSED)
        return Response(progress_of(taken), status=200 if settled else 202)


class OneImport(Endpoint):
    """One import."""

    access = member

    @extend_schema(operation_id="show_import", responses=ImportProgress)
    def get(self, request: Request, import_id: UUID) -> Response:
        """Where it stands: its sessions, or why it was refused. So tells the socket `/ws/v1/workout/imports/{id}`."""
        return Response(progress_of(importing.own_import(import_id=import_id, by=request.user.user_id)))


urlpatterns = [
    path("imports", Imports.as_view()),
    path("imports/<uuid:import_id>", OneImport.as_view()),
]
