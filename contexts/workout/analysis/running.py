"""Running: pace on the flat that costs as much, oxygen, predictions of races.

Speeds in metres per second, distances in metres, times in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .derived import Derived, Exclusion, declare
from .efforts import MARATHON_M, MILE_M
from .elevation import STEEPEST, Climb, grades
from .path import Path
from .series import GAP_S, Array, fourth_power_mean, rolling_mean
from .times import MOVING_FROM_MPS

GRADED_OVER_S = 30
FLAT_COST = 3.6

RIEGEL_EXPONENT = 1.06
RIEGEL_FROM_S, RIEGEL_TO_S = 210.0, 13_800.0
"""From three and a half minutes to 230: what Riegel's exponent was fitted to."""

CAMERON_FROM_M, CAMERON_TO_M = 800.0, MARATHON_M
"""The races Cameron fitted his curve to."""

MINETTI = declare(
    "minetti-2002@1",
    unit="m/s",
    formula="v · C(i) / 3.6, C(i) = 155.4i⁵ − 30.4i⁴ − 43.3i³ + 46.3i² + 19.5i + 3.6 J·kg⁻¹·m⁻¹, i within ±45 %",
    source="Minetti et al. 2002, J Appl Physiol 93:1039",
    steepest=STEEPEST,
)
NORMALISED_GRADED = declare(
    "normalised-graded-speed@1",
    unit="m/s",
    formula="⁴√ mean((30 s rolling mean of the grade-adjusted speed)⁴); pauses left out",
    source="normalisation as for power (Allen & Coggan), grade by Minetti 2002",
    window_s=GRADED_OVER_S,
)
RIEGEL = declare(
    "riegel-1981@1",
    unit="s",
    formula="T₂ = T₁·(D₂/D₁)^1.06",
    source="Riegel 1981, American Scientist 69:285; fitted to 3.5 to 230 min",
    exponent=RIEGEL_EXPONENT,
)
CAMERON = declare(
    "cameron-1998@1",
    unit="s",
    formula="T₂ = T₁·(D₂/D₁)·a(D₁)/a(D₂), a(D) = 13.49681 − 0.048865·D + 2.438936/D^0.7905, D in miles; "
    "both distances from 800 m to the marathon",
    source="Cameron 1998, fitted to world, national and collegiate records from 800 m to 10 km and of the marathon",
)
VDOT = declare(
    "daniels-gilbert-1979@1",
    unit="ml/kg/min",
    formula="(−4.6 + 0.182258v + 0.000104v²) / (0.8 + 0.1894393e^(−0.012778t) + 0.2989558e^(−0.1932605t)), "
    "v in m/min, t in min",
    source="Daniels & Gilbert 1979, Oxygen Power",
)
EQUIVALENT = declare(
    "daniels-gilbert-equivalent@1",
    unit="s",
    formula="the time whose VO₂max by Daniels & Gilbert is the same",
    source="Daniels & Gilbert 1979, Oxygen Power",
)
EFFECTIVE = declare(
    "vo2max-by-heart-rate-and-speed@1",
    unit="ml/kg/min",
    formula="v / e^((HR/HRmax − 1.00466) / 0.68725) is the speed at VO₂max; it costs −4.6 + 0.182258v + 0.000104v²",
    source="cost of speed: Daniels & Gilbert 1979; share of heart rate: fitted by Runalyze to its races",
)
UTH = declare(
    "uth-2004@1",
    unit="ml/kg/min",
    formula="15.3 · HRmax / HRrest",
    source="Uth et al. 2004, Eur J Appl Physiol 91:111",
)
ACSM_CYCLING = declare(
    "vo2-cycling-acsm@1",
    unit="ml/kg/min",
    formula="10.8 · W/kg + 7",
    source="ACSM's Guidelines for Exercise Testing and Prescription",
)
ACSM_RUNNING = declare(
    "vo2-running-acsm@1",
    unit="ml/kg/min",
    formula="0.2v + 0.9v·grade + 3.5, v in m/min",
    source="ACSM's Guidelines for Exercise Testing and Prescription",
)
ACSM_WALKING = declare(
    "vo2-walking-acsm@1",
    unit="ml/kg/min",
    formula="0.1v + 1.8v·grade + 3.5, v in m/min",
    source="ACSM's Guidelines for Exercise Testing and Prescription",
)


def cost_of_grade(grade: ArrayLike) -> Array:
    """Energy of running a metre, in J/kg, at a grade (rise over run): Minetti et al. 2002, within ±45 %."""
    i = np.clip(np.asarray(grade, dtype=np.float64), -STEEPEST, STEEPEST)
    return np.asarray(((((155.4 * i - 30.4) * i - 43.3) * i + 46.3) * i + 19.5) * i + 3.6)


def cost_ratio(grade: ArrayLike) -> Array:
    """How many times the flat a metre at this grade costs."""
    return cost_of_grade(grade) / FLAT_COST


@dataclass(frozen=True, slots=True)
class GradedSpeed:
    """Speeds by the second, as they were and as they would have been on the flat; pauses are left out."""

    seconds: Array
    speed: Array
    adjusted: Array

    @property
    def average(self) -> Derived | None:
        """The mean grade-adjusted speed."""
        return MINETTI.number(self.adjusted.mean(), {"seconds": len(self.adjusted)}) if len(self.adjusted) else None

    @property
    def normalised(self) -> Derived | None:
        """The speed on the flat that would have been as hard; None below 30 seconds."""
        if len(self.adjusted) < GRADED_OVER_S:
            return None
        return NORMALISED_GRADED.number(
            fourth_power_mean(rolling_mean(self.adjusted, GRADED_OVER_S)),
            {"seconds": len(self.adjusted)},
            exclusions=[Exclusion("seconds", GRADED_OVER_S - 1, "window_not_full")],
        )


def graded_speed(path: Path, climb: Climb | None, sport: str = "running") -> GradedSpeed:
    """Speed on the flat at equal cost for each second; without heights the ground is taken as flat.

    Seconds within a silence of more than ten, in which nothing moved, are a pause.
    """
    seconds = np.arange(path.times[0], path.times[-1])
    speed = np.diff(path.metres_at(np.append(seconds, seconds[-1:] + 1)))
    times = np.array(path.times)
    silent = np.diff(times)[np.clip(np.searchsorted(times, seconds, side="right") - 1, 0, len(times) - 2)] > GAP_S
    kept = ~(silent & (speed < MOVING_FROM_MPS.get(sport, 0.0)))
    grade = np.interp(seconds, climb.seconds, grades(path, climb)) if climb else np.zeros(len(seconds))
    return GradedSpeed(seconds[kept], speed[kept], (speed * cost_ratio(grade))[kept])


def predicted_time(*, metres: float, seconds: float, target_m: float) -> Derived:
    """Seconds a race over `target_m` would take, from another distance and its time (Riegel)."""
    predicted = seconds * (target_m / metres) ** RIEGEL_EXPONENT
    inputs = {"metres": metres, "seconds": seconds, "target_m": target_m}
    outside = [each for each in (seconds, predicted) if not RIEGEL_FROM_S <= each <= RIEGEL_TO_S]
    warning = [Exclusion("times", len(outside), "time_out_of_model")]
    return RIEGEL.number(predicted, inputs, exclusions=warning if outside else [])


def predicted_by_cameron(*, metres: float, seconds: float, target_m: float) -> Derived | None:
    """Seconds a race over `target_m` would take (Cameron); None where a distance is none he looked at."""
    if not all(CAMERON_FROM_M <= each <= CAMERON_TO_M for each in (metres, target_m)):
        return None
    predicted = seconds * target_m / metres * _cameron(metres) / _cameron(target_m)
    return CAMERON.number(predicted, {"metres": metres, "seconds": seconds, "target_m": target_m})


def _cameron(metres: float) -> float:
    """Speed over this distance, in arbitrary units."""
    miles = metres / MILE_M
    return float(13.49681 - 0.048865 * miles + 2.438936 / miles**0.7905)


def vdot(*, metres: float, seconds: float) -> Derived:
    """VO₂max in ml/kg/min from a race or an all-out effort (Daniels & Gilbert)."""
    return VDOT.number(_vdot(metres, seconds), {"metres": metres, "seconds": seconds})


def cost_of_speed(metres_a_minute: float) -> float:
    """Oxygen in ml/kg/min of running on the flat (Daniels & Gilbert)."""
    return float(-4.6 + 0.182258 * metres_a_minute + 0.000104 * metres_a_minute**2)


def _vdot(metres: float, seconds: float) -> float:
    minutes = seconds / 60
    speed = metres / minutes
    share = 0.8 + 0.1894393 * np.exp(-0.012778 * minutes) + 0.2989558 * np.exp(-0.1932605 * minutes)
    return float(cost_of_speed(speed) / share)


def vo2max_by_efforts(efforts: dict[str, Derived]) -> Derived | None:
    """VO₂max in ml/kg/min by the best of a run's efforts (Daniels & Gilbert); None without one of 3.5 to 230 min.

    Whoever did not run all out has more than this.
    """
    found = [
        vdot(metres=float(effort.parameters["distance_m"]), seconds=effort.value)
        for effort in efforts.values()
        if RIEGEL_FROM_S <= effort.value <= RIEGEL_TO_S
    ]
    return max(found, key=lambda each: each.value, default=None)


def equivalent_time(*, vo2max: float, target_m: float) -> Derived:
    """Seconds over `target_m` that make this VO₂max by Daniels & Gilbert; found by halving between 1 and 12 m/s."""
    fast, slow = target_m / 12.0, target_m / 1.0
    for _ in range(60):
        middle = (fast + slow) / 2
        fast, slow = (middle, slow) if _vdot(target_m, middle) > vo2max else (fast, middle)
    return EQUIVALENT.number((fast + slow) / 2, {"vo2max": vo2max, "target_m": target_m})


def vo2max_by_training(*, speed_mps: float, heart_rate_bpm: float, maximum_bpm: float) -> Derived:
    """VO₂max in ml/kg/min from an even run: its grade-adjusted speed and its average heart rate."""
    share = np.exp((heart_rate_bpm / maximum_bpm - 1.00466) / 0.68725)
    at_maximum = speed_mps * 60 / share
    inputs = {"speed_mps": speed_mps, "heart_rate_bpm": heart_rate_bpm, "maximum_bpm": maximum_bpm}
    return EFFECTIVE.number(cost_of_speed(at_maximum), inputs)


def vo2max_by_heart_rates(*, maximum_bpm: float, resting_bpm: float) -> Derived:
    """VO₂max in ml/kg/min from maximum and resting heart rate (Uth et al.)."""
    return UTH.number(15.3 * maximum_bpm / resting_bpm, {"maximum_bpm": maximum_bpm, "resting_bpm": resting_bpm})


def vo2_of_cycling(*, watts: float, body_mass_kg: float) -> Derived:
    """Oxygen in ml/kg/min of riding at this power; of the best five minutes it is an estimate of VO₂max."""
    return ACSM_CYCLING.number(10.8 * watts / body_mass_kg + 7, {"watts": watts, "body_mass_kg": body_mass_kg})


def vo2_of_running(*, speed_mps: float, grade: float = 0.0) -> Derived:
    """Oxygen in ml/kg/min of running at a steady speed and grade."""
    speed = speed_mps * 60
    return ACSM_RUNNING.number(0.2 * speed + 0.9 * speed * grade + 3.5, {"speed_mps": speed_mps, "grade": grade})


def vo2_of_walking(*, speed_mps: float, grade: float = 0.0) -> Derived:
    """Oxygen in ml/kg/min of walking at a steady speed and grade."""
    speed = speed_mps * 60
    return ACSM_WALKING.number(0.1 * speed + 1.8 * speed * grade + 3.5, {"speed_mps": speed_mps, "grade": grade})
