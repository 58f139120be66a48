"""The whole analysis of one session in one call: everything its streams and the athlete's settings allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from contexts.workout.recordings import Pool
from contexts.workout.recordings.recording import Streams

from . import coupling, efforts, energy, heart, load, power, quality, ramp, running, stepping, swimming, times, zones
from .derived import Derived, DerivedSeries
from .elevation import Climb, ascent
from .path import Path, distance
from .series import Array, column, each_second, held_seconds
from .stepping import ON_FOOT

RACES = ("5k", "10k", "half_marathon", "marathon")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """An athlete as of the date of the session; what is not known is None, and what needs it is not computed."""

    age: int
    sex: str = "unspecified"
    body_mass_kg: float | None = None
    height_cm: float | None = None
    hr_max: int | None = None
    resting_bpm: float | None = None
    resting_read_bpm: float | None = None
    """As devices measured it in the weeks before; the athlete's own word goes before it."""
    threshold_bpm: float | None = None
    vt1_bpm: float | None = None
    vt2_bpm: float | None = None
    ftp_w: float | None = None
    threshold_mps: float | None = None
    heart_rate_zones: zones.Bounds | None = None
    """The athlete's own; without them zones go by the maximum heart rate."""


@dataclass(frozen=True, slots=True)
class ZonesSpent:
    """Time in zones of heart rate, power and pace."""

    heart_rate: zones.TimeInZones | None
    power: zones.TimeInZones | None
    pace: zones.TimeInZones | None


@dataclass(frozen=True, slots=True)
class Riding:
    """What power tells."""

    summary: power.Power
    curve: DerivedSeries
    best: dict[str, Derived]
    threshold: Derived | None
    critical: power.CriticalPower | None
    balance: DerivedSeries | None
    vo2max: Derived | None


@dataclass(frozen=True, slots=True)
class Pacing:
    """What the way covered tells; grades count on foot only, oxygen and predicted races in running only."""

    splits: list[times.Split]
    laps: list[times.Lap]
    efforts: dict[str, Derived]
    distances: dict[str, Derived]
    graded: Derived | None
    normalised: Derived | None
    vo2max: Derived | None
    predictions: dict[str, Derived]
    predictions_cameron: dict[str, Derived]


@dataclass(frozen=True, slots=True)
class Strain:
    """What it asked of the body."""

    impulse: Derived | None
    edwards: Derived | None
    lucia: Derived | None
    exertion: Derived | None
    load: load.Load | None
    efficiency: Derived | None
    decoupling: Derived | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What there is to say about a session; None where its streams or the settings do not allow it."""

    duration: Derived
    moving: Derived
    distance: Derived | None
    ascent: Derived | None
    steps: Derived | None
    cadence: Derived | None
    heart_rate: heart.HeartRate | None
    zones: ZonesSpent
    pacing: Pacing
    riding: Riding | None
    strain: Strain
    energy: energy.Energy | None
    quality: quality.Quality


@dataclass(frozen=True, slots=True)
class _Session:
    """What several parts of the analysis look at, prepared once."""

    streams: Streams
    sport: str
    settings: Settings
    path: Path | None
    climb: Climb | None
    watts: Array
    graded: running.GradedSpeed | None

    @classmethod
    def of(cls, streams: Streams, sport: str, settings: Settings, *, barometer: bool) -> _Session:
        path = Path.of(streams, sport)
        heights = streams.altitude_m
        climb = Climb.of(streams.time, heights, barometer=barometer) if heights is not None else None
        watts = each_second(streams.time, column(streams.power_w, len(streams)))[1]
        graded = running.graded_speed(path, climb, sport) if path and sport in ON_FOOT else None
        return cls(streams, sport, settings, path, climb, watts, graded)


def analyse(
    streams: Streams,
    sport: str,
    settings: Settings,
    *,
    elapsed_s: float,
    timer_s: float | None = None,
    device_distance_m: float | None = None,
    pool: Pool | None = None,
    device_ascent_m: float | None = None,
    device_kcal: float | None = None,
    exertion: float | None = None,
    laps: Sequence[tuple[float, float]] = (),
    pauses: Sequence[tuple[float, float]] = (),
    barometer: bool = True,
) -> Analysis:
    """Everything about a session. Seconds, metres and kilocalories as the device counted them go before our own.

    `exertion` is how hard the athlete says it was, from 0 to 10; `laps` are seconds since the start, as they were
    marked; in `pauses` the streams are silent, but for the counter of steps; `barometer` is False where satellites
    gave the heights.
    """
    session = _Session.of(streams, sport, settings, barometer=barometer)
    lasted = times.duration(elapsed_s=elapsed_s, timer_s=timer_s)
    moved = times.moving_time(streams, sport, session.path, duration_s=lasted.value)
    covered = distance(session.path, device_m=device_distance_m, lengths=swimming.pool_distance(pool))
    beats = heart.heart_rate(streams, settings)
    riding = _riding(session, beats)
    spent = _zones(session)
    said = energy.formulas(
        streams,
        sport,
        duration_s=lasted.value,
        moving_s=moved.value,
        distance_m=covered.value if covered else None,
        physiology=settings,
    )
    steps = stepping.Steps.of(streams, pauses)
    rest = energy.resting(settings, duration_s=lasted.value, height_cm=settings.height_cm)
    return Analysis(
        duration=lasted,
        moving=moved,
        distance=covered,
        ascent=ascent(column(streams.altitude_m), device_m=device_ascent_m, climb=session.climb),
        steps=steps.total() if steps else None,
        cadence=stepping.cadence(streams, sport, steps),
        heart_rate=beats,
        zones=spent,
        pacing=_pacing(session, laps),
        riding=riding,
        strain=_strain(session, riding, beats, exertion=exertion, seconds=lasted.value),
        energy=energy.energy(said, device_kcal=device_kcal, resting=rest),
        quality=quality.examine(streams, sport, age=settings.age, maximum_bpm=settings.hr_max),
    )


def _riding(session: _Session, beats: heart.HeartRate | None) -> Riding | None:
    watts, ftp_w = session.watts, session.settings.ftp_w
    summary = power.power(session.streams.time, column(session.streams.power_w, len(session.streams)), ftp_w=ftp_w)
    if summary is None:
        return None
    curve = power.power_curve(watts)
    best = dict(zip(curve.along, curve.values, strict=True))
    critical = power.critical_power({int(each): best[each] for each in power.FITTED_S if each in best})
    balance = None
    if critical is not None:
        balance = power.w_balance(watts, critical_w=critical.critical.value, capacity_j=critical.capacity.value)
    return Riding(
        summary=summary,
        curve=curve,
        best=power.best_powers(curve),
        threshold=power.threshold_power(curve),
        critical=critical,
        balance=balance,
        vo2max=_vo2max_by_ramp(session, beats),
    )


def _vo2max_by_ramp(session: _Session, beats: heart.HeartRate | None) -> Derived | None:
    """Of a ramp test on the bicycle to exhaustion, as far as the heart tells."""
    settings = session.settings
    if session.sport != "cycling" or not settings.body_mass_kg:
        return None
    if beats and beats.maximum < ramp.MAXIMAL_FROM * heart.max_heart_rate(settings).value:
        return None
    test = ramp.ramp(session.watts)
    if test is None:
        return None
    return ramp.vo2max_by_ramp(test, body_mass_kg=settings.body_mass_kg, age=settings.age, sex=settings.sex)


def _zones(session: _Session) -> ZonesSpent:
    settings, streams = session.settings, session.streams
    rates, seconds = heart.held_rates(streams)
    bounds = settings.heart_rate_zones or zones.of_maximum_heart_rate(heart.max_heart_rate(settings).value)
    by_power = by_pace = None
    if settings.ftp_w and streams.power_w is not None:
        by_power = zones.time_in_zones(streams.time, streams.power_w, zones.of_threshold_power(settings.ftp_w))
    if settings.threshold_mps and session.sport != "cycling":
        by_pace = _pace_zones(session, zones.of_threshold_pace(settings.threshold_mps))
    return ZonesSpent(zones.in_zones(seconds, rates, bounds) if len(rates) else None, by_power, by_pace)


def _pace_zones(session: _Session, bounds: zones.Bounds) -> zones.TimeInZones | None:
    """By the speeds recorded, else by those along the way."""
    streams = session.streams
    if streams.speed_mps is not None:
        return zones.time_in_zones(streams.time, streams.speed_mps, bounds)
    if session.path is None:
        return None
    return zones.in_zones(held_seconds(streams.time), session.path.speeds(streams.time), bounds)


def _pacing(session: _Session, laps: Sequence[tuple[float, float]]) -> Pacing:
    graded = session.graded
    found = efforts.best_efforts(session.path, session.sport)
    vo2max = running.vo2max_by_efforts(found) if session.sport == "running" else None
    return Pacing(
        splits=times.splits(session.streams, session.sport, session.path, climb=session.climb),
        laps=times.laps(session.streams, session.sport, session.path, laps, climb=session.climb),
        efforts=found,
        distances=efforts.best_distances(session.path, session.sport),
        graded=graded.average if graded else None,
        normalised=graded.normalised if graded else None,
        vo2max=vo2max,
        predictions=_predictions(vo2max) if vo2max else {},
        predictions_cameron=_predictions_cameron(vo2max) if vo2max else {},
    )


def _predictions(vo2max: Derived) -> dict[str, Derived]:
    """Races after the effort that says most of the athlete, by Riegel."""
    metres, seconds = float(vo2max.inputs["metres"]), float(vo2max.inputs["seconds"])
    return {
        name: running.predicted_time(metres=metres, seconds=seconds, target_m=efforts.ON_FOOT[name]) for name in RACES
    }


def _predictions_cameron(vo2max: Derived) -> dict[str, Derived]:
    """The same by Cameron, as far as he looked."""
    metres, seconds = float(vo2max.inputs["metres"]), float(vo2max.inputs["seconds"])
    found = {
        name: running.predicted_by_cameron(metres=metres, seconds=seconds, target_m=efforts.ON_FOOT[name])
        for name in RACES
    }
    return {name: predicted for name, predicted in found.items() if predicted}


def _strain(
    session: _Session,
    riding: Riding | None,
    beats: heart.HeartRate | None,
    *,
    exertion: float | None,
    seconds: float,
) -> Strain:
    settings, graded = session.settings, session.graded
    highest = heart.max_heart_rate(settings)
    maximum = highest.value
    rates, held = heart.held_rates(session.streams)
    impulse = by_heart = by_pace = None
    rest = settings.resting_bpm
    if beats and rest and rest < maximum:
        impulse = load.impulse(rates, held, resting_bpm=rest, maximum_bpm=maximum, sex=settings.sex)
        if settings.threshold_bpm and settings.threshold_bpm > rest:
            by_heart = load.by_heart_rate(
                rates,
                held,
                resting_bpm=rest,
                maximum_bpm=maximum,
                threshold_bpm=settings.threshold_bpm,
                sex=settings.sex,
            )
    normalised = graded.normalised if graded else None
    if normalised and graded and settings.threshold_mps:
        by_pace = load.by_pace(
            normalised_mps=normalised.value, seconds=len(graded.adjusted), threshold_mps=settings.threshold_mps
        )
    felt = load.by_exertion(exertion=exertion, seconds=seconds) if exertion is not None else None
    by_power = riding.summary.load if riding else None
    loads = [by_power, by_pace, by_heart, felt]
    if beats and beats.known_s and not any(loads):
        loads.append(
            load.estimated(
                rates,
                held,
                maximum=highest,
                resting_bpm=rest,
                resting_read_bpm=settings.resting_read_bpm,
                threshold_bpm=settings.threshold_bpm,
                sex=settings.sex,
            )
        )
    return Strain(
        impulse=impulse,
        edwards=load.edwards(beats.zones.seconds) if beats and beats.zones else None,
        lucia=load.lucia(zones.in_zones(held, rates, _ventilatory(settings))) if beats else None,
        exertion=load.session_exertion(exertion=exertion, seconds=seconds) if exertion is not None else None,
        load=load.best_load(loads),
        efficiency=_efficiency(riding, normalised, beats),
        decoupling=_decoupling(session),
    )


def _ventilatory(settings: Settings) -> zones.Bounds:
    """Three zones by the thresholds that were measured, else by the nearest thing known."""
    if settings.vt1_bpm and settings.vt2_bpm and settings.vt1_bpm < settings.vt2_bpm:
        return zones.of_ventilatory_thresholds(settings.vt1_bpm, settings.vt2_bpm)
    if settings.threshold_bpm:
        return zones.ventilatory_by_threshold(settings.threshold_bpm)
    return zones.ventilatory_by_maximum(heart.max_heart_rate(settings).value)


def _efficiency(riding: Riding | None, normalised: Derived | None, beats: heart.HeartRate | None) -> Derived | None:
    if beats is None:
        return None
    if riding and riding.summary.normalised:
        output = riding.summary.normalised.value
    elif normalised:
        output = normalised.value * 60
    else:
        return None
    return coupling.efficiency(normalised=output, average_bpm=beats.average.value)


def _decoupling(session: _Session) -> Derived | None:
    streams, graded = session.streams, session.graded
    if streams.heart_rate_bpm is None:
        return None
    rates = column(streams.heart_rate_bpm)
    if len(session.watts):
        return coupling.decoupling(streams.time, column(streams.power_w, len(streams)), streams.time, rates)
    if graded:
        return coupling.decoupling(graded.seconds, graded.adjusted, streams.time, rates)
    return None
