"""Files of a Fitbit export, by themselves or in Google Takeout («Global Export Data»). Pure.

Fitbit writes no time zone and no units. As those who read these files have found (public converters; no document of
Fitbit's says it): minutes and beats are in UTC, sleep, weight and days in the person's own time; weight is in pounds
whatever their settings, distance in centimetres.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial
from typing import Any

from contexts.health.catalogue import Stream
from contexts.health.imports.listed import csv_rows, json_items
from contexts.health.imports.measured import (
    Fault,
    Found,
    Kept,
    Measured,
    instant_of,
    micro,
    safely,
    sequence_of,
    stage,
    stored,
)

Read = Callable[[bytes, tzinfo], Iterator[Found]]
LEVELS = {
    "wake": "awake",
    "awake": "awake",
    "restless": "awake",
    "asleep": "asleep",
    "light": "light",
    "deep": "deep",
    "rem": "rem",
}


def _time(told: str, zone: tzinfo) -> datetime:
    """`12/01/22 05:00:03`."""
    try:
        month, day, year = int(told[0:2]), int(told[3:5]), int(told[6:8])
        clock = int(told[9:11]), int(told[12:14]), int(told[15:17])
        return datetime(2000 + year, month, day, *clock, tzinfo=zone).astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        raise Fault("time_invalid") from None


def _each(one: Callable[[Any, tzinfo], Iterator[Found]], data: bytes, zone: tzinfo) -> Iterator[Found]:
    for item in json_items(data):
        yield from safely(one, item, zone)


def _value(
    stream: Stream, unit: str | None, inner: str | None, local: bool, item: Any, zone: tzinfo
) -> Iterator[Found]:
    """A value with its time; `inner` names it where it is an object."""
    value = item["value"] if inner is None else item["value"][inner]
    if local and not value:
        return  # a day without one is told as nought
    time = _time(item["dateTime"], zone if local else UTC)
    yield Kept(stream, micro(time), stored(stream, value, unit), sequence_of(stream.name))


def _values(stream: Stream, unit: str | None = None, inner: str | None = None, *, local: bool = False) -> Read:
    return partial(_each, partial(_value, stream, unit, inner, local))


def _weight(item: Any, zone: tzinfo) -> Iterator[Found]:
    time, sequence = micro(_time(f"{item['date']} {item['time']}", zone)), sequence_of(item.get("logId"))
    fields = (("weight", Stream.body_mass, "[lb_av]"), ("bmi", Stream.body_mass_index, None))
    for name, stream, unit in (*fields, ("fat", Stream.body_fat, "%")):
        if item.get(name):
            yield Kept(stream, time, stored(stream, item[name], unit), sequence)


def _sleep(item: Any, zone: tzinfo) -> Iterator[Found]:
    start, end = instant_of(item["startTime"], zone), instant_of(item["endTime"], zone)
    found = stage("in_bed", start, end)
    if item.get("efficiency"):
        efficiency = stored(Stream.sleep_efficiency, item["efficiency"], "%")
        found.append(Measured(Stream.sleep_efficiency, micro(start), efficiency))
    for told in (item.get("levels") or {}).get("data") or ():
        begins = instant_of(told["dateTime"], zone)
        found += stage(LEVELS[told["level"]], begins, begins + timedelta(seconds=told["seconds"]))
    sequence = sequence_of(item["logId"])
    yield from (Kept(*each, sequence) for each in found)


def _csv(stream: Stream, column: str, data: bytes, zone: tzinfo) -> Iterator[Found]:
    def one(row: dict[str, str]) -> Iterator[Found]:
        time = instant_of(row["timestamp"], zone)
        yield Kept(stream, micro(time), stored(stream, row[column], None), sequence_of(stream.name))

    for row in csv_rows(data, "timestamp", column):
        yield from safely(one, row)


SHAPES: tuple[tuple[str, str, Read], ...] = (
    ("fitbit_heart_rate", r"heart_rate-[\d-]+\.json", _values(Stream.heart_rate, inner="bpm")),
    ("fitbit_steps", r"steps-[\d-]+\.json", _values(Stream.steps)),
    ("fitbit_distance", r"distance-[\d-]+\.json", _values(Stream.walking_distance, "cm")),
    ("fitbit_calories", r"calories-[\d-]+\.json", _values(Stream.energy_burned, "kcal")),
    (
        "fitbit_resting_heart_rate",
        r"resting_heart_rate-[\d-]+\.json",
        _values(Stream.resting_heart_rate, inner="value", local=True),
    ),
    (
        "fitbit_vo2_max",
        r"demographic_vo2_max-[\d-]+\.json",
        _values(Stream.vo2_max, inner="demographicVO2Max", local=True),
    ),
    ("fitbit_weight", r"weight-[\d-]+\.json", partial(_each, _weight)),
    ("fitbit_sleep", r"sleep-[\d-]+\.json", partial(_each, _sleep)),
    ("fitbit_oxygen", r"Minute SpO2 - [\d-]+\.csv", partial(_csv, Stream.oxygen_saturation, "value")),
    (
        "fitbit_variability",
        r"Heart Rate Variability Details - [\d-]+\.csv",
        partial(_csv, Stream.hrv_rmssd, "rmssd"),
    ),
)
"""Name, what the file is called, how it is read."""
