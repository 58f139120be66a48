"""A session ends: its streams are packed, its summary is computed, its records compared, the fact announced."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from contexts.health import services as health
from contexts.identity import services as identity
from contexts.workout import events, rules
from contexts.workout.analysis import Derived, standstill
from contexts.workout.models import LiveSample, SessionTrack, TrainingSession
from contexts.workout.numbers import progress, records
from contexts.workout.outdoors import tracks
from contexts.workout.plans import following, taking_back
from contexts.workout.recording import active, tracking, watching
from contexts.workout.recordings import LiftedSet, RecordedActivity, Streams
from contexts.workout.series import columns, streams
from contexts.workout.series.columns import Columns
from contexts.workout.sessions import history, merging, parts
from kernel.bus import publish
from kernel.databases import unit_of_work

READINGS_PER_QUESTION: Final = 20_000


@dataclass(frozen=True, kw_only=True)
class Athlete:
    """The body the formulas were given, as it was on the day of the session; kept with the summary."""

    age: int
    sex: str
    body_mass_kg: float | None
    hr_max: int | None


def athlete_on(day: datetime, *, known: identity.Physiology | None, at: datetime) -> Athlete | None:
    """What identity knows now, with the age the athlete had on that day, to within a year."""
    if known is None:
        return None
    years_ago = max(0, (at - day).days // 365)
    return Athlete(
        age=max(0, known.age - years_ago), sex=known.sex, body_mass_kg=known.body_mass_kg, hr_max=known.hr_max
    )


@dataclass(frozen=True, kw_only=True)
class Recorder:
    """What is asked about an athlete and their devices before a session of theirs is recorded."""

    time_zone: str
    visibility: str
    athlete: Athlete | None
    readings: list[health.Reading]
    counted: health.CountedEnergy | None


def complete_session(
    *, session_id: UUID, by: UUID, at: datetime, ended_at: datetime | None = None
) -> TrainingSession:
    """End a live session, now or as of an earlier moment. Completing a completed session changes nothing.

    Readings taken as they came in are checked against health, which has them all: one that was relayed while
    the session was being started is not lost.
    """
    session = history.own_session(session_id=session_id, by=by)
    if session.state == TrainingSession.State.COMPLETED:
        return session
    end = ended_at or at
    readings = readings_of(user_id=by, since=session.started_at, until=end)
    athlete = athlete_on(session.started_at, known=identity.get_physiology(user_id=by), at=at)
    counted = counted_of(user_id=by, since=session.started_at, until=end)
    return _complete(
        session_id=session_id, by=by, readings=readings, counted=counted, athlete=athlete, ended_at=end, at=at
    )


@unit_of_work("workout", gate="by")
def _complete(
    *,
    session_id: UUID,
    by: UUID,
    readings: list[health.Reading],
    counted: health.CountedEnergy | None,
    athlete: Athlete | None,
    ended_at: datetime,
    at: datetime,
) -> TrainingSession:
    session = tracking.locked_session(session_id=session_id, by=by)
    if session.state == TrainingSession.State.COMPLETED:
        return session
    session.complete(at=ended_at)
    session.completed_at = at
    inside = [reading for reading in readings if session.spans(reading.time)]
    session.athlete = asdict(athlete) if athlete else {}
    _note_counted(session, counted)
    _pack(session, streams.merged(streams.live_points(session), streams.points_of(session, inside)))
    LiveSample.objects.filter(session_id=session.id).delete()
    active.remember(session)
    announce([session], at)
    _look_at_progress(session, at)
    return session


def revise(*, session: TrainingSession, late: streams.Points, at: datetime) -> int:
    """Add what came after the end, and compute the summary anew; answers how many values were new.

    It is announced to watchers only. The caller holds the athlete's gate and the session's row.
    """
    before = streams.stored_points(session.id)
    together = streams.merged(before, late)
    new = sum(map(len, together.values())) - sum(map(len, before.values()))
    if not new:
        return 0
    merging.restore(session)
    session.revision += 1
    _pack(session, together)
    merging.combine(session)
    _look_at_progress(session, at)
    return new


def count_anew(*, session_id: UUID, by: UUID, counted: health.CountedEnergy | None, at: datetime) -> TrainingSession:
    """A machine has said more of a completed session than was known at its end. The caller holds the gate."""
    session = tracking.locked_session(session_id=session_id, by=by)
    if _note_counted(session, counted):
        merging.restore(session)
        session.revision += 1
        _pack(session, streams.stored_points(session.id))
        merging.combine(session)
        _look_at_progress(session, at)
    return session


MACHINE_COVERAGE: Final = 0.8
"""A machine's own total counts when it was heard for so much of the session: it says nothing of the rest."""

KJ_PER_KCAL: Final = 4.184


def _note_counted(session: TrainingSession, counted: health.CountedEnergy | None) -> bool:
    """Put a machine's total among what the device itself has said; whether anything has changed by it."""
    assert session.ended_at is not None
    before = session.said.get("energy_kcal")
    lasted = (session.ended_at - session.started_at).total_seconds() - sum(b - a for a, b in session.pauses_s())
    heard_s = (counted.last_at - counted.first_at).total_seconds() if counted else 0.0
    kcal = round(counted.kilojoules / KJ_PER_KCAL, 1) if counted and heard_s >= MACHINE_COVERAGE * lasted else None
    others = {name: value for name, value in session.said.items() if name != "energy_kcal"}
    session.said = others | ({"energy_kcal": kcal} if kcal else {})
    return session.said.get("energy_kcal") != before


def record_offline(
    *, session: TrainingSession, points: streams.Points, recorder: Recorder, is_new: bool, at: datetime
) -> None:
    """Save a session that a phone recorded offline, with its streams; announced when it is new.

    One that is known is revised if anything has changed. The caller holds the athlete's gate.
    """
    inside = [reading for reading in recorder.readings if session.spans(reading.time)]
    if "distance" in points:
        session.distance_by = streams.PHONE
    together = streams.merged(points, streams.points_of(session, inside))
    has_changed = not is_new and _is_told_anew(session)
    has_other_sport = has_changed and _is_of_other_sport(session)
    _note_counted(session, recorder.counted)
    session.changes += has_changed
    if is_new:
        session.state, session.completed_at = TrainingSession.State.COMPLETED, at
        session.athlete = asdict(recorder.athlete) if recorder.athlete else {}
    elif not _differs(session, together):
        session.save(update_fields=["operations"])
        return
    else:
        merging.restore(session)
        session.revision += 1
    packed = streams.pack_points(together)
    _find_auto_pauses(session, streams.together(packed))
    _summarise_measured(session, packed)
    watching.tell_summary(session)
    session.save(force_insert=is_new)
    session.streams.exclude(kind__in=together).delete()
    columns.store((session.id, each) for each in packed)
    tracks.keep_track(session=session, packed=packed)
    if is_new:
        announce([session], at)
    else:
        merging.combine(session)
    if has_other_sport:
        taking_back.match_anew(session, at=at)
    if has_changed:
        announce_change(session, at)
    _look_at_progress(session, at)


def _is_told_anew(session: TrainingSession) -> bool:
    """Whether a session, as it is in memory, has another sport or audience than the stored one."""
    return not TrainingSession.objects.filter(
        pk=session.pk, sport=session.sport, visibility=session.visibility
    ).exists()


def _is_of_other_sport(session: TrainingSession) -> bool:
    """Whether a session, as it is in memory, has another sport than the stored one."""
    return not TrainingSession.objects.filter(pk=session.pk, sport=session.sport).exists()


def _differs(session: TrainingSession, points: streams.Points) -> bool:
    """Whether a session, as it is in memory, is another than the stored one."""
    stored = TrainingSession.objects.get(pk=session.pk)
    names = ("sport", "visibility", "started_at", "ended_at", "pauses", "auto_pause_marks", "laps", "said")
    if any(getattr(stored, name) != getattr(session, name) for name in names):
        return True
    return streams.stored_points(session.pk) != points


def _pack(session: TrainingSession, points: streams.Points) -> None:
    """Store the streams of a live session and the summary that follows from them."""
    packed = streams.pack_points(points)
    _find_auto_pauses(session, streams.together(packed))
    _summarise_measured(session, packed)
    columns.store((session.id, each) for each in packed)
    tracks.keep_track(session=session, packed=packed)
    watching.tell_summary(session)
    session.save()


def _summarise_measured(session: TrainingSession, packed: list[Columns]) -> None:
    recorded = streams.as_recorded(session, packed)
    _summarise(session, recorded, pauses=session.all_pauses_s(), device_kcal=session.said.get("energy_kcal"))


def _find_auto_pauses(session: TrainingSession, measured: Streams) -> None:
    """Where the athlete stood while automatic pauses were on: the same of the same samples and switches, always."""
    if not session.auto_pause_marks:
        return
    within, own = session.auto_pausing_s(), session.pauses_s()
    found = standstill.standstills(measured, session.sport, within=within, but=own)
    session.auto_pauses = _marks(session.started_at, found)


def _marks(start: datetime, spans: list[tuple[float, float]]) -> list[datetime]:
    return [start + timedelta(seconds=mark) for span in spans for mark in span]


class Made(NamedTuple):
    """An imported session that is complete and not saved yet, with its streams, its track and its sets."""

    session: TrainingSession
    packed: list[Columns]
    track: SessionTrack | None
    sets: list[LiftedSet]


def summarise_recorded(
    *, session: TrainingSession, recorded: RecordedActivity, athlete: Athlete | None, at: datetime
) -> Made:
    """Complete an imported session that is not saved yet.

    Long work on plain values: it is done before the transaction opens.
    """
    session.pauses = _marks(session.started_at, recorded.pauses)
    session.auto_pauses = _marks(session.started_at, recorded.auto_pauses)
    session.complete(at=recorded.ended_at)
    session.completed_at = at
    session.athlete = asdict(athlete) if athlete else {}
    summarise_again(session, recorded)
    packed = streams.pack_recorded(recorded.streams)
    return Made(session, packed, tracks.first_track(session=session, packed=packed), recorded.sets)


def summarise_again(session: TrainingSession, recorded: RecordedActivity) -> None:
    """The summary of what was recorded, as the session's sport and athlete have it."""
    _find_auto_pauses(session, recorded.streams)
    pauses = session.all_pauses_s()
    _summarise(
        session,
        streams.silent_during(recorded.streams, pauses),
        timer_s=recorded.timer_s,
        device_distance_m=recorded.device_distance_m,
        pool=recorded.pool,
        device_kcal=recorded.device_kcal,
        device_ascent_m=recorded.device_ascent_m,
        pauses=pauses,
    )


def record_completed(made: Sequence[Made], *, at: datetime) -> None:
    """Save imported sessions of one athlete with all they hold. The caller holds the athlete's gate.

    One that records an activity we know already joins the session that stands for it, and announces nothing.
    """
    if not made:
        return
    surely_new = {session.id for session in merging.surely_new([each.session for each in made])}
    _record_new([each for each in made if each.session.id in surely_new], at)
    for each in made:
        if each.session.id not in surely_new:
            _record_beside_others(each, at)


def _record_beside_others(made: Made, at: datetime) -> None:
    known = merging.known_session(made.session, made.packed)
    if known is None:
        _record_new([made], at)
        return
    _save([made], duplicate_of=known)
    merging.combine(known)
    following.count_sets(session=known, at=at)
    _look_at_progress(known, at)


def _record_new(made: Sequence[Made], at: datetime) -> None:
    if not made:
        return
    _save(made)
    SessionTrack.objects.bulk_create(each.track for each in made if each.track)
    sessions = [each.session for each in made]
    announce(sessions, at)
    records.take_new(sessions=sessions, at=at)
    progress.look_at_goals(sessions=sessions, at=at)


def _save(made: Sequence[Made], *, duplicate_of: TrainingSession | None = None) -> None:
    for each in made:
        each.session.duplicate_of = duplicate_of
    TrainingSession.objects.bulk_create(each.session for each in made)
    columns.store((each.session.id, stream) for each in made for stream in each.packed)
    for each in made:
        parts.keep_sets(each.session, each.sets)


def _summarise(session: TrainingSession, recorded: Streams, **said: Any) -> None:
    """Put the summary's numbers and the methods behind them into the session."""
    assert session.ended_at is not None
    summary = rules.summarise(
        recorded,
        session.sport,
        elapsed_s=(session.ended_at - session.started_at).total_seconds(),
        physiology=Athlete(**session.athlete) if session.athlete else None,
        **said,
    )
    heart, zones = summary.heart_rate, summary.heart_rate and summary.heart_rate.zones
    derived = {
        "duration_s": summary.duration,
        "moving_s": summary.moving,
        "distance_m": summary.distance,
        "ascent_m": summary.ascent,
        "steps": summary.steps,
        "energy_kcal": summary.energy,
        "hr_avg": heart and heart.average,
        "fastest_1k_s": summary.efforts.get("fastest_1k"),
        "fastest_5k_s": summary.efforts.get("fastest_5k"),
    }
    for name, number in derived.items():
        setattr(session, name, number.value if number else None)
    session.steps = int(summary.steps.value) if summary.steps else None
    session.hr_max = heart.maximum if heart else None
    session.hr_zones_s = [zones.below_s, *zones.seconds] if zones else None
    methods = derived | {"hr_zones_s": zones and zones.hr_max}
    if session.auto_pause_marks:
        methods["auto_pauses"] = standstill.stood_s(session.auto_pauses_s(), session.sport)
    session.methods = {name: _method(number) for name, number in methods.items() if number}
    session.analysis_due = "new" if session._state.adding or not session.analyses.exists() else "data"
    session.anomalies = [asdict(anomaly) for anomaly in summary.anomalies]


def _look_at_progress(session: TrainingSession, at: datetime) -> None:
    """Records and goals, after a session's numbers have become known or have changed."""
    records.compare_with_bests(session=session, at=at)
    progress.look_at_goals(sessions=[session], at=at)


def _method(number: Derived) -> dict[str, Any]:
    """How a number came to be, without the number."""
    return {name: said for name, said in asdict(number).items() if name != "value"}


def announce(sessions: Iterable[TrainingSession], at: datetime) -> None:
    """Say that they are completed; once in a session's life."""
    publish(*(_completion(session, at) for session in sessions))


def _completion(session: TrainingSession, at: datetime) -> events.WorkoutCompleted:
    assert session.ended_at is not None
    assert session.duration_s is not None
    assert session.moving_s is not None
    return events.WorkoutCompleted(
        session_id=session.id,
        user_id=session.user_id,
        sport=session.sport,
        started_at=session.started_at,
        ended_at=session.ended_at,
        duration_s=session.duration_s,
        moving_s=session.moving_s,
        distance_m=session.distance_m,
        energy_kcal=session.energy_kcal,
        visibility=session.visibility,
        time_zone=session.time_zone,
        source=session.source,
        occurred_at=at,
    )


def announce_change(session: TrainingSession, at: datetime) -> None:
    """Say that its sport is another, or its audience; with its summary once its completion has been announced."""
    is_known = session.ended_at is not None and session.duplicate_of_id is None
    publish(
        events.WorkoutChanged(
            session_id=session.id,
            user_id=session.user_id,
            sport=session.sport,
            visibility=session.visibility,
            change=session.changes,
            occurred_at=at,
            **{name: getattr(session, name) for name in _TOLD_OF_CHANGED if is_known},
        )
    )


_TOLD_OF_CHANGED: Final = ("started_at", "ended_at", "duration_s", "moving_s", "distance_m", "energy_kcal")


def counted_of(*, user_id: UUID, since: datetime, until: datetime) -> health.CountedEnergy | None:
    """What a fitness machine has counted in that time, its end included."""
    return health.get_counted_energy(user_id=user_id, since=since, until=until + streams.MICROSECOND)


def readings_of(*, user_id: UUID, since: datetime, until: datetime) -> list[health.Reading]:
    """Everything health holds of that time, its end included, asked for piece by piece."""
    until += streams.MICROSECOND
    found: list[health.Reading] = []
    while True:
        piece = health.get_readings(
            user_id=user_id, streams=list(streams.TRACKED), since=since, until=until, limit=READINGS_PER_QUESTION
        )
        found += piece
        if len(piece) < READINGS_PER_QUESTION or piece[-1].time == since:
            return found
        since = piece[-1].time
