"""What lies in an uploaded archive, file by file, each with a reason if it is left out; none is unpacked by name."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Final, NamedTuple

from kernel import archives

MAX_MEMBERS: Final = 50_000
MAX_UNPACKED_BYTES: Final = 40_000_000_000
"""All files together, as the archive itself declares them."""

MAX_XML_BYTES: Final = 20_000_000_000
"""Of an Apple export, which is streamed."""

MAX_FILE_BYTES: Final = 100_000_000
"""Of any other file, which is read into memory whole."""

READABLE: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


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
    return file.read(4) in (b"PK\x03\x04", archives.END)


OUR_WORDS: Final = {
    "too_many_members": "too_many_files",
    "member_too_large": "file_too_large",
    "corrupt_member": "corrupt_file",
}


@contextmanager
def _in_our_words() -> Iterator[None]:
    try:
        yield
    except archives.Unopenable as refusal:
        raise Unopenable(OUR_WORDS.get(refusal.code, refusal.code)) from refusal


def open_archive(file: IO[bytes]) -> zipfile.ZipFile:
    """A zip whose directory can be read and keeps our limits."""
    with _in_our_words():
        return archives.opened(file, archives.Limits(members=MAX_MEMBERS, unpacked_bytes=MAX_UNPACKED_BYTES))


def entries_of(archive: zipfile.ZipFile) -> Iterator[Entry]:
    """Every file, in the archive's own order; folders are none."""
    for position, info in enumerate(archive.infolist()):
        if not info.is_dir():
            yield Entry(position, archives.shown(info.filename), info.file_size, _left_out(info))


def _left_out(info: zipfile.ZipInfo) -> str:
    most = MAX_XML_BYTES if info.filename.lower().endswith(".xml") else MAX_FILE_BYTES
    return archives.fault_of(info, readable=READABLE) or ("file_too_large" if info.file_size > most else "")


def read_whole(archive: zipfile.ZipFile, position: int) -> bytes:
    """What a file holds; never more than `MAX_FILE_BYTES` are made, whatever its head declares."""
    with _in_our_words():
        return archives.read_member(archive, position, most=MAX_FILE_BYTES)
