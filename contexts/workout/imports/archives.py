"""What lies in an archive, entry by entry, each with a reason if it is left out. Nothing is ever unpacked by name."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from typing import IO, Final, NamedTuple

from contexts.workout.imports.importing import MAX_FILE_BYTES
from kernel.archives import Limits, Unopenable, fault_of, opened, read_member, shown

__all__ = ["Unopenable", "read_member"]

MAX_ARCHIVE_BYTES: Final = 2_000_000_000
MAX_MEMBERS: Final = 20_000
MAX_UNPACKED_BYTES: Final = 20_000_000_000
"""All members together, as the archive itself declares them."""

RECORDINGS: Final = (".fit", ".gpx", ".tcx", ".kml", ".json")
ARCHIVES: Final = (".zip",)
READABLE: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
INSIDE: Final = "!/"
GARMIN_FOLDER: Final = "DI_CONNECT/"


class Entry(NamedTuple):
    """One file of an archive; `code` says why it is left out."""

    number: int
    path: str
    size: int
    code: str


def open_archive(file: IO[bytes]) -> zipfile.ZipFile:
    """A zip whose directory can be read and keeps our limits."""
    return opened(file, Limits(members=MAX_MEMBERS, unpacked_bytes=MAX_UNPACKED_BYTES))


def entries_of(archive: zipfile.ZipFile) -> Iterator[Entry]:
    """Every file, in the archive's own order; folders are none."""
    for number, info in enumerate(archive.infolist()):
        if not info.is_dir():
            yield Entry(number, shown(info.filename), info.file_size, _left_out(info))


def is_archive(path: str) -> bool:
    """Whether a member is an archive itself."""
    return path.lower().endswith(ARCHIVES)


def is_recording(path: str) -> bool:
    """Whether a member's name is that of a recording; Garmin's lists are JSON too, and none."""
    plain = path.lower().removesuffix(".gz")
    if plain.endswith(".json") and GARMIN_FOLDER.lower() in path.lower():
        return False
    return plain.endswith(RECORDINGS)


def _left_out(info: zipfile.ZipInfo) -> str:
    too_large = is_recording(info.filename) and info.file_size > MAX_FILE_BYTES
    return fault_of(info, readable=READABLE) or ("member_too_large" if too_large else "")
