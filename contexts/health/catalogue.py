"""Everything that can be measured: for each metric its unit, its code, and what a living person can show.

LOINC codes (loinc.org) stand only where one names the same thing; where none is known to do so there is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from contexts.health import units
from contexts.health.units import Units, Way


class Kind(StrEnum):
    """What a metric is about."""

    VITAL = "vital"
    BODY = "body"
    ACTIVITY = "activity"
    SLEEP = "sleep"
    GLUCOSE = "glucose"
    HRV = "hrv"
    DEVICE = "device"


class Aggregation(StrEnum):
    """What many values of a time say together."""

    MEAN = "mean"
    SUM = "sum"
    LAST = "last"


class Stream(IntEnum):
    """The metrics by their numbers, which are stored: never change them."""

    heart_rate = 1
    rr_interval = 2
    battery = 3
    sensor_contact = 4
    resting_heart_rate = 5
    walking_heart_rate = 6
    heart_rate_recovery = 7
    pulse_rate = 8
    respiratory_rate = 9
    oxygen_saturation = 10
    perfusion_index = 11
    blood_pressure_systolic = 12
    blood_pressure_diastolic = 13
    blood_pressure_mean = 14
    body_temperature = 15
    basal_body_temperature = 16
    skin_temperature = 17
    peak_expiratory_flow = 18
    forced_expiratory_volume = 19
    forced_vital_capacity = 20
    body_mass = 21
    body_height = 22
    body_mass_index = 23
    body_fat = 24
    lean_body_mass = 25
    muscle_mass = 26
    bone_mass = 27
    body_water = 28
    waist_circumference = 29
    hip_circumference = 30
    basal_metabolic_rate = 31
    body_impedance = 32
    visceral_fat_rating = 33
    water_intake = 34
    steps = 35
    walking_distance = 36
    cycling_distance = 37
    flights_climbed = 38
    active_energy = 39
    resting_energy = 40
    energy_burned = 41
    exercise_duration = 42
    sedentary_duration = 43
    power = 44
    cadence = 45
    speed = 46
    vo2_max = 47
    sleep_duration = 48
    deep_sleep_duration = 49
    light_sleep_duration = 50
    rem_sleep_duration = 51
    awake_duration = 52
    time_in_bed = 53
    sleep_latency = 54
    sleep_efficiency = 55
    blood_glucose = 56
    interstitial_glucose = 57
    haemoglobin_a1c = 58
    blood_ketones = 59
    blood_lactate = 60
    hrv_sdnn = 61
    hrv_rmssd = 62
    hrv_pnn50 = 63
    distance = 64
    stride_length = 65
    running = 66
    step_rate = 67
    stroke_rate = 68
    strokes = 69
    pedal_balance = 70
    accumulated_torque = 71
    incline = 72
    ramp_angle = 73
    ascent = 74
    descent = 75
    resistance_level = 76
    metabolic_equivalent = 77
    counted_energy = 78
    muscle_percentage = 79
    soft_lean_mass = 80
    body_water_mass = 81
    cuff_pressure = 82
    carbohydrate_intake = 83
    exercise_intensity = 84
    medication_mass = 85
    medication_volume = 86
    interim_body_temperature = 87


SAID = (-1e9, 1e9)
"""What a value may be in the unit in which it is told."""

POSSIBLE = (-1e6, 1e6)
"""What a value may be in its stored unit. Anything else is a malformed reading."""

SIXTEEN_BITS = (0.0, 65_535.0)
"""What a characteristic of unsigned 16 bits can say."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One thing that is measured. Ranges and resolution are in the stored unit."""

    stream: Stream
    kind: Kind
    units: Units
    loinc: str | None
    plausible: tuple[float, float]
    """What a living person and a working device can show. Outside of it a reading is kept, but in quarantine."""
    resolution: float
    """The smallest difference that means anything: shown values are rounded to it."""
    aggregation: Aggregation
    possible: tuple[float, float] = POSSIBLE

    @property
    def name(self) -> str:
        """As readings name it."""
        return self.stream.name

    @property
    def unit(self) -> str:
        """In which it is stored, by UCUM."""
        return self.units.stored

    def way(self, unit: str | None) -> Way | None:
        """From this unit to the stored one, which `None` stands for; None for a unit that is not accepted."""
        return self.units.ways.get(self.unit if unit is None else unit)


_S, _U = Stream, units
_VITAL, _BODY, _ACTIVITY, _SLEEP, _GLUCOSE, _HRV, _DEVICE = Kind
_MEAN, _SUM, _LAST = Aggregation
_METRICS = (
    Metric(_S.heart_rate, _VITAL, _U.RATE, "8867-4", (40, 220), 1, _MEAN, SIXTEEN_BITS),
    Metric(_S.rr_interval, _HRV, _U.MILLISECONDS, None, (60_000 // 220, 60_000 // 40), 0.1, _MEAN, SIXTEEN_BITS),
    Metric(_S.battery, _DEVICE, _U.PERCENT, None, (0, 100), 1, _LAST, SIXTEEN_BITS),
    Metric(_S.sensor_contact, _DEVICE, _U.COUNT, None, (0, 1), 1, _LAST, SIXTEEN_BITS),
    Metric(_S.resting_heart_rate, _VITAL, _U.RATE, "40443-4", (25, 150), 1, _MEAN),
    Metric(_S.walking_heart_rate, _VITAL, _U.RATE, None, (40, 220), 1, _MEAN),
    Metric(_S.heart_rate_recovery, _VITAL, _U.RATE, None, (0, 120), 1, _LAST),
    Metric(_S.pulse_rate, _VITAL, _U.RATE, "8889-8", (25, 250), 1, _MEAN),
    Metric(_S.respiratory_rate, _VITAL, _U.RATE, "9279-1", (3, 80), 0.1, _MEAN),
    Metric(_S.oxygen_saturation, _VITAL, _U.PERCENT, "59408-5", (50, 100), 0.1, _MEAN),
    Metric(_S.perfusion_index, _VITAL, _U.PERCENT, "61006-3", (0.02, 20), 0.01, _MEAN),
    Metric(_S.blood_pressure_systolic, _VITAL, _U.PRESSURE, "8480-6", (50, 300), 1, _MEAN),
    Metric(_S.blood_pressure_diastolic, _VITAL, _U.PRESSURE, "8462-4", (20, 200), 1, _MEAN),
    Metric(_S.blood_pressure_mean, _VITAL, _U.PRESSURE, "8478-0", (30, 250), 1, _MEAN),
    Metric(_S.body_temperature, _VITAL, _U.TEMPERATURE, "8310-5", (30, 44), 0.01, _MEAN),
    Metric(_S.basal_body_temperature, _VITAL, _U.TEMPERATURE, None, (34, 40), 0.01, _LAST),
    Metric(_S.skin_temperature, _VITAL, _U.TEMPERATURE, "39106-0", (10, 45), 0.01, _MEAN),
    Metric(_S.peak_expiratory_flow, _VITAL, _U.FLOW, "33452-4", (30, 1_000), 1, _LAST),
    Metric(_S.forced_expiratory_volume, _VITAL, _U.VOLUME, "20150-9", (0.2, 8), 0.01, _LAST),
    Metric(_S.forced_vital_capacity, _VITAL, _U.VOLUME, "19868-9", (0.3, 10), 0.01, _LAST),
    Metric(_S.body_mass, _BODY, _U.MASS, "29463-7", (2, 650), 0.01, _LAST),
    Metric(_S.body_height, _BODY, _U.LENGTH, "8302-2", (0.3, 2.75), 0.001, _LAST),
    Metric(_S.body_mass_index, _BODY, _U.MASS_PER_AREA, "39156-5", (5, 150), 0.1, _LAST),
    Metric(_S.body_fat, _BODY, _U.PERCENT, "41982-0", (1, 75), 0.1, _LAST),
    Metric(_S.lean_body_mass, _BODY, _U.MASS, "91557-9", (1, 250), 0.01, _LAST),
    Metric(_S.muscle_mass, _BODY, _U.MASS, "73964-9", (1, 200), 0.01, _LAST),
    Metric(_S.bone_mass, _BODY, _U.MASS, None, (0.3, 10), 0.01, _LAST),
    Metric(_S.body_water, _BODY, _U.PERCENT, None, (20, 85), 0.1, _LAST),
    Metric(_S.waist_circumference, _BODY, _U.LENGTH, "8280-0", (0.2, 3), 0.001, _LAST),
    Metric(_S.hip_circumference, _BODY, _U.LENGTH, "62409-8", (0.2, 3), 0.001, _LAST),
    Metric(_S.basal_metabolic_rate, _BODY, _U.ENERGY_PER_DAY, None, (2_000, 20_000), 1, _LAST),
    Metric(_S.body_impedance, _BODY, _U.RESISTANCE, None, (100, 2_000), 0.1, _LAST),
    Metric(_S.visceral_fat_rating, _BODY, _U.COUNT, None, (1, 60), 1, _LAST),
    Metric(_S.water_intake, _BODY, _U.VOLUME, None, (0, 10), 0.01, _SUM),
    Metric(_S.steps, _ACTIVITY, _U.STEPS, "55423-8", (0, 100_000), 1, _SUM),
    Metric(_S.walking_distance, _ACTIVITY, _U.WAY_LENGTH, "55430-3", (0, 300_000), 1, _SUM),
    Metric(_S.cycling_distance, _ACTIVITY, _U.WAY_LENGTH, None, (0, 900_000), 1, _SUM),
    Metric(_S.flights_climbed, _ACTIVITY, _U.FLIGHTS, "100304-5", (0, 2_000), 1, _SUM),
    Metric(_S.active_energy, _ACTIVITY, _U.ENERGY, None, (0, 60_000), 1, _SUM),
    Metric(_S.resting_energy, _ACTIVITY, _U.ENERGY, None, (0, 20_000), 1, _SUM),
    Metric(_S.energy_burned, _ACTIVITY, _U.ENERGY, "41981-2", (0, 80_000), 1, _SUM),
    Metric(_S.exercise_duration, _ACTIVITY, _U.SECONDS, "55411-3", (0, 86_400), 1, _SUM),
    Metric(_S.sedentary_duration, _ACTIVITY, _U.SECONDS, None, (0, 86_400), 1, _SUM),
    Metric(_S.power, _ACTIVITY, _U.POWER, None, (0, 2_500), 1, _MEAN),
    Metric(_S.cadence, _ACTIVITY, _U.RATE, None, (0, 300), 0.5, _MEAN),
    Metric(_S.speed, _ACTIVITY, _U.SPEED, None, (0, 40), 0.01, _MEAN),
    Metric(_S.vo2_max, _ACTIVITY, _U.OXYGEN, None, (10, 100), 0.1, _LAST),
    Metric(_S.sleep_duration, _SLEEP, _U.SECONDS, "93832-4", (0, 86_400), 60, _SUM),
    Metric(_S.deep_sleep_duration, _SLEEP, _U.SECONDS, "93831-6", (0, 86_400), 60, _SUM),
    Metric(_S.light_sleep_duration, _SLEEP, _U.SECONDS, "93830-8", (0, 86_400), 60, _SUM),
    Metric(_S.rem_sleep_duration, _SLEEP, _U.SECONDS, "93829-0", (0, 86_400), 60, _SUM),
    Metric(_S.awake_duration, _SLEEP, _U.SECONDS, None, (0, 86_400), 60, _SUM),
    Metric(_S.time_in_bed, _SLEEP, _U.SECONDS, None, (0, 86_400), 60, _SUM),
    Metric(_S.sleep_latency, _SLEEP, _U.SECONDS, None, (0, 43_200), 60, _LAST),
    Metric(_S.sleep_efficiency, _SLEEP, _U.PERCENT, None, (0, 100), 1, _LAST),
    Metric(_S.blood_glucose, _GLUCOSE, _U.GLUCOSE, "15074-8", (0.5, 60), 0.01, _MEAN),
    Metric(_S.interstitial_glucose, _GLUCOSE, _U.GLUCOSE, None, (1, 40), 0.01, _MEAN),
    Metric(_S.haemoglobin_a1c, _GLUCOSE, _U.HAEMOGLOBIN, "59261-8", (10, 200), 0.1, _LAST),
    Metric(_S.blood_ketones, _GLUCOSE, _U.KETONES, None, (0, 20), 0.01, _LAST),
    Metric(_S.blood_lactate, _GLUCOSE, _U.LACTATE, "32693-4", (0.1, 40), 0.01, _LAST),
    Metric(_S.hrv_sdnn, _HRV, _U.MILLISECONDS, "80404-7", (1, 500), 0.1, _MEAN),
    Metric(_S.hrv_rmssd, _HRV, _U.MILLISECONDS, None, (1, 500), 0.1, _MEAN),
    Metric(_S.hrv_pnn50, _HRV, _U.PERCENT, None, (0, 100), 0.1, _MEAN),
    # What fitness machines and sensors say. Distance, strokes, torque, climb and energy are counters: they go on from
    # where the device began, so their last value stands for a time, and no sum does.
    Metric(_S.distance, _ACTIVITY, _U.WAY_LENGTH, None, (0, 999_999), 1, _LAST),
    Metric(_S.stride_length, _ACTIVITY, _U.LENGTH, None, (0, 5), 0.01, _MEAN),
    Metric(_S.running, _ACTIVITY, _U.COUNT, None, (0, 1), 1, _LAST),
    Metric(_S.step_rate, _ACTIVITY, _U.RATE, None, (0, 400), 1, _MEAN),
    Metric(_S.stroke_rate, _ACTIVITY, _U.RATE, None, (0, 120), 0.5, _MEAN),
    Metric(_S.strokes, _ACTIVITY, _U.COUNT, None, (0, 65_535), 1, _LAST),
    Metric(_S.pedal_balance, _ACTIVITY, _U.PERCENT, None, (0, 100), 0.5, _MEAN),
    Metric(_S.accumulated_torque, _ACTIVITY, _U.TORQUE, None, (0, 2_048), 0.1, _LAST),
    Metric(_S.incline, _ACTIVITY, _U.PERCENT, None, (-50, 50), 0.1, _MEAN),
    Metric(_S.ramp_angle, _ACTIVITY, _U.ANGLE, None, (-45, 45), 0.1, _MEAN),
    Metric(_S.ascent, _ACTIVITY, _U.LENGTH, None, (0, 10_000), 0.1, _LAST),
    Metric(_S.descent, _ACTIVITY, _U.LENGTH, None, (0, 10_000), 0.1, _LAST),
    Metric(_S.resistance_level, _ACTIVITY, _U.COUNT, None, (-1_000, 1_000), 0.1, _MEAN),
    Metric(_S.metabolic_equivalent, _ACTIVITY, _U.EFFORT, None, (0, 30), 0.1, _MEAN),
    Metric(_S.counted_energy, _ACTIVITY, _U.ENERGY, None, (0, 300_000), 1, _LAST),
    Metric(_S.muscle_percentage, _BODY, _U.PERCENT, None, (10, 80), 0.1, _LAST),
    Metric(_S.soft_lean_mass, _BODY, _U.MASS, None, (1, 250), 0.01, _LAST),
    Metric(_S.body_water_mass, _BODY, _U.MASS, None, (1, 200), 0.01, _LAST),
    Metric(_S.cuff_pressure, _DEVICE, _U.PRESSURE, None, (0, 300), 1, _LAST),
    Metric(_S.carbohydrate_intake, _GLUCOSE, _U.WEIGHED, None, (0, 1_000), 0.1, _SUM),
    Metric(_S.exercise_intensity, _GLUCOSE, _U.PERCENT, None, (0, 100), 1, _LAST),
    Metric(_S.medication_mass, _GLUCOSE, _U.DOSE, None, (0, 5_000), 0.1, _SUM),
    Metric(_S.medication_volume, _GLUCOSE, _U.DOSE_VOLUME, None, (0, 100), 0.01, _SUM),
    Metric(_S.interim_body_temperature, _DEVICE, _U.TEMPERATURE, None, (20, 44), 0.01, _LAST),
)

METRICS: dict[Stream, Metric] = {metric.stream: metric for metric in _METRICS}
BY_NAME: dict[str, Metric] = {metric.name: metric for metric in _METRICS}
