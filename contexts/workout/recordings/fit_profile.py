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
    """How a value lies in the file: numpy's letters, bytes, and how it says "no value" (fractions: NaN)."""

    code: str
    size: int
    invalid: int | None


UINT32, BYTE = 0x06, 0x0D

UNKNOWN = BaseType("u1", 1, 0xFF)
"""A base type of a later protocol is read as bytes."""

BASE_TYPES = {
    0x00: BaseType("u1", 1, 0xFF),
    0x01: BaseType("i1", 1, 0x7F),
    0x02: BaseType("u1", 1, 0xFF),
    0x03: BaseType("i2", 2, 0x7FFF),
    0x04: BaseType("u2", 2, 0xFFFF),
    0x05: BaseType("i4", 4, 0x7FFFFFFF),
    UINT32: BaseType("u4", 4, 0xFFFFFFFF),
    0x07: BaseType("S", 1, None),
    0x08: BaseType("f4", 4, None),
    0x09: BaseType("f8", 8, None),
    0x0A: BaseType("u1", 1, 0),
    0x0B: BaseType("u2", 2, 0),
    0x0C: BaseType("u4", 4, 0),
    BYTE: BaseType("u1", 1, 0xFF),
    0x0E: BaseType("i8", 8, 0x7FFFFFFFFFFFFFFF),
    0x0F: BaseType("u8", 8, 0xFFFFFFFFFFFFFFFF),
    0x10: BaseType("u8", 8, 0),
}
"""By the low five bits of the base type byte; the high bit only repeats that the type has several bytes."""


class Field(NamedTuple):
    """A field we read: value = raw / scale − offset. `whole` keeps all elements, as numbers so typed or as "text"."""

    name: str
    scale: float = 1.0
    offset: float = 0.0
    whole: str = ""


FILE_ID, SPORT, SESSION, LAP, RECORD, EVENT, ACTIVITY = 0, 12, 18, 19, 20, 21, 34
HRV, LENGTH, HR, FIELD_DESCRIPTION, SET, EXERCISE_TITLE = 78, 101, 132, 206, 225, 264

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
        8: Field("product_name", whole="text"),
    },
    SPORT: {0: Field("sport"), 1: Field("sub_sport")},
    SESSION: _TIME
    | _TOTALS
    | {
        5: Field("sport"),
        6: Field("sub_sport"),
        22: Field("ascent_m"),
        44: Field("pool_length_m", 100),
        46: Field("pool_unit"),
    },
    LENGTH: _TIME
    | {
        2: Field("start_time"),
        3: Field("elapsed_s", 1000),
        5: Field("strokes"),
        7: Field("stroke"),
        12: Field("length_type"),
    },
    SET: {
        0: Field("duration_s", 1000),
        3: Field("reps"),
        4: Field("weight_kg", 16),
        5: Field("set_type"),
        6: Field("start_time"),
        7: Field("category"),
        8: Field("subtype"),
        254: Field("ended"),
    },
    EXERCISE_TITLE: {0: Field("category"), 1: Field("subtype"), 2: Field("title", whole="text")},
    LAP: _TIME | _TOTALS | {25: Field("sport"), 39: Field("sub_sport")},
    EVENT: _TIME | {0: Field("event"), 1: Field("event_type"), 3: Field("data")},
    ACTIVITY: _TIME | {5: Field("local_timestamp")},
    HR: _TIME
    | {
        0: Field("fraction_s", 32768),
        6: Field("filtered_bpm", whole="u1"),
        9: Field("event_s", 1024, whole="u4"),
        10: Field("event_12", whole="u1"),
    },
    HRV: {0: Field("intervals_ms", whole="u2")},
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
        8: Field("compressed_speed_distance", whole="u1"),
        10: Field("resistance"),
        13: Field("temperature_c"),
        53: Field("fractional_cadence", 128),
        73: Field("enhanced_speed_mps", 1000),
        78: Field("enhanced_altitude_m", 5, 500),
    },
}

NATIVE_OVERRIDES = {3: "heart_rate_bpm", 4: "cadence_rpm", 7: "power_w"}
"""Record fields that a developer field may stand in for; only those whose unit leaves no choice."""

PACKED_BYTES = 3
"""`compressed_speed_distance`: twelve bits each."""

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

TIMER_EVENT = 0
TIMER_STARTS = 0
TIMER_STOPS_ALL = 4
TIMER_STOPS = (1, TIMER_STOPS_ALL, 8, 9)
BY_HAND, BY_ITSELF = 0, 1
"""What a timer event's data say of who stopped it: the athlete or the device."""

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

ACTIVE = 1
"""A length that was swum, a set that was lifted; 0 is the rest between."""

STATUTE = 1
"""A pool measured in yards."""

STROKES = {
    0: "freestyle",
    1: "backstroke",
    2: "breaststroke",
    3: "butterfly",
    4: "drill",
    5: "mixed",
    6: "medley",
    7: "medley",
    8: "medley",
}

UNKNOWN_EXERCISE = 65_534

EXERCISES = {
    0: "Bench press",
    1: "Calf raise",
    2: "Cardio",
    3: "Carry",
    4: "Chop",
    5: "Core",
    6: "Crunch",
    7: "Curl",
    8: "Deadlift",
    9: "Flye",
    10: "Hip raise",
    11: "Hip stability",
    12: "Hip swing",
    13: "Hyperextension",
    14: "Lateral raise",
    15: "Leg curl",
    16: "Leg raise",
    17: "Lunge",
    18: "Olympic lift",
    19: "Plank",
    20: "Plyo",
    21: "Pull-up",
    22: "Push-up",
    23: "Row",
    24: "Shoulder press",
    25: "Shoulder stability",
    26: "Shrug",
    27: "Sit-up",
    28: "Squat",
    29: "Total body",
    30: "Triceps extension",
    31: "Warm-up",
}
"""Kinds of exercise; the file itself may name one more closely."""

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
