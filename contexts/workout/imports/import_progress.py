"""How far a file or an archive is: told to whoever watches, and announced once when it is finished."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.core.files.storage import default_storage
from django.db.models import Case, CharField, Count, F, Q, Value, When

from contexts.workout import events
from contexts.workout.models import BatchMember, Import, ImportBatch
from kernel.bus import publish
from kernel.databases import run_after_commit
from kernel.http import translated
from kernel.realtime import push

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


def progress_of(batch: ImportBatch) -> dict[str, Any]:
    """Where a batch stands."""
    refusal = {"code": batch.refusal_code, "detail": translated(batch.refusal_detail)} if batch.refusal_code else None
    counts = counts_of(batch)
    return {
        "batch_id": batch.id,
        "state": batch.state,
        "members": sum(counts.values()),
        "counts": counts,
        "refusal": refusal,
    }


def group_of(batch_id: UUID) -> str:
    """The realtime group of whoever watches a batch."""
    return f"workout.batch.{batch_id}"


def tell_progress(batch: ImportBatch) -> None:
    """Tell watchers after commit where the batch stands; every frame says all, so a lost one does no harm."""
    run_after_commit(lambda: push(group_of(batch.id), {"type": "progress", **progress_of(batch)}))


def settle(own: Import, *, sessions: int, at: datetime) -> None:
    """Announce that it is finished, or, if it came in a batch, the batch when this was its last.

    The caller holds the athlete's gate.
    """
    whole = set(BatchMember.objects.filter(recording=own).values_list("batch_id", flat=True))
    for batch_id in whole:
        finish_if_read(batch_id=batch_id, at=at)
    if not whole:
        read = own.state == Import.State.DONE
        announce_finished(
            import_id=own.id,
            by=own.user_id,
            is_batch=False,
            imported=int(read),
            refused=int(not read),
            sessions=sessions,
            at=at,
        )


def announce_finished(
    *, import_id: UUID, by: UUID, is_batch: bool, imported: int, refused: int, sessions: int, at: datetime
) -> None:
    """Say once that a file, or a whole batch, has been read."""
    publish(
        events.ImportFinished(
            import_id=import_id,
            user_id=by,
            is_batch=is_batch,
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
    announce_finished(
        import_id=batch.id,
        by=batch.user_id,
        is_batch=True,
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
