"""What several aggregates of workout share: sports, visibility, the ranges of measured values."""

from __future__ import annotations

from typing import Final

from django.db import models

from contexts.workout import rules

RANGES: Final = {
    "heart_rate": (rules.MIN_HEART_RATE, rules.MAX_HEART_RATE),
    "rr_interval": (200, 3000),
    "latitude": (-90, 90),
    "longitude": (-180, 180),
    "altitude": (-12_000, 20_000),
    "distance": (0, 100_000_000),
    "speed": (0, 400),
    "cadence": (0, 1_000),
    "power": (0, 10_000),
    "temperature": (-100, 150),
    "steps": (0, 100_000_000),
    "resistance": (-1_000, 1_000),
}
"""What a stored value may be, by stream (WO-3). Units: bpm, ms, degrees, m, m, m/s, 1/min, W, °C; steps so far, from
wherever their counter began; a machine's own levels."""


def holds(sql: str) -> models.Func:
    """A condition in SQL, for constraints the ORM has no words for."""
    return models.Func(template=sql, output_field=models.BooleanField())


def ranges(template: str) -> str:
    """One CASE over every stream of RANGES; an unknown stream is refused."""
    cases = " ".join(
        f"WHEN '{name}' THEN {template.format(low=low, high=high)}" for name, (low, high) in RANGES.items()
    )
    return f"CASE {{column}} {cases} ELSE false END"


class Sport(models.TextChoices):
    """What an athlete does; recordings of any sport map to one of these."""

    RUNNING = "running"
    WALKING = "walking"
    CYCLING = "cycling"
    SWIMMING = "swimming"
    ROWING = "rowing"
    STRENGTH = "strength"
    OTHER = "other"


class Visibility(models.TextChoices):
    """Who may follow a session beside its owner."""

    PRIVATE = "private"
    FRIENDS = "friends"
    EVERYONE = "everyone"
