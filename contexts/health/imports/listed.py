"""Lists in files: the items of a JSON array or the rows of a CSV table, one at a time."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

import msgspec

from contexts.health.imports.archives import Unopenable

_raw_list = msgspec.json.Decoder(list[msgspec.Raw])
_any = msgspec.json.Decoder()

UNREADABLE = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


def json_items(data: bytes) -> Iterator[Any]:
    """The items of an array. Only one of them is decoded at a time."""
    try:
        items = _raw_list.decode(data)
    except msgspec.ValidationError:
        raise Unopenable("unexpected_shape") from None
    except UNREADABLE:
        raise Unopenable("corrupt_json") from None
    yield from map(decoded, items)


def decoded(raw: msgspec.Raw) -> Any:
    """One item; what is too deep is None."""
    try:
        return _any.decode(raw)
    except UNREADABLE:
        return None


def csv_rows(data: bytes, *columns: str) -> Iterator[dict[str, str]]:
    """The rows of a table that has these columns."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unopenable("corrupt_csv") from None
    rows = csv.DictReader(io.StringIO(text))
    try:
        if not set(columns) <= set(rows.fieldnames or ()):
            raise Unopenable("unexpected_shape")
        yield from rows
    except csv.Error:
        raise Unopenable("corrupt_csv") from None
