"""Why something was left out, or why one source was believed: a stable code, and the sentence people are told.

Stored numbers keep the code alone, so a code stays as long as the algorithms that gave it are explained.
"""

from __future__ import annotations

from typing import Final

from .series import FILLED_GAP_S

LEFT_OUT: Final = {
    "beat_not_normal": "no normal beats",
    "duration_out_of_model": "outside 2 to 20 min",
    "heart_rate_impossible": "no heart rate of 40 to 220 bpm",
    "heart_rate_unknown": "no heart rate known",
    "not_recorded": "not recorded",
    "repetitions_out_of_model": "not 1 to 10 repetitions",
    "silent_too_long": f"silent for more than {FILLED_GAP_S} s",
    "strokes_not_counted": "no strokes were counted",
    "time_out_of_model": "outside 3.5 to 230 min the formula is less sure; kept",
    "window_not_full": "the first window is not full",
}

SUMMARY: Final = {
    "heart_rate_above_age_limit": "Above the measured maximum, or above 220 − age where none was measured.",
    "impossible_speed": "Nobody gets there that fast in this sport.",
    "energy_differs_from_formula": "The device's energy is far from what our formula says.",
}
"""What a session's summary flags."""

BELIEVED: Final = {
    "energy_by_device": "The device knows its athlete and its sensors.",
    "energy_by_power": "Work was measured; only the efficiency is assumed.",
    "energy_by_heart_rate": "Heart rate is known for most of the session; no power is.",
    "energy_by_met": "Neither power nor heart rate is known for most of the session: a table of sports and speeds "
    "is left.",
    "load_by_power": "Power was measured, and a threshold power is known.",
    "load_by_pace": "Pace is known, and a threshold pace; power is not.",
    "load_by_heart_rate": "Heart rate is known, and its threshold; neither power nor pace is.",
    "load_by_exertion": "Only how hard it felt is known.",
    "load_by_heart_rate_estimated": "Heart rate is known, its threshold is not: it is estimated from the maximum.",
}
