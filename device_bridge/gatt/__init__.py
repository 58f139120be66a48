"""What devices say over GATT, as values and back: tables of fields and one engine that reads and writes them.

    gatt.decode(gatt.HEART_RATE_MEASUREMENT, b"\x00\x3c")  →  {"heart_rate": 60}

Pure functions without I/O. A decoder raises `MalformedPacket` and nothing else, whatever bytes come in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from device_bridge.gatt.engine import Characteristic, Field, Flag, Values
from device_bridge.gatt.fitness import (
    CROSS_TRAINER_DATA,
    CSC_MEASUREMENT,
    CYCLING_POWER_MEASUREMENT,
    CYCLING_POWER_VECTOR,
    FITNESS,
    HEART_RATE_MEASUREMENT,
    INDOOR_BIKE_DATA,
    ROWER_DATA,
    RR_TICKS_PER_SECOND,
    RSC_MEASUREMENT,
    TREADMILL_DATA,
)
from device_bridge.gatt.forms import MalformedPacket, Special
from device_bridge.gatt.general import (
    ABOUT,
    BATTERY_LEVEL,
    BODY_SENSOR_LOCATION,
    CURRENT_TIME,
    GENERAL,
    RECORD_ACCESS_CONTROL_POINT,
    SensorLocation,
)
from device_bridge.gatt.joining import Joiner
from device_bridge.gatt.medical import (
    BLOOD_PRESSURE_MEASUREMENT,
    BODY_COMPOSITION_MEASUREMENT,
    ENHANCED_BLOOD_PRESSURE,
    ENHANCED_CUFF_PRESSURE,
    GLUCOSE_CONTEXT,
    GLUCOSE_MEASUREMENT,
    INTERMEDIATE_CUFF_PRESSURE,
    INTERMEDIATE_TEMPERATURE,
    MEDICAL,
    PULSE_OXIMETER_CONTINUOUS,
    PULSE_OXIMETER_SPOT_CHECK,
    TEMPERATURE_MEASUREMENT,
    WEIGHT_MEASUREMENT,
)

HEART_RATE_SERVICE = 0x180D
BATTERY_SERVICE = 0x180F
GLUCOSE_SERVICE = 0x1808
HEALTH_THERMOMETER_SERVICE = 0x1809
DEVICE_INFORMATION_SERVICE = 0x180A
CURRENT_TIME_SERVICE = 0x1805
BLOOD_PRESSURE_SERVICE = 0x1810
RUNNING_SPEED_AND_CADENCE_SERVICE = 0x1814
CYCLING_SPEED_AND_CADENCE_SERVICE = 0x1816
CYCLING_POWER_SERVICE = 0x1818
BODY_COMPOSITION_SERVICE = 0x181B
WEIGHT_SCALE_SERVICE = 0x181D
PULSE_OXIMETER_SERVICE = 0x1822
FITNESS_MACHINE_SERVICE = 0x1826

MEASURING_SERVICES = (
    HEART_RATE_SERVICE,
    GLUCOSE_SERVICE,
    HEALTH_THERMOMETER_SERVICE,
    BLOOD_PRESSURE_SERVICE,
    RUNNING_SPEED_AND_CADENCE_SERVICE,
    CYCLING_SPEED_AND_CADENCE_SERVICE,
    CYCLING_POWER_SERVICE,
    BODY_COMPOSITION_SERVICE,
    WEIGHT_SCALE_SERVICE,
    PULSE_OXIMETER_SERVICE,
    FITNESS_MACHINE_SERVICE,
)
"""A device that advertises one of these measures something we understand."""

CHARACTERISTICS = {table.number: table for table in (*FITNESS, *MEDICAL, *GENERAL)}
"""Every characteristic that is read by table, by its 16-bit number."""

STREAMING = frozenset(table.number for table in FITNESS) | {PULSE_OXIMETER_CONTINUOUS}
"""Said again and again for as long as a device is worn or used: their silence means something."""


def decode(number: int, packet: bytes | bytearray) -> Values:
    """The values in a packet of a characteristic we have a table of. Raises MalformedPacket."""
    return CHARACTERISTICS[number].decode(packet)


def encode(number: int, said: Mapping[str, Any]) -> bytes:
    """The packet that says this. Raises MalformedPacket for values which have no place or do not fit."""
    return CHARACTERISTICS[number].encode(said)


__all__ = [
    "ABOUT",
    "BATTERY_LEVEL",
    "BLOOD_PRESSURE_MEASUREMENT",
    "BODY_COMPOSITION_MEASUREMENT",
    "BODY_SENSOR_LOCATION",
    "CROSS_TRAINER_DATA",
    "CSC_MEASUREMENT",
    "CURRENT_TIME",
    "CYCLING_POWER_MEASUREMENT",
    "CYCLING_POWER_VECTOR",
    "ENHANCED_BLOOD_PRESSURE",
    "ENHANCED_CUFF_PRESSURE",
    "GLUCOSE_CONTEXT",
    "GLUCOSE_MEASUREMENT",
    "HEART_RATE_MEASUREMENT",
    "INDOOR_BIKE_DATA",
    "INTERMEDIATE_CUFF_PRESSURE",
    "INTERMEDIATE_TEMPERATURE",
    "PULSE_OXIMETER_CONTINUOUS",
    "PULSE_OXIMETER_SPOT_CHECK",
    "RECORD_ACCESS_CONTROL_POINT",
    "ROWER_DATA",
    "RR_TICKS_PER_SECOND",
    "RSC_MEASUREMENT",
    "TEMPERATURE_MEASUREMENT",
    "TREADMILL_DATA",
    "WEIGHT_MEASUREMENT",
    "Characteristic",
    "Field",
    "Flag",
    "Joiner",
    "MalformedPacket",
    "SensorLocation",
    "Special",
    "Values",
]
