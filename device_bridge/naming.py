"""How readings are told to the platform: by the names and units of its catalogue (`GET /api/v1/health/metrics`).

The bridge's own names stay in its spool and its status; a test holds this table to the catalogue.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from device_bridge.readings import Reading

METRICS = {
    "spo2": "oxygen_saturation",
    "energy": "counted_energy",
    "climbed": "ascent",
    "descended": "descent",
    "resistance": "resistance_level",
    "weight": "body_mass",
    "bmi": "body_mass_index",
    "height": "body_height",
    "basal_metabolism": "basal_metabolic_rate",
    "fat_free_mass": "lean_body_mass",
    "impedance": "body_impedance",
    "glucose": "blood_glucose",
    "carbohydrate": "carbohydrate_intake",
    "exercise": "exercise_duration",
    "hba1c": "haemoglobin_a1c",
    "body_temperature_interim": "interim_body_temperature",
}
"""The platform's name of a stream, where it is another one. No two share a name: each has numbers of its own."""

TOLD_IN = {"haemoglobin_a1c": "%"}
"""The unit of a metric which devices measure in another one than the platform stores; it converts."""


def metric_of(stream: str) -> str:
    """The platform's name of a stream. What a broker or a request names is taken as it is."""
    return METRICS.get(stream, stream)


def body_of(batch: Sequence[Reading]) -> bytes:
    """The body of a request. Units and doubts are only in it where there are any."""
    readings = [reading.as_json() | {"stream": metric_of(reading.stream)} for reading in batch]
    told: dict[str, object] = {"readings": readings}
    units = {metric: unit for metric, unit in TOLD_IN.items() if any(each["stream"] == metric for each in readings)}
    doubts: dict[str, list[int]] = {}
    for place, reading in enumerate(batch):
        for word in reading.doubts[:1]:
            doubts.setdefault(word, []).append(place)
    if units:
        told["units"] = units
    if doubts:
        told["doubts"] = doubts
    return json.dumps(told, separators=(",", ":")).encode()
