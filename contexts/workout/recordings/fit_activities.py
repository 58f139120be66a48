"""Makes activities of decoded FIT files: sessions, their laps, lengths, sets and records, heart rate, time zone."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import fit, fit_parts, recording
from . import fit_profile as profile
from .fit_layout import Octets
from .recording import Flaw, Lap, Limits, RecordedActivity, Values

Span = tuple[float, float]
"""From and to, in seconds since the start."""

Beat = tuple[float, int]
"""Unix seconds and beats per minute, as a strap stored them under water."""

Message = dict[str, Any]

MERGE_WINDOW_S = 1.0
MAX_OFFSET_S = 14 * 3600


@dataclass(slots=True)
class _Table:
    """Records in order of time: Unix seconds, and columns named as in Streams."""

    times: Values
    columns: dict[str, Values]


@dataclass(slots=True)
class _Leg:
    """A session of a file, which of the records are its own, and the messages that began during it."""

    session: Message
    rows: slice
    laps: list[Message]
    lengths: list[Message]
    sets: list[Message]


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
    cuts = [0, *np.searchsorted(table.times, starts[1:]).tolist(), len(table.times)]
    laps, lengths, sets = (_by_session(file.of(kind), starts) for kind in (profile.LAP, profile.LENGTH, profile.SET))
    made = [
        _activity(
            file,
            _Leg(session, slice(cuts[nth], cuts[nth + 1]), laps[nth], lengths[nth], sets[nth]),
            table,
            beats,
            warnings,
        )
        for nth, session in enumerate(sessions)
        if session.get("sport") != profile.TRANSITION
    ]
    return [activity for activity in made if activity.ended_at > activity.started_at]


def _by_session(messages: list[Message], starts: list[float]) -> list[list[Message]]:
    """Messages by the session during which they began."""
    found: list[list[Message]] = [[] for _ in starts]
    for message in messages if starts else ():
        found[max(bisect_right(starts, _start_of(message) or 0) - 1, 0)].append(message)
    return found


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
        "start_time": float(table.times[0]) - profile.FIT_EPOCH,
        "sport": said.get("sport"),
        "sub_sport": said.get("sub_sport"),
    }


def _sport(session: dict[str, Any]) -> str:
    sport = session.get("sport")
    if sport in profile.UNTELLING_SPORTS:
        return profile.SPORTS_BY_SUB_SPORT.get(session.get("sub_sport") or 0, "other")
    return profile.SPORTS.get(sport or 0, "other")


def _activity(
    file: fit.FitFile, leg: _Leg, table: _Table, beats: list[Beat], warnings: list[Flaw]
) -> RecordedActivity:
    session = leg.session
    times = table.times[leg.rows]
    columns = {name: column[leg.rows] for name, column in table.columns.items()}
    _merge_beats(times, columns, beats)
    said_start = _start_of(session) or 0.0
    said_end = said_start + (session.get("elapsed_s") or session.get("timer_s") or 0.0)
    start = min([said_start, *times[:1].tolist()])
    end = max([said_end, *times[-1:].tolist()])
    sport = _sport(session)
    streams = recording.streams_of(times, columns, start=start, warnings=warnings)
    recording.per_minute_of_both_legs(streams, sport)
    maker, product = _device(file)
    pauses, auto_pauses = _pauses(file.of(profile.EVENT), start, end)
    return RecordedActivity(
        sport=sport,
        sub_sport=profile.SUB_SPORTS.get(session.get("sub_sport") or 0),
        started_at=recording.moment(start),
        ended_at=recording.moment(end),
        timer_s=session.get("timer_s"),
        device_distance_m=session.get("distance_m"),
        device_kcal=session.get("kcal"),
        device_ascent_m=session.get("ascent_m"),
        laps=_laps(leg.laps, start, end),
        streams=streams,
        time_zone_offset_s=_time_zone_offset(file),
        manufacturer=maker,
        product=product,
        pauses=pauses,
        auto_pauses=auto_pauses,
        pool=fit_parts.pool_of(session, leg.lengths, start, end),
        sets=fit_parts.sets_of(leg.sets, file.of(profile.EXERCISE_TITLE), start),
    )


def _pauses(messages: list[dict[str, Any]], start: float, end: float) -> tuple[list[Span], list[Span]]:
    """When the timer stood between two times, in order: stopped by the athlete, and by itself.

    A timer that nobody starts again has ended the activity.
    """
    by_hand: list[Span] = []
    by_itself: list[Span] = []
    stopped: tuple[float, bool] | None = None
    timed = [(_unix(one.get("timestamp")), one) for one in messages if one.get("event") == profile.TIMER_EVENT]
    for at, message in sorted(((at, one) for at, one in timed if at is not None), key=lambda each: each[0]):
        if message.get("event_type") in profile.TIMER_STOPS:
            stopped = stopped or (at, message.get("data") == profile.BY_ITSELF)
        elif message.get("event_type") == profile.TIMER_STARTS and stopped:
            since, until = max(stopped[0], start), min(at, end)
            if since < until:
                (by_itself if stopped[1] else by_hand).append((round(since - start, 3), round(until - start, 3)))
            stopped = None
    return by_hand, by_itself


def _laps(messages: list[dict[str, Any]], start: float, end: float) -> list[Lap]:
    """Laps that began during the activity, in order."""
    laps = []
    for message in messages:
        began = _start_of(message)
        if began is None or not start <= began <= min(end, start + recording.MAX_SPAN_S):
            continue
        length = message.get("elapsed_s") or message.get("timer_s") or 0.0
        laps.append(
            Lap(
                start_s=round(began - start, 3),
                end_s=round(min(began - start + length, recording.MAX_SPAN_S), 3),
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
    times = _filled_forward(records.columns.get("timestamp", np.zeros(0)))
    known = np.flatnonzero(~np.isnan(times))
    first = int(known[0]) if len(known) else len(times)
    unix = times[first:] + profile.FIT_EPOCH
    rows = recording.in_order(unix, warnings)
    columns = {name: values[first:][rows] for name, values in _columns(records).items()}
    return _Table(unix[rows], columns)


def _filled_forward(values: Values) -> Values:
    """Each missing value replaced by the one before it."""
    last = np.maximum.accumulate(np.where(np.isnan(values), 0, np.arange(len(values))))
    return values[last]


def _columns(records: fit.Records) -> dict[str, Values]:
    """The columns of a stream: the enhanced form of a field is preferred to the plain one."""
    columns = {name: values for name, values in records.columns.items() if name in recording.STREAM_NAMES}
    for name in ("altitude_m", "speed_mps"):
        better = records.columns.get(f"enhanced_{name}")
        if better is not None:
            columns[name] = _combined(better, columns.get(name))
    if records.packed is not None:
        speed, distance = _unpacked(records.packed)
        columns["speed_mps"] = _combined(columns.get("speed_mps"), speed)
        columns["distance_m"] = _combined(columns.get("distance_m"), distance)
    fraction = records.columns.get("fractional_cadence")
    if fraction is not None and "cadence_rpm" in columns:
        columns["cadence_rpm"] = columns["cadence_rpm"] + np.nan_to_num(fraction)
    return columns


def _combined(first: Values | None, second: Values | None) -> Values:
    """The first, and the second where the first has nothing; one of them is there."""
    if first is None or second is None:
        return first if second is None else second  # type: ignore[return-value]
    return np.where(np.isnan(first), second, first)


def _unpacked(packed: Octets) -> tuple[Values, Values]:
    """Speed and distance of `compressed_speed_distance`: 12 bits each, the distance counting round."""
    low, middle, high = packed.astype(np.int64).T
    said = np.flatnonzero((packed != 0xFF).any(axis=1))
    counter = (middle >> 4 | high << 4)[said]
    steps = np.diff(counter, prepend=0) & 0xFFF
    speeds, distances = np.full(len(packed), np.nan), np.full(len(packed), np.nan)
    speeds[said] = (low | (middle & 0x0F) << 8)[said] / 100
    distances[said] = np.cumsum(steps) / 16
    return speeds, distances


def _beats(messages: list[dict[str, Any]]) -> list[Beat]:
    """The beats of `hr` messages.

    A message with a time and one strap counter (1/1024 s) ties the strap's clock to the world's. The messages
    after it hold full counters, or only their low twelve bits, two in three bytes, to be counted on.
    """
    beats: list[Beat] = []
    tie: float | None = None
    counter = 0
    for message in messages:
        counters = list(message.get("event_s") or ())
        if message.get("timestamp") is not None and counters:
            tie = _unix(message["timestamp"] + (message.get("fraction_s") or 0.0) - counters[0] / 1024)
        counter = counters[-1] if counters else counter
        for twelve in _twelve_bits(message.get("event_12") or ()):
            counter += (twelve - counter) & 0xFFF
            counters.append(counter)
        rates = message.get("filtered_bpm") or ()
        if tie is not None:
            beats += [(tie + at / 1024, rate) for at, rate in zip(counters, rates, strict=False) if 0 < rate < 255]
    return beats


def _twelve_bits(raw: Sequence[int]) -> list[int]:
    values = []
    for at in range(0, len(raw) - 2, 3):
        values += [raw[at] | (raw[at + 1] & 0x0F) << 8, raw[at + 1] >> 4 | raw[at + 2] << 4]
    return values


def _merge_beats(times: Values, columns: dict[str, Values], beats: list[Beat]) -> None:
    """Gives records without a heart rate the mean of the strap's beats in the second before them."""
    if not beats or not len(times) or beats[-1][0] < times[0] or beats[0][0] > times[-1]:
        return
    beat_times, rates = np.array(beats).T
    sums = np.concatenate([[0.0], np.cumsum(rates)])
    first = np.searchsorted(beat_times, times - MERGE_WINDOW_S, side="right")
    last = np.searchsorted(beat_times, times, side="right")
    counts = last - first
    means = np.where(counts > 0, np.round((sums[last] - sums[first]) / np.maximum(counts, 1), 1), np.nan)
    known = columns.get("heart_rate_bpm", np.full(len(times), np.nan))
    columns["heart_rate_bpm"] = np.where(known > 0, known, means)
