"""Records as an app reads them from Health Connect, as readings. Pure.

Names as in `androidx.health.connect.client.records`. A measure is a bare number in the unit which its field is known
for, or an object: `{"inKilograms": 70}` or `{"value": 70, "unit": "kilograms"}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any, Final, NamedTuple

from contexts.health.catalogue import METRICS, Stream
from contexts.health.imports.measured import (
    Fault,
    Measured,
    UnknownType,
    instant_of,
    micro,
    seconds_between,
    stage,
    stored,
)

MAX_SAMPLES: Final = 20_000


class Field(NamedTuple):
    """Which field of a record is which metric, and the unit of a bare number in it."""

    name: str
    stream: Stream
    unit: str | None = None


_S = Stream
RECORDS: Final[dict[str, tuple[Field, ...]]] = {
    "RestingHeartRate": (Field("beatsPerMinute", _S.resting_heart_rate),),
    "HeartRateVariabilityRmssd": (Field("heartRateVariabilityMillis", _S.hrv_rmssd),),
    "OxygenSaturation": (Field("percentage", _S.oxygen_saturation, "%"),),
    "RespiratoryRate": (Field("rate", _S.respiratory_rate),),
    "BodyTemperature": (Field("temperature", _S.body_temperature),),
    "BasalBodyTemperature": (Field("temperature", _S.basal_body_temperature),),
    "BloodPressure": (
        Field("systolic", _S.blood_pressure_systolic),
        Field("diastolic", _S.blood_pressure_diastolic),
    ),
    "BloodGlucose": (Field("level", _S.blood_glucose),),
    "Weight": (Field("weight", _S.body_mass),),
    "Height": (Field("height", _S.body_height),),
    "BodyFat": (Field("percentage", _S.body_fat, "%"),),
    "LeanBodyMass": (Field("mass", _S.lean_body_mass),),
    "BoneMass": (Field("mass", _S.bone_mass),),
    "BasalMetabolicRate": (Field("basalMetabolicRate", _S.basal_metabolic_rate, "kcal/d"),),
    "Steps": (Field("count", _S.steps),),
    "FloorsClimbed": (Field("floors", _S.flights_climbed),),
    "ActiveCaloriesBurned": (Field("energy", _S.active_energy, "kcal"),),
    "TotalCaloriesBurned": (Field("energy", _S.energy_burned, "kcal"),),
    "Hydration": (Field("volume", _S.water_intake),),
    "Vo2Max": (Field("vo2MillilitersPerMinuteKilogram", _S.vo2_max),),
}
SERIES: Final[dict[str, Field]] = {
    "HeartRate": Field("beatsPerMinute", _S.heart_rate),
    "Power": Field("power", _S.power),
    "Speed": Field("speed", _S.speed),
    "CyclingPedalingCadence": Field("revolutionsPerMinute", _S.cadence),
}
"""Records that hold samples, each with its own time."""

SLEEP_STAGES: Final[dict[object, str | None]] = {
    0: "asleep",
    1: "awake",
    2: "asleep",
    3: None,  # out of bed
    4: "light",
    5: "deep",
    6: "rem",
    7: "awake",
}

UNITS: Final[dict[str, str]] = {
    "kilograms": "kg",
    "grams": "g",
    "pounds": "[lb_av]",
    "meters": "m",
    "kilometers": "km",
    "inches": "[in_i]",
    "feet": "[ft_i]",
    "miles": "[mi_i]",
    "celsius": "Cel",
    "fahrenheit": "[degF]",
    "millimetersofmercury": "mm[Hg]",
    "millimolesperliter": "mmol/L",
    "milligramsperdeciliter": "mg/dL",
    "kilocalories": "kcal",
    "kilojoules": "kJ",
    "joules": "J",
    "liters": "L",
    "milliliters": "mL",
    "fluidouncesus": "[foz_us]",
    "watts": "W",
    "kilocaloriesperday": "kcal/d",
    "meterspersecond": "m/s",
    "kilometersperhour": "km/h",
    "milesperhour": "[mi_i]/h",
    "percent": "%",
}


def identifier_of(record: dict[str, Any]) -> str:
    """The record's `metadata.id`. Raises `Fault`."""
    metadata = record.get("metadata")
    told = metadata.get("id") if isinstance(metadata, dict) else None
    if not isinstance(told, str) or not 1 <= len(told) <= 64 or not told.isprintable():
        raise Fault("id_invalid")
    return told.lower()


def modified_at(record: dict[str, Any]) -> datetime | None:
    """When the record was last written: a later one takes the place of what was sent before."""
    told = record["metadata"].get("lastModifiedTime")
    return None if told is None else instant_of(told)


def readings_of(record: dict[str, Any]) -> list[Measured]:
    """A record's readings; an interval's value stands at its beginning. Raises `Fault` and `UnknownType`."""
    kind = kind_of(record)
    if kind in SERIES:
        return _series(record, SERIES[kind])
    if kind == "SleepSession":
        return _sleep(record)
    fields = RECORDS.get(kind)
    if fields is None:
        raise UnknownType(kind)
    start = _time(record, "time", "zoneOffset") if "time" in record else _interval(record)[0]
    return [Measured(field.stream, micro(start), _value(field, record.get(field.name))) for field in fields]


def kind_of(record: dict[str, Any]) -> str:
    """`HeartRate` of `HeartRate`, `HeartRateRecord` and the name with its package."""
    told = record.get("recordType")
    if not isinstance(told, str) or not told:
        raise Fault("malformed")
    return told.rpartition(".")[2].removesuffix("Record") or told


def _interval(record: dict[str, Any]) -> tuple[datetime, datetime]:
    start, end = _time(record, "startTime", "startZoneOffset"), _time(record, "endTime", "endZoneOffset")
    seconds_between(start, end)
    return start, end


def _series(record: dict[str, Any], field: Field) -> list[Measured]:
    samples = record.get("samples")
    if not isinstance(samples, list) or not 1 <= len(samples) <= MAX_SAMPLES:
        raise Fault("malformed")
    zone = _zone(record.get("startZoneOffset"))
    found = {}
    for sample in samples:
        if not isinstance(sample, dict):
            raise Fault("malformed")
        time = micro(instant_of(sample.get("time"), zone))
        found[time] = Measured(field.stream, time, _value(field, sample.get(field.name)))
    return list(found.values())


def _sleep(record: dict[str, Any]) -> list[Measured]:
    start, end = _interval(record)
    stages = record.get("stages")
    if not stages:
        return stage("in_bed", start, end) + stage("asleep", start, end)
    if not isinstance(stages, list) or len(stages) > MAX_SAMPLES:
        raise Fault("malformed")
    zone = _zone(record.get("startZoneOffset"))
    found = {(each.stream, each.time): each for each in stage("in_bed", start, end)}
    for told in stages:
        if not isinstance(told, dict) or not isinstance(told.get("stage"), int) or told["stage"] not in SLEEP_STAGES:
            raise Fault("value_invalid")
        name = SLEEP_STAGES[told["stage"]]
        begins, ends = instant_of(told.get("startTime"), zone), instant_of(told.get("endTime"), zone)
        for each in stage(name, begins, ends) if name else ():
            found[each.stream, each.time] = each
    return list(found.values())


def _time(record: dict[str, Any], name: str, zone: str) -> datetime:
    return instant_of(record.get(name), _zone(record.get(zone)))


def _zone(told: Any) -> tzinfo | None:
    """An offset as `+03:00`, or as an object with `id` or `totalSeconds`; None where none is told."""
    if isinstance(told, Mapping):
        seconds = told.get("totalSeconds")
        if isinstance(seconds, int) and abs(seconds) < 86_400:
            return timezone(timedelta(seconds=seconds))
        told = told.get("id")
    if not isinstance(told, str):
        return None
    if told == "Z":
        return UTC
    try:
        return datetime.strptime(told, "%z").tzinfo
    except ValueError:
        return None


def _value(field: Field, told: Any) -> float:
    if not isinstance(told, Mapping):
        return stored(field.stream, told, field.unit)
    if "value" in told:
        unit = told.get("unit")
        if unit is None:
            return stored(field.stream, told["value"], field.unit)
        return stored(field.stream, told["value"], _unit(unit))
    for name, value in told.items():
        unit = UNITS.get(name.removeprefix("in").lower())
        if unit is not None and METRICS[field.stream].way(unit) is not None:
            return stored(field.stream, value, unit)
    raise Fault("unknown_unit" if told else "value_invalid")


def _unit(told: Any) -> str:
    unit = UNITS.get(told.lower().replace("_", "")) if isinstance(told, str) else None
    if unit is None:
        raise Fault("unknown_unit")
    return unit
