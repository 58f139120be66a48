"""Reads a recording of any known format: looks at the bytes, not the name, and always ends in an answer."""

from __future__ import annotations

import zlib

from . import fit, fit_activities, gpx, kml, markup, own_json, recording, tcx
from .recording import Limits, Reading

BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")

DOCUMENTS: dict[str, type[markup.Recorded]] = {
    "gpx": gpx.Gpx,
    "TrainingCenterDatabase": tcx.Tcx,
    "kml": kml.Kml,
}

GZIP = b"\x1f\x8b"
ZIP = b"PK\x03\x04"


def read(data: bytes, *, filename: str = "", limits: Limits = Limits()) -> Reading:  # noqa: B008 (frozen)
    """All activities of a FIT, GPX, TCX or KML file or of our own JSON, with warnings about what was damaged.

    The file may be compressed with gzip.

    Raises a subclass of Unreadable, and nothing else, whatever the bytes are.
    """
    try:
        return read_known(bytes(data), filename=filename, limits=limits)
    except recording.Unreadable:
        raise
    except (MemoryError, RecursionError) as exhausted:
        raise recording.TooExpensive from exhausted
    except Exception as fault:
        raise recording.ReaderFailed from fault


def read_known(data: bytes, *, filename: str, limits: Limits) -> Reading:
    """As `read`, but a fault of ours shows itself."""
    if not data:
        raise recording.Empty
    limits.ensure_size(len(data))
    if data.startswith(GZIP):
        return _read_compressed(data, filename, limits)
    if data[8:12] == fit.MAGIC:
        return _warned_once(fit_activities.read(data, limits))
    stripped = data.lstrip()
    if stripped.startswith((b"<", *BYTE_ORDER_MARKS)):
        return _warned_once(_read_markup(stripped, limits))
    if stripped.startswith(b"{"):
        return _warned_once(own_json.read(stripped, limits))
    if filename.lower().endswith(".fit"):
        raise recording.CorruptHeader
    zipped = "An archive of recordings is handed in as a batch." if data.startswith(ZIP) else None
    raise recording.UnknownFormat(zipped)


def _read_compressed(data: bytes, filename: str, limits: Limits) -> Reading:
    """A file inside gzip, once; what is compressed twice is refused."""
    inner, whole = inflate(data, limits.max_bytes)
    if inner.startswith(GZIP):
        raise recording.UnknownFormat("The file is compressed more than once.")
    reading = read_known(inner, filename=filename.lower().removesuffix(".gz"), limits=limits)
    if not whole:
        reading.warnings.append(
            recording.Flaw("corrupt_tail", "The file is damaged; everything recorded before was kept.")
        )
    return reading


def inflate(data: bytes, most: int) -> tuple[bytes, bool]:
    """What lies in gzip, and whether it was whole; never more than `most` bytes are made."""
    made = bytearray()
    while data:
        member = zlib.decompressobj(wbits=31)
        try:
            made += member.decompress(data, most + 1 - len(made))
        except zlib.error as damage:
            if not made:
                raise recording.CorruptCompression from damage
            return bytes(made), False
        if len(made) > most:
            raise recording.InflatesTooLarge(most_mb=most // 1_000_000)
        if not member.eof:
            if not made:
                raise recording.CorruptCompression
            return bytes(made), False
        data = member.unused_data.lstrip(b"\0")
        if data and not data.startswith(GZIP):
            return bytes(made), False
    return bytes(made), True


def _read_markup(data: bytes, limits: Limits) -> Reading:
    root = markup.root_of(data, limits)
    kind = DOCUMENTS.get(root or "")
    if root is None:
        raise recording.CorruptXml
    if kind is None:
        raise recording.UnknownFormat
    document = kind(limits)
    markup.parse(data, document)
    return document.reading()


def _warned_once(reading: Reading) -> Reading:
    """Several chained parts may say the same."""
    reading.warnings = list(dict.fromkeys(reading.warnings))
    return reading
