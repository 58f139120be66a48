"""Samples as an app reads them from HealthKit, as readings. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from contexts.health.imports import healthkit_types as apple
from contexts.health.imports.measured import Fault, Measured, UnknownType, instant_of, micro, number_of, stage, stored


def identifier_of(sample: dict[str, Any]) -> str:
    """The sample's uuid, in one spelling. Raises `Fault`."""
    told = sample.get("uuid")
    if not isinstance(told, str) or not 1 <= len(told) <= 64 or not told.isprintable():
        raise Fault("id_invalid")
    return told.lower()


def modified_at(sample: dict[str, Any]) -> datetime | None:
    """HealthKit's samples never change: a change is a deletion and a new sample."""
    return None


def readings_of(sample: dict[str, Any]) -> list[Measured]:
    """A sample's readings: one of most, two of a stage of sleep, those of its objects of a correlation.

    An interval's value stands at its beginning. Raises `Fault` and `UnknownType`.
    """
    kind = sample.get("type")
    if not isinstance(kind, str) or not kind:
        raise Fault("malformed")
    start = instant_of(sample.get("startDate"))
    if kind == apple.BLOOD_PRESSURE:
        return _pressures(sample)
    if kind == apple.SLEEP:
        value = sample.get("value")
        name = None if isinstance(value, bool | dict | list | float) else apple.SLEEP_STAGES.get(value)
        if name is None:
            raise Fault("value_invalid")
        return stage(name, start, instant_of(sample.get("endDate")))
    stream = apple.STREAMS.get(kind)
    if stream is None:
        raise UnknownType(kind)
    unit = apple.ucum(stream, sample.get("unit"))
    if unit is None:
        raise Fault("unknown_unit")
    if sample.get("endDate") is not None and instant_of(sample["endDate"]) < start:
        raise Fault("interval_invalid")
    value = sample.get("value")
    if sample["unit"] == "%" and number_of(value) > 1:
        raise Fault("value_out_of_range")  # per cent where HealthKit says a fraction: told at once, not kept
    return [Measured(stream, micro(start), stored(stream, value, unit))]


def _pressures(sample: dict[str, Any]) -> list[Measured]:
    objects = sample.get("objects")
    if not isinstance(objects, list) or not 1 <= len(objects) <= 10:
        raise Fault("malformed")
    found: list[Measured] = []
    for each in objects:
        if not isinstance(each, dict) or each.get("type") == apple.BLOOD_PRESSURE:
            raise Fault("malformed")
        found += readings_of({"startDate": sample.get("startDate"), **each})
    return found
