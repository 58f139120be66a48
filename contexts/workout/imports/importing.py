"""Recordings from files: kept byte for byte, read in a bounded child process, and turned into sessions."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db.models import F, OuterRef, Q, QuerySet

from contexts.identity import services as identity
from contexts.workout import recordings
from contexts.workout.imports import import_progress, metadata
from contexts.workout.models import BatchMember, Import, TrainingSession, Visibility
from contexts.workout.recording import completing
from contexts.workout.recordings import own_json
from contexts.workout.sessions import duplicates
from kernel.databases import unit_of_work
from kernel.errors import InvalidInput, NotFound, Refused, Text
from kernel.models import uuid7

log = logging.getLogger(__name__)

MAX_FILE_BYTES: Final = 25_000_000
MAX_ATTEMPTS: Final = 3
LEASE: Final = timedelta(minutes=3)
"""A worker that has said nothing for so long is dead; another takes its import."""

AT_ONCE: Final = 8
"""So many imports a worker takes at a time, at most."""

MOST_HELD: Final = 2_000_000
"""So many measured values wait in memory to be stored together; beyond, they are stored before the next file."""

PATIENCE: Final = timedelta(seconds=20)
"""How long a queued import waits for its wake-up before the sweeper sends another."""


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
    ours = Import(user_id=by, sha256=sha256, file_name=name, size=size, original=original, posted_at=at)
    Import.objects.bulk_create([ours], ignore_conflicts=True)
    return Import.objects.get(user_id=by, sha256=sha256)


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


def imports_of(*, by: UUID, state: str = "") -> QuerySet[Import]:
    """The athlete's imports, in one state or all, each with how many sessions there are of it: `session_count`."""
    own = Import.objects.filter(user_id=by, **({"state": state} if state else {}))
    sessions = TrainingSession.objects.filter(recording=OuterRef("pk"))
    return own.annotate(session_count=import_progress.number_of(sessions))


def safe_name(name: str) -> str:
    """A file name for a download: no folders, nothing unprintable, never empty."""
    kept = "".join(letter for letter in name if letter.isprintable() and letter not in '/\\:*?"<>|')
    return kept.strip(" .")[-150:] or "recording"


def sessions_of(*, import_id: UUID) -> list[UUID]:
    """The sessions an import became, in the file's order."""
    return list(TrainingSession.objects.filter(recording_id=import_id).order_by("part").values_list("id", flat=True))


def snapshot(*, import_id: UUID, by: UUID) -> dict[str, Any]:
    """The first frame a watcher gets."""
    found = own_import(import_id=import_id, by=by)
    return import_progress.frame_of(found, sessions_of(import_id=found.id))


def unfinished(*, at: datetime) -> list[UUID]:
    """Imports nobody works on although they should be: their wake-up was lost, or their worker died."""
    forgotten = Q(state=Import.State.QUEUED, posted_at__lt=at - PATIENCE) | _abandoned(at)
    return list(Import.objects.filter(forgotten).order_by("posted_at").values_list("id", flat=True)[:100])


def _abandoned(at: datetime) -> Q:
    return Q(state=Import.State.WORKING, claimed_at__lt=at - LEASE)


def _free(at: datetime) -> Q:
    return Q(state=Import.State.QUEUED) | _abandoned(at)


def read_import(*, import_id: UUID, at: datetime) -> None:
    """Turn one import into sessions, or refuse it with the reason. Called too often it does nothing.

    Others that wait are taken along: what is read together is stored with a fraction of the statements.
    """
    free = Import.objects.filter(_free(at), id=import_id).values_list("user_id", "attempts").first()
    if free is None:
        return
    user_id, attempts = free
    # What has been tried before may have killed its worker: it would take its neighbours with it.
    others = [] if attempts else _waiting_beside(import_id, of=user_id)
    _read_together([import_id, *others], at)


def _waiting_beside(import_id: UUID, *, of: UUID) -> list[UUID]:
    """Half of what else waits of the athlete's, the oldest first: the other half is for another worker."""
    waiting = Import.objects.filter(user_id=of, state=Import.State.QUEUED, attempts=0).exclude(id=import_id)
    oldest = list(waiting.order_by("posted_at", "id").values_list("id", flat=True)[: 2 * (AT_ONCE - 1)])
    return oldest[: len(oldest) // 2]


def read_imports(*, import_ids: Collection[UUID], at: datetime) -> None:
    """Turn imports of one athlete into sessions. What is worked on already, or done, is left alone."""
    free = Import.objects.filter(_free(at), id__in=import_ids).order_by("id").values_list("id", "attempts")
    fresh = [import_id for import_id, attempts in free if not attempts]
    for first in range(0, len(fresh), AT_ONCE):
        _read_together(fresh[first : first + AT_ONCE], at)
    for import_id in (import_id for import_id, attempts in free if attempts):
        _read_together([import_id], at)


class Outcome(NamedTuple):
    """What became of an import that was claimed: its sessions, not saved yet, or why it is refused."""

    claimed: Import
    sessions: Sequence[completing.Made] = ()
    warnings: Sequence[recordings.Flaw] = ()
    refusal: recordings.Unreadable | None = None

    @property
    def values(self) -> int:
        """How many measured values wait to be stored."""
        return sum(len(stream.measured) for made in self.sessions for stream in made.packed)


def _read_together(import_ids: Collection[UUID], at: datetime) -> None:
    """Imports of one athlete, each for itself, whatever becomes of the others."""
    claimed = _claim(import_ids=import_ids, at=at)
    if not claimed:
        return
    owner, lists = _ask_about(claimed[0].user_id), _lists_about(claimed)
    read: list[Outcome] = []
    for each, outcome in recordings.read_many_bounded(_originals(claimed)):
        with _sparing_the_others(each):
            read.append(_outcome_of(each, outcome, owner, lists.get(each.id, metadata.Lists()), at))
        if sum(one.values for one in read) > MOST_HELD:
            _record_all(read, at)
            read = []
    _record_all(read, at)


def _originals(claimed: Iterable[Import]) -> Iterator[tuple[Import, bytes, str]]:
    for each in claimed:
        with _sparing_the_others(each):
            yield each, _original(each), each.file_name


@contextmanager
def _sparing_the_others(claimed: Import) -> Iterator[None]:
    """What fails here is our fault and costs this import alone an attempt; its next is due when its lease ends."""
    try:
        yield
    except Exception:
        log.exception("an import has failed", extra={"import_id": str(claimed.id), "attempt": claimed.attempts})


def _outcome_of(
    claimed: Import,
    outcome: recordings.Reading | recordings.Unreadable,
    owner: Owner,
    told: metadata.Lists,
    at: datetime,
) -> Outcome:
    if isinstance(outcome, recordings.Unreadable):
        return Outcome(claimed, refusal=outcome)
    return Outcome(claimed, _sessions_of(outcome, owner, claimed, told, at), outcome.warnings)


def _lists_about(claimed: Iterable[Import]) -> dict[UUID, metadata.Lists]:
    """What the lists of the export say that an import came with, by import."""
    of = BatchMember.objects.filter(recording__in=claimed).order_by("-batch_id", "-position")
    return {each: metadata.Lists(*told) for each, *told in of.values_list("recording_id", "told", "batch__told")}


@unit_of_work("workout")
def _claim(*, import_ids: Collection[UUID], at: datetime) -> list[Import]:
    """Take those imports that are free; one that keeps killing its workers is refused at last."""
    free = Import.objects.select_for_update(skip_locked=True).filter(_free(at), id__in=import_ids).order_by("id")
    claimed = []
    for each in free:
        if each.attempts < MAX_ATTEMPTS:
            each.claim(at=at)
            claimed.append(each)
        else:
            each.refuse(code="reader_failed", detail=Text("Reading this file failed several times."), at=at)
            each.save()
            import_progress.settle([each], sessions={}, at=at)
    taken = Import.objects.filter(id__in=[each.id for each in claimed])
    taken.update(state=Import.State.WORKING, claimed_at=at, attempts=F("attempts") + 1)
    import_progress.tell_states(claimed)
    return claimed


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
) -> list[completing.Made]:
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
        sessions.append(completing.summarise_recorded(session=session, recorded=recorded, athlete=athlete, at=at))
    return sessions


def _record_all(read: list[Outcome], at: datetime) -> None:
    """Store what was read in one transaction; if that fails one by one, so that only who is at fault suffers."""
    if not read:
        return
    by = read[0].claimed.user_id
    try:
        _record(by=by, read=read, at=at)
    except Exception as failure:
        log.warning("imports are stored one by one", extra={"imports": len(read)}, exc_info=failure)
        for each in read:
            with _sparing_the_others(each.claimed):
                _record(by=by, read=[each], at=at)


@unit_of_work("workout", gate="by")
def _record(*, by: UUID, read: Sequence[Outcome], at: datetime) -> None:
    """All sessions of these files; of those that another worker has taken over meanwhile nothing."""
    ours = _still_ours([each.claimed for each in read])
    read = [each for each in read if each.claimed.id in ours]
    completing.record_completed([made for each in read for made in each.sessions], at=at)
    _settle(read, at)


def _settle(read: Sequence[Outcome], at: datetime) -> None:
    """The imports' rows say what became of them; those with nothing to tell in one statement."""
    for claimed, _, warnings, refusal in read:
        if refusal is None:
            claimed.finish(warnings=[asdict(flaw) for flaw in warnings], at=at)
        else:
            claimed.refuse(code=refusal.code, detail=Text(refusal.detail, **refusal.values), at=at)
        if refusal or warnings:
            claimed.save()
    silent = [each.claimed.id for each in read if not each.refusal and not each.warnings]
    Import.objects.filter(id__in=silent).update(state=Import.State.DONE, warnings=[], finished_at=at)
    sessions = {each.claimed.id: [made.session.id for made in each.sessions] for each in read}
    import_progress.settle([each.claimed for each in read], sessions=sessions, at=at)


@unit_of_work("workout")
def read_again(*, import_id: UUID, at: datetime) -> bool:
    """Queue a refused import once more, after our reader has been mended; false where there is nothing to do."""
    refused = Import.objects.select_for_update().filter(id=import_id, state=Import.State.REFUSED).first()
    if refused is None:
        return False
    refused.queue_again(at=at)
    refused.save()
    import_progress.tell_states([refused])
    return True


def _still_ours(claimed: Iterable[Import]) -> set[UUID]:
    """Those of the claimed that no other worker has taken over since."""
    attempts = {each.id: each.attempts for each in claimed}
    working = Import.objects.select_for_update().filter(id__in=attempts, state=Import.State.WORKING).order_by("id")
    return {found for found, attempt in working.values_list("id", "attempts") if attempts[found] == attempt}
