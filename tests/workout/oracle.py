"""What `fitdecode`, written by others, finds in a FIT file, and what we find, in one form to be compared."""

import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import fitdecode
import numpy as np
import pytest

from contexts.workout.recordings import Limits, fit
from contexts.workout.recordings import fit_profile as profile
from contexts.workout.recordings.fit_layout import Place, Rows, missing

Fields = list[tuple[int, int | None, Any]]
"""Number, index of the developer, and the raw value of each field, in the order of the message."""


@dataclass
class Message:
    """One data message: its raw fields, the time of its compressed header, and the values in their units."""

    number: int
    fields: Fields
    compressed_time: int | None = None
    values: dict[str, float] = field(default_factory=dict)


def expected(data: bytes) -> tuple[list[list[Message]], bool]:
    """By fitdecode: the messages of each chained file, and whether it came to the end."""
    files: list[list[Message]] = []
    options = {"check_crc": fitdecode.CrcCheck.DISABLED, "error_handling": fitdecode.ErrorHandling.IGNORE}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with fitdecode.FitReader(io.BytesIO(data), processor=None, **options) as frames:
                for frame in frames:
                    if isinstance(frame, fitdecode.FitHeader):
                        files.append([])
                    elif isinstance(frame, fitdecode.FitDataMessage):
                        files[-1].append(_theirs(frame))
        except (fitdecode.FitError, AssertionError, KeyError):
            return files, False
    return files, True


def _theirs(frame: fitdecode.FitDataMessage) -> Message:
    written = [each for each in frame.fields if each.field_def is not None]
    message = Message(frame.global_mesg_num, [_raw(each, frame.def_mesg.endian) for each in written])
    if frame.time_offset is not None:
        message.compressed_time = frame.fields[-1].raw_value
    known = profile.FIELDS.get(message.number, {})
    for each in written:
        wanted = None if each.field_def.is_dev else known.get(each.field_def.def_num)
        raw = each.raw_value[0] if isinstance(each.raw_value, tuple) else each.raw_value
        misfit = each.field_def.base_type.name == "byte" and each.field_def.size > 1
        if wanted is None or wanted.whole or misfit or not isinstance(raw, int | float):
            continue
        if each.field is not None and each.units == "semicircles":
            message.values[wanted.name] = raw * 180 / 2**31
        else:
            meant = each.parent_field or each.field  # what a field means beside another one, we do not ask
            scale, offset = (meant.scale or 1, meant.offset or 0) if meant is not None else (1, 0)
            message.values[wanted.name] = raw / scale - offset
    return message


def _raw(each: fitdecode.types.FieldData, order: str) -> tuple[int, int | None, Any]:
    definition, value = each.field_def, each.raw_value
    developer = definition.dev_data_index if definition.is_dev else None
    if isinstance(value, float) and not np.isfinite(value):
        value = None
    meant = each.field.base_type if each.field is not None and developer is None else definition.base_type
    if isinstance(value, tuple) and definition.base_type.name == "byte" and meant.name == "uint32z":
        # The high bit of a base type only repeats what the low five say; without it fitdecode sees bytes.
        value = int.from_bytes(bytes(value), "big" if order == ">" else "little") or None
    return definition.def_num, developer, value


def found(data: bytes) -> list[list[Message]]:
    """By our reader: the messages of each chained file, every field of every message."""
    files = fit.decode(data, Limits(), [])
    return [[message for _, message in sorted(_ours(file), key=lambda placed: placed[0])] for file in files]


def _ours(file: fit.FitFile) -> Iterator[tuple[int, Message]]:
    for number in file.layouts:
        for rows in file.rows(number):
            places = list(rows.layout.places())
            columns = [_plain(rows, place) for place in places]
            wanted = {name: rows.values(*each) for name, each in rows.layout.wanted()[0].items() if not each[0].whole}
            times, compressed = file.times(rows), rows.compressed()
            for row, at in enumerate(rows.offsets.tolist()):
                yield (
                    at,
                    Message(
                        number,
                        [
                            (place.number, place.developer, column[row])
                            for place, column in zip(places, columns, strict=True)
                        ],
                        int(times[row]) if compressed[row] and not np.isnan(times[row]) else None,
                        {name: float(values[row]) for name, values in wanted.items() if not np.isnan(values[row])},
                    ),
                )


def _plain(rows: Rows, place: Place) -> list[Any]:
    base = place.base if place.aligned else profile.BASE_TYPES[profile.BYTE]
    elements = rows.elements(place)
    if base.code == "S":
        return [bytes(raw).split(b"\0")[0].decode("utf-8", "replace") or None for raw in rows.whole(place, "u1")]
    if base is profile.BASE_TYPES[profile.BYTE] or base is profile.UNKNOWN:
        return [None if set(raw) == {0xFF} else tuple(raw) for raw in elements.tolist()]
    absent = missing(elements, base).tolist()
    values = [
        tuple(None if gone else value for value, gone in zip(*row, strict=True))
        for row in zip(elements.tolist(), absent, strict=True)
    ]
    return [value if len(value) > 1 else value[0] for value in values]


def hold_to_the_oracle(data: bytes) -> int:
    """Every field of every message is what fitdecode finds, as far as it comes; returns how many messages."""
    theirs, whole = expected(data)
    ours = found(data)
    if whole:
        assert [len(file) for file in ours] == [len(file) for file in theirs]
    else:
        assert sum(map(len, ours)) >= sum(map(len, theirs))
    count = 0
    for our_file, their_file in zip(ours, theirs, strict=False):
        for mine, other in zip(our_file, their_file, strict=False):
            assert (mine.number, mine.fields) == (other.number, other.fields)
            if mine.compressed_time is not None:
                assert mine.compressed_time == other.compressed_time
            for name in mine.values.keys() & other.values.keys():
                assert mine.values[name] == pytest.approx(other.values[name], rel=1e-12, abs=1e-12), name
            natives = {name for name in other.values if name not in profile.NATIVE_OVERRIDES.values()}
            assert natives <= mine.values.keys()
            count += 1
    return count
