"""A plausible heart: somebody warms up, runs intervals, cools down, and starts over."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from device_bridge.gatt import RR_TICKS_PER_SECOND, Values

EFFORTS = ((60, 96), (120, 128), (90, 156), (60, 124), (90, 164), (60, 126), (90, 170), (120, 112))
"""(seconds, heart rate the effort asks for in beats a minute)."""

INERTIA_S = 25.0
"""Time constant with which a heart follows an effort (first order; on-kinetics of 20 to 30 s)."""
BREATHING_HZ = 0.25
BREATHING_DEPTH = 0.05
"""Respiratory sinus arrhythmia: intervals follow the breath, less so the faster the heart."""
RESTING_BPM = 62.0
FASTEST_BPM = 200.0
MOST_RR_IN_A_PACKET = 9
SHOWN_OVER_BEATS = 4


@dataclass(frozen=True)
class Pulse:
    """The rate over the last beats in beats a minute, and each interval ended since the last look in 1/1024 s."""

    bpm: int
    rr_ticks: tuple[int, ...] = ()

    def said(self) -> Values:
        """As a strap with skin contact says it in a Heart Rate Measurement."""
        intervals = {"rr_ticks": self.rr_ticks} if self.rr_ticks else {}
        return {"heart_rate": self.bpm, "contact": True, **intervals}


class Heart:
    """Beats from second 0 on; the same seed beats the same."""

    def __init__(self, *, seed: int) -> None:
        self._chance = random.Random(seed)
        self._bpm = RESTING_BPM + self._chance.uniform(4, 16)
        self._offset_bpm = self._chance.uniform(-6, 6)
        self._now_s = 0.0
        self._next_rr = self._draw()
        self._recent = [self._next_rr] * SHOWN_OVER_BEATS

    def until(self, elapsed_s: float) -> Pulse:
        """What a strap says at `elapsed_s`: the rate over the last beats, each interval ended since."""
        ended: list[int] = []
        while self._now_s + self._next_rr <= elapsed_s:
            self._now_s += self._next_rr
            ended.append(round(self._next_rr * RR_TICKS_PER_SECOND))
            self._recent = [*self._recent[1:], self._next_rr]
            self._next_rr = self._draw()
        bpm = round(60 * len(self._recent) / sum(self._recent))
        return Pulse(bpm, tuple(ended[-MOST_RR_IN_A_PACKET:]))

    def _draw(self) -> float:
        """The next interval in seconds."""
        asked = asked_bpm(self._now_s) + self._offset_bpm
        self._bpm += (asked - self._bpm) * (1 - math.exp(-60 / self._bpm / INERTIA_S))
        depth = BREATHING_DEPTH * (FASTEST_BPM - self._bpm) / (FASTEST_BPM - RESTING_BPM)
        breath = depth * math.sin(2 * math.pi * BREATHING_HZ * self._now_s)
        return 60 / self._bpm * (1 + breath + self._chance.gauss(0, 0.008))


def asked_bpm(second: float) -> float:
    """The heart rate which the effort at this second asks for."""
    second %= sum(length for length, _ in EFFORTS)
    for length, bpm in EFFORTS:
        if second < length:
            return bpm
        second -= length
    return EFFORTS[-1][1]
