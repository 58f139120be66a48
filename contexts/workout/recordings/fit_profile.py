"""The part of the FIT profile that an activity needs: messages, fields, and the words behind the numbers.

Source: Garmin FIT protocol, "Flexible and Interoperable Data Transfer (FIT) Protocol" (base types, headers)
and its published profile (message and field numbers, scales, offsets).
"""

from __future__ import annotations

from typing import NamedTuple

FIT_EPOCH = 631_065_600
"""Unix seconds of 1989-12-31T00:00:00Z, where FIT times begin."""

FIRST_ABSOLUTE_TIME = 0x10000000
"""Smaller times count from the moment the device was switched on: its clock had not been set."""

SEMICIRCLES = 2**31 / 180


class BaseType(NamedTuple):
    """How a value lies in the file; `invalid` is how it says "no value"."""

    code: str
    size: int
    invalid: int | None


BASE_TYPES = {
    0x00: BaseType("B", 1, 0xFF),
    0x01: BaseType("b", 1, 0x7F),
    0x02: BaseType("B", 1, 0xFF),
    0x03: BaseType("h", 2, 0x7FFF),
    0x04: BaseType("H", 2, 0xFFFF),
    0x05: BaseType("i", 4, 0x7FFFFFFF),
    0x06: BaseType("I", 4, 0xFFFFFFFF),
    0x07: BaseType("s", 1, None),
    0x08: BaseType("f", 4, None),
    0x09: BaseType("d", 8, None),
    0x0A: BaseType("B", 1, 0),
    0x0B: BaseType("H", 2, 0),
    0x0C: BaseType("I", 4, 0),
    0x0D: BaseType("B", 1, 0xFF),
    0x0E: BaseType("q", 8, 0x7FFFFFFFFFFFFFFF),
    0x0F: BaseType("Q", 8, 0xFFFFFFFFFFFFFFFF),
    0x10: BaseType("Q", 8, 0),
}
"""By the low five bits of the base type byte; the high bit only repeats that the type has several bytes."""


class Field(NamedTuple):
    """A field we read: value = raw / scale − offset. `whole` keeps all of its elements."""

    name: str
    scale: float = 1.0
    offset: float = 0.0
    whole: bool = False


FILE_ID, SPORT, SESSION, LAP, RECORD, ACTIVITY, HR, FIELD_DESCRIPTION = 0, 12, 18, 19, 20, 34, 132, 206

TIMESTAMP = 253

_TIME = {TIMESTAMP: Field("timestamp")}
_TOTALS = {
    2: Field("start_time"),
    7: Field("elapsed_s", 1000),
    8: Field("timer_s", 1000),
    9: Field("distance_m", 100),
    11: Field("kcal"),
}

FIELDS: dict[int, dict[int, Field]] = {
    FILE_ID: {
        0: Field("type"),
        1: Field("manufacturer"),
        2: Field("product"),
        4: Field("time_created"),
        8: Field("product_name", whole=True),
    },
    SPORT: {0: Field("sport"), 1: Field("sub_sport")},
    SESSION: _TIME | _TOTALS | {5: Field("sport"), 6: Field("sub_sport"), 22: Field("ascent_m")},
    LAP: _TIME | _TOTALS | {25: Field("sport"), 39: Field("sub_sport")},
    ACTIVITY: _TIME | {5: Field("local_timestamp")},
    HR: _TIME
    | {
        0: Field("fraction_s", 32768),
        6: Field("filtered_bpm", whole=True),
        9: Field("event_s", 1024, whole=True),
        10: Field("event_12", whole=True),
    },
    FIELD_DESCRIPTION: {
        0: Field("developer"),
        1: Field("number"),
        2: Field("base_type"),
        14: Field("native_message"),
        15: Field("native_field"),
    },
    RECORD: _TIME
    | {
        0: Field("latitude", SEMICIRCLES),
        1: Field("longitude", SEMICIRCLES),
        2: Field("altitude_m", 5, 500),
        3: Field("heart_rate_bpm"),
        4: Field("cadence_rpm"),
        5: Field("distance_m", 100),
        6: Field("speed_mps", 1000),
        7: Field("power_w"),
        8: Field("compressed_speed_distance", whole=True),
        13: Field("temperature_c"),
        53: Field("fractional_cadence", 128),
        73: Field("enhanced_speed_mps", 1000),
        78: Field("enhanced_altitude_m", 5, 500),
    },
}

NATIVE_OVERRIDES = {3: "heart_rate_bpm", 4: "cadence_rpm", 7: "power_w"}
"""Record fields that a developer field may stand in for; only those whose unit leaves no choice."""

ACTIVITY_FILE = 4

FILE_TYPES = {
    1: "a device description",
    2: "settings",
    3: "a sport's settings",
    5: "a planned workout",
    6: "a course",
    7: "a schedule",
    9: "weights",
    10: "totals",
    11: "goals",
    14: "blood pressure",
    15: "monitoring",
    28: "daily monitoring",
    32: "monitoring",
    34: "a segment",
    35: "a list of segments",
}

TRANSITION = 3

SPORTS = {
    1: "running",
    2: "cycling",
    5: "swimming",
    11: "walking",
    15: "rowing",
    17: "walking",  # hiking
    21: "cycling",  # with a motor's help
}
"""Numbers not named here are another sport."""

SPORTS_BY_SUB_SPORT = {
    1: "running",  # treadmill
    5: "cycling",  # spin
    6: "cycling",  # indoor cycling
    14: "rowing",  # indoor rowing
    17: "swimming",
    18: "swimming",
    20: "strength",
    27: "walking",  # indoor walking
    45: "running",  # indoor running
}
"""For sports that say little: generic (0), fitness equipment (4) and training (10)."""

UNTELLING_SPORTS = (None, 0, 4, 10)

SUB_SPORTS = {
    1: "treadmill",
    2: "street",
    3: "trail",
    4: "track",
    5: "spin",
    6: "indoor_cycling",
    7: "road",
    8: "mountain",
    9: "downhill",
    10: "recumbent",
    11: "cyclocross",
    12: "hand_cycling",
    13: "track_cycling",
    14: "indoor_rowing",
    15: "elliptical",
    16: "stair_climbing",
    17: "lap_swimming",
    18: "open_water",
    19: "flexibility_training",
    20: "strength_training",
    21: "warm_up",
    24: "challenge",
    26: "cardio_training",
    27: "indoor_walking",
    28: "e_bike_fitness",
    29: "bmx",
    30: "casual_walking",
    31: "speed_walking",
    43: "yoga",
    44: "pilates",
    45: "indoor_running",
    46: "gravel_cycling",
    47: "e_bike_mountain",
    48: "commuting",
    49: "mixed_surface",
    58: "virtual_activity",
    67: "ultra",
}

MANUFACTURERS = {
    1: "garmin",
    6: "srm",
    7: "quarq",
    15: "dynastream",
    23: "suunto",
    32: "wahoo_fitness",
    40: "concept2",
    63: "specialized",
    69: "stages_cycling",
    70: "sigmasport",
    89: "tacx",
    95: "stryd",
    107: "magene",
    115: "igpsport",
    123: "polar_electro",
    255: "development",
    258: "lezyne",
    260: "zwift",
    265: "strava",
    267: "bryton",
    289: "hammerhead",
    294: "coros",
    307: "onelap",
    310: "decathlon",
}
