"""Which stream each field of a packet speaks of, in which unit, and what makes a value doubtful."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from device_bridge import gatt

POUND_KG = 0.45359237
INCH_M = 0.0254
KILOCALORIE_KJ = 4.184
KILOPASCAL_MMHG = 7.50061683
GLUCOSE_KG_PER_MOL = 0.18016
"""C₆H₁₂O₆; 1 mmol/L is 18.016 mg/dL."""

STREAMS = {
    "heart_rate": "/min",
    "rr_interval": "ms",
    "sensor_contact": "1",
    "battery": "%",
    "energy": "kJ",
    "spo2": "%",
    "pulse_rate": "/min",
    "perfusion_index": "%",
    "speed": "m/s",
    "cadence": "/min",
    "distance": "m",
    "stride_length": "m",
    "running": "1",
    "step_rate": "/min",
    "stroke_rate": "/min",
    "strokes": "1",
    "power": "W",
    "pedal_balance": "%",
    "accumulated_torque": "N.m",
    "incline": "%",
    "ramp_angle": "deg",
    "climbed": "m",
    "descended": "m",
    "resistance": "1",
    "metabolic_equivalent": "{MET}",
    "weight": "kg",
    "bmi": "kg/m2",
    "height": "m",
    "body_fat": "%",
    "basal_metabolism": "kJ/d",
    "muscle_percentage": "%",
    "muscle_mass": "kg",
    "fat_free_mass": "kg",
    "soft_lean_mass": "kg",
    "body_water_mass": "kg",
    "impedance": "Ohm",
    "blood_pressure_systolic": "mm[Hg]",
    "blood_pressure_diastolic": "mm[Hg]",
    "blood_pressure_mean": "mm[Hg]",
    "cuff_pressure": "mm[Hg]",
    "glucose": "mmol/L",
    "interstitial_glucose": "mmol/L",
    "carbohydrate": "g",
    "exercise": "s",
    "exercise_intensity": "%",
    "medication_mass": "mg",
    "medication_volume": "mL",
    "hba1c": "%",
    "body_temperature": "Cel",
    "body_temperature_interim": "Cel",
}
"""Every stream the bridge sends, with its UCUM unit."""


@dataclass(frozen=True)
class Says:
    """A field's stream, and the way from the field's unit to the stream's."""

    stream: str
    convert: Callable[[float], float] | None = None


def times(factor: float) -> Callable[[float], float]:
    """Multiplied; trailing binary dust of a conversion is rounded off at the ninth decimal."""
    return lambda value: round(value * factor, 9)


def _celsius(fahrenheit: float) -> float:
    return round((fahrenheit - 32) / 1.8, 9)


KMH = times(1 / 3.6)
MASSES = ("weight", "muscle_mass", "fat_free_mass", "soft_lean_mass", "body_water_mass")

SAME = {
    name: Says(name)
    for name in (
        *("heart_rate", "spo2", "pulse_rate", "perfusion_index", "speed", "cadence", "distance", "stride_length"),
        *("running", "step_rate", "stroke_rate", "strokes", "power", "pedal_balance", "accumulated_torque"),
        *("incline", "ramp_angle", "climbed", "descended", "resistance", "metabolic_equivalent", "battery"),
        *("bmi", "body_fat", "basal_metabolism", "muscle_percentage", "impedance"),
        *("exercise", "exercise_intensity", "hba1c"),
    )
}

SAID: dict[str, Says] = {
    **SAME,
    **{f"{name}_kg": Says(name) for name in MASSES},
    **{f"{name}_lb": Says(name, times(POUND_KG)) for name in MASSES},
    "speed_kmh": Says("speed", KMH),
    "energy_kj": Says("energy"),
    "energy_kcal": Says("energy", times(KILOCALORIE_KJ)),
    "height_m": Says("height"),
    "height_in": Says("height", times(INCH_M)),
    "systolic_mmhg": Says("blood_pressure_systolic"),
    "systolic_kpa": Says("blood_pressure_systolic", times(KILOPASCAL_MMHG)),
    "diastolic_mmhg": Says("blood_pressure_diastolic"),
    "diastolic_kpa": Says("blood_pressure_diastolic", times(KILOPASCAL_MMHG)),
    "mean_arterial_mmhg": Says("blood_pressure_mean"),
    "mean_arterial_kpa": Says("blood_pressure_mean", times(KILOPASCAL_MMHG)),
    "cuff_mmhg": Says("cuff_pressure"),
    "cuff_kpa": Says("cuff_pressure", times(KILOPASCAL_MMHG)),
    "glucose_kg_per_l": Says("glucose", times(1000 / GLUCOSE_KG_PER_MOL)),
    "glucose_mol_per_l": Says("glucose", times(1000)),
    "carbohydrate_kg": Says("carbohydrate", times(1000)),
    "medication_kg": Says("medication_mass", times(1_000_000)),
    "medication_l": Says("medication_volume", times(1000)),
    "temperature_c": Says("body_temperature"),
    "temperature_f": Says("body_temperature", _celsius),
}
"""By the name of the field; a field that is not here is no stream of its own."""

OTHERWISE: dict[int, dict[str, Says]] = {
    gatt.INTERMEDIATE_TEMPERATURE: {
        "temperature_c": Says("body_temperature_interim"),
        "temperature_f": Says("body_temperature_interim", _celsius),
    },
    gatt.INTERMEDIATE_CUFF_PRESSURE: {
        "systolic_mmhg": Says("cuff_pressure"),
        "systolic_kpa": Says("cuff_pressure", times(KILOPASCAL_MMHG)),
    },
}
"""Where a characteristic uses the fields of another for less than they say there: a reading on the way up is no
blood pressure, and an interim temperature no result."""

FROM_TISSUE = {
    "glucose_kg_per_l": Says("interstitial_glucose", times(1000 / GLUCOSE_KG_PER_MOL)),
    "glucose_mol_per_l": Says("interstitial_glucose", times(1000)),
}
"""What a glucose meter says of interstitial fluid, which runs behind blood and has bounds of its own."""

INTERSTITIAL_FLUID, CONTROL_SOLUTION = 9, 10
"""Types of a glucose sample."""

STORED = frozenset(
    {
        gatt.PULSE_OXIMETER_SPOT_CHECK,
        gatt.WEIGHT_MEASUREMENT,
        gatt.BODY_COMPOSITION_MEASUREMENT,
        gatt.BLOOD_PRESSURE_MEASUREMENT,
        gatt.ENHANCED_BLOOD_PRESSURE,
        gatt.GLUCOSE_MEASUREMENT,
        gatt.GLUCOSE_CONTEXT,
        gatt.TEMPERATURE_MEASUREMENT,
    }
)
"""Measurements which a device keeps, and may tell again: each has an identity of its own."""

_OXIMETER_RUNNING = {
    6: "early_estimate",
    10: "demonstration",
    11: "testing",
    12: "calibrating",
    13: "unavailable",
    14: "questionable",
    15: "invalid",
}
_OXIMETER = {5: "measurement_ongoing", **_OXIMETER_RUNNING}
"""Of a spot check, a measurement that goes on is no result yet; a continuous one always goes on."""

_CUFF = {0: "body_moved", 1: "cuff_loose", 5: "wrong_position"}
"""An irregular pulse (2) is a finding and no fault."""

_GLUCOSE = {
    1: "sensor_fault",
    2: "sample_insufficient",
    3: "strip_inserted_wrongly",
    4: "wrong_strip",
    7: "too_hot",
    8: "too_cold",
    9: "strip_pulled",
    10: "device_fault",
    11: "time_fault",
}
"""A low battery (0) is no fault of the value. One above or below the meter's range (5, 6) is dangerous, if not exact:
it must not be doubted away."""

DOUBTS: dict[int, tuple[str, dict[int, str]]] = {
    gatt.PULSE_OXIMETER_SPOT_CHECK: ("status", _OXIMETER),
    gatt.PULSE_OXIMETER_CONTINUOUS: ("status", _OXIMETER_RUNNING),
    gatt.BLOOD_PRESSURE_MEASUREMENT: ("status", _CUFF),
    gatt.ENHANCED_BLOOD_PRESSURE: ("status", _CUFF),
    gatt.GLUCOSE_MEASUREMENT: ("sensor_status", _GLUCOSE),
}
"""The status field of a characteristic and what its bits say against a value."""

NO_VALUE = frozenset({"demonstration", "testing", "calibrating", "unavailable", "invalid", "control_solution"})
"""With one of these a number is not a measurement of a person, and is not sent."""


def doubts(characteristic: int, said: gatt.Values) -> tuple[str, ...]:
    """What a packet says against its own values, in words."""
    field, bits = DOUBTS.get(characteristic, ("", {}))
    status = said.get(field, 0)
    against = tuple(word for bit, word in bits.items() if status >> bit & 1)
    return (*against, "control_solution") if _sample(characteristic, said) == CONTROL_SOLUTION else against


def is_of_tissue(characteristic: int, said: gatt.Values) -> bool:
    """Whether a glucose meter has measured interstitial fluid."""
    return _sample(characteristic, said) == INTERSTITIAL_FLUID


def _sample(characteristic: int, said: gatt.Values) -> int | None:
    """The type of a glucose sample."""
    if characteristic != gatt.GLUCOSE_MEASUREMENT or "type_and_location" not in said:
        return None
    kind: int = said["type_and_location"][0]
    return kind
