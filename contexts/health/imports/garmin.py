"""Files of a Garmin export (`DI_CONNECT`): summaries of days, nights, and what scales have measured. Pure.

Field names as public readers of these files know them; activities in it are workout's to import.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, tzinfo
from functools import partial
from typing import Any

from contexts.health.catalogue import Stream
from contexts.health.imports.listed import json_items
from contexts.health.imports.measured import (
    STAGES,
    Fault,
    Found,
    Kept,
    instant_of,
    micro,
    number_of,
    safely,
    seconds_between,
    sequence_of,
    stored,
)

Read = Callable[[bytes, tzinfo], Iterator[Found]]
DAY = (
    ("totalSteps", Stream.steps, None),
    ("totalDistanceMeters", Stream.walking_distance, "m"),
    ("activeKilocalories", Stream.active_energy, "kcal"),
    ("bmrKilocalories", Stream.resting_energy, "kcal"),
    ("totalKilocalories", Stream.energy_burned, "kcal"),
    ("floorsAscended", Stream.flights_climbed, None),
    ("sedentarySeconds", Stream.sedentary_duration, "s"),
    ("restingHeartRate", Stream.resting_heart_rate, None),
)
NIGHT = (
    ("deepSleepSeconds", "deep"),
    ("lightSleepSeconds", "light"),
    ("remSleepSeconds", "rem"),
    ("awakeSleepSeconds", "awake"),
)
SCALE = (
    ("weight", Stream.body_mass, "g"),
    ("boneMass", Stream.bone_mass, "g"),
    ("muscleMass", Stream.muscle_mass, "g"),
    ("bodyFat", Stream.body_fat, "%"),
    ("bodyWater", Stream.body_water, "%"),
    ("bmi", Stream.body_mass_index, None),
)


def _each(one: Callable[[Any, tzinfo], Iterator[Found]], data: bytes, zone: tzinfo) -> Iterator[Found]:
    for item in json_items(data):
        yield from safely(one, item, zone)


def _gmt(told: Any) -> datetime:
    """`2022-01-01T04:42:00.0`: Garmin says less than three digits of a second."""
    if not isinstance(told, str):
        raise Fault("time_invalid")
    return instant_of(told.partition(".")[0], UTC)


def _day(item: Any, zone: tzinfo) -> Iterator[Found]:
    told = item.get("wellnessStartTimeGmt")
    time = micro(_gmt(told) if told else instant_of(item.get("calendarDate"), zone))
    sequence = sequence_of("day")
    for name, stream, unit in DAY:
        if item.get(name) is not None:
            yield Kept(stream, time, stored(stream, item[name], unit), sequence)
    minutes = [item.get(name) for name in ("moderateIntensityMinutes", "vigorousIntensityMinutes")]
    if any(each is not None for each in minutes):
        active = sum(number_of(each or 0) for each in minutes)
        yield Kept(Stream.exercise_duration, time, stored(Stream.exercise_duration, active, "min"), sequence)


def _night(item: Any, zone: tzinfo) -> Iterator[Found]:
    start, end = _gmt(item["sleepStartTimestampGMT"]), _gmt(item["sleepEndTimestampGMT"])
    time, sequence = micro(start), sequence_of("night")
    yield Kept(Stream.time_in_bed, time, seconds_between(start, end), sequence)
    asleep = 0.0
    for name, stage in NIGHT:
        if item.get(name) is None:
            continue
        lasted = stored(STAGES[stage][-1], item[name], "s")
        yield Kept(STAGES[stage][-1], time, lasted, sequence)
        asleep += lasted if stage != "awake" else 0
    if asleep:
        yield Kept(Stream.sleep_duration, time, asleep, sequence)
    if item.get("averageRespiration"):
        yield Kept(
            Stream.respiratory_rate, time, stored(Stream.respiratory_rate, item["averageRespiration"], None), sequence
        )
    oxygen = (item.get("spo2SleepSummary") or {}).get("averageSPO2")
    if oxygen:
        yield Kept(Stream.oxygen_saturation, time, stored(Stream.oxygen_saturation, oxygen, "%"), sequence)


def _weighed(item: Any, zone: tzinfo) -> Iterator[Found]:
    told = item.get("weight")
    if not isinstance(told, dict):
        return
    at = told.get("timestampGMT")
    time = _gmt(at) if at else instant_of(str(item["metaData"]["calendarDate"]).partition(".")[0], zone)
    for name, stream, unit in SCALE:
        if told.get(name):
            yield Kept(stream, micro(time), stored(stream, told[name], unit), sequence_of("scale"))


SHAPES: tuple[tuple[str, str, Read], ...] = (
    ("garmin_days", r"UDSFile_.*\.json", partial(_each, _day)),
    ("garmin_sleep", r".*_sleepData\.json", partial(_each, _night)),
    ("garmin_body", r".*_userBioMetrics\.json", partial(_each, _weighed)),
)
"""Name, what the file is called, how it is read."""
