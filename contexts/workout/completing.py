"""A session ends: its streams are packed, its summary is computed, its records compared, the fact announced."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from contexts.health import services as health
from contexts.identity import services as identity
from contexts.workout import events, history, records, rules, streams, tracking, watching
from contexts.workout.models import LiveSample, TrainingSession
from contexts.workout.recordings import RecordedActivity, Streams
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


def complete_session(*, session_id: UUID, by: UUID, at: datetime) -> TrainingSession:
    """End a live session. Completing a completed session changes nothing.

    Readings taken as they came in are checked against health, which has them all: one that was relayed while
    the session was being started is not lost.
    """
    session = history.own_session(session_id=session_id, by=by)
    if session.state == TrainingSession.State.COMPLETED:
        return session
    readings = _readings_between(user_id=by, since=session.started_at, until=at + streams.MICROSECOND)
    athlete = athlete_on(session.started_at, known=identity.get_physiology(user_id=by), at=at)
    return _complete(session_id=session_id, by=by, readings=readings, athlete=athlete, at=at)


@unit_of_work("workout", gate="by")
def _complete(
    *, session_id: UUID, by: UUID, readings: list[health.Reading], athlete: Athlete | None, at: datetime
) -> TrainingSession:
    session = tracking.locked_session(session_id=session_id, by=by)
    if session.state == TrainingSession.State.COMPLETED:
        return session
    session.complete(at=at)
    inside = [reading for reading in readings if session.spans(reading.time)]
    session.athlete = asdict(athlete) if athlete else {}
    _pack(session, streams.merged(streams.live_points(session), streams.points_of(session, inside)))
    LiveSample.objects.filter(session_id=session.id).delete()
    _announce(session, at)
    records.compare_with_bests(session=session, at=at)
    return session


def revise(*, session: TrainingSession, late: streams.Points, at: datetime) -> None:
    """Add readings that came after the end, and compute the summary anew; announced to watchers only.

    The caller holds the athlete's gate and the session's row.
    """
    before = streams.stored_points(session.id)
    together = streams.merged(before, late)
    if together == before:
        return
    session.revision += 1
    _pack(session, together)
    records.compare_with_bests(session=session, at=at)


def _pack(session: TrainingSession, points: streams.Points) -> None:
    """Store the streams of a live session and the summary that follows from them."""
    recorded = streams.as_recorded(session, points)
    _summarise(session, recorded, pauses=session.pauses_s())
    streams.store(session.id, streams.pack_points(points))
    watching.tell_summary(session)
    session.save()


def summarise_recorded(
    *, session: TrainingSession, recorded: RecordedActivity, athlete: Athlete | None, at: datetime
) -> list[streams.Columns]:
    """Complete an imported session that is not saved yet; returns its packed streams.

    Long work on plain values: it is done before the transaction opens.
    """
    session.complete(at=recorded.ended_at)
    session.completed_at = at
    session.athlete = asdict(athlete) if athlete else {}
    _summarise(
        session,
        recorded.streams,
        timer_s=recorded.timer_s,
        device_distance_m=recorded.device_distance_m,
        device_kcal=recorded.device_kcal,
        device_ascent_m=recorded.device_ascent_m,
    )
    return streams.pack_recorded(recorded.streams)


def record_completed(*, session: TrainingSession, packed: list[streams.Columns], at: datetime) -> None:
    """Save an imported session with its streams. The caller holds the athlete's gate."""
    session.save(force_insert=True)
    streams.store(session.id, packed)
    _announce(session, at)
    records.compare_with_bests(session=session, at=at)


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
        "energy_kcal": summary.energy,
        "hr_avg": heart and heart.average,
        "fastest_1k_s": summary.efforts.get("fastest_1k"),
        "fastest_5k_s": summary.efforts.get("fastest_5k"),
    }
    for name, number in derived.items():
        setattr(session, name, number.value if number else None)
    session.hr_max = heart.maximum if heart else None
    session.hr_zones_s = [zones.below_s, *zones.seconds] if zones else None
    methods = derived | {"hr_zones_s": zones and zones.hr_max}
    session.methods = {
        name: {"algorithm": number.algorithm, "inputs": number.inputs} for name, number in methods.items() if number
    }
    session.anomalies = [asdict(anomaly) for anomaly in summary.anomalies]


def _announce(session: TrainingSession, at: datetime) -> None:
    assert session.ended_at is not None
    assert session.duration_s is not None
    assert session.moving_s is not None
    publish(
        events.WorkoutCompleted(
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
    )


def _readings_between(*, user_id: UUID, since: datetime, until: datetime) -> list[health.Reading]:
    """Everything health holds of that time, asked for piece by piece."""
    found: list[health.Reading] = []
    while True:
        piece = health.get_readings(
            user_id=user_id, streams=list(streams.TRACKED), since=since, until=until, limit=READINGS_PER_QUESTION
        )
        found += piece
        if len(piece) < READINGS_PER_QUESTION or piece[-1].time == since:
            return found
        since = piece[-1].time
