"""The whole analysis of a ride of an hour, and the power curve of ten hours: milliseconds of processor time."""

import time
from collections.abc import Callable

import numpy as np

from benchmarks.figures import Figure
from contexts.workout.analysis import Settings, analyse
from contexts.workout.analysis.load import performance
from contexts.workout.analysis.power import power_curve
from contexts.workout.recordings import Streams

ROUNDS = 15
DAYS = 3_650

ATHLETE = Settings(
    age=35,
    sex="female",
    body_mass_kg=62,
    height_cm=170,
    hr_max=188,
    resting_bpm=48,
    threshold_bpm=170,
    ftp_w=230,
    threshold_mps=4.0,
)


def ride(seconds: int = 3_600) -> Streams:
    """A ride with every sensor, a value a second."""
    dice = np.random.default_rng(1)
    times = np.arange(seconds + 1.0)
    wave = np.sin(times / 300)
    speed = 8 + wave + dice.normal(0, 0.2, len(times))
    metres = np.cumsum(speed)
    columns = {
        "latitude": 50 + metres / 111_195,
        "longitude": np.full(len(times), 10.0),
        "altitude_m": 200 + 80 * np.sin(metres / 2_000) + dice.normal(0, 0.2, len(times)),
        "distance_m": metres,
        "speed_mps": speed,
        "heart_rate_bpm": np.rint(140 + 15 * wave + dice.normal(0, 1, len(times))),
        "cadence_rpm": np.rint(88 + dice.normal(0, 3, len(times))),
        "power_w": np.rint(np.maximum(190 + 60 * wave + dice.normal(0, 30, len(times)), 0)),
    }
    return Streams(time=times.tolist(), **{name: values.tolist() for name, values in columns.items()})


def milliseconds(work: Callable[[], object], rounds: int) -> float:
    """Processor time of the best of several rounds."""
    best = float("inf")
    for _ in range(rounds):
        begun = time.process_time()
        work()
        best = min(best, time.process_time() - begun)
    return best * 1000


def run(*, quick: bool) -> list[Figure]:
    """Processor time, the best of several rounds: what else the machine does is none of our business."""
    rounds = 1 if quick else ROUNDS
    hour, watts = ride(), np.random.default_rng(2).integers(0, 500, 36_000).astype(np.float64)
    loads = np.random.default_rng(3).gamma(2, 30, DAYS)
    cases: dict[str, tuple[Callable[[], object], float]] = {
        "analysis of a ride of 1 h": (lambda: analyse(hour, "cycling", ATHLETE, elapsed_s=3_600), 150),
        "analysis of a run of 1 h": (lambda: analyse(hour, "running", ATHLETE, elapsed_s=3_600), 150),
        "power curve of 10 h": (lambda: power_curve(watts), 100),
        "fitness and fatigue of 10 years": (lambda: performance(loads), 20),
    }
    return [
        Figure(about=about, ours=milliseconds(work, rounds), unit="ms", at_most=limit)
        for about, (work, limit) in cases.items()
    ]
