"""Everything about a person, handed to them (ID-10).

Each context is told, leaves its part in the storage and says so; when all have, the parts become one archive, which
its person may fetch for a day. The row of the export says which contexts have answered.
"""

import hashlib
import json
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import datetime
from typing import IO, Any
from uuid import UUID

from django.conf import settings
from django.core.files.storage import default_storage
from django.db.models import QuerySet
from django.template.loader import render_to_string

from contexts.identity import events, rules
from contexts.identity.models import DataExport, User
from kernel.bus import publish
from kernel.databases import unit_of_work
from kernel.errors import NotFound, Refused
from kernel.personal_data import EXPORTS, delete_folder, files_below, folder_of, keep_file, part_of

CHUNK = 1 << 20


class ExportUnderWay(Refused):
    """Your data are being collected already."""


class TooManyExports(Refused):
    """You have asked for as many exports as a day allows; the last archive is still there."""

    status = 429


class NotReadyYet(Refused):
    """Your data are still being collected."""


class ExportExpired(Refused):
    """The archive was deleted a day after it was made; ask for a new one."""

    status = 404


def archive_of(export_id: UUID) -> str:
    """The archive, once it is made."""
    return f"{folder_of(export_id)}/archive.zip"


@unit_of_work("identity", isolation="read committed")
def request_export(*, by: UUID, at: datetime) -> DataExport:
    """Begin to collect everything about a person. One is collected at a time, and three a day.

    Raises `ExportUnderWay` with its `export_id`, or `TooManyExports`.
    """
    person = User.objects.select_for_update(no_key=True).filter(pk=by, is_active=True).first()
    if person is None:
        raise NotFound
    lately = DataExport.objects.filter(user=person, requested_at__gt=at - rules.EXPORTS_COUNTED)
    running = lately.filter(ready_at__isnull=True).first()
    if running is not None:
        raise ExportUnderWay(export_id=str(running.pk))
    if lately.count() >= rules.MAX_EXPORTS:
        raise TooManyExports
    export = DataExport.objects.create(user=person, requested_at=at)
    publish(events.UserExportRequested(user_id=by, export_id=export.pk, occurred_at=at))
    return export


def own_exports(*, by: UUID) -> QuerySet[DataExport]:
    """A person's exports."""
    return DataExport.objects.filter(user_id=by)


def own_export(*, export_id: UUID, by: UUID) -> DataExport:
    """One's own export; somebody else's does not exist for them."""
    found = own_exports(by=by).filter(pk=export_id).first()
    if found is None:
        raise NotFound
    return found


def missing_parts(export: DataExport) -> list[str]:
    """The contexts that have not answered yet."""
    return [context for context in settings.CONTEXTS if context not in export.parts]


def open_archive(*, export_id: UUID, by: UUID, at: datetime) -> IO[bytes]:
    """One's own archive, to be read; raises `NotReadyYet` before and `ExportExpired` after its time."""
    export = own_export(export_id=export_id, by=by)
    if export.ready_at is None or export.expires_at is None:
        raise NotReadyYet(waiting=missing_parts(export))
    if export.expires_at <= at:
        raise ExportExpired
    opened: IO[bytes] = default_storage.open(archive_of(export_id))
    return opened


@unit_of_work("identity", isolation="read committed")
def note_part(*, export_id: UUID, context: str, rows: dict[str, int], at: datetime) -> None:
    """A context has left its part; with the last one the archive can be made. Noting it twice changes nothing."""
    export = DataExport.objects.select_for_update().filter(pk=export_id).first()
    if export is None or context in export.parts:
        return
    export.parts[context] = rows
    export.save(update_fields=["parts"])
    if not missing_parts(export):
        publish(events.DataExportCollected(user_id=export.user_id, export_id=export.pk, occurred_at=at))


def make_archive(*, export_id: UUID) -> None:
    """Turn the parts into one archive. Long work, so outside any transaction; done again it makes the same."""
    export = DataExport.objects.select_related("user").filter(pk=export_id, ready_at__isnull=True).first()
    if export is None:
        return
    with tempfile.TemporaryFile() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            packed = [_pack(archive, name, export) for name in _parts(export)]
            archive.writestr("manifest.json", json.dumps(_manifest(export, packed), indent=1))
            archive.writestr("README.txt", render_to_string(f"identity/archive.{export.user.locale}.txt"))
        keep_file(archive_of(export_id), file)


def _parts(export: DataExport) -> Iterator[str]:
    for context in settings.CONTEXTS:
        yield from files_below(part_of(export.pk, context))


def _pack(archive: zipfile.ZipFile, name: str, export: DataExport) -> dict[str, Any]:
    """Add one file, portion by portion; says what the manifest tells of it."""
    short = name.removeprefix(f"{folder_of(export.pk)}/")
    digest, size = hashlib.sha256(), 0
    with default_storage.open(name) as part, archive.open(short, "w", force_zip64=True) as packed:
        while chunk := part.read(CHUNK):
            packed.write(chunk)
            digest.update(chunk)
            size += len(chunk)
    return {"name": short, "bytes": size, "sha256": digest.hexdigest()}


def _manifest(export: DataExport, packed: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "export_id": str(export.pk),
        "user_id": str(export.user_id),
        "requested_at": export.requested_at.isoformat(),
        "rows": export.parts,
        "files": packed,
    }


@unit_of_work("identity", isolation="read committed")
def note_archive(*, export_id: UUID, at: datetime) -> None:
    """The archive is made: it may be fetched for a day."""
    waiting = DataExport.objects.filter(pk=export_id, ready_at__isnull=True)
    waiting.update(ready_at=at, expires_at=at + rules.EXPORT_KEPT)


def delete_parts(*, export_id: UUID) -> None:
    """Once the archive is there the parts are not needed."""
    for context in settings.CONTEXTS:
        delete_folder(part_of(export_id, context))


def forget_expired_exports(*, at: datetime) -> int:
    """Delete the files of exports that are over or were never finished; answers how many there were."""
    try:
        kept, _ = default_storage.listdir(EXPORTS)
    except FileNotFoundError:
        return 0
    alive = DataExport.objects.filter(expires_at__gt=at) | DataExport.objects.filter(
        ready_at__isnull=True, requested_at__gt=at - rules.EXPORTS_COUNTED
    )
    known = {str(export_id) for export_id in alive.values_list("pk", flat=True)}
    over = [name for name in kept if name not in known]
    for name in over:
        delete_folder(f"{EXPORTS}/{name}")
    return len(over)
