"""Recordings from files: kept byte for byte, read in a bounded child process, and turned into sessions."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db.models import Q

from contexts.identity import services as identity
from contexts.workout import recordings
from contexts.workout.imports import import_progress, metadata
from contexts.workout.models import BatchMember, Import, TrainingSession, Visibility
from contexts.workout.recording import completing
from contexts.workout.recordings import own_json
from contexts.workout.series.columns import Columns
from contexts.workout.sessions import duplicates, parts
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


class Made(NamedTuple):
    """A session made of a recorded activity, not saved yet, with its streams and its sets."""

    session: TrainingSession
    packed: list[Columns]
    sets: list[recordings.LiftedSet]


Sessions = list[Made]


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
    sha256 = digest(file)
    known = Import.objects.filter(user_id=by, sha256=sha256).first()
    if known is not None:
        return known, False
    original = default_storage.save(f"workout/imports/{by}/{uuid7()}", file)
    taken = _queue(by=by, sha256=sha256, name=name[-255:], size=file.size, original=original, at=at)
    if taken.original != original:
        default_storage.delete(original)
    return taken, taken.original == original


@unit_of_work("workout")
def _queue(*, by: UUID, sha256: str, name: str, size: int, original: str, at: datetime) -> Import:
    """The row that promises the work; of two equal files at once the first one's."""
    taken, _ = Import.objects.get_or_create(
        user_id=by,
        sha256=sha256,
        defaults={"file_name": name, "size": size, "original": original, "posted_at": at},
    )
    return taken


def digest(file: File[bytes]) -> str:
    """What tells a file from all others."""
    sha256 = hashlib.sha256()
    for chunk in file.chunks():
        sha256.update(chunk)
    file.seek(0)
    return sha256.hexdigest()


def own_import(*, import_id: UUID, by: UUID) -> Import:
    """The athlete's own import; somebody else's does not exist for them."""
    found = Import.objects.filter(id=import_id, user_id=by).first()
    if found is None:
        raise NotFound
    return found


def safe_name(name: str) -> str:
    """A file name for a download: no folders, nothing unprintable, never empty."""
    kept = "".join(letter for letter in name if letter.isprintable() and letter not in '/\\:*?"<>|')
    return kept.strip(" .")[-150:] or "recording"


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
    read_imports(import_ids=[import_id], at=at)


def read_imports(*, import_ids: Sequence[UUID], at: datetime) -> None:
    """Turn imports into sessions, each for itself. What is worked on already, or done, is left alone."""
    claimed = [each for import_id in import_ids if (each := _claim(import_id=import_id, at=at))]
    owners = {user_id: _ask_about(user_id) for user_id in {each.user_id for each in claimed}}
    files = ((_original(each), each.file_name) for each in claimed)
    for each, outcome in zip(claimed, recordings.read_many_bounded(files), strict=True):
        _take(each, outcome, owners[each.user_id], at)


def _take(claimed: Import, outcome: recordings.Reading | recordings.Unreadable, owner: Owner, at: datetime) -> None:
    ours: dict[str, Any] = {"import_id": claimed.id, "attempt": claimed.attempts, "by": claimed.user_id}
    if isinstance(outcome, recordings.Unreadable):
        _refuse(**ours, code=outcome.code, detail=outcome.detail, at=at)
        return
    sessions = _sessions_of(outcome, owner, claimed, _lists_about(claimed.id), at)
    warnings = [asdict(warning) for warning in outcome.warnings]
    _record(**ours, sessions=sessions, warnings=warnings, at=at)


def _lists_about(import_id: UUID) -> metadata.Lists:
    """What the lists of the export say that an import came with."""
    of = BatchMember.objects.filter(recording_id=import_id).order_by("batch_id", "position")
    known = of.values_list("told", "batch__told").first()
    return metadata.Lists(*known) if known else metadata.Lists()


@unit_of_work("workout")
def _claim(*, import_id: UUID, at: datetime) -> Import | None:
    """Take the import if it is free; one that keeps killing its workers is refused at last."""
    free = Q(state=Import.State.QUEUED) | _abandoned(at)
    taken = Import.objects.select_for_update(skip_locked=True).filter(free, id=import_id).first()
    if taken is None:
        return None
    if taken.attempts >= MAX_ATTEMPTS:
        taken.refuse(code="reader_failed", detail="Reading this file failed several times.", at=at)
        import_progress.settle(taken, sessions=0, at=at)
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


def _known_zone(name: str | None) -> str | None:
    """A time zone by its name, if there is such a one."""
    try:
        return ZoneInfo(name).key if name else None
    except (ValueError, OSError, ZoneInfoNotFoundError):
        return None


def _device_of(recorded: recordings.RecordedActivity) -> str:
    """Maker and product in words; who has no number of their own says "development"."""
    maker = None if recorded.manufacturer == "development" else recorded.manufacturer
    return " ".join(word for word in (maker, recorded.product) if word)


def _said_by(recorded: recordings.RecordedActivity) -> dict[str, Any]:
    """The device's own sums, laps and lengths, and the kind of sport, as far as it said any."""
    sums = {name: getattr(recorded, field) for name, field in own_json.SAID.items()}
    whole = {
        "sub_sport": recorded.sub_sport,
        "laps": [asdict(lap) for lap in recorded.laps] or None,
        "pool": recorded.pool and asdict(recorded.pool),
    }
    return {name: value for name, value in (sums | whole).items() if value is not None}


def _sessions_of(
    reading: recordings.Reading, owner: Owner, claimed: Import, told: metadata.Lists, at: datetime
) -> Sessions:
    """The file's activities as completed sessions with their streams, not saved yet."""
    sessions = []
    for part, recorded in enumerate(reading.activities):
        listed = metadata.sport_of(told, recorded.started_at) if len(reading.activities) == 1 else ""
        if recorded.sport == "other" and listed:
            recorded.sport = listed
            recordings.count_both_legs(recorded)
        session = TrainingSession(
            user_id=claimed.user_id,
            sport=recorded.sport,
            visibility=owner.visibility,
            source=TrainingSession.Source.IMPORT,
            time_zone=_known_zone(recorded.time_zone) or owner.time_zone,
            started_at=recorded.started_at,
            recording=claimed,
            part=part,
            origin=duplicates.origin_of(recorded.manufacturer, recorded.product),
            device=_device_of(recorded),
            said=_said_by(recorded),
            **asdict(recorded.told.or_else(metadata.told_of(told, recorded.started_at))),
        )
        athlete = completing.athlete_on(recorded.started_at, known=owner.physiology, at=at)
        packed = completing.summarise_recorded(session=session, recorded=recorded, athlete=athlete, at=at)
        sessions.append(Made(session, packed, recorded.sets))
    return sessions


@unit_of_work("workout", gate="by")
def _record(
    *, import_id: UUID, attempt: int, by: UUID, sessions: Sessions, warnings: list[dict[str, str]], at: datetime
) -> None:
    """All sessions of the file, or none; nothing if another worker has taken over meanwhile."""
    own = _still_ours(import_id, attempt)
    if own is None:
        return
    for session, packed, sets in sessions:
        completing.record_completed(session=session, packed=packed, at=at)
        parts.keep_sets(session, sets)
    own.finish(warnings=warnings, at=at)
    own.save()
    import_progress.settle(own, sessions=len(sessions), at=at)


@unit_of_work("workout", gate="by")
def _refuse(*, import_id: UUID, attempt: int, by: UUID, code: str, detail: str, at: datetime) -> None:
    own = _still_ours(import_id, attempt)
    if own is not None:
        own.refuse(code=code, detail=detail, at=at)
        own.save()
        import_progress.settle(own, sessions=0, at=at)


@unit_of_work("workout")
def read_again(*, import_id: UUID, at: datetime) -> bool:
    """Queue a refused import once more, after our reader has been mended; false where there is nothing to do."""
    refused = Import.objects.select_for_update().filter(id=import_id, state=Import.State.REFUSED).first()
    if refused is None:
        return False
    refused.queue_again(at=at)
    refused.save()
    return True


def _still_ours(import_id: UUID, attempt: int) -> Import | None:
    working = Import.objects.select_for_update().filter(id=import_id, state=Import.State.WORKING, attempts=attempt)
    return working.first()
