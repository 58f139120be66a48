"""What medical devices say: pulse oximeters, scales, blood pressure and glucose meters, thermometers.

Layouts: Pulse Oximeter 1.0.1, Weight Scale 1.0, Body Composition 1.0, Blood Pressure 1.1.1, Glucose 1.0.1 and Health
Thermometer 1.0 services with the GATT Specification Supplement; little-endian. Units are UCUM.
"""

from __future__ import annotations

from device_bridge.gatt.engine import Characteristic, Field, Flag
from device_bridge.gatt.forms import (
    DATE_TIME,
    FLOAT,
    SFLOAT,
    U8,
    U16,
    U24,
    integer,
    pair,
    scaled,
    seconds_since,
    sfloat,
)

GLUCOSE_MEASUREMENT = 0x2A18
TEMPERATURE_MEASUREMENT = 0x2A1C
INTERMEDIATE_TEMPERATURE = 0x2A1E
GLUCOSE_CONTEXT = 0x2A34
BLOOD_PRESSURE_MEASUREMENT = 0x2A35
INTERMEDIATE_CUFF_PRESSURE = 0x2A36
PULSE_OXIMETER_SPOT_CHECK = 0x2A5E
PULSE_OXIMETER_CONTINUOUS = 0x2A5F
BODY_COMPOSITION_MEASUREMENT = 0x2A9C
WEIGHT_MEASUREMENT = 0x2A9D
ENHANCED_CUFF_PRESSURE = 0x2B34
ENHANCED_BLOOD_PRESSURE = 0x2B35

KILOPASCALS = sfloat(usual_exponent=-1)
CONCENTRATION = sfloat(usual_exponent=-5)
USER = integer("B", missing=0xFF)
UNSUCCESSFUL = 0xFFFF
TENTHS = scaled("H", 1, 10)
MASS_KG = scaled("H", 1, 200, missing=UNSUCCESSFUL)
MASS_LB = scaled("H", 1, 100, missing=UNSUCCESSFUL)
PERCENT = scaled("H", 1, 10, missing=UNSUCCESSFUL)
METRES = scaled("H", 1, 1000)


def mass(name: str, bit: int | None = None) -> tuple[Field, Field]:
    """Kilograms, or pounds where bit 0 says imperial; `bit` announces the field, unless it always stands."""
    announced = () if bit is None else (bit,)
    return (
        Field(f"{name}_kg", MASS_KG, "kg", when=announced, unless=0),
        Field(f"{name}_lb", MASS_LB, "[lb_av]", when=(*announced, 0)),
    )


def height(bit: int) -> tuple[Field, Field]:
    """Metres, or inches where bit 0 says imperial."""
    return (
        Field("height_m", METRES, "m", when=bit, unless=0),
        Field("height_in", TENTHS, "[in_i]", when=(bit, 0)),
    )


def pressures(*names: str) -> tuple[Field, ...]:
    """Millimetres of mercury, or kilopascals where bit 0 says so."""
    return (
        *(Field(f"{name}_mmhg", SFLOAT, "mm[Hg]", unless=0) for name in names),
        *(Field(f"{name}_kpa", KILOPASCALS, "kPa", when=0) for name in names),
    )


def counted_time(name: str, bit: int) -> tuple[Field, Field]:
    """Seconds since 2000, or since 1900 where bit 6 is clear."""
    return (
        Field(name, seconds_since(2000), "s", when=(bit, 6)),
        Field(name, seconds_since(1900), "s", when=bit, unless=6),
    )


TIMED = Field("time", DATE_TIME, "{time}", when=1)
MEASURED = (Field("pulse_rate", SFLOAT, "/min", when=2), Field("user", USER, when=3), Field("status", U16, when=4))
SINCE_AN_EPOCH = (*counted_time("time", 1), *MEASURED, *counted_time("time_shown", 5))
WHOLE = ("systolic", "diastolic", "mean_arterial")


def temperature(number: int, name: str) -> Characteristic:
    """The two characteristics of a thermometer are laid out alike."""
    return Characteristic(
        number,
        name,
        (
            Field("temperature_c", FLOAT, "Cel", unless=0),
            Field("temperature_f", FLOAT, "[degF]", when=0),
            TIMED,
            Field("site", U8, when=2),
        ),
    )


MEDICAL = (
    Characteristic(
        PULSE_OXIMETER_SPOT_CHECK,
        "pulse oximeter spot-check",
        (
            Field("spo2", SFLOAT, "%"),
            Field("pulse_rate", SFLOAT, "/min"),
            Field("time", DATE_TIME, "{time}", when=0),
            Field("status", U16, when=1),
            Field("sensor_status", U24, when=2),
            Field("perfusion_index", SFLOAT, "%", when=3),
        ),
        flags=(Flag("clock_not_set", 4),),
    ),
    Characteristic(
        PULSE_OXIMETER_CONTINUOUS,
        "pulse oximeter continuous",
        (
            Field("spo2", SFLOAT, "%"),
            Field("pulse_rate", SFLOAT, "/min"),
            Field("spo2_fast", SFLOAT, "%", when=0),
            Field("pulse_rate_fast", SFLOAT, "/min", when=0),
            Field("spo2_slow", SFLOAT, "%", when=1),
            Field("pulse_rate_slow", SFLOAT, "/min", when=1),
            Field("status", U16, when=2),
            Field("sensor_status", U24, when=3),
            Field("perfusion_index", SFLOAT, "%", when=4),
        ),
    ),
    Characteristic(
        WEIGHT_MEASUREMENT,
        "weight measurement",
        (
            *mass("weight"),
            TIMED,
            Field("user", USER, when=2),
            Field("bmi", TENTHS, "kg/m2", when=3),
            *height(3),
        ),
    ),
    Characteristic(
        BODY_COMPOSITION_MEASUREMENT,
        "body composition measurement",
        (
            Field("body_fat", PERCENT, "%"),
            TIMED,
            Field("user", USER, when=2),
            Field("basal_metabolism", U16, "kJ", when=3),
            Field("muscle_percentage", PERCENT, "%", when=4),
            *mass("muscle_mass", 5),
            *mass("fat_free_mass", 6),
            *mass("soft_lean_mass", 7),
            *mass("body_water_mass", 8),
            Field("impedance", TENTHS, "Ohm", when=9),
            *mass("weight", 10),
            *height(11),
        ),
        flag_bytes=2,
        flags=(Flag("several_packets", 12),),
        joined_by=12,
    ),
    Characteristic(BLOOD_PRESSURE_MEASUREMENT, "blood pressure measurement", (*pressures(*WHOLE), TIMED, *MEASURED)),
    Characteristic(INTERMEDIATE_CUFF_PRESSURE, "cuff pressure", (*pressures(*WHOLE), TIMED, *MEASURED)),
    Characteristic(
        ENHANCED_BLOOD_PRESSURE, "enhanced blood pressure measurement", (*pressures(*WHOLE), *SINCE_AN_EPOCH)
    ),
    Characteristic(ENHANCED_CUFF_PRESSURE, "enhanced cuff pressure", (*pressures("cuff"), *SINCE_AN_EPOCH)),
    Characteristic(
        GLUCOSE_MEASUREMENT,
        "glucose measurement",
        (
            Field("record", U16),
            Field("base_time", DATE_TIME, "{time}"),
            Field("offset_min", integer("h"), "min", when=0),
            Field("glucose_kg_per_l", CONCENTRATION, "kg/L", when=1, unless=2),
            Field("glucose_mol_per_l", CONCENTRATION, "mol/L", when=(1, 2)),
            Field("type_and_location", pair("B", 4), when=1),
            Field("sensor_status", U16, when=3),
        ),
        flags=(Flag("context_follows", 4),),
    ),
    Characteristic(
        GLUCOSE_CONTEXT,
        "glucose measurement context",
        (
            Field("record", U16),
            Field("extended_flags", U8, when=7),
            Field("carbohydrate_kind", U8, when=0),
            Field("carbohydrate_kg", CONCENTRATION, "kg", when=0),
            Field("meal", U8, when=1),
            Field("tester_and_health", pair("B", 4), when=2),
            Field("exercise", U16, "s", when=3),
            Field("exercise_intensity", U8, "%", when=3),
            Field("medication_kind", U8, when=4),
            Field("medication_kg", sfloat(usual_exponent=-6), "kg", when=4, unless=5),
            Field("medication_l", sfloat(usual_exponent=-6), "L", when=(4, 5)),
            Field("hba1c", SFLOAT, "%", when=6),
        ),
    ),
    temperature(TEMPERATURE_MEASUREMENT, "temperature measurement"),
    temperature(INTERMEDIATE_TEMPERATURE, "intermediate temperature"),
)
