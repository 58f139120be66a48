"""Zip archives of strangers: bounded before they are opened, listed file by file, and never unpacked by name."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Collection
from dataclasses import dataclass
from typing import IO, Final

from kernel.errors import Text

ENCRYPTED: Final = 0x1
DIRECTORY_BYTES: Final = 32_000_000
"""Of the archive's own list, which the standard library reads into memory whole."""

UNREADABLE: Final = (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError)
"""What `zipfile` raises for a directory it cannot read; the last where it asks for a later format."""

END, END_64, LOCATOR_64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
TAIL_BYTES: Final = 22 + 65_535 + 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many files there may be, and how large all of them together, as the archive itself declares."""

    members: int
    unpacked_bytes: int


class Unopenable(Exception):
    """It is no archive, or no file of one, that we open; `code` says why, and `detail` so to people."""

    def __init__(self, code: str, detail: str, **values: object) -> None:
        self.code, self.detail = code, Text(detail, **values)
        super().__init__(self.detail)


def opened(file: IO[bytes], limits: Limits) -> zipfile.ZipFile:
    """A zip whose directory can be read and keeps the limits.

    Raises `Unopenable`: `not_an_archive`, `too_many_members`, `unpacks_too_large`.
    """
    _ensure_small_directory(file, limits)
    try:
        archive = zipfile.ZipFile(file)
    except UNREADABLE as damage:
        raise _no_archive() from damage
    entries = archive.infolist()
    if len(entries) > limits.members:
        raise _too_many(limits)
    if sum(entry.file_size for entry in entries) > limits.unpacked_bytes:
        most_gb = limits.unpacked_bytes // 1_000_000_000
        raise Unopenable("unpacks_too_large", "Unpacked the archive is larger than {most_gb} GB.", most_gb=most_gb)
    return archive


def _no_archive() -> Unopenable:
    return Unopenable("not_an_archive", "The file is no zip archive, or its directory is damaged.")


def _too_many(limits: Limits) -> Unopenable:
    return Unopenable("too_many_members", "The archive holds more files than we take.")


def _ensure_small_directory(file: IO[bytes], limits: Limits) -> None:
    """Look at how long the directory says it is before the standard library reads it."""
    end = file.seek(0, 2)
    file.seek(max(end - TAIL_BYTES, 0))
    tail = file.read(TAIL_BYTES)
    at = tail.rfind(END)
    if at < 0 or at + 22 > len(tail):
        raise _no_archive()
    counts = [int.from_bytes(tail[at + 10 : at + 12], "little")]
    sizes = [int.from_bytes(tail[at + 12 : at + 16], "little")]
    if at >= 20 and tail[at - 20 : at - 16] == LOCATOR_64:
        counts, sizes = [], []
        file.seek(min(int.from_bytes(tail[at - 12 : at - 4], "little"), end))
        for record in (file.read(56), tail[max(at - 76, 0) : at - 20]):  # where it says, or right before
            if record.startswith(END_64):
                counts.append(int.from_bytes(record[32:40], "little"))
                sizes.append(int.from_bytes(record[40:48], "little"))
    if not sizes:
        raise _no_archive()
    if max(counts) > limits.members or max(sizes) > DIRECTORY_BYTES:
        raise _too_many(limits)


def shown(name: str) -> str:
    """A name as it may be shown."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name)[-400:]


def fault_of(info: zipfile.ZipInfo, *, readable: Collection[int]) -> str:
    """Why a file is left out, whatever it holds; "" where nothing speaks against it."""
    parts = info.filename.replace("\\", "/").split("/")
    if ".." in parts or parts[0] == "" or parts[0].endswith(":") or stat.S_ISLNK(info.external_attr >> 16):
        return "unsafe_path"
    if info.flag_bits & ENCRYPTED:
        return "encrypted"
    return "" if info.compress_type in readable else "unsupported_compression"


def read_member(archive: zipfile.ZipFile, number: int, *, most: int) -> bytes:
    """What a file holds; never more than `most` bytes are made, whatever its head declares.

    Raises `Unopenable`: `corrupt_member`, `member_too_large`.
    """
    try:
        with archive.open(archive.infolist()[number]) as member:
            data = member.read(most + 1)
    except Exception as damage:  # the standard library raises many kinds for damaged members
        raise Unopenable("corrupt_member", "The archive is damaged at this file.") from damage
    if len(data) > most:
        raise Unopenable("member_too_large", "The file is larger than {most_mb} MB.", most_mb=most // 1_000_000)
    return data
