"""What the worker does for workout. A message is only a wake-up: the import's row says what is to be done."""

from uuid import UUID

from celery import shared_task
from django.utils.timezone import now

from contexts.workout.imports import batches, importing
from contexts.workout.numbers import analysing, recomputing
from contexts.workout.outdoors import efforts, tracks
from contexts.workout.plans import following
from contexts.workout.recording import completing, offline, sampling


@shared_task(acks_late=True, ignore_result=True)
def read_import(import_id: str) -> None:
    """Turn one import into sessions."""
    importing.read_import(import_id=UUID(import_id), at=now())


@shared_task(ignore_result=True)
def wake_unfinished_imports() -> int:
    """Every 30 s: send another wake-up for imports whose first one, or whose worker, was lost."""
    waiting = importing.unfinished(at=now())
    for import_id in waiting:
        read_import.delay(str(import_id))
    return len(waiting)


@shared_task(ignore_result=True)
def end_lost_sessions() -> int:
    """Every minute: end sessions whose phone is lost, with what arrived."""
    at = now()
    lost = sampling.lost(at=at)
    for session_id, user_id, last_sign in lost:
        completing.complete_session(session_id=session_id, by=user_id, ended_at=last_sign, at=at)
    return len(lost) + offline.end_lost(at=at)


@shared_task(ignore_result=True)
def analyse_sessions() -> int:
    """When a session is completed, and every ten seconds: analyse what is due."""
    at = now()
    return sum(analysing.analyse(session_ids=session_ids, at=at) for session_ids in analysing.due())


@shared_task(ignore_result=True)
def mark_outdated_analyses() -> int:
    """Every minute: sessions whose numbers a better algorithm would compute otherwise are due again."""
    return recomputing.mark_outdated()


@shared_task(ignore_result=True)
def mark_missed_workouts() -> int:
    """Every 5 min: somewhere a day has ended, and what was planned for it is missed or made up."""
    return following.sweep(at=now())


@shared_task(acks_late=True, ignore_result=True)
def match_segment(segment_id: str) -> None:
    """Look for a new segment in the sessions there are."""
    efforts.match_segment(segment_id=UUID(segment_id), at=now())


@shared_task(ignore_result=True)
def match_what_waits() -> int:
    """Every 30 s: segments whose wake-up was lost, and sessions whose places have changed."""
    at = now()
    waiting = efforts.unmatched_segments(at=at)
    for segment_id in waiting:
        match_segment.delay(str(segment_id))
    changed = efforts.unmatched_sessions(at=at)
    for session_id in changed:
        efforts.match_session(session_id=session_id, at=at)
    return len(waiting) + len(changed)


@shared_task(ignore_result=True)
def derive_missing_tracks() -> int:
    """Every minute: some of the sessions that were completed before there were tracks get theirs."""
    waiting = tracks.sessions_without_track()
    for session_id, user_id in waiting:
        tracks.derive_track(session_id=session_id, by=user_id)
    return len(waiting)


@shared_task(acks_late=True, ignore_result=True)
def open_batch(batch_id: str) -> None:
    """List an archive, then have its portions read."""
    _send(batches.open_batch(batch_id=UUID(batch_id), at=now()))


@shared_task(acks_late=True, ignore_result=True)
def read_portion(batch_id: str, position: int) -> None:
    """Turn some members of an archive into sessions."""
    batches.read_portion(batch_id=UUID(batch_id), position=position, at=now())


@shared_task(ignore_result=True)
def wake_unfinished_batches() -> int:
    """Every 30 s: send another wake-up for archives whose first one, or whose worker, was lost."""
    waiting = batches.unfinished(at=now())
    _send(waiting)
    return len(waiting)


def _send(work: list[batches.Work]) -> None:
    for batch_id, position in work:
        if position is None:
            open_batch.delay(str(batch_id))
        else:
            read_portion.delay(str(batch_id), position)


EVERY = {
    wake_unfinished_imports: 30.0,
    wake_unfinished_batches: 30.0,
    end_lost_sessions: 60.0,
    analyse_sessions: 10.0,
    mark_outdated_analyses: 60.0,
    mark_missed_workouts: 300.0,
    match_what_waits: 30.0,
    derive_missing_tracks: 60.0,
}
