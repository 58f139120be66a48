"""A session as a file: FIT, GPX and TCX for other programs, our own JSON with everything (WO-9).

What each format can carry stands at the head of its writer. What is exported, imported and exported again is the
same file, byte for byte.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC
from typing import Any, Final, NamedTuple, TypeVar
from uuid import UUID

from contexts.workout.models import TrainingSession
from contexts.workout.recordings import (
    Lap,
    Length,
    Pool,
    RecordedActivity,
    Told,
    fit_activity_writing,
    gpx_writing,
    own_json,
    tcx_writing,
)
from contexts.workout.series import streams
from contexts.workout.sessions import history, parts
from kernel.errors import InvalidInput, Refused


class SessionUnderway(Refused):
    """The session is still under way; complete it first."""


class NothingToExport(Refused):
    """The session has nothing that this format can carry."""


class Format(NamedTuple):
    """How a format is written, and what it is called on the way."""

    write: Callable[[RecordedActivity], bytes | None]
    media_type: str


FORMATS: Final = {
    "fit": Format(fit_activity_writing.write, "application/vnd.ant.fit"),
    "gpx": Format(gpx_writing.write, "application/gpx+xml"),
    "tcx": Format(tcx_writing.write, "application/vnd.garmin.tcx+xml"),
    "json": Format(own_json.write, "application/json"),
}


class Export(NamedTuple):
    """A file for its owner."""

    name: str
    media_type: str
    content: bytes


def export_session(*, session_id: UUID, format: str | None, by: UUID) -> Export:
    """The athlete's own completed session in one of `FORMATS`."""
    session = history.own_session(session_id=session_id, by=by)
    if format not in FORMATS:
        raise InvalidInput("We export FIT, GPX, TCX and JSON.", field="format", code="unknown_format")
    if session.ended_at is None:
        raise SessionUnderway
    wanted = FORMATS[format]
    activity = activity_of(session)
    content = wanted.write(activity if format == "json" else _with_sums(activity, session))
    if content is None:
        raise NothingToExport
    day = session.started_at.astimezone(UTC).strftime("%Y-%m-%d-%H%M%S")
    return Export(f"{day}-{session.sport}.{format}", wanted.media_type, content)


def activity_of(session: TrainingSession) -> RecordedActivity:
    """A completed session in the form in which recordings come."""
    assert session.ended_at is not None
    packed = list(history.packed_streams(session))
    earliest = min([0, *(int(each.offsets_us[0]) for each in packed)])
    said = {} if session.taken_from else session.said
    before_s = -earliest / 1e6
    return RecordedActivity(
        sport=session.sport,
        sub_sport=session.said.get("sub_sport"),
        started_at=session.started_at + earliest * streams.MICROSECOND,
        ended_at=session.ended_at,
        laps=[_later(lap, before_s) for lap in parts.laps_of(session)],
        streams=streams.together(packed, since_us=earliest),
        product=session.device or None,
        time_zone=session.time_zone,
        pauses=[(start + before_s, end + before_s) for start, end in session.pauses_s()],
        auto_pauses=[(start + before_s, end + before_s) for start, end in session.auto_pauses_s()],
        pool=_pool(session, before_s),
        sets=[replace(one, at_s=_shifted(one.at_s, before_s)) for one in parts.sets_of(session)],
        told=Told(
            title=session.title,
            notes=session.notes,
            effort=session.effort,
            mood=session.mood,
            commute=session.commute,
            gear=session.gear,
            media=session.media,
        ),
        **{field: said.get(name) for name, field in own_json.SAID.items()},
    )


T = TypeVar("T", Lap, Length)


def _shifted(at_s: float, by_s: float) -> float:
    return round(at_s + by_s, 6)


def _later(part: T, by_s: float) -> T:
    """The same, counted from an earlier start: a reading came before the session's own."""
    return replace(part, start_s=_shifted(part.start_s, by_s), end_s=_shifted(part.end_s, by_s))


def _pool(session: TrainingSession, by_s: float) -> Pool | None:
    pool = parts.pool_of(session)
    return pool and replace(pool, lengths=[_later(length, by_s) for length in pool.lengths])


def _with_sums(activity: RecordedActivity, session: TrainingSession) -> RecordedActivity:
    """Where the device summed nothing up, our sums stand for its own: other programs expect some."""
    ours: dict[str, Any] = {
        "timer_s": session.duration_s,
        "device_distance_m": session.distance_m,
        "device_kcal": session.energy_kcal,
        "device_ascent_m": session.ascent_m,
    }
    return replace(activity, **{name: value for name, value in ours.items() if getattr(activity, name) is None})
