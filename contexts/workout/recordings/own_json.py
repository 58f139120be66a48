"""Our own JSON: everything a session holds that no formula made, and nothing lost. Written and read here.

    {"format": "stayer.session", "version": 1,
     "sport", "sub_sport", "started_at", "ended_at", "time_zone", "device", "maker",
     "said":   {"timer_s", "distance_m", "energy_kcal", "ascent_m"},        what the device summed up itself
     "pauses": [[from_s, to_s], …], "auto_pauses": [[from_s, to_s], …],   the athlete's own, and the device's
     "laps":   [{"start_s", "end_s", "timer_s", "distance_m", "kcal"}, …],
     "pool":   {"length_m", "unit": "m" or "yd",
                "lengths": [{"start_s", "end_s", "active", "stroke", "strokes"}, …]},      null unless swum in one
     "sets":   [{"exercise", "at_s", "reps", "duration_s", "weight_kg", "rpe"}, …],
     "told":   {"title", "notes", "effort", "mood", "commute", "gear", "media"},
     "streams": {"time": [seconds since the start, rising], "<stream>": [number or null, …], …}}

Instants are RFC 3339 in UTC to the microsecond, times seconds. Streams are named, with their units, as the fields of
`Streams`; all are as long as `time`. Derived numbers (zones, energy by formula, records) are left out: they are
computed anew wherever the file is read. So are who may see the session, and its place in a file.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from . import recording
from .fit_profile import STROKES as STROKE_WORDS
from .parts import (
    MAX_EXERCISE,
    MAX_LENGTHS,
    MAX_POOL_M,
    MAX_SETS,
    MAX_STROKES,
    POOL_UNITS,
    Length,
    LiftedSet,
    Pool,
    lifted,
)
from .recording import Flaw, Lap, Limits, Reading, RecordedActivity, Streams, Told, Values

FORMAT: Final = "stayer.session"
VERSION: Final = 1
SAID: Final = {
    "timer_s": "timer_s",
    "distance_m": "device_distance_m",
    "energy_kcal": "device_kcal",
    "ascent_m": "device_ascent_m",
}
MAX_LAPS: Final = 10_000
STROKES: Final = frozenset(STROKE_WORDS.values())
FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 2100


def write(activity: RecordedActivity) -> bytes:
    """The activity; the same one always gives the same bytes."""
    streams = activity.streams
    document = {
        "format": FORMAT,
        "version": VERSION,
        "sport": activity.sport,
        "sub_sport": activity.sub_sport,
        "started_at": _instant(activity.started_at),
        "ended_at": _instant(activity.ended_at),
        "time_zone": activity.time_zone,
        "device": activity.product,
        "maker": activity.manufacturer,
        "said": {name: getattr(activity, field) for name, field in SAID.items()},
        "pauses": [list(pause) for pause in activity.pauses],
        "auto_pauses": [list(pause) for pause in activity.auto_pauses],
        "laps": [asdict(lap) for lap in activity.laps],
        "pool": None if activity.pool is None else asdict(activity.pool),
        "sets": [asdict(each) for each in activity.sets],
        "told": asdict(activity.told),
        "streams": {name: recording.plain(getattr(streams, name)) for name in ("time", *streams.present())},
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def read(data: bytes, limits: Limits) -> Reading:
    """The one activity of a file; whatever does not follow the description is refused."""
    try:
        document = json.loads(data)
    except ValueError as damage:
        raise recording.CorruptJson from damage
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise recording.UnknownFormat
    if document.get("version") != VERSION:
        raise recording.UnknownFormat("This JSON is of a version that we do not read.")
    try:
        return _reading(document, limits)
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as damage:
        raise recording.CorruptJson from damage


def _reading(document: dict[str, Any], limits: Limits) -> Reading:
    warnings: list[Flaw] = []
    started_at, ended_at = _moment(document["started_at"]), _moment(document["ended_at"])
    lasted = (ended_at - started_at).total_seconds()
    if not 0 < lasted <= recording.MAX_SPAN_S:
        raise recording.NotAnActivity("The activity ends before it begins, or lasts longer than two weeks.")
    if document["sport"] not in recording.SPORTS:
        raise recording.CorruptJson("The file names a sport that we do not know.")
    pauses, auto_pauses = (_pauses(document.get(name, []), lasted) for name in ("pauses", "auto_pauses"))
    _pauses([list(pause) for pause in sorted(pauses + auto_pauses)], lasted)
    said: dict[str, Any] = {field: _positive(document.get("said", {}).get(name)) for name, field in SAID.items()}
    activity = RecordedActivity(
        sport=document["sport"],
        sub_sport=recording.clean_text(document.get("sub_sport")),
        started_at=started_at,
        ended_at=ended_at,
        laps=[_lap(lap) for lap in document.get("laps", [])[:MAX_LAPS]],
        streams=_streams(document.get("streams") or {}, limits, warnings),
        manufacturer=recording.clean_text(document.get("maker")),
        product=recording.clean_text(document.get("device")),
        time_zone=recording.clean_text(document.get("time_zone")),
        pauses=pauses,
        auto_pauses=auto_pauses,
        pool=None if document.get("pool") is None else _pool(document["pool"]),
        sets=[each for one in (document.get("sets") or [])[:MAX_SETS] if (each := _set(one)) is not None],
        told=_told(document.get("told") or {}),
        **said,
    )
    return Reading([activity], warnings)


def _moment(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None or not FIRST_YEAR <= at.year <= LAST_YEAR:
        raise ValueError("an instant without a zone, or one of no device")
    return at.astimezone(UTC)


def _finite(value: Any) -> float | None:
    """A number as it stands; anything else is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e15 or value != value:
        return None
    return value


def _positive(value: Any) -> float | None:
    known = _finite(value)
    return known if known is not None and known >= 0 else None


def _certain(value: Any) -> float:
    known = _finite(value)
    if known is None:
        raise ValueError("a time is no number")
    return known


def _lap(lap: dict[str, Any]) -> Lap:
    more = {name: _positive(lap.get(name)) for name in ("timer_s", "distance_m", "kcal")}
    start, end = _span(lap)
    return Lap(start_s=start, end_s=end, **more)


def _span(given: dict[str, Any]) -> tuple[float, float]:
    start, end = _certain(given["start_s"]), _certain(given["end_s"])
    if not 0 <= start <= end <= recording.MAX_SPAN_S:
        raise ValueError("a part lies outside of any activity")
    return start, end


def _pool(given: dict[str, Any]) -> Pool:
    length_m = _certain(given["length_m"])
    if not 0 < length_m <= MAX_POOL_M or given.get("unit", "m") not in POOL_UNITS:
        raise ValueError("no pool is like this")
    lengths = [_length(each) for each in given.get("lengths", [])[:MAX_LENGTHS]]
    return Pool(length_m=length_m, unit=given.get("unit", "m"), lengths=lengths)


def _length(given: dict[str, Any]) -> Length:
    start, end = _span(given)
    stroke, strokes = given.get("stroke"), given.get("strokes")
    return Length(
        start_s=start,
        end_s=end,
        active=given.get("active") is True,
        stroke=stroke if stroke in STROKES else None,
        strokes=strokes if type(strokes) is int and 0 <= strokes <= MAX_STROKES else None,
    )


def _set(given: dict[str, Any]) -> LiftedSet | None:
    reps, at = given.get("reps"), _certain(given["at_s"])
    if not 0 <= at <= recording.MAX_SPAN_S:
        raise ValueError("a set lies outside of any activity")
    return lifted(
        recording.clean_line(given.get("exercise"), MAX_EXERCISE),
        at,
        reps=reps if type(reps) is int else None,
        duration_s=_finite(given.get("duration_s")),
        weight_kg=_finite(given.get("weight_kg")),
        rpe=_finite(given.get("rpe")),
    )


def _pauses(pauses: list[list[float]], lasted: float) -> list[tuple[float, float]]:
    """Pauses in order and apart, within the activity."""
    kept, before = [], 0.0
    for start, end in pauses[:MAX_LAPS]:
        if not before <= _certain(start) <= _certain(end) <= lasted:
            raise ValueError("pauses overlap or lie outside the activity")
        kept.append((start, end))
        before = end
    return kept


def _on_scale(value: Any, scale: range) -> int | None:
    return value if type(value) is int and value in scale else None


def _told(told: dict[str, Any]) -> Told:
    return Told(
        title=recording.clean_line(told.get("title")),
        notes=recording.clean_prose(told.get("notes")),
        effort=_on_scale(told.get("effort"), recording.EFFORTS),
        mood=_on_scale(told.get("mood"), recording.MOODS),
        commute=told.get("commute") is True,
        gear=recording.clean_names(told.get("gear") or []),
        media=recording.clean_names(told.get("media") or []),
    )


def _streams(given: dict[str, list[Any]], limits: Limits, warnings: list[Flaw]) -> Streams:
    times = [_certain(at) for at in given.get("time", [])]
    if len(times) > limits.max_points:
        raise recording.TooManyPoints
    if times != sorted(times) or (times and not 0 <= times[0] <= times[-1] <= recording.MAX_SPAN_S):
        raise ValueError("times are not in order")
    kept: dict[str, Values | None] = {}
    for name in recording.STREAM_NAMES:
        given_values = [_finite(value) for value in given.get(name, [])]
        if given_values and len(given_values) != len(times):
            raise ValueError("a stream is not as long as the times")
        kept[name] = recording.plausible(name, np.array(given_values, dtype=np.float64), warnings)
    return Streams(time=np.array(times, dtype=np.float64), **kept)
