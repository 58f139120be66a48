"""The kinds of virtual devices, as one table: their services, and what they say of a body at each step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from device_bridge import gatt
from device_bridge.virtual.bodies import Body

Said = list[tuple[int, gatt.Values]]
"""(characteristic, values), in the order in which they are said."""

SHORT_PACKET = 20
"""What an ATT packet of the smallest size carries: machines split what is longer."""


@dataclass(frozen=True)
class Kind:
    """services: characteristics by service. says: at a step. indicated: what needs a confirmation; the rest is
    notified. records: what is kept, and told when asked. paired: a stranger may not ask for them. sets_clock: takes
    the time from whoever connects. every: says something at each so many steps only."""

    services: dict[int, tuple[int, ...]]
    says: Callable[[Body, datetime], Said]
    indicated: frozenset[int] = frozenset()
    records: bool = False
    paired: bool = False
    sets_clock: bool = False
    every: int = 1


def _ticks(second: float, per_second: int = 1024) -> int:
    return int(second * per_second) & 0xFFFF


def _turns(body: Body, ticks_per_second: int = 1024) -> gatt.Values:
    return {
        "wheel_revolutions": int(body.wheels),
        "wheel_ticks": _ticks(body.wheel_event_s, ticks_per_second),
        "crank_revolutions": int(body.cranks) & 0xFFFF,
        "crank_ticks": _ticks(body.crank_event_s),
    }


def _machine(body: Body) -> gatt.Values:
    return {
        "energy_kcal": int(body.burnt_kcal),
        "energy_per_hour_kcal": round(body.power_w * 3.6),
        "energy_per_minute_kcal": round(body.power_w * 0.06),
        "heart_rate": body.pulse.bpm,
        "elapsed": int(body.elapsed_s),
    }


def _strap(body: Body, _: datetime) -> Said:
    return [(gatt.HEART_RATE_MEASUREMENT, body.pulse.said())]


def _oximeter(body: Body, _: datetime) -> Said:
    return [(gatt.PULSE_OXIMETER_CONTINUOUS, {"spo2": body.spo2, "pulse_rate": float(body.pulse.bpm)})]


def _spot_oximeter(body: Body, at: datetime) -> Said:
    values = {"spo2": body.spo2, "pulse_rate": float(body.pulse.bpm), "time": at, "status": 1 << 7}
    return [(gatt.PULSE_OXIMETER_SPOT_CHECK, values)]


def _speed_cadence(body: Body, _: datetime) -> Said:
    return [(gatt.CSC_MEASUREMENT, _turns(body))]


def _foot_pod(body: Body, _: datetime) -> Said:
    stride_m = round(body.run_mps / (body.step_rate / 120), 2)
    values = {"speed": body.run_mps, "cadence": round(body.step_rate / 2), "running": body.run_mps > 2}
    return [(gatt.RSC_MEASUREMENT, {**values, "stride_length": stride_m, "distance": body.run_m})]


def _power_meter(body: Body, _: datetime) -> Said:
    values = {"power": round(body.power_w), "pedal_balance": 49.5, "balance_is_left": True, **_turns(body, 2048)}
    angles = {"first_angle": 90, "forces": tuple(round(body.power_w * part / 8) for part in (1, 3, 4, 2))}
    return [(gatt.CYCLING_POWER_MEASUREMENT, values), (gatt.CYCLING_POWER_VECTOR, {"direction": 1, **angles})]


def _bike(body: Body, _: datetime) -> Said:
    values = {"speed_kmh": body.ride_mps * 3.6, "cadence": body.cadence_rpm, "power": round(body.power_w)}
    rest = {"distance": int(body.ridden_m), "resistance": 4, **_machine(body)}
    return [(gatt.INDOOR_BIKE_DATA, values | rest)]


def _treadmill(body: Body, _: datetime) -> Said:
    values = {"speed_kmh": body.run_mps * 3.6, "average_speed_kmh": 11.0, "distance": int(body.run_m)}
    slope = {"incline": 1.5, "ramp_angle": 0.9, "climbed": body.run_m * 0.015, "descended": 0.0}
    return [(gatt.TREADMILL_DATA, values | slope | _machine(body))]


def _rower(body: Body, _: datetime) -> Said:
    values = {"stroke_rate": body.stroke_rate, "strokes": int(body.strokes), "distance": int(body.rowed_m)}
    pull = {"pace": round(500 / max(body.row_mps, 0.5)), "power": round(body.power_w)}
    return [(gatt.ROWER_DATA, values | pull | _machine(body))]


def _cross_trainer(body: Body, _: datetime) -> Said:
    values = {"speed_kmh": body.run_mps * 2.5, "distance": int(body.run_m * 0.7), "resistance": 7}
    steps = {"step_rate": round(body.step_rate * 0.8), "average_step_rate": 130, "power": round(body.power_w)}
    return [(gatt.CROSS_TRAINER_DATA, values | steps | _machine(body))]


def _scale(body: Body, at: datetime) -> Said:
    kilograms = body.mass_kg + body.chance.gauss(0, 0.1)
    height = {"bmi": kilograms / body.height_m**2, "height_m": body.height_m}
    lean_kg = kilograms * (1 - body.body_fat / 100)
    parts: gatt.Values = {
        "body_fat": body.body_fat,
        "time": at,
        "user": 1,
        "basal_metabolism": 7000,
        "muscle_percentage": 41.5,
        "muscle_mass_kg": kilograms * 0.415,
        "fat_free_mass_kg": lean_kg,
        "soft_lean_mass_kg": lean_kg * 0.95,
        "body_water_mass_kg": lean_kg * 0.73,
        "impedance": 512.3,
    }
    return [
        (gatt.WEIGHT_MEASUREMENT, {"weight_kg": kilograms, "time": at, "user": 1, **height}),
        (gatt.BODY_COMPOSITION_MEASUREMENT, parts),
    ]


def _cuff(body: Body, at: datetime) -> Said:
    systolic, diastolic, mean = body.pressures()
    nothing = gatt.Special.NOT_A_NUMBER
    going_up = {"systolic_mmhg": 90.0, "diastolic_mmhg": nothing, "mean_arterial_mmhg": nothing}
    found = {"systolic_mmhg": systolic, "diastolic_mmhg": diastolic, "mean_arterial_mmhg": mean}
    rest = {"time": at, "pulse_rate": float(body.pulse.bpm), "user": 1, "status": 0}
    return [(gatt.INTERMEDIATE_CUFF_PRESSURE, going_up), (gatt.BLOOD_PRESSURE_MEASUREMENT, found | rest)]


def _meter(body: Body, at: datetime) -> Said:
    measured = {"glucose_kg_per_l": body.glucose_mg_dl() / 100_000, "type_and_location": (1, 1)}
    values = {"base_time": at, "offset_min": 0, "context_follows": True, "sensor_status": 0, **measured}
    return [
        (gatt.GLUCOSE_MEASUREMENT, values),
        (gatt.GLUCOSE_CONTEXT, {"carbohydrate_kind": 2, "carbohydrate_kg": 0.04}),
    ]


def _thermometer(body: Body, at: datetime) -> Said:
    celsius = body.temperature_c()
    return [
        (gatt.INTERMEDIATE_TEMPERATURE, {"temperature_c": round(celsius - 0.4, 1)}),
        (gatt.TEMPERATURE_MEASUREMENT, {"temperature_c": celsius, "time": at, "site": 1}),
    ]


def _watch(body: Body, at: datetime) -> Said:
    return [*_strap(body, at), *_foot_pod(body, at)]


BATTERY = {gatt.BATTERY_SERVICE: (gatt.BATTERY_LEVEL,)}
SPOT = gatt.PULSE_OXIMETER_SPOT_CHECK
SCALES = frozenset({gatt.WEIGHT_MEASUREMENT, gatt.BODY_COMPOSITION_MEASUREMENT})
MACHINE = gatt.FITNESS_MACHINE_SERVICE
POWER = (gatt.CYCLING_POWER_MEASUREMENT, gatt.CYCLING_POWER_VECTOR)
PRESSURE = (gatt.BLOOD_PRESSURE_MEASUREMENT, gatt.INTERMEDIATE_CUFF_PRESSURE)
TEMPERATURE = (gatt.TEMPERATURE_MEASUREMENT, gatt.INTERMEDIATE_TEMPERATURE)
GLUCOSE = (gatt.GLUCOSE_MEASUREMENT, gatt.GLUCOSE_CONTEXT)

KINDS: dict[str, Kind] = {
    "strap": Kind({gatt.HEART_RATE_SERVICE: (gatt.HEART_RATE_MEASUREMENT,), **BATTERY}, _strap),
    "oximeter": Kind({gatt.PULSE_OXIMETER_SERVICE: (gatt.PULSE_OXIMETER_CONTINUOUS,), **BATTERY}, _oximeter),
    "spot-oximeter": Kind(
        {gatt.PULSE_OXIMETER_SERVICE: (SPOT,)}, _spot_oximeter, frozenset({SPOT}), records=True, sets_clock=True
    ),
    "speed-cadence": Kind({gatt.CYCLING_SPEED_AND_CADENCE_SERVICE: (gatt.CSC_MEASUREMENT,)}, _speed_cadence),
    "foot-pod": Kind({gatt.RUNNING_SPEED_AND_CADENCE_SERVICE: (gatt.RSC_MEASUREMENT,), **BATTERY}, _foot_pod),
    "power-meter": Kind({gatt.CYCLING_POWER_SERVICE: POWER, **BATTERY}, _power_meter),
    "bike": Kind({MACHINE: (gatt.INDOOR_BIKE_DATA,)}, _bike),
    "treadmill": Kind({MACHINE: (gatt.TREADMILL_DATA,)}, _treadmill),
    "rower": Kind({MACHINE: (gatt.ROWER_DATA,)}, _rower),
    "cross-trainer": Kind({MACHINE: (gatt.CROSS_TRAINER_DATA,)}, _cross_trainer),
    "scale": Kind(
        {
            gatt.WEIGHT_SCALE_SERVICE: (gatt.WEIGHT_MEASUREMENT,),
            gatt.BODY_COMPOSITION_SERVICE: (gatt.BODY_COMPOSITION_MEASUREMENT,),
        },
        _scale,
        SCALES,
        sets_clock=True,
        every=4,
    ),
    "cuff": Kind(
        {gatt.BLOOD_PRESSURE_SERVICE: PRESSURE},
        _cuff,
        frozenset({gatt.BLOOD_PRESSURE_MEASUREMENT}),
        sets_clock=True,
        every=4,
    ),
    "glucose-meter": Kind({gatt.GLUCOSE_SERVICE: GLUCOSE}, _meter, records=True, paired=True, sets_clock=True),
    "thermometer": Kind(
        {gatt.HEALTH_THERMOMETER_SERVICE: TEMPERATURE},
        _thermometer,
        frozenset({gatt.TEMPERATURE_MEASUREMENT}),
        every=4,
    ),
    "watch": Kind(
        {
            gatt.HEART_RATE_SERVICE: (gatt.HEART_RATE_MEASUREMENT,),
            gatt.RUNNING_SPEED_AND_CADENCE_SERVICE: (gatt.RSC_MEASUREMENT,),
        },
        _watch,
    ),
}
"""By the name the command line knows; "watch" is a combined sensor, of one link and two streams."""


def packets(characteristic: int, values: gatt.Values) -> list[bytes]:
    """What goes over the air: one packet, or several where a machine or a scale splits."""
    table = gatt.CHARACTERISTICS[characteristic]
    if characteristic == gatt.BODY_COMPOSITION_MEASUREMENT:
        late: gatt.Values = {name: values[name] for name in ("body_water_mass_kg", "impedance") if name in values}
        early: gatt.Values = {name: value for name, value in values.items() if name not in late}
        return [
            table.encode({**early, "several_packets": True}),
            table.encode({"body_fat": None, **late, "several_packets": True}),
        ]
    if table.joined_by is not None and len(table.encode(values)) > SHORT_PACKET:
        return table.split(values, SHORT_PACKET)
    return [table.encode(values)]
