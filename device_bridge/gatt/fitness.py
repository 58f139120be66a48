"""What fitness sensors and machines say: heart rate, cycling, running, and the Fitness Machine Service.

Layouts: Heart Rate 1.0, Cycling Speed and Cadence 1.0, Running Speed and Cadence 1.0, Cycling Power 1.1 and Fitness
Machine 1.0 services with the GATT Specification Supplement; little-endian. Units are UCUM.
"""

from __future__ import annotations

from device_bridge.gatt.engine import Characteristic, Field, Flag
from device_bridge.gatt.forms import I16, U8, U16, U24, U32, Form, integer, pair, scaled

HEART_RATE_MEASUREMENT = 0x2A37
CSC_MEASUREMENT = 0x2A5B
RSC_MEASUREMENT = 0x2A53
CYCLING_POWER_MEASUREMENT = 0x2A63
CYCLING_POWER_VECTOR = 0x2A64
TREADMILL_DATA = 0x2ACD
CROSS_TRAINER_DATA = 0x2ACE
ROWER_DATA = 0x2AD1
INDOOR_BIKE_DATA = 0x2AD2

RR_TICKS_PER_SECOND = 1024
EVENT_TICKS_PER_SECOND = 1024
"""Of the event times of cranks, and of wheels in 0x2A5B."""
POWER_WHEEL_TICKS_PER_SECOND = 2048
"""Of the event time of the wheel in 0x2A63 only."""

HUNDREDTHS = scaled("H", 1, 100)
TENTHS = scaled("h", 1, 10)
HALVES = scaled("H", 1, 2)
HALVES_U8 = scaled("B", 1, 2)
TORQUE = scaled("h", 1, 32)
OLD_PACE = Form("B", lambda raw: 300 / raw if raw else None)
"""Tenths of a kilometre a minute, as Fitness Machine 1.0 has it; in seconds for 500 m."""


def machine_rest(bit: int) -> tuple[Field, ...]:
    """Energy, heart rate, metabolic equivalent and the two times, which end every machine's packet."""
    return (
        Field("energy_kcal", integer("H", missing=0xFFFF), "kcal", when=bit),
        Field("energy_per_hour_kcal", integer("H", missing=0xFFFF), "kcal/h", when=bit),
        Field("energy_per_minute_kcal", integer("B", missing=0xFF), "kcal/min", when=bit),
        Field("heart_rate", U8, "/min", when=bit + 1),
        Field("metabolic_equivalent", scaled("B", 1, 10), "{MET}", when=bit + 2),
        Field("elapsed", U16, "s", when=bit + 3),
        Field("remaining", U16, "s", when=bit + 4),
    )


def speeds() -> tuple[Field, ...]:
    """Speed in place of More Data, and average speed: the beginning of a machine that moves."""
    return (
        Field("speed_kmh", HUNDREDTHS, "km/h", unless=0),
        Field("average_speed_kmh", HUNDREDTHS, "km/h", when=1),
    )


def resistance(bit: int) -> Field:
    """One byte; two in the service's first edition."""
    return Field("resistance", U8, "1", when=bit, older=I16)


FITNESS = (
    Characteristic(
        HEART_RATE_MEASUREMENT,
        "heart rate measurement",
        (
            Field("heart_rate", U8, "/min", unless=0),
            Field("heart_rate", U16, "/min", when=0),
            Field("energy_kj", U16, "kJ", when=3),
            Field("rr_ticks", U16, "s/1024", when=4, repeated=True),
        ),
        flags=(Flag("contact", 1, told_by=2),),
    ),
    Characteristic(
        CSC_MEASUREMENT,
        "cycling speed and cadence",
        (
            Field("wheel_revolutions", U32, when=0),
            Field("wheel_ticks", U16, "s/1024", when=0),
            Field("crank_revolutions", U16, when=1),
            Field("crank_ticks", U16, "s/1024", when=1),
        ),
    ),
    Characteristic(
        RSC_MEASUREMENT,
        "running speed and cadence",
        (
            Field("speed", scaled("H", 1, 256), "m/s"),
            Field("cadence", U8, "/min"),
            Field("stride_length", HUNDREDTHS, "m", when=0),
            Field("distance", scaled("I", 1, 10), "m", when=1),
        ),
        flags=(Flag("running", 2),),
    ),
    Characteristic(
        CYCLING_POWER_MEASUREMENT,
        "cycling power measurement",
        (
            Field("power", I16, "W"),
            Field("pedal_balance", HALVES_U8, "%", when=0),
            Field("accumulated_torque", scaled("H", 1, 32), "N.m", when=2),
            Field("wheel_revolutions", U32, when=4),
            Field("wheel_ticks", U16, "s/2048", when=4),
            Field("crank_revolutions", U16, when=5),
            Field("crank_ticks", U16, "s/1024", when=5),
            Field("greatest_force", I16, "N", when=6),
            Field("least_force", I16, "N", when=6),
            Field("greatest_torque", TORQUE, "N.m", when=7),
            Field("least_torque", TORQUE, "N.m", when=7),
            Field("angles_of_greatest_and_least", pair("3s", 12), "deg", when=8),
            Field("top_dead_spot", U16, "deg", when=9),
            Field("bottom_dead_spot", U16, "deg", when=10),
            Field("energy_kj", U16, "kJ", when=11),
        ),
        flag_bytes=2,
        flags=(Flag("balance_is_left", 1), Flag("torque_at_crank", 3), Flag("offset_compensated", 12)),
    ),
    Characteristic(
        CYCLING_POWER_VECTOR,
        "cycling power vector",
        (
            Field("crank_revolutions", U16, when=0),
            Field("crank_ticks", U16, "s/1024", when=0),
            Field("first_angle", U16, "deg", when=1),
            Field("forces", I16, "N", when=2, repeated=True),
            Field("torques", TORQUE, "N.m", when=3, repeated=True),
        ),
        flags=(Flag("direction", 4, width=2),),
    ),
    Characteristic(
        TREADMILL_DATA,
        "treadmill data",
        (
            *speeds(),
            Field("distance", U24, "m", when=2),
            Field("incline", TENTHS, "%", when=3),
            Field("ramp_angle", TENTHS, "deg", when=3),
            Field("climbed", scaled("H", 1, 10), "m", when=4),
            Field("descended", scaled("H", 1, 10), "m", when=4),
            Field("pace", U16, "s", when=5, older=OLD_PACE),
            Field("average_pace", U16, "s", when=6, older=OLD_PACE),
            *machine_rest(7),
            Field("belt_force", integer("h", missing=0x7FFF), "N", when=12),
            Field("power", integer("h", missing=0x7FFF), "W", when=12),
        ),
        flag_bytes=2,
        joined_by=0,
    ),
    Characteristic(
        CROSS_TRAINER_DATA,
        "cross trainer data",
        (
            *speeds(),
            Field("distance", U24, "m", when=2),
            Field("step_rate", U16, "/min", when=3),
            Field("average_step_rate", U16, "/min", when=3),
            Field("strides", scaled("H", 1, 10), when=4),
            Field("climbed", U16, "m", when=5),
            Field("descended", U16, "m", when=5),
            Field("incline", TENTHS, "%", when=6),
            Field("ramp_angle", TENTHS, "deg", when=6),
            resistance(7),
            Field("power", I16, "W", when=8),
            Field("average_power", I16, "W", when=9),
            *machine_rest(10),
        ),
        flag_bytes=3,
        flags=(Flag("backward", 15),),
        joined_by=0,
    ),
    Characteristic(
        ROWER_DATA,
        "rower data",
        (
            Field("stroke_rate", HALVES_U8, "/min", unless=0),
            Field("strokes", U16, unless=0),
            Field("average_stroke_rate", HALVES_U8, "/min", when=1),
            Field("distance", U24, "m", when=2),
            Field("pace", integer("H", missing=0xFFFF), "s", when=3),
            Field("average_pace", integer("H", missing=0xFFFF), "s", when=4),
            Field("power", I16, "W", when=5),
            Field("average_power", I16, "W", when=6),
            resistance(7),
            *machine_rest(8),
        ),
        flag_bytes=2,
        joined_by=0,
    ),
    Characteristic(
        INDOOR_BIKE_DATA,
        "indoor bike data",
        (
            *speeds(),
            Field("cadence", HALVES, "/min", when=2),
            Field("average_cadence", HALVES, "/min", when=3),
            Field("distance", U24, "m", when=4),
            resistance(5),
            Field("power", I16, "W", when=6),
            Field("average_power", I16, "W", when=7),
            *machine_rest(8),
        ),
        flag_bytes=2,
        joined_by=0,
    ),
)
