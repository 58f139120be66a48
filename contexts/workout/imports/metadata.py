"""What vendors' exports say of activities beside the recordings themselves. Pure: bytes in, plain words out.

Strava: `activities.csv`, one row an activity, one of its columns naming the recording (`strava_lists`). Garmin: JSON
lists named `…summarizedActivities.json`, which know an activity by its start alone. Source: Garmin, "Export Your
Garmin Data" (layouts as seen in such exports).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final, NamedTuple

from contexts.workout.recordings import Told
from contexts.workout.recordings.recording import clean_line, clean_prose

STRAVA_LIST: Final = "activities.csv"
GARMIN_LIST: Final = "summarizedactivities.json"
MAX_LIST_BYTES: Final = 50_000_000
START_TOLERANCE_S: Final = 2
"""A list and a recording may round the start differently."""


class Lists(NamedTuple):
    """What is known of one file: by its name, and of activities by their start in Unix seconds."""

    of_file: Mapping[str, Any] = {}
    by_start: Mapping[str, Mapping[str, Any]] = {}


def told_of(lists: Lists, started_at: datetime) -> Told:
    """What the lists say of an activity of the file."""
    of_file, by_start = _said(lists, started_at)
    return _told(of_file).or_else(_told(by_start))


def sport_of(lists: Lists, started_at: datetime) -> str:
    """The sport the lists name; nothing where they name none of ours."""
    of_file, by_start = _said(lists, started_at)
    return of_file.get("sport") or by_start.get("sport") or ""


def _said(lists: Lists, started_at: datetime) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    second = round(started_at.timestamp())
    near = sorted(range(-START_TOLERANCE_S, START_TOLERANCE_S + 1), key=abs)
    by_start = next((lists.by_start[key] for off in near if (key := str(second + off)) in lists.by_start), {})
    return lists.of_file, by_start


def _told(said: Mapping[str, Any]) -> Told:
    return Told(**{name: value for name, value in said.items() if name != "sport"})


def garmin(data: bytes) -> dict[str, dict[str, Any]]:
    """By start in Unix seconds: what Garmin's list says of an activity."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    found: dict[str, dict[str, Any]] = {}
    for activity in _summarised(document):
        start = activity.get("startTimeGmt") or activity.get("beginTimestamp")
        if isinstance(start, int | float) and 0 < start < 1e14:
            told = Told(
                title=clean_line(_text(activity.get("name"))), notes=clean_prose(_text(activity.get("description")))
            )
            found[str(round(start / 1000))] = asdict(told)
    return found


def _summarised(document: Any) -> Iterator[dict[str, Any]]:
    for part in document if isinstance(document, list) else [document]:
        inner = part.get("summarizedActivitiesExport", []) if isinstance(part, dict) else []
        yield from (activity for activity in inner if isinstance(activity, dict))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
