"""Archives of recordings over HTTP."""

from typing import Any
from uuid import UUID

from django.urls import path
from django.utils.timezone import now
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.workout import tasks
from contexts.workout.api.imports import ImportRefusal, RecordingParser, listed, refusal_of
from contexts.workout.imports import archives, batches, import_progress
from contexts.workout.models import BatchMember, ImportBatch
from kernel.access import RateLimit, member
from kernel.databases import run_after_commit
from kernel.http import PAGE_PARAMETERS, Endpoint, page, page_of, validated
from kernel.idempotency import idempotent


class PostBatch(serializers.Serializer):
    file = serializers.FileField(
        allow_empty_file=True,
        help_text="A zip of recordings, or a vendor's whole export, up to 2 GB and 20,000 files.",
    )


class BatchCounts(serializers.Serializer):
    waiting = serializers.IntegerField()
    queued = serializers.IntegerField()
    working = serializers.IntegerField()
    done = serializers.IntegerField()
    refused = serializers.IntegerField()
    left_out = serializers.IntegerField()


class BatchProgress(serializers.Serializer):
    batch_id = serializers.UUIDField()
    state = serializers.ChoiceField(choices=ImportBatch.State.choices)
    members = serializers.IntegerField()
    counts = BatchCounts(help_text="How many members stand where.")
    refusal = ImportRefusal(allow_null=True)


class BatchesQuery(serializers.Serializer):
    state = serializers.ChoiceField(choices=ImportBatch.State.choices, required=False)


class BatchItem(serializers.Serializer):
    batch_id = serializers.UUIDField()
    file_name = serializers.CharField()
    state = serializers.ChoiceField(choices=ImportBatch.State.choices)
    posted_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    session_count = serializers.IntegerField(help_text="How many sessions there are of its files.")
    refusal = ImportRefusal(allow_null=True)


class BatchMemberItem(serializers.Serializer):
    position = serializers.IntegerField()
    path = serializers.CharField()
    outcome = serializers.ChoiceField(choices=import_progress.OUTCOMES)
    code = serializers.CharField(allow_null=True, help_text="Why it was left out or refused.")
    import_id = serializers.UUIDField(allow_null=True)


class ArchiveParser(RecordingParser):
    """The same for archives."""

    most = archives.MAX_ARCHIVE_BYTES
    too_large = batches.ArchiveTooLarge


def _item(found: BatchMember) -> dict[str, Any]:
    recording = found.recording
    unread = "left_out" if found.code else "waiting"
    return {
        "position": found.position,
        "path": found.path,
        "outcome": recording.state if recording else unread,
        "code": found.code or (recording.refusal_code if recording else "") or None,
        "import_id": found.recording_id,
    }


def progress_of(found: ImportBatch) -> dict[str, Any]:
    """Where a batch stands, with its refusal in the reader's language."""
    return import_progress.progress_of(found) | {"refusal": refusal_of(found)}


class Batches(Endpoint):
    """Archives of recordings."""

    access = member
    limit = {"POST": RateLimit("20/h", by="user")}
    parser_classes = [ArchiveParser]

    @extend_schema(
        operation_id="list_import_batches",
        parameters=[BatchesQuery, *PAGE_PARAMETERS],
        responses=page_of(BatchItem),
    )
    def get(self, request: Request) -> Response:
        """Your archives, of all states or one, the newest first."""
        wanted = BatchesQuery(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        own = batches.batches_of(by=request.user.user_id, **wanted.validated_data)
        return Response(page(request, own, order=["-id"], to_item=lambda one: {"batch_id": one.id, **listed(one)}))

    @extend_schema(
        operation_id="post_import_batch",
        request={"multipart/form-data": PostBatch},
        responses={
            202: BatchProgress,
            200: OpenApiResponse(
                BatchProgress, description="You have handed in this archive before; this became of it."
            ),
        },
    )
    @idempotent("workout")
    def post(self, request: Request) -> Response:
        """Hand in an archive of recordings; its files become sessions in the background."""
        file = validated(PostBatch, request)["file"]
        batch, is_new = batches.accept_archive(file=file, name=file.name, by=request.user.user_id, at=now())
        if is_new:
            run_after_commit(lambda: tasks.open_batch.delay(str(batch.id)))
        settled = batch.state in (ImportBatch.State.DONE, ImportBatch.State.REFUSED)
        return Response(progress_of(batch), status=200 if settled else 202)


class OneBatch(Endpoint):
    """One archive."""

    access = member

    @extend_schema(operation_id="show_import_batch", responses=BatchProgress)
    def get(self, request: Request, batch_id: UUID) -> Response:
        """How far it is. The socket `/ws/v1/workout/imports/batches/{id}` tells of every step."""
        return Response(progress_of(batches.own_batch(batch_id=batch_id, by=request.user.user_id)))


class MembersOfBatch(Endpoint):
    """The files of an archive."""

    access = member

    @extend_schema(
        operation_id="list_import_batch_members", parameters=PAGE_PARAMETERS, responses=page_of(BatchMemberItem)
    )
    def get(self, request: Request, batch_id: UUID) -> Response:
        """What became of each file, in the archive's order."""
        batch = batches.own_batch(batch_id=batch_id, by=request.user.user_id)
        members = BatchMember.objects.filter(batch=batch).select_related("recording")
        return Response(page(request, members, order=["position"], to_item=_item))


urlpatterns = [
    path("imports/batches", Batches.as_view()),
    path("imports/batches/<uuid:batch_id>", OneBatch.as_view()),
    path("imports/batches/<uuid:batch_id>/members", MembersOfBatch.as_view()),
]
