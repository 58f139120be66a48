"""Reading an uploaded export: portion by portion, each committed together with where it ends.

A worker takes an import for a slice of time, then lets the queue have it again. Whoever dies on the way loses the
portion under way and nothing else: the next worker goes on where the last commit says, and ends with the same rows.
"""

from __future__ import annotations

import logging
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from itertools import islice
from typing import IO, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Q

from contexts.health import rules
from contexts.health.imports import archives, shapes, uploads
from contexts.health.imports.apple_export import Records, Unreadable
from contexts.health.imports.measured import Found
from contexts.health.imports.origins import SourceClosed, source_of
from contexts.health.imports.portions import Portion, TakenOver, commit, own_claim
from contexts.health.models.imports import DataImport, ImportedFile
from contexts.health.rules import Origin
from contexts.health.worn.devices import ConsentRequired, KnownDevice
from contexts.health.worn.signatures import DeviceUnknown
from contexts.identity import services as identity
from kernel.databases import unit_of_work
from kernel.models import uuid7

log = logging.getLogger(__name__)

PORTION: Final = 20_000
"""Records that are committed at a time."""

SLICE_S: Final = 30.0
MAX_ATTEMPTS: Final = 3
"""So often may workers die without committing anything."""

LEASE: Final = timedelta(minutes=3)
"""A worker that has committed nothing for so long is dead; another takes its import."""

PATIENCE: Final = timedelta(seconds=20)
"""How long an import nobody is at waits for its wake-up before the sweeper sends another."""

DAMAGED: Final = (zipfile.BadZipFile, zlib.error, EOFError)
UNREADABLE: Final = (*DAMAGED, ValueError, NotImplementedError, RuntimeError)
"""What the standard library says of members that are damaged, encrypted, or packed in ways it does not know."""

State, Outcome = DataImport.State, ImportedFile.Outcome


def read_slice(*, import_id: UUID, at: datetime, seconds: float = SLICE_S) -> bool:
    """Read on for so long; whether there is more to do. Called too often it does nothing."""
    own = _claim(import_id=import_id, at=at)
    if own is None:
        return False
    if not identity.has_consent(user_id=own.user_id, purpose=rules.PURPOSE):
        _refuse(own, code="consent_required", at=at)
        return False
    try:
        with Work(own, at=at, until=time.monotonic() + seconds) as work:
            return work.go_on()
    except archives.Unopenable as reason:
        _refuse(own, code=reason.code, at=at)
    except (ConsentRequired, SourceClosed, DeviceUnknown) as refused:
        _refuse(own, code=refused.code, at=at)
    except TakenOver:
        log.info("an import was cancelled, or another worker has it", extra={"import_id": str(import_id)})
    except OSError:
        if DataImport.objects.filter(import_id=import_id, claim=own.claim).exists():
            raise  # our own storage is at fault; the sweeper has it tried again
    return False


@unit_of_work("health")
def _claim(*, import_id: UUID, at: datetime) -> DataImport | None:
    free = Q(claim=None) | Q(touched_at__lt=at - LEASE)
    found = DataImport.objects.select_for_update(skip_locked=True).filter(
        free, import_id=import_id, state__in=(State.QUEUED, State.READING)
    )
    own = found.first()
    if own is None:
        return None
    own.claim, own.touched_at, own.attempts = uuid7(), at, own.attempts + 1
    if own.attempts > MAX_ATTEMPTS:
        uploads.refuse(own, code="reader_failed", at=at)
        return None
    own.save(update_fields=["claim", "touched_at", "attempts"])
    return own


@unit_of_work("health")
def _refuse(own: DataImport, *, code: str, at: datetime) -> None:
    uploads.refuse(own_claim(own), code=code, at=at)


def unfinished(*, at: datetime) -> list[UUID]:
    """Imports nobody works on although somebody should: their wake-up was lost, or their worker died."""
    idle = Q(claim=None, touched_at__lt=at - PATIENCE) | Q(touched_at__lt=at - LEASE)
    waiting = DataImport.objects.filter(idle, state__in=(State.QUEUED, State.READING))
    return list(waiting.order_by("touched_at").values_list("import_id", flat=True)[:100])


class Work:
    """One slice: the upload is open, sources are known, and there is an end to it."""

    def __init__(self, own: DataImport, *, at: datetime, until: float) -> None:
        self.own = own
        self.at = at
        self.until = until
        self._sources: dict[Origin, KnownDevice] = {}
        self._archive: zipfile.ZipFile | None = None

    def __enter__(self) -> Work:
        with ExitStack() as opened:
            self._file = opened.enter_context(uploads.opened(self.own))
            if archives.is_zip(self._file):
                self._archive = opened.enter_context(archives.open_archive(self._file))
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def go_on(self) -> bool:
        """List what there is, read what waits, until it is late; whether there is more."""
        if self.own.state == State.QUEUED:
            _record_files(self.own, list(self._files()), at=self.at)
        person = identity.get_member(user_id=self.own.user_id)
        zone = ZoneInfo(person.time_zone if person else "UTC")
        waiting = ImportedFile.objects.filter(source_id=self.own.import_id, outcome=Outcome.WAITING)
        while (file := waiting.order_by("position").first()) is not None:
            if file.shape == shapes.APPLE:
                self._read_apple(file)
            else:
                self._read_other(file, shapes.BY_NAME[file.shape], zone)
            if self._is_late():
                _let_go(self.own, at=self.at)
                return True
        _finish(self.own, at=self.at)
        return False

    def _is_late(self) -> bool:
        return time.monotonic() >= self.until

    def _files(self) -> Iterator[ImportedFile]:
        if self._archive is None:
            yield self._listed(archives.Entry(0, self.own.file_name, self.own.size, ""))
            return
        for entry in archives.entries_of(self._archive):
            yield self._listed(entry)

    def _listed(self, entry: archives.Entry) -> ImportedFile:
        file = ImportedFile(
            source_id=self.own.import_id, position=entry.position, path=entry.path, size=entry.size, code=entry.code
        )
        shape = shapes.shape_of(entry.path)
        if entry.code == "" and self._is_apple(entry):
            file.shape = shapes.APPLE
        elif entry.code == "" and shape is not None:
            too_large = entry.size > archives.MAX_FILE_BYTES
            file.shape, file.code = shape.name, "file_too_large" if too_large else ""
        else:
            file.code = entry.code or shapes.reason_for(entry.path)
        file.outcome = Outcome.LEFT_OUT if file.code else Outcome.WAITING
        return file

    def _is_apple(self, entry: archives.Entry) -> bool:
        if self._archive is not None and not entry.path.lower().endswith(".xml"):
            return False
        try:
            with self._member(entry.position) as file:
                return shapes.is_apple_export(file.read(shapes.BEGINNING_BYTES))
        except UNREADABLE:
            return False

    def _member(self, position: int) -> IO[bytes]:
        """A file of the archive, or the upload itself."""
        if self._archive is None:
            return uploads.opened(self.own)
        return self._archive.open(self._archive.infolist()[position])

    def _read_apple(self, file: ImportedFile) -> None:
        source = self._source(Origin.APPLE_EXPORT)
        with self._member(file.position) as member:
            records = Records(member, reached=file.reached)
            goes_on = True
            while goes_on:
                code = ""
                try:
                    goes_on = records.next_portion(PORTION)
                except Unreadable as damage:
                    goes_on, code = False, damage.code
                except DAMAGED as damage:
                    log.info("an archive is damaged", extra={"kind": type(damage).__name__})
                    goes_on, code = False, "corrupt_file"
                portion = Portion.of_records(records)
                file = self._commit(file, source, portion, goes_on=goes_on, code=code)
                if file.outcome != Outcome.WAITING or self._is_late():
                    return

    def _read_other(self, file: ImportedFile, shape: shapes.Shape, zone: ZoneInfo) -> None:
        source = self._source(shape.origin)
        try:
            if self._archive is None:
                self._file.seek(0)
                data = self._file.read(archives.MAX_FILE_BYTES)
            else:
                data = archives.read_whole(self._archive, file.position)
            found = islice(shape.read(data, zone), file.reached, None)
            self._read_found(file, source, found)
        except archives.Unopenable as damage:
            self._commit(file, source, Portion(reached=file.reached), goes_on=False, code=damage.code)

    def _read_found(self, file: ImportedFile, source: KnownDevice, found: Iterator[Found]) -> None:
        goes_on = True
        while goes_on:
            portion = Portion(reached=file.reached)
            for each in islice(found, PORTION):
                portion.add(each)
            goes_on = portion.records == PORTION
            file = self._commit(file, source, portion, goes_on=goes_on, code="")
            if file.outcome != Outcome.WAITING or self._is_late():
                return

    def _commit(
        self, file: ImportedFile, source: KnownDevice, portion: Portion, *, goes_on: bool, code: str
    ) -> ImportedFile:
        if file.records + portion.records > rules.MAX_FILE_RECORDS:
            goes_on, code = False, code or "too_many_records"
        return commit(own=self.own, file=file, source=source, portion=portion, goes_on=goes_on, code=code)

    def _source(self, origin: Origin) -> KnownDevice:
        known = self._sources.get(origin)
        if known is None:
            known = self._sources[origin] = _source(self.own, origin=origin, at=self.at)
        return known


@unit_of_work("health")
def _source(own: DataImport, *, origin: Origin, at: datetime) -> KnownDevice:
    """The source, if the import is still ours: nothing is made for somebody who is being erased."""
    own_claim(own)
    return source_of(user_id=own.user_id, origin=origin, at=at)


@unit_of_work("health")
def _record_files(own: DataImport, files: list[ImportedFile], *, at: datetime) -> None:
    row = own_claim(own)
    if row.state == State.QUEUED:
        ImportedFile.objects.bulk_create(files, batch_size=1_000)
        row.state, row.touched_at = State.READING, at
        row.save(update_fields=["state", "touched_at"])


@unit_of_work("health")
def _let_go(own: DataImport, *, at: datetime) -> None:
    row = own_claim(own)
    row.claim = None
    row.save(update_fields=["claim"])


@unit_of_work("health")
def _finish(own: DataImport, *, at: datetime) -> None:
    row = own_claim(own)
    row.state = State.DONE
    uploads.finish(row, at=at)
