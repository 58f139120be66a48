"""When a formula gets better, what the old one computed is computed anew, in the background and bit by bit (WO-5).

The register of `analysis` says which algorithms compute no more, and every analysis names those that computed it.
Earlier numbers stay beside the new ones.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.db.models import Count, QuerySet

from contexts.workout import analysis
from contexts.workout.models import Analysis, TrainingSession
from kernel.databases import unit_of_work

REASON: Final = "algorithm"
MOST_WAITING: Final = 1_000
"""So many sessions wait for this at a time: as many as are analysed in a minute."""

A_BATCH: Final = 1_000


def _behind() -> QuerySet[Analysis]:
    """Analyses that hold numbers of an algorithm that computes no more."""
    old = sorted(analysis.superseded())
    return Analysis.objects.filter(is_current=True, algorithms__overlap=old) if old else Analysis.objects.none()


@unit_of_work("workout")
def mark_outdated() -> int:
    """Have the next sessions whose numbers are of old algorithms analysed anew; answers how many.

    Sessions that are being changed at this moment have their turn later.
    """
    room = MOST_WAITING - TrainingSession.objects.exclude(analysis_due="").filter(analysis_due=REASON).count()
    if room <= 0:
        return 0
    return _mark(list(_behind().filter(session__analysis_due="").values_list("session_id", flat=True)[:room]))


@unit_of_work("workout")
def mark_next(*, after: UUID | None) -> tuple[int, UUID | None]:
    """Have the next batch of sessions analysed anew, whatever computed them; how many, and where to go on.

    For a formula that is new altogether: nothing stored tells that it is missing.
    """
    completed = TrainingSession.objects.filter(state=TrainingSession.State.COMPLETED).order_by("id")
    batch = list((completed.filter(id__gt=after) if after else completed).values_list("id", flat=True)[:A_BATCH])
    return _mark(batch), batch[-1] if batch else None


def _mark(sessions: list[UUID]) -> int:
    idle = TrainingSession.objects.filter(pk__in=sessions, analysis_due="").select_for_update(skip_locked=True)
    free = list(idle.values_list("pk", flat=True))
    return TrainingSession.objects.filter(pk__in=free).update(analysis_due=REASON)


def progress() -> dict[str, Any]:
    """For operators: how many sessions wait for what, how many are of old algorithms, and of how many in all."""
    waiting = TrainingSession.objects.exclude(analysis_due="").values("analysis_due").annotate(count=Count("pk"))
    return {
        "waiting": dict(waiting.order_by("analysis_due").values_list("analysis_due", "count")),
        "behind": _behind().count(),
        "analysed": Analysis.objects.filter(is_current=True).count(),
    }
