"""Many recordings at once: an archive is kept, listed, and its members become imports one portion at a time (WO-9).

Only rows say what is left to do. A member with neither an import nor a code is still to be read, so whoever dies on
the way loses nothing, and doing a portion twice finds the imports of the first time.
"""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage
from django.db.models import OuterRef, Q, QuerySet

from contexts.workout.imports import archives, import_progress, importing, metadata, strava_lists
from contexts.workout.models import BatchMember, Import, ImportBatch, TrainingSession
from kernel.databases import unit_of_work
from kernel.errors import InvalidInput, NotFound, Refused, Text
from kernel.models import uuid7

log = logging.getLogger(__name__)

PORTION: Final = 20
"""So many members a worker takes at a time: they share one reading process, and progress shows after each."""
MAX_ATTEMPTS: Final = 3
LEASE: Final = timedelta(minutes=3)
MAX_INNER_BYTES: Final = archives.MAX_ARCHIVE_BYTES


class ArchiveTooLarge(Refused):
    """The archive is larger than 2 GB."""

    status = 413


class Work(NamedTuple):
    """What a worker is to do next for a batch: open it, or read the portion that begins at a position."""

    batch_id: UUID
    position: int | None


def accept_archive(*, file: File[bytes], name: str, by: UUID, at: datetime) -> tuple[ImportBatch, bool]:
    """Keep the archive and queue it. The same archive of the same athlete is the same batch: (batch, is it new)."""
    if not file.size:
        raise InvalidInput("The file is empty.", field="file", code="empty")
    if file.size > archives.MAX_ARCHIVE_BYTES:
        raise ArchiveTooLarge(limit_bytes=archives.MAX_ARCHIVE_BYTES)
    sha256 = importing.digest(file)
    known = ImportBatch.objects.filter(user_id=by, sha256=sha256).first()
    if known is not None:
        return known, False
    size = file.size
    archive = default_storage.save(f"{folder_of(by)}/{uuid7()}", file)
    taken = _queue(by=by, sha256=sha256, name=name[-255:], size=size, archive=archive, at=at)
    if taken.archive != archive:
        default_storage.delete(archive)
    return taken, taken.archive == archive


def folder_of(user_id: UUID) -> str:
    """Where a person's archives lie."""
    return f"workout/batches/{user_id}"


@unit_of_work("workout", gate=("by", "sha256"))
def _queue(*, by: UUID, sha256: str, name: str, size: int, archive: str, at: datetime) -> ImportBatch:
    taken, _ = ImportBatch.objects.get_or_create(
        user_id=by,
        sha256=sha256,
        defaults={"file_name": name, "size": size, "archive": archive, "posted_at": at, "touched_at": at},
    )
    return taken


def own_batch(*, batch_id: UUID, by: UUID) -> ImportBatch:
    """The athlete's own batch; somebody else's does not exist for them."""
    found = ImportBatch.objects.filter(id=batch_id, user_id=by).first()
    if found is None:
        raise NotFound
    return found


def batches_of(*, by: UUID, state: str = "") -> QuerySet[ImportBatch]:
    """The athlete's batches, in one state or all, each with how many sessions there are of it: `session_count`."""
    own = ImportBatch.objects.filter(user_id=by, **({"state": state} if state else {}))
    recordings = BatchMember.objects.filter(batch=OuterRef(OuterRef("pk"))).values("recording")
    sessions = TrainingSession.objects.filter(recording__in=recordings)
    return own.annotate(session_count=import_progress.number_of(sessions))


# Opening


def open_batch(*, batch_id: UUID, at: datetime) -> list[Work]:
    """List what the archive holds and what its lists say; answers the portions to read. Twice does no harm."""
    batch = _claim(batch_id=batch_id, at=at)
    if batch is None:
        return []
    try:
        with default_storage.open(batch.archive) as file, archives.open_archive(file) as archive:
            members, told = _list(batch, archive)
    except archives.Unopenable as reason:
        _refuse(batch_id=batch_id, by=batch.user_id, code=reason.code, detail=reason.detail, at=at)
        return []
    _record_members(batch_id=batch_id, by=batch.user_id, members=members, told=told, at=at)
    return portions(batch_id)


@unit_of_work("workout")
def _claim(*, batch_id: UUID, at: datetime) -> ImportBatch | None:
    queued = ImportBatch.objects.select_for_update(skip_locked=True).filter(state=ImportBatch.State.QUEUED)
    batch = queued.filter(id=batch_id).filter(Q(attempts=0) | Q(touched_at__lt=at - LEASE)).first()
    if batch is None:
        return None
    batch.attempts, batch.touched_at = batch.attempts + 1, at
    if batch.attempts > MAX_ATTEMPTS:
        batch.refuse(code="reader_failed", detail=Text("Opening this archive failed several times."), at=at)
    batch.save()
    return batch if batch.state == ImportBatch.State.QUEUED else None


def _list(batch: ImportBatch, archive: zipfile.ZipFile) -> tuple[list[BatchMember], dict[str, Any]]:
    """The archive's members and those of the archives in it, once deep; and what lists say by start."""
    members: list[BatchMember] = []
    told: dict[str, Any] = {}
    listed: dict[str, strava_lists.Listed] = {}
    for entry in archives.entries_of(archive):
        if entry.code == "" and archives.is_archive(entry.path):
            members += _inner(batch, archive, entry)
            continue
        if entry.code == "":
            rows, code = _strava_list(archive, entry)
            listed |= rows
            told |= _garmin_list(archive, entry)
            entry = entry._replace(code=code)
        members.append(_member(batch, entry, batch.archive))
    if len(members) > archives.MAX_MEMBERS:
        raise archives.Unopenable("too_many_members", "The archives hold too many files together.")
    for position, member in enumerate(members):
        member.position = position
        row = listed.pop(member.path, None)
        member.told = row.said if row else {}
    moved = {str(row.began_s): row.said for row in listed.values() if row.began_s is not None}
    return members, moved | told


def _member(batch: ImportBatch, entry: archives.Entry, container: str, outer: str = "") -> BatchMember:
    code = entry.code or ("" if archives.is_recording(entry.path) else "not_a_recording")
    path = f"{outer}{entry.path}"[-500:]
    return BatchMember(batch=batch, path=path, container=container, entry=entry.number, code=code)


def _inner(batch: ImportBatch, archive: zipfile.ZipFile, entry: archives.Entry) -> list[BatchMember]:
    """The members of an archive inside; archives inside that one are left out."""
    container = f"{folder_of(batch.user_id)}/{batch.id}-{entry.number}"
    try:
        if entry.size > MAX_INNER_BYTES:
            raise archives.Unopenable("member_too_large", "The archive inside is too large.")
        _keep_inner(archive, entry.number, container)
        with default_storage.open(container) as file, archives.open_archive(file) as inner:
            listed = list(archives.entries_of(inner))
    except archives.Unopenable as reason:
        default_storage.delete(container)
        return [_member(batch, entry._replace(code=reason.code), batch.archive)]
    deep = [each._replace(code="nested_too_deep") if archives.is_archive(each.path) else each for each in listed]
    return [_member(batch, each, container, entry.path + archives.INSIDE) for each in deep]


def _keep_inner(archive: zipfile.ZipFile, number: int, container: str) -> None:
    """The archive inside as a file of its own, beside the outer one until the batch is done."""
    if default_storage.exists(container):
        default_storage.delete(container)
    try:
        with archive.open(archive.infolist()[number]) as member:
            default_storage.save(container, File(member))
    except Exception as damage:
        raise archives.Unopenable("corrupt_member", "The archive is damaged at this file.") from damage


def _strava_list(archive: zipfile.ZipFile, entry: archives.Entry) -> tuple[dict[str, strava_lists.Listed], str]:
    """By recording: what Strava's list says of it; and a code where it is such a list, yet not understood."""
    folder, _, name = entry.path.rpartition("/")
    if name.lower() != metadata.STRAVA_LIST:
        return {}, ""
    try:
        rows = strava_lists.read(_list_bytes(archive, entry))
    except strava_lists.NotUnderstood as reason:
        return {}, reason.code
    return {f"{folder}/{row.file}" if folder else row.file: row for row in rows}, ""


def _garmin_list(archive: zipfile.ZipFile, entry: archives.Entry) -> dict[str, dict[str, Any]]:
    if not entry.path.lower().endswith(metadata.GARMIN_LIST):
        return {}
    return metadata.garmin(_list_bytes(archive, entry))


def _list_bytes(archive: zipfile.ZipFile, entry: archives.Entry) -> bytes:
    """A list too large or damaged says nothing; the recordings are read all the same."""
    try:
        return archives.read_member(archive, entry.number, most=metadata.MAX_LIST_BYTES)
    except archives.Unopenable:
        return b""


@unit_of_work("workout", gate="by")
def _record_members(
    *, batch_id: UUID, by: UUID, members: list[BatchMember], told: dict[str, Any], at: datetime
) -> None:
    batch = ImportBatch.objects.select_for_update().get(id=batch_id)
    if batch.state != ImportBatch.State.QUEUED:
        return
    BatchMember.objects.bulk_create(members, batch_size=1_000)
    batch.state, batch.told, batch.touched_at = ImportBatch.State.READING, told, at
    batch.save()
    import_progress.finish_if_read(batch_id=batch_id, at=at)


@unit_of_work("workout", gate="by")
def _refuse(*, batch_id: UUID, by: UUID, code: str, detail: Text, at: datetime) -> None:
    batch = ImportBatch.objects.select_for_update().get(id=batch_id)
    if batch.state == ImportBatch.State.QUEUED:
        batch.refuse(code=code, detail=detail, at=at)
        batch.save()
        import_progress.announce_batch(batch, imported=0, refused=0, sessions=0, at=at)
        import_progress.tell_progress(batch)


# Reading


def waiting(batch_id: UUID) -> Q:
    """Members still to be read."""
    return Q(batch_id=batch_id, recording=None, code="")


def portions(batch_id: UUID) -> list[Work]:
    """What is left of a batch, in portions."""
    positions = BatchMember.objects.filter(waiting(batch_id)).order_by("position").values_list("position", flat=True)
    return [Work(batch_id, position) for position in {each // PORTION * PORTION: None for each in positions}]


def read_portion(*, batch_id: UUID, position: int, at: datetime) -> None:
    """Turn the members of one portion into imports, and these into sessions."""
    batch = ImportBatch.objects.filter(id=batch_id, state=ImportBatch.State.READING).first()
    if batch is None:
        return
    _touch(batch_id=batch_id, at=at)
    portion = Q(position__gte=position, position__lt=position + PORTION)
    members = list(BatchMember.objects.filter(waiting(batch_id), portion).order_by("position"))
    queued = _unpack(batch, members, at)
    importing.read_imports(import_ids=queued, at=at)
    import_progress.tell_progress(ImportBatch.objects.get(id=batch_id))


@unit_of_work("workout")
def _touch(*, batch_id: UUID, at: datetime) -> None:
    ImportBatch.objects.filter(id=batch_id).update(touched_at=at)


class Unpacked(NamedTuple):
    """What became of a member: an import, or a code."""

    position: int
    taken: Import | None
    code: str


def _unpack(batch: ImportBatch, members: Iterable[BatchMember], at: datetime) -> list[UUID]:
    """An import for each member, with its original kept; what cannot be unpacked is left out with a code."""
    with ExitStack() as opened:
        containers: dict[str, zipfile.ZipFile] = {}
        unpacked = [_unpack_one(batch, member, containers, opened, at) for member in members]
    _note(batch_id=batch.id, by=batch.user_id, unpacked=unpacked, at=at)
    settled = (Import.State.DONE, Import.State.REFUSED)
    return list({each.taken.id: None for each in unpacked if each.taken and each.taken.state not in settled})


def _unpack_one(
    batch: ImportBatch, member: BatchMember, containers: dict[str, zipfile.ZipFile], opened: ExitStack, at: datetime
) -> Unpacked:
    try:
        data = archives.read_member(
            _container(containers, opened, member.container), member.entry, most=importing.MAX_FILE_BYTES
        )
    except archives.Unopenable as reason:
        return Unpacked(member.position, None, reason.code)
    if not data:
        return Unpacked(member.position, None, "empty")
    name = member.path.rpartition("/")[2]
    taken, _ = importing.accept_file(file=ContentFile(data), name=name, by=batch.user_id, at=at)
    return Unpacked(member.position, taken, "")


def _container(containers: dict[str, zipfile.ZipFile], opened: ExitStack, path: str) -> zipfile.ZipFile:
    if path not in containers:
        file = opened.enter_context(default_storage.open(path))
        containers[path] = opened.enter_context(archives.open_archive(file))
    return containers[path]


@unit_of_work("workout", gate="by")
def _note(*, batch_id: UUID, by: UUID, unpacked: list[Unpacked], at: datetime) -> None:
    for position, taken, code in unpacked:
        BatchMember.objects.filter(waiting(batch_id), position=position).update(recording=taken, code=code)
    import_progress.finish_if_read(batch_id=batch_id, at=at)


def unfinished(*, at: datetime) -> list[Work]:
    """Batches nobody works on although somebody should: their wake-up was lost, or their worker died."""
    forgotten = ImportBatch.objects.filter(
        Q(state=ImportBatch.State.QUEUED, attempts=0, touched_at__lt=at - importing.PATIENCE)
        | Q(state__in=ImportBatch.UNFINISHED, touched_at__lt=at - LEASE)
    )
    found: list[Work] = []
    for batch in forgotten.order_by("touched_at")[:20]:
        found += [Work(batch.id, None)] if batch.state == ImportBatch.State.QUEUED else portions(batch.id)
    return found


def snapshot(*, batch_id: UUID, by: UUID) -> dict[str, Any]:
    """The first frame a watcher gets."""
    return {"type": "progress", **import_progress.progress_of(own_batch(batch_id=batch_id, by=by))}
