"""Recordings from files: kept byte for byte, read in a bounded child process, and turned into sessions."""

from __future__ import annotations

import hashlib
import logging
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db.models import Q

from contexts.identity import services as identity
from contexts.workout import completing, recordings, streams
from contexts.workout.models import Import, TrainingSession, Visibility
from kernel.databases import unit_of_work
from kernel.errors import InvalidInput, NotFound, Refused
from kernel.models import uuid7

log = logging.getLogger(__name__)

MAX_FILE_BYTES: Final = 25_000_000
MAX_ATTEMPTS: Final = 3
LEASE: Final = timedelta(minutes=3)
"""A worker that has said nothing for so long is dead; another takes its import."""

PATIENCE: Final = timedelta(seconds=20)
"""How long a queued import waits for its wake-up before the sweeper sends another."""


Sessions = list[tuple[TrainingSession, list[streams.Columns]]]


class FileTooLarge(Refused):
    """The file is larger than 25 MB."""

    status = 413


class Owner(NamedTuple):
    """What is asked about the athlete before their recording becomes sessions."""

    visibility: str
    time_zone: str
    physiology: identity.Physiology | None


def accept_file(*, file: File[bytes], name: str, by: UUID, at: datetime) -> tuple[Import, bool]:
    """Keep the file and queue it. The same file of the same athlete is the same import: (import, is it new)."""
    if not file.size:
        raise InvalidInput("The file is empty.", field="file", code="empty")
    if file.size > MAX_FILE_BYTES:
        raise FileTooLarge(limit_bytes=MAX_FILE_BYTES)
    sha256 = _digest(file)
    known = Import.objects.filter(user_id=by, sha256=sha256).first()
    if known is not None:
        return known, False
    original = default_storage.save(f"workout/imports/{by}/{uuid7()}", file)
    taken = _queue(by=by, sha256=sha256, name=name[-255:], size=file.size, original=original, at=at)
    if taken.original != original:
        default_storage.delete(original)
    return taken, taken.original == original


@unit_of_work("workout", gate=("by", "sha256"))
def _queue(*, by: UUID, sha256: str, name: str, size: int, original: str, at: datetime) -> Import:
    """The row that promises the work; of two equal files at once the first one's."""
    taken, _ = Import.objects.get_or_create(
        user_id=by,
        sha256=sha256,
        defaults={"file_name": name, "size": size, "original": original, "posted_at": at},
    )
    return taken


def _digest(file: File[bytes]) -> str:
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    file.seek(0)
    return digest.hexdigest()


def own_import(*, import_id: UUID, by: UUID) -> Import:
    """The athlete's own import; somebody else's does not exist for them."""
    found = Import.objects.filter(id=import_id, user_id=by).first()
    if found is None:
        raise NotFound
    return found


def sessions_of(*, import_id: UUID) -> list[UUID]:
    """The sessions an import became, in the file's order."""
    return list(TrainingSession.objects.filter(recording_id=import_id).order_by("part").values_list("id", flat=True))


def unfinished(*, at: datetime) -> list[UUID]:
    """Imports nobody works on although they should be: their wake-up was lost, or their worker died."""
    forgotten = Q(state=Import.State.QUEUED, posted_at__lt=at - PATIENCE) | _abandoned(at)
    return list(Import.objects.filter(forgotten).order_by("posted_at").values_list("id", flat=True)[:100])


def _abandoned(at: datetime) -> Q:
    return Q(state=Import.State.WORKING, claimed_at__lt=at - LEASE)


def read_import(*, import_id: UUID, at: datetime) -> None:
    """Turn one import into sessions, or refuse it with the reason. Called too often it does nothing."""
    claimed = _claim(import_id=import_id, at=at)
    if claimed is None:
        return
    try:
        reading = recordings.read_bounded(_original(claimed), filename=claimed.file_name)
    except recordings.Unreadable as reason:
        _refuse(import_id=import_id, attempt=claimed.attempts, code=reason.code, detail=reason.detail, at=at)
        return
    sessions = _sessions_of(reading, _ask_about(claimed.user_id), claimed, at)
    warnings = [{"code": warning.code, "detail": warning.detail} for warning in reading.warnings]
    _record(
        import_id=import_id, attempt=claimed.attempts, by=claimed.user_id, sessions=sessions, warnings=warnings, at=at
    )


@unit_of_work("workout")
def _claim(*, import_id: UUID, at: datetime) -> Import | None:
    """Take the import if it is free; one that keeps killing its workers is refused at last."""
    free = Q(state=Import.State.QUEUED) | _abandoned(at)
    taken = Import.objects.select_for_update(skip_locked=True).filter(free, id=import_id).first()
    if taken is None:
        return None
    if taken.attempts >= MAX_ATTEMPTS:
        taken.refuse(code="reader_failed", detail="Reading this file failed several times.", at=at)
    else:
        taken.claim(at=at)
    taken.save()
    return taken if taken.state == Import.State.WORKING else None


def _original(claimed: Import) -> bytes:
    """The file as it was handed in; damage in our own storage is an error, not the athlete's fault."""
    with default_storage.open(claimed.original) as file:
        data: bytes = file.read()
    if hashlib.sha256(data).hexdigest() != claimed.sha256:
        raise OSError(f"the original of import {claimed.id} is damaged in storage")
    return data


def _ask_about(user_id: UUID) -> Owner:
    member = identity.get_member(user_id=user_id)
    return Owner(
        visibility=member.workout_visibility if member else Visibility.PRIVATE.value,
        time_zone=member.time_zone if member else "UTC",
        physiology=identity.get_physiology(user_id=user_id),
    )


def _sessions_of(reading: recordings.Reading, owner: Owner, claimed: Import, at: datetime) -> Sessions:
    """The file's activities as completed sessions with their streams, not saved yet."""
    sessions = []
    for part, recorded in enumerate(reading.activities):
        session = TrainingSession(
            user_id=claimed.user_id,
            sport=recorded.sport,
            visibility=owner.visibility,
            source=TrainingSession.Source.IMPORT,
            time_zone=owner.time_zone,
            started_at=recorded.started_at,
            recording=claimed,
            part=part,
        )
        athlete = completing.athlete_on(recorded.started_at, known=owner.physiology, at=at)
        packed = completing.summarise_recorded(session=session, recorded=recorded, athlete=athlete, at=at)
        sessions.append((session, packed))
    return sessions


@unit_of_work("workout", gate="by")
def _record(
    *, import_id: UUID, attempt: int, by: UUID, sessions: Sessions, warnings: list[dict[str, str]], at: datetime
) -> None:
    """All sessions of the file, or none; nothing if another worker has taken over meanwhile."""
    own = _still_ours(import_id, attempt)
    if own is None:
        return
    for session, packed in sessions:
        completing.record_completed(session=session, packed=packed, at=at)
    own.finish(warnings=warnings, at=at)
    own.save()


@unit_of_work("workout")
def _refuse(*, import_id: UUID, attempt: int, code: str, detail: str, at: datetime) -> None:
    own = _still_ours(import_id, attempt)
    if own is not None:
        own.refuse(code=code, detail=detail, at=at)
        own.save()


def _still_ours(import_id: UUID, attempt: int) -> Import | None:
    working = Import.objects.select_for_update().filter(id=import_id, state=Import.State.WORKING, attempts=attempt)
    return working.first()
