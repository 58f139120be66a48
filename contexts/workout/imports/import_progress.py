"""How far a file or an archive is: told to whoever watches, and announced once when it is finished."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.core.files.storage import default_storage
from django.db.models import Case, CharField, Count, F, Func, IntegerField, Q, QuerySet, Subquery, Value, When

from contexts.workout import events
from contexts.workout.models import BatchMember, Import, ImportBatch, TrainingSession
from kernel.bus import publish
from kernel.databases import run_after_commit
from kernel.realtime import push, push_all

OUTCOME: Final = Case(
    When(~Q(code=""), then=Value("left_out")),
    When(recording=None, then=Value("waiting")),
    default=F("recording__state"),
    output_field=CharField(),
)
OUTCOMES: Final = ("waiting", "queued", "working", "done", "refused", "left_out")


def counts_of(batch: ImportBatch) -> dict[str, int]:
    """How many members stand where."""
    rows = BatchMember.objects.filter(batch=batch).values(outcome=OUTCOME).annotate(many=Count("position"))
    return dict.fromkeys(OUTCOMES, 0) | {row["outcome"]: row["many"] for row in rows.order_by()}


def number_of(sessions: QuerySet[TrainingSession]) -> Subquery:
    """How many there are of them, for each row of the query around."""
    return Subquery(sessions.order_by().values(many=Func("id", function="COUNT", output_field=IntegerField())))


def progress_of(batch: ImportBatch) -> dict[str, Any]:
    """Where a batch stands, in codes and without sentences: nobody knows here who will read it."""
    counts = counts_of(batch)
    return {
        "batch_id": batch.id,
        "state": batch.state,
        "members": sum(counts.values()),
        "counts": counts,
        "refusal": {"code": batch.refusal_code} if batch.refusal_code else None,
    }


def frame_of(own: Import, sessions: Sequence[UUID]) -> dict[str, Any]:
    """Where a file stands, in the same manner; `sessions` are those it became."""
    return {
        "type": "progress",
        "import_id": own.id,
        "state": own.state,
        "sessions": sessions,
        "warnings": [{"code": warning["code"]} for warning in own.warnings],
        "refusal": {"code": own.refusal_code} if own.refusal_code else None,
    }


def group_of(batch_id: UUID) -> str:
    """The realtime group of whoever watches a batch."""
    return f"workout.batch.{batch_id}"


def group_of_import(import_id: UUID) -> str:
    """The realtime group of whoever watches one file."""
    return f"workout.import.{import_id}"


def tell_states(imports: Iterable[Import], sessions: Mapping[UUID, Sequence[UUID]] | None = None) -> None:
    """Tell watchers after commit where these files stand, and which sessions they became."""
    became = sessions or {}
    frames = {group_of_import(own.id): frame_of(own, became.get(own.id, [])) for own in imports}
    run_after_commit(lambda: push_all(frames))


def tell_progress(batch: ImportBatch) -> None:
    """Tell watchers after commit where the batch stands; every frame says all, so a lost one does no harm."""
    run_after_commit(lambda: push(group_of(batch.id), {"type": "progress", **progress_of(batch)}))


def settle(settled: Collection[Import], *, sessions: Mapping[UUID, Sequence[UUID]], at: datetime) -> None:
    """Announce that they are finished, with the sessions they became, or the batches whose last ones these were.

    The caller holds the athlete's gate.
    """
    members = list(BatchMember.objects.filter(recording__in=settled).values_list("recording_id", "batch_id"))
    for batch_id in sorted({batch_id for _, batch_id in members}):
        finish_if_read(batch_id=batch_id, at=at)
    in_batches = {import_id for import_id, _ in members}
    publish(*(_file_finished(own, len(sessions.get(own.id, [])), at) for own in settled if own.id not in in_batches))
    tell_states(settled, sessions)


def _file_finished(own: Import, sessions: int, at: datetime) -> events.ImportFinished:
    read = own.state == Import.State.DONE
    return events.ImportFinished(
        import_id=own.id,
        user_id=own.user_id,
        is_batch=False,
        imported=int(read),
        refused=int(not read),
        sessions=sessions,
        occurred_at=at,
    )


def announce_batch(batch: ImportBatch, *, imported: int, refused: int, sessions: int, at: datetime) -> None:
    """Say once that a whole batch has been read."""
    publish(
        events.ImportFinished(
            import_id=batch.id,
            user_id=batch.user_id,
            is_batch=True,
            imported=imported,
            refused=refused,
            sessions=sessions,
            occurred_at=at,
        )
    )


def finish_if_read(*, batch_id: UUID, at: datetime) -> None:
    """The batch is done with its last member. The caller holds the athlete's gate: one of them is the last."""
    left = Q(recording=None, code="") | Q(recording__state__in=(Import.State.QUEUED, Import.State.WORKING))
    if BatchMember.objects.filter(left, batch_id=batch_id).exists():
        return
    batch = ImportBatch.objects.select_for_update().get(id=batch_id)
    if batch.state != ImportBatch.State.READING:
        return
    batch.state, batch.finished_at = ImportBatch.State.DONE, at
    batch.save()
    counts = counts_of(batch)
    sessions = (
        Import.objects.filter(members__batch_id=batch_id)
        .distinct()
        .aggregate(sessions=Count("sessions", distinct=True))["sessions"]
    )
    announce_batch(
        batch,
        imported=counts["done"],
        refused=counts["refused"] + counts["left_out"],
        sessions=sessions,
        at=at,
    )
    inner = set(BatchMember.objects.filter(batch_id=batch_id).values_list("container", flat=True)) - {batch.archive}
    run_after_commit(lambda: _after(batch, inner))


def _after(batch: ImportBatch, inner: Iterable[str]) -> None:
    tell_progress(batch)
    for container in inner:
        default_storage.delete(container)
