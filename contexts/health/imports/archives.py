"""What lies in an uploaded archive, file by file, each with a reason if it is left out; none is unpacked by name."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Iterator
from typing import IO, Final, NamedTuple

MAX_MEMBERS: Final = 50_000
MAX_DIRECTORY_BYTES: Final = 32_000_000
"""Of the archive's own list, which is read into memory whole."""

MAX_UNPACKED_BYTES: Final = 40_000_000_000
"""All files together, as the archive itself declares them."""

MAX_XML_BYTES: Final = 20_000_000_000
"""Of an Apple export, which is streamed."""

MAX_FILE_BYTES: Final = 100_000_000
"""Of any other file, which is read into memory whole."""

READABLE: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ENCRYPTED: Final = 0x1
END, END_64, LOCATOR_64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
TAIL_BYTES: Final = 22 + 65_535 + 20


class Unopenable(Exception):
    """It is no archive, or no file, that we open; `code` says why."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


class Entry(NamedTuple):
    """One file of an archive; `code` says why it is left out."""

    position: int
    path: str
    size: int
    code: str


def is_zip(file: IO[bytes]) -> bool:
    """Whether it says so in its first bytes."""
    file.seek(0)
    return file.read(4) in (b"PK\x03\x04", END)


def open_archive(file: IO[bytes]) -> zipfile.ZipFile:
    """A zip whose directory can be read and keeps our limits."""
    _ensure_small_directory(file)
    try:
        archive = zipfile.ZipFile(file)  # parts and versions it does not know end in NotImplementedError
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError) as damage:
        raise Unopenable("not_an_archive") from damage
    entries = archive.infolist()
    if len(entries) > MAX_MEMBERS:
        raise Unopenable("too_many_files")
    if sum(entry.file_size for entry in entries) > MAX_UNPACKED_BYTES:
        raise Unopenable("unpacks_too_large")
    return archive


def _ensure_small_directory(file: IO[bytes]) -> None:
    """Look at how long the directory says it is before the standard library reads it."""
    end = file.seek(0, 2)
    begins = max(end - TAIL_BYTES, 0)
    file.seek(begins)
    tail = file.read(TAIL_BYTES)
    at = tail.rfind(END)
    if at < 0 or at + 22 > len(tail):
        raise Unopenable("not_an_archive")
    counts = [int.from_bytes(tail[at + 10 : at + 12], "little") & 0xFFFF]
    sizes = [int.from_bytes(tail[at + 12 : at + 16], "little")]
    if at >= 20 and tail[at - 20 : at - 16] == LOCATOR_64:
        counts, sizes = [], []
        file.seek(min(int.from_bytes(tail[at - 12 : at - 4], "little"), end))
        for record in (file.read(56), tail[max(at - 76, 0) : at - 20]):  # where it says, or right before
            if record.startswith(END_64):
                counts.append(int.from_bytes(record[32:40], "little"))
                sizes.append(int.from_bytes(record[40:48], "little"))
    if max(counts, default=0) > MAX_MEMBERS:
        raise Unopenable("too_many_files")
    if not sizes or max(sizes) > MAX_DIRECTORY_BYTES:
        raise Unopenable("not_an_archive" if not sizes else "too_many_files")


def entries_of(archive: zipfile.ZipFile) -> Iterator[Entry]:
    """Every file, in the archive's own order; folders are none."""
    for position, info in enumerate(archive.infolist()):
        if not info.is_dir():
            yield Entry(position, _shown(info.filename), info.file_size, _left_out(info))


def _shown(name: str) -> str:
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name)[-400:]


def _left_out(info: zipfile.ZipInfo) -> str:
    parts = info.filename.replace("\\", "/").split("/")
    if ".." in parts or parts[0] == "" or parts[0].endswith(":") or stat.S_ISLNK(info.external_attr >> 16):
        return "unsafe_path"
    if info.flag_bits & ENCRYPTED:
        return "encrypted"
    if info.compress_type not in READABLE:
        return "unsupported_compression"
    most = MAX_XML_BYTES if info.filename.lower().endswith(".xml") else MAX_FILE_BYTES
    return "file_too_large" if info.file_size > most else ""


def read_whole(archive: zipfile.ZipFile, position: int) -> bytes:
    """What a file holds; never more than `MAX_FILE_BYTES` are made, whatever its head declares."""
    try:
        with archive.open(archive.infolist()[position]) as member:
            data = member.read(MAX_FILE_BYTES + 1)
    except Exception as damage:  # the standard library raises many kinds for damaged members
        raise Unopenable("corrupt_file") from damage
    if len(data) > MAX_FILE_BYTES:
        raise Unopenable("file_too_large")
    return data
