"""Exports of health data, uploaded part by part and read in the background. No answer holds what was measured."""

from typing import Any
from uuid import UUID

from django.db.models import BigIntegerField, Case, Count, F, QuerySet, Sum, When
from django.urls import path
from django.utils.timezone import now
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.health import rules, tasks
from contexts.health.imports import shapes, uploads
from contexts.health.looking import entering
from contexts.health.models.imports import DataImport, ImportedFile
from kernel.access import RateLimit, member
from kernel.databases import run_after_commit
from kernel.errors import InvalidInput
from kernel.http import PAGE_PARAMETERS, Endpoint, page, page_of, read_body, validated
from kernel.idempotency import idempotent

OCTETS = "application/octet-stream"
Outcome = ImportedFile.Outcome
COUNTED = {"records": 0, "accepted": 0, "duplicates": 0, "bytes_read": 0, "bytes_to_read": 0}


class NewDataImport(serializers.Serializer):
    file_name = serializers.CharField(max_length=255)
    size = serializers.IntegerField(
        min_value=1, max_value=rules.MAX_UPLOAD_BYTES, help_text="Bytes of the export.zip or export.xml."
    )


class FilesOfImport(serializers.Serializer):
    waiting = serializers.IntegerField()
    read = serializers.IntegerField()
    refused = serializers.IntegerField()
    left_out = serializers.IntegerField()


class DataImportItem(serializers.Serializer):
    import_id = serializers.UUIDField()
    file_name = serializers.CharField()
    state = serializers.ChoiceField(choices=DataImport.State.choices)
    size = serializers.IntegerField()
    received = serializers.IntegerField(help_text="Bytes that are here: where the next part begins.")
    begun_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    refusal_code = serializers.CharField(help_text="Why it was refused; empty if it was not.")


class DataImportProgress(DataImportItem):
    files = FilesOfImport()
    records = serializers.IntegerField(help_text="Read so far, of whatever fate.")
    accepted = serializers.IntegerField(help_text="Readings that were not here before.")
    duplicates = serializers.IntegerField()
    bytes_read = serializers.IntegerField(help_text="Of the unpacked files that are read.")
    bytes_to_read = serializers.IntegerField()


class ImportedFileItem(serializers.Serializer):
    position = serializers.IntegerField()
    path = serializers.CharField()
    size = serializers.IntegerField()
    shape = serializers.CharField(help_text="As what it is read; empty if it is not.")
    outcome = serializers.ChoiceField(choices=Outcome.choices)
    code = serializers.CharField(help_text="Why it was refused, left out, or ends early.")
    records = serializers.IntegerField()
    accepted = serializers.IntegerField()
    duplicates = serializers.IntegerField()
    rejected = serializers.DictField(child=serializers.IntegerField(), help_text="Records by code.")
    unknown = serializers.DictField(child=serializers.IntegerField(), help_text="Records by their unknown type.")


class PartParser(BaseParser):
    """A part of an upload as it travels."""

    media_type = OCTETS

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> bytes:
        """At most one part, whatever the headers claim."""
        return read_body(stream, limit=rules.PART_BYTES[1])


def progress_of(found: DataImport) -> dict[str, Any]:
    """Where an import stands."""
    files = ImportedFile.objects.filter(source=found)
    outcomes = dict(files.values_list("outcome").annotate(many=Count("position")).order_by())
    bytes_read = Case(
        When(outcome=Outcome.WAITING, shape=shapes.APPLE, then=F("reached")),
        When(outcome=Outcome.WAITING, then=0),
        default=F("size"),
        output_field=BigIntegerField(),
    )
    meant: QuerySet[ImportedFile] = files.exclude(outcome=Outcome.LEFT_OUT)
    sums = meant.aggregate(
        records=Sum("records"),
        accepted=Sum("accepted"),
        duplicates=Sum("duplicates"),
        bytes_read=Sum(bytes_read),
        bytes_to_read=Sum("size"),
    )
    counted = COUNTED | {name: value for name, value in sums.items() if value is not None}
    counts = {outcome.value: outcomes.get(outcome.value, 0) for outcome in Outcome}
    item = DataImportItem(found).data
    return dict(DataImportProgress({**item, **counted, "files": counts}).data)


def _ensure_consent(request: Request) -> None:
    entering.ensure_consent(request.user.user_id)


class DataImports(Endpoint):
    access = member
    limit = {"POST": RateLimit("60/h", by="user")}

    @extend_schema(operation_id="list_data_imports", parameters=PAGE_PARAMETERS, responses=page_of(DataImportItem))
    def get(self, request: Request) -> Response:
        """Your imports of exported health data, the newest first."""
        own = DataImport.objects.filter(user_id=request.user.user_id)
        return Response(
            page(request, own, order=("-begun_at", "-import_id"), to_item=lambda row: DataImportItem(row).data)
        )

    @extend_schema(operation_id="begin_data_import", request=NewDataImport, responses={201: DataImportProgress})
    @idempotent("health", prepare=_ensure_consent)
    def post(self, request: Request, _: None) -> Response:
        """Announce an export: Apple Health, Fitbit, Google Takeout or Garmin. Then send it part by part."""
        told = validated(NewDataImport, request)
        made = uploads.begin(**told, by=request.user.user_id, at=now())
        return Response(progress_of(made), status=201)


class OneDataImport(Endpoint):
    access = member

    @extend_schema(operation_id="show_data_import", responses=DataImportProgress)
    def get(self, request: Request, data_import_id: UUID) -> Response:
        """How far it is."""
        return Response(progress_of(uploads.own_import(import_id=data_import_id, by=request.user.user_id)))

    @extend_schema(operation_id="cancel_data_import", request=None, responses={204: None})
    def delete(self, request: Request, data_import_id: UUID) -> Response:
        """Give it up. What is stored of it stays; the upload is deleted."""
        uploads.cancel(import_id=data_import_id, by=request.user.user_id, at=now())
        return Response(status=204)


class ContentOfDataImport(Endpoint):
    access = member
    limit = RateLimit("6000/h", by="user")
    parser_classes = [PartParser]

    @extend_schema(
        operation_id="upload_data_import",
        request={OCTETS: {"type": "string", "format": "binary"}},
        parameters=[
            OpenApiParameter(
                "Upload-Offset",
                {"type": "integer", "minimum": 0, "maximum": rules.MAX_UPLOAD_BYTES},
                OpenApiParameter.HEADER,
                required=True,
                description="Where this part begins: what the import says it has `received`.",
            )
        ],
        responses={
            200: DataImportItem,
            202: OpenApiResponse(DataImportItem, description="That was the last part; it is read soon after."),
        },
    )
    def patch(self, request: Request, data_import_id: UUID) -> Response:
        """Send the next part, of 1 MiB to 8 MiB; the last one may be smaller.

        After a broken connection ask where the upload stands, and go on there.
        """
        own = uploads.own_import(import_id=data_import_id, by=request.user.user_id)
        told = request.headers.get("Upload-Offset", "")
        if not told.isascii() or not told.isdecimal() or len(told) > 15:
            raise InvalidInput("Say where this part begins.", field="Upload-Offset", code="invalid")
        data = request.data if isinstance(request.data, bytes) else b""
        own = uploads.add_part(
            import_id=own.import_id, by=request.user.user_id, offset=int(told), data=data, at=now()
        )
        complete = own.state == DataImport.State.QUEUED
        if complete:
            run_after_commit(lambda: tasks.read_import.delay(str(own.import_id)))
        return Response(DataImportItem(own).data, status=202 if complete else 200)


class FilesOfDataImport(Endpoint):
    access = member

    @extend_schema(
        operation_id="list_data_import_files", parameters=PAGE_PARAMETERS, responses=page_of(ImportedFileItem)
    )
    def get(self, request: Request, data_import_id: UUID) -> Response:
        """What became of each file, in the archive's order."""
        own = uploads.own_import(import_id=data_import_id, by=request.user.user_id)
        files = ImportedFile.objects.filter(source=own)
        return Response(page(request, files, order=["position"], to_item=lambda row: ImportedFileItem(row).data))


urlpatterns = [
    path("imports", DataImports.as_view()),
    path("imports/<uuid:data_import_id>", OneDataImport.as_view()),
    path("imports/<uuid:data_import_id>/content", ContentOfDataImport.as_view()),
    path("imports/<uuid:data_import_id>/files", FilesOfDataImport.as_view()),
]
