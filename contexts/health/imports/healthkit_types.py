"""Apple's names: which HealthKit type is which metric, and which of its unit strings is which UCUM unit.

Apple, «HKQuantityTypeIdentifier», «HKUnit»; for exports the unit strings as they stand in `export.xml`.
"""

from __future__ import annotations

from typing import Final

from contexts.health.catalogue import METRICS, Stream

QUANTITY: Final = "HKQuantityTypeIdentifier"
SLEEP: Final = "HKCategoryTypeIdentifierSleepAnalysis"
BLOOD_PRESSURE: Final = "HKCorrelationTypeIdentifierBloodPressure"

STREAMS: Final[dict[str, Stream]] = {
    QUANTITY + name: stream
    for name, stream in {
        "HeartRate": Stream.heart_rate,
        "RestingHeartRate": Stream.resting_heart_rate,
        "WalkingHeartRateAverage": Stream.walking_heart_rate,
        "HeartRateRecoveryOneMinute": Stream.heart_rate_recovery,
        "HeartRateVariabilitySDNN": Stream.hrv_sdnn,
        "RespiratoryRate": Stream.respiratory_rate,
        "OxygenSaturation": Stream.oxygen_saturation,
        "PeripheralPerfusionIndex": Stream.perfusion_index,
        "BloodPressureSystolic": Stream.blood_pressure_systolic,
        "BloodPressureDiastolic": Stream.blood_pressure_diastolic,
        "BodyTemperature": Stream.body_temperature,
        "BasalBodyTemperature": Stream.basal_body_temperature,
        "AppleSleepingWristTemperature": Stream.skin_temperature,
        "PeakExpiratoryFlowRate": Stream.peak_expiratory_flow,
        "ForcedExpiratoryVolume1": Stream.forced_expiratory_volume,
        "ForcedVitalCapacity": Stream.forced_vital_capacity,
        "BodyMass": Stream.body_mass,
        "Height": Stream.body_height,
        "BodyMassIndex": Stream.body_mass_index,
        "BodyFatPercentage": Stream.body_fat,
        "LeanBodyMass": Stream.lean_body_mass,
        "WaistCircumference": Stream.waist_circumference,
        "DietaryWater": Stream.water_intake,
        "StepCount": Stream.steps,
        "DistanceWalkingRunning": Stream.walking_distance,
        "DistanceCycling": Stream.cycling_distance,
        "FlightsClimbed": Stream.flights_climbed,
        "ActiveEnergyBurned": Stream.active_energy,
        "BasalEnergyBurned": Stream.resting_energy,
        "AppleExerciseTime": Stream.exercise_duration,
        "CyclingPower": Stream.power,
        "RunningPower": Stream.power,
        "CyclingCadence": Stream.cadence,
        "CyclingSpeed": Stream.speed,
        "RunningSpeed": Stream.speed,
        "WalkingSpeed": Stream.speed,
        "VO2Max": Stream.vo2_max,
        "BloodGlucose": Stream.blood_glucose,
    }.items()
}

_UCUM: Final[dict[str, str]] = {
    "count/min": "/min",
    "count/s": "Hz",
    "%": "1",  # HealthKit's percent is a fraction of one
    "mmHg": "mm[Hg]",
    "kPa": "kPa",
    "degC": "Cel",
    "degF": "[degF]",
    "K": "K",
    "kg": "kg",
    "g": "g",
    "lb": "[lb_av]",
    "st": "[stone_av]",
    "m": "m",
    "cm": "cm",
    "mm": "mm",
    "km": "km",
    "in": "[in_i]",
    "ft": "[ft_i]",
    "mi": "[mi_i]",
    "yd": "[yd_i]",
    "kcal": "kcal",
    "Cal": "kcal",
    "kJ": "kJ",
    "J": "J",
    "s": "s",
    "ms": "ms",
    "min": "min",
    "hr": "h",
    "L": "L",
    "mL": "mL",
    "fl_oz_us": "[foz_us]",
    "L/min": "L/min",
    "L/s": "L/s",
    "W": "W",
    "kW": "kW",
    "m/s": "m/s",
    "km/hr": "km/h",
    "mi/hr": "[mi_i]/h",
    "mg/dL": "mg/dL",
    "mL/min·kg": "mL/min/kg",
    "mL/kg*min": "mL/min/kg",
    "ml/(kg*min)": "mL/min/kg",
    "mL/(kg*min)": "mL/min/kg",
}
_COUNTED: Final = {"1", "{steps}", "{flights}", "kg/m2"}
"""Stored units of what HealthKit counts; a body mass index is a count to it."""

MOLES: Final = "mmol<"
"""`mmol<180.1558800000541>/L`: HealthKit writes the molar mass into the unit."""

SLEEP_STAGES: Final[dict[object, str]] = {
    "HKCategoryValueSleepAnalysisInBed": "in_bed",
    "HKCategoryValueSleepAnalysisAsleep": "asleep",
    "HKCategoryValueSleepAnalysisAsleepUnspecified": "asleep",
    "HKCategoryValueSleepAnalysisAwake": "awake",
    "HKCategoryValueSleepAnalysisAsleepCore": "light",
    "HKCategoryValueSleepAnalysisAsleepDeep": "deep",
    "HKCategoryValueSleepAnalysisAsleepREM": "rem",
    0: "in_bed",
    1: "asleep",
    2: "awake",
    3: "light",
    4: "deep",
    5: "rem",
}


def ucum(stream: Stream, unit: object) -> str | None:
    """The UCUM unit for one of Apple's; None for one that this metric is not told in."""
    if not isinstance(unit, str):
        return None
    if unit == "count" and METRICS[stream].unit in _COUNTED:
        return METRICS[stream].unit
    if unit.startswith(MOLES) and unit.endswith("/L"):
        return "mmol/L"
    return _UCUM.get(unit)
