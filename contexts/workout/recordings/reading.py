"""Reads a recording of any known format: looks at the bytes, not the name, and always ends in an answer."""

from __future__ import annotations

from . import fit, fit_activities, gpx, markup, recording, tcx
from .recording import Limits, Reading

BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")

DOCUMENTS: dict[str, type[markup.Document]] = {"gpx": gpx.Gpx, "TrainingCenterDatabase": tcx.Tcx}

KNOWN_STRANGERS = {
    b"\x1f\x8b": "The file is compressed (gzip); please unpack it first.",
    b"PK\x03\x04": "The file is compressed (zip); please unpack it first.",
}


def read(data: bytes, *, filename: str = "", limits: Limits = Limits()) -> Reading:  # noqa: B008 (frozen)
    """All activities of a FIT, GPX or TCX file, with warnings about what was damaged.

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
    if len(data) > limits.max_bytes:
        raise recording.TooLarge(f"The file is larger than {limits.max_bytes // 1_000_000} MB.")
    if data[8:12] == fit.MAGIC:
        return _warned_once(fit_activities.read(data, limits))
    stripped = data.lstrip()
    if stripped.startswith((b"<", *BYTE_ORDER_MARKS)):
        return _warned_once(_read_markup(stripped, limits))
    if filename.lower().endswith(".fit"):
        raise recording.CorruptHeader
    raise recording.UnknownFormat(
        next((said for magic, said in KNOWN_STRANGERS.items() if data.startswith(magic)), None)
    )


def _read_markup(data: bytes, limits: Limits) -> Reading:
    root = markup.root_of(data, limits)
    kind = DOCUMENTS.get(root or "")
    if root is None:
        raise recording.CorruptXml
    if kind is None:
        raise recording.UnknownFormat("KML files are not read yet." if root == "kml" else None)
    document = kind(limits)
    markup.parse(data, document)
    return document.reading()


def _warned_once(reading: Reading) -> Reading:
    """Several chained parts may say the same."""
    reading.warnings = list(dict.fromkeys(reading.warnings))
    return reading
