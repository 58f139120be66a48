"""What lies in an archive, entry by entry, each with a reason if it is left out. Nothing is ever unpacked by name."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Iterator
from typing import IO, Final, NamedTuple

from contexts.workout.imports.importing import MAX_FILE_BYTES

MAX_ARCHIVE_BYTES: Final = 2_000_000_000
MAX_MEMBERS: Final = 20_000
MAX_UNPACKED_BYTES: Final = 20_000_000_000
"""All members together, as the archive itself declares them."""

RECORDINGS: Final = (".fit", ".gpx", ".tcx", ".kml", ".json")
ARCHIVES: Final = (".zip",)
READABLE: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
ENCRYPTED: Final = 0x1
INSIDE: Final = "!/"
GARMIN_FOLDER: Final = "DI_CONNECT/"


class Unopenable(Exception):
    """It is no archive that we open; `code` says why."""

    def __init__(self, code: str, detail: str) -> None:
        self.code, self.detail = code, detail
        super().__init__(detail)


class Entry(NamedTuple):
    """One file of an archive; `code` says why it is left out."""

    number: int
    path: str
    size: int
    code: str


def open_archive(file: IO[bytes]) -> zipfile.ZipFile:
    """A zip whose directory can be read and keeps our limits."""
    try:
        archive = zipfile.ZipFile(file)  # parts and versions it does not know end in NotImplementedError
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError) as damage:
        raise Unopenable("not_an_archive", "The file is no zip archive, or its directory is damaged.") from damage
    entries = archive.infolist()
    if len(entries) > MAX_MEMBERS:
        raise Unopenable("too_many_members", f"The archive holds more than {MAX_MEMBERS:,} files.")
    if sum(entry.file_size for entry in entries) > MAX_UNPACKED_BYTES:
        raise Unopenable("unpacks_too_large", "Unpacked the archive is larger than we take.")
    return archive


def entries_of(archive: zipfile.ZipFile) -> Iterator[Entry]:
    """Every file, in the archive's own order; folders are none."""
    for number, info in enumerate(archive.infolist()):
        if not info.is_dir():
            yield Entry(number, _shown(info.filename), info.file_size, _left_out(info))


def is_archive(path: str) -> bool:
    """Whether a member is an archive itself."""
    return path.lower().endswith(ARCHIVES)


def is_recording(path: str) -> bool:
    """Whether a member's name is that of a recording; Garmin's lists are JSON too, and none."""
    plain = path.lower().removesuffix(".gz")
    if plain.endswith(".json") and GARMIN_FOLDER.lower() in path.lower():
        return False
    return plain.endswith(RECORDINGS)


def _shown(name: str) -> str:
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name)[-400:]


def _left_out(info: zipfile.ZipInfo) -> str:
    parts = info.filename.replace("\\", "/").split("/")
    if ".." in parts or parts[0] == "" or parts[0].endswith(":"):
        return "unsafe_path"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "unsafe_path"
    if info.flag_bits & ENCRYPTED:
        return "encrypted"
    if info.compress_type not in READABLE:
        return "unsupported_compression"
    if is_recording(info.filename) and info.file_size > MAX_FILE_BYTES:
        return "member_too_large"
    return ""


def read_member(archive: zipfile.ZipFile, number: int, *, most: int = MAX_FILE_BYTES) -> bytes:
    """What a member holds; never more than `most` bytes are made, whatever its head declares."""
    try:
        with archive.open(archive.infolist()[number]) as member:
            data = member.read(most + 1)
    except Exception as damage:  # the standard library raises many kinds for damaged members
        raise Unopenable("corrupt_member", "The archive is damaged at this file.") from damage
    if len(data) > most:
        raise Unopenable("member_too_large", f"The file is larger than {most // 1_000_000} MB.")
    return data
