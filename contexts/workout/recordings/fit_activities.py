"""Makes activities of decoded FIT files: sessions, their laps and records, buffered heart rate, time zone."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import accumulate
from struct import iter_unpack
from typing import Any

from . import fit, recording
from . import fit_profile as profile
from .recording import Column, Flaw, Lap, Limits, RecordedActivity

Beat = tuple[float, int]
"""Unix seconds and beats per minute, as a strap stored them under water."""

MERGE_WINDOW_S = 1.0
MAX_OFFSET_S = 14 * 3600


@dataclass(slots=True)
class _Table:
    """Records in order of time: Unix seconds, and columns named as in Streams."""

    times: list[float]
    columns: dict[str, Column]


def read(data: bytes, limits: Limits) -> recording.Reading:
    """All activities in a FIT file. Settings, courses, planned workouts and the like are refused."""
    warnings: list[Flaw] = []
    files = fit.decode(data, limits, warnings)
    beats = sorted(beat for file in files for beat in _beats(file.of(profile.HR)))
    activities: list[RecordedActivity] = []
    for file in files:
        if _is_activity(file):
            activities += _activities(file, beats, limits, warnings)
        if len(activities) > limits.max_activities:
            raise recording.TooManyActivities
    if not activities:
        raise recording.NotAnActivity(_what_it_is(files))
    activities.sort(key=lambda activity: activity.started_at)
    if activities[0].started_at < recording.moment(profile.FIT_EPOCH + profile.FIRST_ABSOLUTE_TIME):
        warnings.append(Flaw("clock_not_set", "The device's clock was not set; the date is not the real one."))
    return recording.Reading(activities, warnings)


def _is_activity(file: fit.FitFile) -> bool:
    kind = file.first(profile.FILE_ID).get("type")
    return kind in (None, profile.ACTIVITY_FILE) or bool(file.of(profile.SESSION))


def _what_it_is(files: list[fit.FitFile]) -> str | None:
    kinds = [file.first(profile.FILE_ID).get("type") for file in files]
    named = next((profile.FILE_TYPES[kind] for kind in kinds if kind in profile.FILE_TYPES), None)
    return f"This FIT file holds {named}, not an activity." if named else None


def _activities(file: fit.FitFile, beats: list[Beat], limits: Limits, warnings: list[Flaw]) -> list[RecordedActivity]:
    table = _table(file.records, warnings)
    sessions = [session for session in file.of(profile.SESSION) if _start_of(session) is not None]
    if len(sessions) > limits.max_activities:
        raise recording.TooManyActivities
    if not sessions:
        sessions = [_session_nobody_wrote(file, table, warnings)] if len(table.times) > 1 else []
    sessions.sort(key=lambda session: _start_of(session) or 0)
    starts = [_start_of(session) or 0 for session in sessions]
    cuts = [0, *(bisect_left(table.times, start) for start in starts[1:]), len(table.times)]
    laps: list[list[dict[str, Any]]] = [[] for _ in sessions]
    for lap in file.of(profile.LAP) if sessions else ():
        laps[max(bisect_right(starts, _start_of(lap) or 0) - 1, 0)].append(lap)
    made = [
        _activity(file, session, table, slice(cuts[nth], cuts[nth + 1]), laps[nth], beats, warnings)
        for nth, session in enumerate(sessions)
        if session.get("sport") != profile.TRANSITION
    ]
    return [activity for activity in made if activity.ended_at > activity.started_at]


def _unix(fit_time: float | None) -> float | None:
    return None if fit_time is None else fit_time + profile.FIT_EPOCH


def _start_of(message: dict[str, Any]) -> float | None:
    """When a session or lap began: said outright, or counted back from its end."""
    if message.get("start_time") is not None:
        return _unix(message["start_time"])
    end = _unix(message.get("timestamp"))
    return None if end is None else end - (message.get("elapsed_s") or 0.0)


def _session_nobody_wrote(file: fit.FitFile, table: _Table, warnings: list[Flaw]) -> dict[str, Any]:
    """The device died before its summary: what laps and records say must do."""
    warnings.append(Flaw("no_summary", "The device wrote no summary; it was made from the records."))
    said = file.first(profile.SPORT) or file.first(profile.LAP)
    return {
        "start_time": table.times[0] - profile.FIT_EPOCH,
        "sport": said.get("sport"),
        "sub_sport": said.get("sub_sport"),
    }


def _sport(session: dict[str, Any]) -> str:
    sport = session.get("sport")
    if sport in profile.UNTELLING_SPORTS:
        return profile.SPORTS_BY_SUB_SPORT.get(session.get("sub_sport") or 0, "other")
    return profile.SPORTS.get(sport or 0, "other")


def _activity(
    file: fit.FitFile,
    session: dict[str, Any],
    table: _Table,
    rows: slice,
    laps: list[dict[str, Any]],
    beats: list[Beat],
    warnings: list[Flaw],
) -> RecordedActivity:
    times = table.times[rows]
    columns = {name: column[rows] for name, column in table.columns.items()}
    _merge_beats(times, columns, beats)
    said_start = _start_of(session) or 0.0
    start = min([said_start, *times[:1]])
    end = max([said_start + (session.get("elapsed_s") or session.get("timer_s") or 0.0), *times[-1:]])
    sport = _sport(session)
    streams = recording.streams_of(times, columns, start=start, warnings=warnings)
    recording.per_minute_of_both_legs(streams, sport)
    maker, product = _device(file)
    return RecordedActivity(
        sport=sport,
        sub_sport=profile.SUB_SPORTS.get(session.get("sub_sport") or 0),
        started_at=recording.moment(start),
        ended_at=recording.moment(end),
        timer_s=session.get("timer_s"),
        device_distance_m=session.get("distance_m"),
        device_kcal=session.get("kcal"),
        device_ascent_m=session.get("ascent_m"),
        laps=_laps(laps, start, end),
        streams=streams,
        time_zone_offset_s=_time_zone_offset(file),
        manufacturer=maker,
        product=product,
    )


def _laps(messages: list[dict[str, Any]], start: float, end: float) -> list[Lap]:
    """Laps that began during the activity, in order."""
    laps = []
    for message in messages:
        began = _start_of(message)
        if began is None or not start <= began <= end:
            continue
        length = message.get("elapsed_s") or message.get("timer_s") or 0.0
        laps.append(
            Lap(
                start_s=round(began - start, 3),
                end_s=round(began - start + length, 3),
                timer_s=message.get("timer_s"),
                distance_m=message.get("distance_m"),
                kcal=message.get("kcal"),
            )
        )
    return sorted(laps, key=lambda lap: lap.start_s)


def _device(file: fit.FitFile) -> tuple[str | None, str | None]:
    said = file.first(profile.FILE_ID)
    maker, product = said.get("manufacturer"), said.get("product")
    name = recording.clean_text((said.get("product_name") or b"").split(b"\0")[0].decode("utf-8", "replace"))
    return (
        None if maker is None else profile.MANUFACTURERS.get(maker, str(maker)),
        name or (None if product is None else str(product)),
    )


def _time_zone_offset(file: fit.FitFile) -> int | None:
    """Local time less universal time, to the quarter of an hour; None where the device did not say."""
    said = file.first(profile.ACTIVITY)
    if said.get("timestamp") is None or said.get("local_timestamp") is None:
        return None
    offset = round((said["local_timestamp"] - said["timestamp"]) / 900) * 900
    return int(offset) if abs(offset) <= MAX_OFFSET_S else None


def _table(records: fit.Records, warnings: list[Flaw]) -> _Table:
    """Records in order of time, as columns of streams; a record without time takes that of the one before."""
    times = _filled_forward(records.columns.get("timestamp", []))
    first = next((nth for nth, at in enumerate(times) if at is not None), len(times))
    known = [at + profile.FIT_EPOCH for at in times[first:] if at is not None]
    rows = recording.in_order(known, warnings)
    columns = {name: column[first:] for name, column in _columns(records).items()}
    if rows != list(range(len(known))):
        columns = {name: [column[row] for row in rows] for name, column in columns.items()}
        known = [known[row] for row in rows]
    return _Table(known, columns)


def _filled_forward(column: Column) -> Column:
    if None not in column:
        return column
    filled: Column = []
    before = None
    for value in column:
        before = before if value is None else value
        filled.append(before)
    return filled


def _columns(records: fit.Records) -> dict[str, Column]:
    """The columns of a stream: the enhanced form of a field is preferred to the plain one."""
    columns = {name: column for name, column in records.columns.items() if name in recording.STREAM_NAMES}
    for name in ("altitude_m", "speed_mps"):
        _prefer(columns, name, records.columns.get(f"enhanced_{name}"))
    packed: list[Any] | None = records.columns.get("compressed_speed_distance")
    if packed:
        speed, distance = _unpacked(packed)
        _fill(columns, "speed_mps", speed)
        _fill(columns, "distance_m", distance)
    fraction = records.columns.get("fractional_cadence")
    if fraction and "cadence_rpm" in columns:
        columns["cadence_rpm"] = [
            whole if whole is None else whole + (part or 0)
            for whole, part in zip(columns["cadence_rpm"], fraction, strict=True)
        ]
    return columns


def _combined(first: Column, second: Column) -> Column:
    return [value if value is not None else other for value, other in zip(first, second, strict=True)]


def _prefer(columns: dict[str, Column], name: str, better: Column | None) -> None:
    if better:
        columns[name] = _combined(better, columns[name]) if name in columns else better


def _fill(columns: dict[str, Column], name: str, other: Column) -> None:
    columns[name] = _combined(columns[name], other) if name in columns else other


def _unpacked(packed: list[bytes | None]) -> tuple[Column, Column]:
    """Speed and distance of `compressed_speed_distance`: 12 bits each, the distance counting round."""
    speeds: Column = []
    distances: Column = []
    total, before = 0, None
    for each in packed:
        if each is None or len(each) < 3 or each[:3] == b"\xff\xff\xff":
            speeds.append(None)
            distances.append(None)
            continue
        counter = each[1] >> 4 | each[2] << 4
        total += counter if before is None else (counter - before) & 0xFFF
        before = counter
        speeds.append((each[0] | (each[1] & 0x0F) << 8) / 100)
        distances.append(total / 16)
    return speeds, distances


def _elements(raw: bytes | None, code: str, order: str) -> list[int]:
    size = 4 if code == "I" else 1
    whole = (raw or b"")[: len(raw or b"") // size * size]
    return [value for (value,) in iter_unpack(order + code, whole)]


def _beats(messages: list[dict[str, Any]]) -> list[Beat]:
    """The beats of `hr` messages.

    A message with a time and one strap counter (1/1024 s) ties the strap's clock to the world's. The messages
    after it hold full counters, or only their low twelve bits, two in three bytes, to be counted on.
    """
    beats: list[Beat] = []
    tie: float | None = None
    counter = 0
    for message in messages:
        counters = _elements(message.get("event_s"), "I", message["order"])
        if message.get("timestamp") is not None and counters:
            tie = _unix(message["timestamp"] + (message.get("fraction_s") or 0.0) - counters[0] / 1024)
        counter = counters[-1] if counters else counter
        for twelve in _twelve_bits(message.get("event_12") or b""):
            counter += (twelve - counter) & 0xFFF
            counters.append(counter)
        rates = message.get("filtered_bpm") or b""
        if tie is not None:
            beats += [(tie + at / 1024, rate) for at, rate in zip(counters, rates, strict=False) if 0 < rate < 255]
    return beats


def _twelve_bits(raw: bytes) -> list[int]:
    values = []
    for at in range(0, len(raw) - 2, 3):
        values += [raw[at] | (raw[at + 1] & 0x0F) << 8, raw[at + 1] >> 4 | raw[at + 2] << 4]
    return values


def _merge_beats(times: list[float], columns: dict[str, Column], beats: list[Beat]) -> None:
    """Gives records without a heart rate the mean of the strap's beats in the second before them."""
    if not beats or not times or beats[-1][0] < times[0] or beats[0][0] > times[-1]:
        return
    beat_times = [at for at, _ in beats]
    sums = [0, *accumulate(rate for _, rate in beats)]
    known = columns.get("heart_rate_bpm") or [None] * len(times)
    columns["heart_rate_bpm"] = [
        rate if rate else _mean_before(at, beat_times, sums) for at, rate in zip(times, known, strict=True)
    ]


def _mean_before(at: float, beat_times: list[float], sums: list[int]) -> float | None:
    first = bisect_right(beat_times, at - MERGE_WINDOW_S)
    last = bisect_right(beat_times, at)
    return round((sums[last] - sums[first]) / (last - first), 1) if last > first else None
