"""An export as it is uploaded: part by part, so that a broken connection costs one part; read as one file.

Each part is a file of its own in the storage, which need not be able to append or to assemble.
"""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime
from itertools import accumulate
from typing import IO, Any, Final
from uuid import UUID

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from contexts.health import rules
from contexts.health.models.imports import DataImport
from kernel.databases import run_after_commit, unit_of_work
from kernel.errors import InvalidInput, NotFound, Refused
from kernel.models import uuid7
from kernel.personal_data import delete_folder

State = DataImport.State
ABANDONED: Final = "upload_abandoned"
CANCELLED: Final = "cancelled"


class TooManyImports(Refused):
    """Some of your imports are not finished; wait for them, or cancel one."""


class OffsetMismatch(Refused):
    """The part does not begin where the upload ends; go on at `received`."""


class UploadComplete(Refused):
    """Everything of this import is here already, or it was given up."""


class ImportFinished(Refused):
    """This import is finished."""


def folder_of(user_id: UUID) -> str:
    """Where a person's uploads lie until they are read."""
    return f"health/imports/{user_id}"


@unit_of_work("health", gate="by")
def begin(*, file_name: str, size: int, by: UUID, at: datetime) -> DataImport:
    """Announce an upload."""
    if DataImport.objects.filter(user_id=by, state__in=DataImport.UNFINISHED).count() >= rules.MAX_OPEN_IMPORTS:
        raise TooManyImports
    return DataImport.objects.create(user_id=by, file_name=file_name, size=size, begun_at=at, touched_at=at)


def own_import(*, import_id: UUID, by: UUID) -> DataImport:
    """A person's own import; somebody else's does not exist for them."""
    found = DataImport.objects.filter(import_id=import_id, user_id=by).first()
    if found is None:
        raise NotFound
    return found


def add_part(*, import_id: UUID, by: UUID, offset: int, data: bytes, at: datetime) -> DataImport:
    """Keep the next part. With the last one the import is queued.

    Raises `OffsetMismatch` for any other part than the next, `InvalidInput` for one of the wrong size.
    """
    _ensure_next(own_import(import_id=import_id, by=by), offset, len(data))
    name = default_storage.save(f"{folder_of(by)}/{import_id}/{offset:012d}-{uuid7()}", ContentFile(data))
    try:
        return _note_part(import_id=import_id, by=by, offset=offset, size=len(data), name=name, at=at)
    except Exception:
        default_storage.delete(name)
        raise


@unit_of_work("health")
def _note_part(*, import_id: UUID, by: UUID, offset: int, size: int, name: str, at: datetime) -> DataImport:
    own = DataImport.objects.select_for_update().filter(import_id=import_id, user_id=by).first()
    if own is None:
        raise NotFound
    _ensure_next(own, offset, size)
    own.parts.append([name, size])
    own.received, own.touched_at = own.received + size, at
    if own.received == own.size:
        own.state = State.QUEUED
    own.save(update_fields=["parts", "received", "touched_at", "state"])
    return own


def _ensure_next(own: DataImport, offset: int, size: int) -> None:
    if own.state != State.UPLOADING:
        raise UploadComplete(received=own.received)
    if offset != own.received:
        raise OffsetMismatch(received=own.received)
    least, most = rules.PART_BYTES
    left = own.size - own.received
    if not min(least, left) <= size <= min(most, left):
        raise InvalidInput(
            "A part has {least} to {most} bytes; the last one may be smaller.",
            code="part_size",
            least=least,
            most=most,
        )


@unit_of_work("health")
def cancel(*, import_id: UUID, by: UUID, at: datetime) -> None:
    """Give an import up: what is stored of it stays, the upload goes."""
    own = DataImport.objects.select_for_update().filter(import_id=import_id, user_id=by).first()
    if own is None:
        raise NotFound
    if own.state not in DataImport.UNFINISHED:
        raise ImportFinished
    refuse(own, code=CANCELLED, at=at)


def refuse(own: DataImport, *, code: str, at: datetime) -> None:
    """It ends here, and its person is told why; in the open unit of work."""
    own.state, own.refusal_code = State.REFUSED, code
    finish(own, at=at)


def finish(own: DataImport, *, at: datetime) -> None:
    """Nothing more is to be done: the upload is deleted once that is written down."""
    own.finished_at, own.claim = at, None
    own.save()
    run_after_commit(lambda: delete_upload(import_id=own.import_id))


@unit_of_work("health")
def delete_upload(*, import_id: UUID) -> None:
    """Delete what is stored of a finished import's upload; its parts are named until that is done."""
    own = DataImport.objects.select_for_update().exclude(state__in=DataImport.UNFINISHED).get(import_id=import_id)
    delete_folder(f"{folder_of(own.user_id)}/{import_id}")
    own.parts = []
    own.save(update_fields=["parts"])


def undeleted(*, at: datetime) -> list[UUID]:
    """Finished imports whose upload is still there: whoever was to delete it died before that."""
    over = DataImport.objects.filter(finished_at__lt=at - rules.UPLOAD_DELETED_WITHIN).exclude(parts=[])
    return list(over.order_by("finished_at").values_list("import_id", flat=True)[:100])


@unit_of_work("health")
def forget_abandoned(*, at: datetime) -> int:
    """Give up some of the uploads that have rested for too long; returns how many."""
    resting = DataImport.objects.filter(state=State.UPLOADING, touched_at__lt=at - rules.UPLOAD_WAITS)
    found = list(resting.select_for_update(skip_locked=True)[:100])
    for own in found:
        refuse(own, code=ABANDONED, at=at)
    return len(found)


class Upload(io.RawIOBase):
    """The parts of an upload as one file to read in."""

    def __init__(self, parts: Sequence[Sequence[Any]]) -> None:
        self._names = [str(name) for name, _ in parts]
        self._ends = list(accumulate(int(size) for _, size in parts))
        self._at = 0
        self._number = -1
        self._file: IO[bytes] | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._ends[-1]}[whence]
        self._at = max(base + offset, 0)
        return self._at

    def readinto(self, buffer: Any) -> int:
        """As much as there is in the part at this place."""
        number = bisect_right(self._ends, self._at)
        if number >= len(self._ends):
            return 0
        begins = self._ends[number - 1] if number else 0
        file = self._opened(number)
        file.seek(self._at - begins)
        data = file.read(min(len(buffer), self._ends[number] - self._at))
        if not data:
            raise OSError("a part of an upload is shorter than it was")
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _opened(self, number: int) -> IO[bytes]:
        if self._file is None or number != self._number:
            self.close_part()
            self._file, self._number = default_storage.open(self._names[number]), number
        return self._file

    def close_part(self) -> None:
        """Let go of the part that was read last."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def close(self) -> None:
        self.close_part()
        super().close()


def opened(own: DataImport) -> io.BufferedReader:
    """An import's whole upload as a file."""
    return io.BufferedReader(Upload(own.parts), 1 << 18)
