"""A plausible body at work: what heart, legs, arms and blood do while somebody follows the efforts of `heart.py`."""

from __future__ import annotations

import random

from device_bridge.heart import EFFORTS, RESTING_BPM, Heart, Pulse, asked_bpm
from device_bridge.motion import DEFAULT_CIRCUMFERENCE_M

HARDEST_BPM = max(bpm for _, bpm in EFFORTS)
RESTING_W, HARDEST_W = 60.0, 290.0
ROLLING_N, DRAG_KG_PER_M = 4.0, 0.2
"""Resistance of a road bicycle: rolling, and half of air density · drag area."""
GROSS_EFFICIENCY = 0.239
"""Of a cycling human; so a kilojoule of work costs about a kilocalorie."""


class Body:
    """Second by second from 0 on; the same seed is the same body."""

    def __init__(self, *, seed: int) -> None:
        self.chance = random.Random(seed)
        self._heart = Heart(seed=seed)
        self.mass_kg = self.chance.uniform(52, 95)
        self.height_m = self.chance.uniform(1.58, 1.92)
        self.body_fat = self.chance.uniform(10, 28)
        self.elapsed_s = 0.0
        self.pulse = Pulse(round(RESTING_BPM))
        self.power_w = self.cadence_rpm = self.ride_mps = self.run_mps = 0.0
        self.cranks = self.wheels = self.ridden_m = self.run_m = self.rowed_m = self.strokes = 0.0
        self.work_kj = 0.0
        self.crank_event_s = self.wheel_event_s = 0.0

    @property
    def effort(self) -> float:
        """0 at rest, 1 at the hardest."""
        return (asked_bpm(self.elapsed_s) - RESTING_BPM) / (HARDEST_BPM - RESTING_BPM)

    def until(self, elapsed_s: float) -> None:
        """Live on until this second."""
        passed_s, self.elapsed_s = elapsed_s - self.elapsed_s, elapsed_s
        self.pulse = self._heart.until(elapsed_s)
        self.power_w = max(0.0, RESTING_W + (HARDEST_W - RESTING_W) * self.effort + self.chance.gauss(0, 8))
        self.cadence_rpm = 72 + 22 * self.effort + self.chance.gauss(0, 1)
        self.ride_mps = speed_for(self.power_w)
        self.run_mps = 2.2 + 2.1 * self.effort + self.chance.gauss(0, 0.05)
        self.ridden_m += self.ride_mps * passed_s
        self.run_m += self.run_mps * passed_s
        self.rowed_m += self.row_mps * passed_s
        self.strokes += self.stroke_rate / 60 * passed_s
        self.work_kj += self.power_w * passed_s / 1000
        self.cranks, self.crank_event_s = _turned(self.cranks, self.cadence_rpm / 60, passed_s, self)
        self.wheels, self.wheel_event_s = _turned(
            self.wheels, self.ride_mps / DEFAULT_CIRCUMFERENCE_M, passed_s, self
        )

    @property
    def burnt_kcal(self) -> float:
        return self.work_kj / GROSS_EFFICIENCY / 4.184

    @property
    def row_mps(self) -> float:
        """Concept2's relation of power to pace: P = 2.8 · v³."""
        return float((self.power_w / 2.8) ** (1 / 3))

    @property
    def stroke_rate(self) -> float:
        return 18 + 12 * self.effort

    @property
    def step_rate(self) -> float:
        return 152 + 28 * self.effort

    @property
    def spo2(self) -> float:
        return round(98 - 2 * self.effort + self.chance.uniform(-0.4, 0.4), 1)

    def pressures(self) -> tuple[float, float, float]:
        """Systolic, diastolic and mean arterial in mmHg; the mean is a third of the way up."""
        systolic = round(114 + 45 * self.effort + self.chance.gauss(0, 3))
        diastolic = round(74 + 6 * self.effort + self.chance.gauss(0, 2))
        return systolic, diastolic, round(diastolic + (systolic - diastolic) / 3)

    def glucose_mg_dl(self) -> int:
        return round(98 + 18 * self.effort + self.chance.gauss(0, 6))

    def temperature_c(self) -> float:
        return round(36.6 + 0.9 * self.effort + self.chance.gauss(0, 0.05), 1)


def speed_for(power_w: float) -> float:
    """Metres a second on the flat, where rolling and air resistance take all of the power (by bisection)."""
    slow, fast = 0.0, 40.0
    for _ in range(24):
        middle = (slow + fast) / 2
        if middle * (ROLLING_N + DRAG_KG_PER_M * middle**2) < power_w:
            slow = middle
        else:
            fast = middle
    return slow


def _turned(turns: float, per_second: float, passed_s: float, body: Body) -> tuple[float, float]:
    """Turns now, and the second at which the last whole one was complete."""
    now = turns + per_second * passed_s
    since_s = (now % 1) / per_second if per_second > 0 else 0.0
    return now, body.elapsed_s - since_s
