"""What effort costs by the tables: metabolic equivalents of sports and speeds."""

from __future__ import annotations

from bisect import bisect_right

KMH = 1 / 3.6

MET_BY_SPEED: dict[str, tuple[tuple[float, float], ...]] = {
    "running": (
        (0.0, 6.0),
        (8.0 * KMH, 8.3),
        (8.4 * KMH, 9.0),
        (9.6 * KMH, 9.8),
        (10.8 * KMH, 10.5),
        (11.3 * KMH, 11.0),
        (12.1 * KMH, 11.5),
        (12.9 * KMH, 11.8),
        (13.8 * KMH, 12.3),
        (14.5 * KMH, 12.8),
        (16.1 * KMH, 14.5),
        (17.7 * KMH, 16.0),
        (19.3 * KMH, 19.0),
        (20.9 * KMH, 19.8),
        (22.5 * KMH, 23.0),
    ),
    "walking": (
        (0.0, 2.0),
        (3.2 * KMH, 2.8),
        (4.0 * KMH, 3.0),
        (4.5 * KMH, 3.5),
        (5.6 * KMH, 4.3),
        (6.4 * KMH, 5.0),
        (7.2 * KMH, 7.0),
        (8.0 * KMH, 8.3),
    ),
    "cycling": (
        (0.0, 3.5),
        (15.1 * KMH, 5.8),
        (16.1 * KMH, 6.8),
        (19.0 * KMH, 8.0),
        (22.4 * KMH, 10.0),
        (25.7 * KMH, 12.0),
        (32.2 * KMH, 15.8),
    ),
}
"""Metabolic equivalents from the given speed on; Ainsworth et al., 2011 Compendium of Physical Activities."""

MET_BY_SPORT = {
    "running": 7.0,  # 12020 jogging, general
    "walking": 3.5,  # 17190 moderate pace, level
    "cycling": 7.5,  # 01015 general
    "swimming": 5.8,  # 18240 laps, freestyle, slow
    "rowing": 4.8,  # 02070 stationary, moderate
    "strength": 3.5,  # 02054 resistance training, 8 to 15 repetitions
    "other": 5.5,  # 02060 health club exercise, general
}
"""Where speed says nothing; same source."""


def met(sport: str, speed_mps: float | None) -> float:
    """The metabolic equivalent of a sport, at a speed where the table knows it."""
    table = MET_BY_SPEED.get(sport)
    if table is None or not speed_mps:
        return MET_BY_SPORT.get(sport, MET_BY_SPORT["other"])
    return table[bisect_right(table, (speed_mps + 1e-9, float("inf"))) - 1][1]
