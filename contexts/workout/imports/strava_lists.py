"""Strava's `activities.csv`: what it says of each recording, in whatever language the account was.

Pure: bytes in, plain words out. Columns are known by their names where these are known (`strava_words`), else by
what stands in them and by their order, which is the same in every language: number, date, name, kind, description,
…, commute, …, gear, file. Source: Strava, "Exporting your Data and Bulk Export", and exports as people have shown
them.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, islice
from typing import Any, Final

from contexts.workout.imports import strava_words as words
from contexts.workout.recordings import Told
from contexts.workout.recordings.recording import EFFORTS, clean_line, clean_names, clean_prose, number

LOOKED_AT: Final = 500
"""Rows by which a column is judged."""

MOST: Final = 0.8
"""Of the cells of a column that are not empty so many must look alike."""

DELIMITERS: Final = (",", ";", "\t")
"""Strava's own, and those of programs that people open the list with."""

MEDIA_SEPARATOR: Final = "|"
YES: Final = ("true", "1", "1.0", "yes")
TRUTHS: Final = ("true", "false")

_FILE = re.compile(r"activities[/\\].+\.(?:fit|gpx|tcx)(?:\.gz)?", re.IGNORECASE)
_MEDIA = re.compile(r"media[/\\]\S+", re.IGNORECASE)


class NotUnderstood(ValueError):
    """The list has no column that names recordings."""

    code = "list_not_understood"


@dataclass(frozen=True, slots=True)
class Listed:
    """A row: the recording it is about, when the activity began (Unix seconds), and what is said of it."""

    file: str
    began_s: int | None
    said: dict[str, Any]


Row = Sequence[str]


def read(data: bytes) -> list[Listed]:
    """All rows that name a recording. Of a column that comes twice the first counts."""
    csv.field_size_limit(1_000_000)
    text = data.decode("utf-8-sig", "replace")
    rows = _rows(text, max(DELIMITERS, key=text.partition("\n")[0].count))
    head, looked_at = next(rows, []), list(islice(rows, LOOKED_AT))
    columns = _columns(head, looked_at)
    if "file" not in columns:
        raise NotUnderstood
    return [_listed(row, columns) for row in chain(looked_at, rows) if _cell(row, columns["file"])]


def _rows(text: str, delimiter: str) -> Iterator[Row]:
    """Row by row, as far as the list is whole."""
    try:
        yield from csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    except csv.Error:
        return


def _cell(row: Row, column: int | None) -> str:
    return row[column].strip() if column is not None and column < len(row) else ""


def _columns(head: Row, rows: Sequence[Row]) -> dict[str, int]:
    """Where what stands: by name, else by shape and order."""
    names = [words.plain(each) for each in head]
    found = {
        what: next(nth for nth, name in enumerate(names) if name in known)
        for what, known in words.COLUMNS.items()
        if not known.isdisjoint(names)
    }
    if "file" not in found:
        found |= _at("file", [nth for nth in range(len(head)) if _all(rows, nth, _FILE.fullmatch)])
    return (_by_order(rows, len(head), found["file"]) | found) if "file" in found else found


def _by_order(rows: Sequence[Row], width: int, file: int) -> dict[str, int]:
    """What the order tells, once it is Strava's own: a number and a date come first."""
    first = next((nth for nth in range(file) if _all(rows, nth, str.isdecimal)), None)
    if first is None or first + 4 >= file or not _all(rows, first + 1, words.moment):
        return {}
    truths = [nth for nth in range(first + 5, file) if _all(rows, nth, lambda cell: cell.lower() in TRUTHS)]
    media = [nth for nth in range(file + 1, width) if _all(rows, nth, _are_media)]
    found = {"id": first, "date": first + 1, "title": first + 2, "kind": first + 3, "notes": first + 4}
    return found | {"gear": file - 1} | _at("commute", truths) | _at("media", media)


def _at(what: str, columns: Sequence[int]) -> dict[str, int]:
    return {what: columns[0]} if columns else {}


def _all(rows: Sequence[Row], column: int, looks_like: Callable[[str], Any]) -> bool:
    """Whether nearly all cells of a column look like it, and there are any."""
    cells = [cell for row in rows if (cell := _cell(row, column))]
    return bool(cells) and sum(bool(looks_like(cell)) for cell in cells) >= MOST * len(cells)


def _are_media(cell: str) -> bool:
    return all(_MEDIA.fullmatch(each.strip()) for each in cell.split(MEDIA_SEPARATOR))


def _listed(row: Row, columns: Mapping[str, int]) -> Listed:
    cells = {what: _cell(row, column) for what, column in columns.items()}
    effort = number(cells.get("effort", "").replace(",", "."))
    began = words.moment(cells.get("date", ""))
    told = Told(
        title=clean_line(cells.get("title")),
        notes=clean_prose(cells.get("notes")),
        effort=round(effort) if effort is not None and round(effort) in EFFORTS else None,
        commute=cells.get("commute", "").lower() in YES,
        gear=clean_names([cells.get("gear", "")]),
        media=clean_names(cells.get("media", "").split(MEDIA_SEPARATOR)),
    )
    return Listed(
        file=cells["file"].replace("\\", "/"),
        began_s=round(began.timestamp()) if began else None,
        said=asdict(told) | {"sport": words.sport_of(cells.get("kind", ""))},
    )
