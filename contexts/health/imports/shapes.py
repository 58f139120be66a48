"""Which file of an export is read as what, told by its name and its beginning."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import tzinfo
from typing import Final, NamedTuple

from contexts.health.imports import apple_export, fitbit, garmin, google_fit
from contexts.health.imports.measured import Found
from contexts.health.rules import Origin

APPLE: Final = "apple_export"
BEGINNING_BYTES: Final = 65_536
"""Apple's document type takes a few kilobytes."""


class Shape(NamedTuple):
    """How files of a kind are called, where their readings come from, how they are read into what they hold."""

    name: str
    origin: Origin
    called: re.Pattern[str]
    read: Callable[[bytes, tzinfo], Iterator[Found]]


SHAPES: Final = tuple(
    Shape(name, origin, re.compile(called, re.IGNORECASE), read)
    for origin, shapes in (
        (Origin.FITBIT_EXPORT, fitbit.SHAPES),
        (Origin.GARMIN_EXPORT, garmin.SHAPES),
        (Origin.GOOGLE_TAKEOUT, google_fit.SHAPES),
    )
    for name, called, read in shapes
)
BY_NAME: Final = {shape.name: shape for shape in SHAPES}

LEFT_OUT: Final = (
    (re.compile(r".*\.(gpx|fit|tcx)(\.gz)?", re.IGNORECASE), "belongs_to_workouts"),
    (re.compile(r".*_summarizedActivities\.json|exercise-\d+\.json", re.IGNORECASE), "belongs_to_workouts"),
    (re.compile(r"(raw|derived)_com\.google\..*\.json", re.IGNORECASE), "merged_elsewhere"),
    (re.compile(r"Daily (SpO2|Heart Rate Variability Summary) - .*\.csv", re.IGNORECASE), "sums_up_others"),
    (re.compile(r".*\.zip", re.IGNORECASE), "nested_archive"),
)
"""Files that are known and not read, and why."""


def shape_of(path: str) -> Shape | None:
    """The shape of a JSON or CSV file by its name; None for one that is not read."""
    name = path.rpartition("/")[2]
    return next((shape for shape in SHAPES if shape.called.fullmatch(name)), None)


def reason_for(path: str) -> str:
    """Why a file without a shape is left out."""
    name = path.rpartition("/")[2]
    return next((code for called, code in LEFT_OUT if called.fullmatch(name)), "not_understood")


def is_apple_export(beginning: bytes) -> bool:
    """Whether an XML file is Apple's export: by its outermost element, for its name is translated."""
    return b"<" + apple_export.ROOT.encode() in beginning and b"<ClinicalDocument" not in beginning
