"""The workout's decisions: what a value may be, what is computed when a session is complete, what looks wrong.

Pure: plain values in, plain values out; SI units. The formulas stand in `analysis`; every derived number names the
algorithm and version that made it, so that a later, better one never silently changes an old session. Live sessions
and imported files use the same functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from contexts.workout.analysis.derived import DEVICE, Derived
from contexts.workout.analysis.efforts import best_effort, efforts_over
from contexts.workout.analysis.elevation import ascent
from contexts.workout.analysis.energy import agrees, formulas
from contexts.workout.analysis.heart import (
    MAX_HEART_RATE,
    MIN_HEART_RATE,
    HeartRate,
    Physiology,
    heart_rate,
    is_heart_rate,
    max_heart_rate,
)
from contexts.workout.analysis.path import FASTEST_MPS, Path, distance, haversine
from contexts.workout.analysis.series import column
from contexts.workout.analysis.stepping import Steps
from contexts.workout.analysis.swimming import pool_distance
from contexts.workout.analysis.times import duration, moving_time
from contexts.workout.recordings import Pool
from contexts.workout.recordings.recording import SPORTS, Streams

__all__ = [
    "FASTEST_MPS",
    "MAX_HEART_RATE",
    "MIN_HEART_RATE",
    "SPORTS",
    "Anomaly",
    "Derived",
    "HeartRate",
    "Path",
    "Physiology",
    "Summary",
    "anomalies",
    "ascent",
    "best_effort",
    "distance",
    "duration",
    "efforts",
    "haversine",
    "heart_rate",
    "is_heart_rate",
    "is_place",
    "max_heart_rate",
    "moving_time",
    "summarise",
]

EFFORTS_M = {"fastest_1k": 1_000.0, "fastest_5k": 5_000.0}
EFFORT_SPORTS = ("running", "walking", "cycling", "swimming", "rowing")
"""WO-5: the records that are kept of every athlete, and the sports that have them."""


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Something implausible that was seen `count` times. It is shown, it refuses nothing."""

    code: str
    count: int


@dataclass(frozen=True, slots=True)
class Summary:
    """All that is computed once a session is complete. Efforts: seconds by record name."""

    duration: Derived
    moving: Derived
    distance: Derived | None
    ascent: Derived | None
    steps: Derived | None
    heart_rate: HeartRate | None
    energy: Derived | None
    efforts: dict[str, Derived]
    anomalies: list[Anomaly]


def is_place(latitude: float, longitude: float) -> bool:
    """WO-3: a point on the globe, in degrees."""
    return -90 <= latitude <= 90 and -180 <= longitude <= 180


def efforts(path: Path | None, sport: str) -> dict[str, Derived]:
    """Best efforts by record name, in seconds of elapsed time."""
    return efforts_over(path, EFFORTS_M) if path is not None and sport in EFFORT_SPORTS else {}


def anomalies(streams: Streams, path: Path | None, physiology: Physiology | None) -> list[Anomaly]:
    """WO-3: what is implausible in the streams."""
    rates = column(streams.heart_rate_bpm)
    rates = rates[np.isfinite(rates)]
    limit = physiology.hr_max or 220 - physiology.age if physiology else MAX_HEART_RATE
    counts = {
        "heart_rate_out_of_range": int((~is_heart_rate(rates)).sum()),
        "heart_rate_above_age_limit": int(((rates > limit) & (rates <= MAX_HEART_RATE)).sum()),
        "impossible_speed": path.jumps if path else 0,
    }
    return [Anomaly(code, count) for code, count in counts.items() if count]


def summarise(
    streams: Streams,
    sport: str,
    *,
    elapsed_s: float,
    physiology: Physiology | None = None,
    pauses: Sequence[tuple[float, float]] = (),
    timer_s: float | None = None,
    device_distance_m: float | None = None,
    pool: Pool | None = None,
    device_kcal: float | None = None,
    device_ascent_m: float | None = None,
) -> Summary:
    """The summary of a session, live or imported: what the device says of the whole goes before our own sums."""
    path = Path.of(streams, sport)
    lasted = duration(elapsed_s=elapsed_s, timer_s=timer_s, pauses=pauses)
    moved = moving_time(streams, sport, path, duration_s=lasted.value)
    covered = distance(path, device_m=device_distance_m, lengths=pool_distance(pool))
    computed = formulas(
        streams,
        sport,
        duration_s=lasted.value,
        moving_s=moved.value,
        distance_m=covered.value if covered else None,
        physiology=physiology,
    )
    surest, spent = next(iter(computed.items()), (None, None))
    stepped = Steps.of(streams, pauses)
    seen = anomalies(streams, path, physiology)
    if device_kcal and surest and spent and not agrees(device_kcal, spent.value, surest):
        seen.append(Anomaly("energy_differs_from_formula", 1))
    return Summary(
        duration=lasted,
        moving=moved,
        distance=covered,
        ascent=ascent(column(streams.altitude_m, len(streams)), times=streams.time, device_m=device_ascent_m),
        steps=stepped.total() if stepped else None,
        heart_rate=heart_rate(streams, physiology),
        energy=DEVICE.number(device_kcal, unit="kcal") if device_kcal else spent,
        efforts=efforts(path, sport),
        anomalies=seen,
    )
