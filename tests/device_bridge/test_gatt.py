"""Every characteristic, byte by byte: what real devices sent, and whatever hypothesis thinks of."""

import math
from datetime import datetime

import pytest
from bumble.profiles.heart_rate_service import HeartRateService
from hypothesis import given, settings
from hypothesis import strategies as st

from device_bridge import gatt
from device_bridge.gatt import MalformedPacket, Special, general
from device_bridge.gatt.forms import DATE_TIME, FLOAT, SFLOAT
from device_bridge.gatt.general import Outcome, RecordRequest
from tests.device_bridge.gatt_values import said

HR, BP = gatt.HEART_RATE_MEASUREMENT, gatt.BLOOD_PRESSURE_MEASUREMENT
CSC, RSC, POWER = gatt.CSC_MEASUREMENT, gatt.RSC_MEASUREMENT, gatt.CYCLING_POWER_MEASUREMENT
LOCAL = datetime.fromisoformat
NO_POWER_FLAGS = {"balance_is_left": False, "torque_at_crank": False, "offset_compensated": False}

GOLDEN = [
    (HR, "16 50 00 04 80 03", {"heart_rate": 80, "contact": True, "rr_ticks": (1024, 896)}),
    (HR, "04 00", {"heart_rate": 0, "contact": False}),
    (HR, "00 3c", {"heart_rate": 60}),
    (HR, "06 3c", {"heart_rate": 60, "contact": True}),
    (HR, "01 2c 01", {"heart_rate": 300}),
    (HR, "08 48 e8 03", {"heart_rate": 72, "energy_kj": 1000}),
    (HR, "1c 41 00 00 00 03", {"heart_rate": 65, "contact": False, "energy_kj": 0, "rr_ticks": (768,)}),
    (HR, "10 3c", {"heart_rate": 60, "rr_ticks": ()}),
    (gatt.PULSE_OXIMETER_CONTINUOUS, "00 6200 4000", {"spo2": 98, "pulse_rate": 64}),
    (gatt.PULSE_OXIMETER_SPOT_CHECK, "00 CFF3 4800", {"spo2": 97.5, "pulse_rate": 72, "clock_not_set": False}),
    (
        gatt.PULSE_OXIMETER_CONTINUOUS,
        "15 6100 4100 6000 4200 8001 0CF0",
        {
            "spo2": 97,
            "pulse_rate": 65,
            "spo2_fast": 96,
            "pulse_rate_fast": 66,
            "status": 0x0180,
            "perfusion_index": 1.2,
        },
    ),
    (
        CSC,
        "03 1D1C0000 D9EB CC0A B9E8",
        {"wheel_revolutions": 7197, "wheel_ticks": 60377, "crank_revolutions": 2764, "crank_ticks": 59577},
    ),
    (
        RSC,
        "07 8002 B4 6E00 E8030000",
        {"speed": 2.5, "cadence": 180, "stride_length": 1.10, "distance": 100.0, "running": True},
    ),
    (POWER, "0000 FBFF", {"power": -5, **NO_POWER_FLAGS}),
    (
        POWER,
        "2C00 0000 9F00 0C00 E542",
        NO_POWER_FLAGS
        | {"power": 0, "accumulated_torque": 4.96875, "torque_at_crank": True}
        | {"crank_revolutions": 12, "crank_ticks": 17125},
    ),
    (POWER, "0001 C800 2D800A", {"power": 200, "angles_of_greatest_and_least": (45, 168), **NO_POWER_FLAGS}),
    (
        gatt.CYCLING_POWER_VECTOR,
        "16 5A00 0A00 F6FF",
        {"first_angle": 90, "forces": (10, -10), "direction": 1},
    ),
    (
        gatt.INDOOR_BIKE_DATA,
        "4402 B80B B400 C800 8C",
        {"speed_kmh": 30.0, "cadence": 90, "power": 200, "heart_rate": 140},
    ),
    (gatt.INDOOR_BIKE_DATA, "4100 2C01", {"power": 300}),
    (gatt.TREADMILL_DATA, "0800 E803 E7FF F6FF", {"speed_kmh": 10, "incline": -2.5, "ramp_angle": -1.0}),
    (gatt.ROWER_DATA, "2000 30 0A00 9600", {"stroke_rate": 24, "strokes": 10, "power": 150}),
    (gatt.CROSS_TRAINER_DATA, "008100 E803 6400", {"speed_kmh": 10, "power": 100, "backward": True}),
    (gatt.WEIGHT_MEASUREMENT, "01 E43C", {"weight_lb": 155.88}),
    (gatt.WEIGHT_MEASUREMENT, "04 B436 FF", {"weight_kg": 70.02, "user": None}),
    (
        gatt.BODY_COMPOSITION_MEASUREMENT,
        "0002 C800 8813",
        {"body_fat": 20.0, "impedance": 500.0, "several_packets": False},
    ),
    (
        BP,
        "04 7800 5000 5D00 4800",
        {"systolic_mmhg": 120, "diastolic_mmhg": 80, "mean_arterial_mmhg": 93, "pulse_rate": 72},
    ),
    (BP, "01 A0F0 6BF0 7CF0", {"systolic_kpa": 16.0, "diastolic_kpa": 10.7, "mean_arterial_kpa": 12.4}),
    (
        gatt.ENHANCED_BLOOD_PRESSURE,
        "42 7800 5000 5D00 80510100",
        {
            "systolic_mmhg": 120,
            "diastolic_mmhg": 80,
            "mean_arterial_mmhg": 93,
            "time": LOCAL("2000-01-02"),
        },
    ),
    (
        gatt.GLUCOSE_MEASUREMENT,
        "02 0100 EA07010F0C1E00 64B0 11",
        {
            "record": 1,
            "base_time": LOCAL("2026-01-15T12:30"),
            "glucose_kg_per_l": 0.001,
            "type_and_location": (1, 1),
            "context_follows": False,
        },
    ),
    (gatt.GLUCOSE_CONTEXT, "01 0100 02 28D0", {"record": 1, "carbohydrate_kind": 2, "carbohydrate_kg": 0.04}),
    (gatt.TEMPERATURE_MEASUREMENT, "00 6C0100FF", {"temperature_c": 36.4}),
    (gatt.INTERMEDIATE_TEMPERATURE, "01 D90300FF", {"temperature_f": 98.5}),
    (gatt.BATTERY_LEVEL, "57", {"battery": 87}),
]


@pytest.mark.parametrize(("number", "packet", "values"), GOLDEN, ids=lambda part: str(part)[:24])
def test_packets_of_real_devices_are_read_bit_for_bit(number, packet, values):
    assert gatt.decode(number, bytes.fromhex(packet)) == values
    again = gatt.encode(number, values)
    assert gatt.decode(number, again) == values
    if number != gatt.GLUCOSE_CONTEXT:  # 0.04 kg is 4000·10⁻⁵ as readily as 40·10⁻³
        assert again == bytes.fromhex(packet)


def test_what_peers_get_wrong_is_right_here():
    oximeter = gatt.decode(gatt.PULSE_OXIMETER_CONTINUOUS, bytes.fromhex("0062004000"))
    assert oximeter["spo2"] == 98.0  # not 9.8e-07: exponents are two's complement, without a bias
    assert gatt.decode(POWER, bytes.fromhex("0000FBFF"))["power"] == -5  # not 65531
    assert gatt.decode(HR, b"\x04\x00")["contact"] is False  # supported, and not detected


@pytest.mark.parametrize("table", gatt.CHARACTERISTICS.values(), ids=lambda table: table.name)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_what_is_encoded_decodes_to_the_same(table, data):
    values = data.draw(said(table))
    packet = table.encode(values)
    assert table.decode(packet) == values
    if not any(part.repeated or part.older for part in table.fields):
        assert table.decode(bytearray(packet) + b"\xaa") == values  # a later edition may say more
    if table.joined_by == 0:
        joined: gatt.Values = {}
        for part in table.split(values, 20):
            assert len(part) <= 20
            joined |= table.decode(part)
        assert joined == values


@settings(max_examples=400, deadline=None)
@given(packet=st.binary(max_size=48))
def test_arbitrary_bytes_are_a_meaning_or_malformed(packet):
    texts = (general.text, general.read_current_time, general.read_request, general.read_answer)
    for read in (*(table.decode for table in gatt.CHARACTERISTICS.values()), *texts):
        try:
            read(packet)
        except MalformedPacket:
            continue


@settings(max_examples=60)
@given(values=said(gatt.CHARACTERISTICS[HR]), data=st.data())
def test_a_packet_cut_short_is_malformed_or_has_fewer_intervals(values, data):
    packet = gatt.encode(HR, values)
    try:
        found = gatt.decode(HR, packet[: data.draw(st.integers(0, len(packet) - 1))])
    except MalformedPacket:
        return
    assert len(found["rr_ticks"]) < len(values["rr_ticks"])
    assert found["rr_ticks"] == values["rr_ticks"][: len(found["rr_ticks"])]


@settings(max_examples=60)
@given(values=said(gatt.CHARACTERISTICS[HR]))
def test_another_implementation_reads_our_packets_alike(values):
    theirs = HeartRateService.HeartRateMeasurement.from_bytes(gatt.encode(HR, values))
    assert (theirs.heart_rate, theirs.energy_expended) == (values["heart_rate"], values.get("energy_kj"))
    assert theirs.sensor_contact_detected == values.get("contact")
    assert tuple(round(rr * 1024) for rr in theirs.rr_intervals or ()) == values.get("rr_ticks", ())


def test_every_16_bit_float_is_read_as_ieee_11073_has_it_and_written_back():
    specials = {0x07FF: "NOT_A_NUMBER", 0x0800: "NOT_AT_THIS_RESOLUTION", 0x0801: "RESERVED"}
    specials |= {0x07FE: "POSITIVE_INFINITY", 0x0802: "NEGATIVE_INFINITY"}
    assert SFLOAT.decode is not None
    for raw in range(0x10000):
        value = SFLOAT.decode(raw)
        if raw in specials:
            assert value is Special[specials[raw]]
        else:
            mantissa, exponent = (raw & 0xFFF ^ 0x800) - 0x800, (raw >> 12 ^ 8) - 8
            assert math.isclose(value, mantissa * 10.0**exponent, rel_tol=1e-12)
        if raw % 7 == 0 or raw in specials:
            assert SFLOAT.decode(SFLOAT.encode(value)) == value


@given(raw=st.integers(0, 0xFFFFFFFF))
def test_every_32_bit_float_survives(raw):
    assert FLOAT.decode is not None
    value = FLOAT.decode(raw)
    assert FLOAT.decode(FLOAT.encode(value)) == value


def test_specials_of_32_bit_floats():
    codes = {0x007FFFFF: "NOT_A_NUMBER", 0x00800000: "NOT_AT_THIS_RESOLUTION", 0x00800001: "RESERVED"}
    codes |= {0x007FFFFE: "POSITIVE_INFINITY", 0x00800002: "NEGATIVE_INFINITY"}
    assert {raw: FLOAT.decode(raw).name for raw in codes} == codes
    assert {FLOAT.encode(Special[name]): name for name in codes.values()} == codes
    for wrong in (math.nan, math.inf, 1e300):
        with pytest.raises(MalformedPacket):
            FLOAT.encode(wrong)
    assert SFLOAT.decode(SFLOAT.encode(1234.5678)) == 1235  # rounded to what fits


def test_not_available_is_none_and_no_number():
    bike = gatt.decode(gatt.INDOOR_BIKE_DATA, bytes.fromhex("0101 FFFF FFFF FF"))
    assert bike == {"energy_kcal": None, "energy_per_hour_kcal": None, "energy_per_minute_kcal": None}
    assert gatt.decode(gatt.WEIGHT_MEASUREMENT, b"\x00\xff\xff") == {"weight_kg": None}


def test_an_older_form_is_told_by_its_length():
    assert gatt.decode(gatt.INDOOR_BIKE_DATA, bytes.fromhex("2100 05")) == {"resistance": 5}
    assert gatt.decode(gatt.INDOOR_BIKE_DATA, bytes.fromhex("2100 FBFF")) == {"resistance": -5}
    assert gatt.decode(gatt.TREADMILL_DATA, bytes.fromhex("2100 0A")) == {"pace": 30.0}


def test_what_does_not_fit_is_refused():
    wrong = [
        (HR, {"heart_rate": 70_000}),
        (HR, {}),
        (HR, {"heart_rate": 60, "spo2": 98}),
        (HR, {"heart_rate": "60"}),
        (POWER, {"power": 100, "wheel_revolutions": 1}),
        (gatt.WEIGHT_MEASUREMENT, {"weight_kg": 327.675}),
        (gatt.TEMPERATURE_MEASUREMENT, {"temperature_c": 36.6, "time": 5}),
        (gatt.GLUCOSE_MEASUREMENT, {"record": 1, "base_time": None, "glucose_mol_per_l": 0.005}),
        (gatt.CYCLING_POWER_VECTOR, {"direction": 4}),
    ]
    for number, values in wrong:
        with pytest.raises(MalformedPacket):
            gatt.encode(number, values)


def test_noise_does_not_fill_the_memory():
    table = gatt.CHARACTERISTICS[gatt.CROSS_TRAINER_DATA]
    for flags in range(0, 1 << 14, 5):
        table.decode(flags.to_bytes(3, "little") + bytes(60))
    assert len(table._layouts) <= 2_000


def test_a_date_of_zeros_is_unknown_and_an_impossible_one_malformed():
    assert DATE_TIME.decode is not None
    assert DATE_TIME.decode(bytes(7)) is None
    for wrong in ("EA07 02 1E 00 00 00", "EA07 0D 01 00 00 00", "EA07 01 01 19 00 00"):
        with pytest.raises(MalformedPacket):
            DATE_TIME.decode(bytes.fromhex(wrong))


def test_clock_texts_and_record_requests():
    now = LOCAL("2026-11-21T13:05:09.500")
    written = general.current_time(now)
    assert written == bytes.fromhex("EA07 0B 15 0D 05 09 06 80 02")
    assert general.read_current_time(written) == now
    assert general.text(b"Polar\0") == "Polar"
    for request in (RecordRequest(), RecordRequest(0), RecordRequest(65_535)):
        assert general.read_request(general.request_records(request)) == request
    assert general.request_records(RecordRequest(0x0102)) == bytes.fromhex("01 03 01 02 01")
    for outcome in Outcome:
        assert general.read_answer(general.answer_records(outcome)) is outcome
    with pytest.raises(MalformedPacket):
        general.request_records(RecordRequest(70_000))


def test_battery_is_a_percentage_and_unknown_places_are_other():
    for wrong in (b"", b"\x65"):
        with pytest.raises(MalformedPacket):
            gatt.decode(gatt.BATTERY_LEVEL, wrong)
    assert gatt.decode(gatt.BODY_SENSOR_LOCATION, b"\x01") == {"location": gatt.SensorLocation.CHEST}
    assert gatt.decode(gatt.BODY_SENSOR_LOCATION, b"\x63") == {"location": gatt.SensorLocation.OTHER}


def parts(number, *values):
    """What a Joiner makes of parts a tenth of a second apart, and what it holds at the end."""
    joiner = gatt.Joiner(gatt.CHARACTERISTICS[number])
    taken = [joiner.take(part, at_us=n * 100_000) for n, part in enumerate(values)]
    return [[whole for whole, _ in each] for each in taken], [whole for whole, _ in joiner.flush()]


def test_a_measurement_in_several_packets_is_one():
    speed, watts, beats = {"speed_kmh": 30.0}, {"power": 200}, {"heart_rate": 140}
    whole = watts | beats | speed
    assert parts(gatt.INDOOR_BIKE_DATA, speed, watts, beats, speed) == ([[speed], [], [], [whole]], [])
    scale = [{"body_fat": 20.0, "impedance": 500.0}, {"body_fat": None, "weight_kg": 70.0}]
    scale = [part | {"several_packets": True} for part in scale]
    assert parts(gatt.BODY_COMPOSITION_MEASUREMENT, *scale) == ([[], [scale[1] | scale[0]]], [])


def test_a_machine_that_never_says_its_speed_is_heard_at_once():
    watts = [{"power": 200}, {"power": 210}]
    assert parts(gatt.INDOOR_BIKE_DATA, *watts) == ([[watts[0]], [watts[1]]], [])


def test_the_beginning_of_a_measurement_without_its_end_is_not_lost():
    speed, early, late = {"speed_kmh": 30.0}, {"power": 200}, {"power": 210}
    assert parts(gatt.INDOOR_BIKE_DATA, speed, early, late) == ([[speed], [], [early]], [late])
