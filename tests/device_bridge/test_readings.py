"""Which readings a packet becomes, and when."""

from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_bridge import gatt
from device_bridge.heart import Heart, Pulse
from device_bridge.meanings import FROM_TISSUE, OTHERWISE, SAID, STREAMS
from device_bridge.readings import LINK_ENDED, Listener, Notification, Observation, Reading, Wearing, rr_intervals

AT = 1_790_000_000_000_000
SECOND = 1_000_000
BERLIN = Wearing(zone=ZoneInfo("Europe/Berlin"))
MEASURED_AT = 1_768_476_600_000_000
"""2026-01-15 12:30 in Berlin."""


def heard(values: gatt.Values, at_us: int = AT, number: int = gatt.HEART_RATE_MEASUREMENT) -> Notification:
    return Notification(number, gatt.encode(number, values), at_us)


def told(number: int, values: gatt.Values, wearing: Wearing = BERLIN) -> dict[str, float]:
    """Streams and values of one packet."""
    return {seen.stream: seen.value for seen in Listener(wearing).observations(heard(values, number=number))}


def test_the_last_rr_interval_ends_at_the_notification():
    said = Listener().observations(heard({"heart_rate": 64, "rr_ticks": (1024, 896, 512)}))
    assert said == [
        Observation("heart_rate", AT, 64),
        Observation("rr_interval", AT - 1_375_000, 1000.0),
        Observation("rr_interval", AT - 500_000, 875.0),
        Observation("rr_interval", AT, 500.0),
    ]


@given(st.lists(st.integers(1, 0xFFFF), min_size=1, max_size=9).map(tuple))
def test_rr_times_are_apart_by_the_intervals_themselves(ticks):
    found = rr_intervals(ticks, AT)
    assert found[-1].time_us == AT
    for earlier, later in pairwise(found):
        assert later.time_us - earlier.time_us == pytest.approx(later.value * 1000, abs=1)


def test_lost_contact_is_said_and_the_heart_rate_sent_with_a_doubt():
    said = Listener().observations(heard({"heart_rate": 0, "contact": False, "rr_ticks": (1024,)}))
    assert said == [
        Observation("sensor_contact", AT, 0),
        Observation("heart_rate", AT, 0, doubts=("no_contact",)),
        Observation("rr_interval", AT, 1000.0, doubts=("no_contact",)),
    ]


def test_contact_is_said_when_it_changes_and_once_a_minute():
    listener, changes = Listener(), []
    for second, contact in [(0, True), (1, True), (2, False), (3, False), (4, True), (64, True), (65, None)]:
        values = {"heart_rate": 70} if contact is None else {"heart_rate": 70, "contact": contact}
        for said in listener.observations(heard(values, AT + second * SECOND)):
            if said.stream == "sensor_contact":
                changes.append((second, said.value))
    assert changes == [(0, 1), (2, 0), (4, 1), (64, 1)]


def test_battery_level_is_a_reading():
    said = Listener().observations(Notification(gatt.BATTERY_LEVEL, b"\x57", AT))
    assert said == [Observation("battery", AT, 87)]


def test_other_characteristics_say_nothing():
    assert Listener().observations(Notification(gatt.BODY_SENSOR_LOCATION, b"\x01", AT)) == []


def test_a_reading_travels_with_microseconds_in_utc():
    reading = Reading(stream="heart_rate", time_us=AT + 7, value=61, sequence=3, position=9)
    assert reading.as_json() == {
        "stream": "heart_rate",
        "time": "2026-09-21T14:13:20.000007Z",
        "sequence": 3,
        "value": 61,
    }


def test_the_simulated_heart_is_plausible_and_repeatable():
    def beaten(seed: int) -> list[Pulse]:
        heart = Heart(seed=seed)
        return [heart.until(second) for second in range(1, 900)]

    first = beaten(5)
    assert first == beaten(5)
    assert first != beaten(6)
    assert all(50 <= said.bpm <= 200 for said in first)
    assert max(said.bpm for said in first) - min(said.bpm for said in first) > 50
    assert max(abs(a.bpm - b.bpm) for a, b in pairwise(first)) <= 10
    beats = [ticks for said in first for ticks in said.rr_ticks]
    assert sum(beats) / 1024 == pytest.approx(899, abs=2)


def test_every_stream_has_a_unit_and_every_value_a_stream():
    said = {says.stream for table in (SAID, *OTHERWISE.values()) for says in table.values()}
    said |= {says.stream for says in FROM_TISSUE.values()}
    assert said | {"rr_interval", "sensor_contact"} == set(STREAMS)
    assert Observation("glucose", AT, 5.5).unit == "mmol/L"
    fields = {part.name for table in gatt.CHARACTERISTICS.values() for part in (*table.fields, *table.flags)}
    assert {name for table in (SAID, *OTHERWISE.values()) for name in table} <= fields


def test_values_arrive_in_the_units_of_their_streams():
    pressure = {"systolic_kpa": 16.0, "diastolic_kpa": 10.7, "mean_arterial_kpa": 12.4}
    assert told(gatt.BLOOD_PRESSURE_MEASUREMENT, pressure) == {
        "blood_pressure_systolic": pytest.approx(120.01, abs=0.01),
        "blood_pressure_diastolic": pytest.approx(80.26, abs=0.01),
        "blood_pressure_mean": pytest.approx(93.01, abs=0.01),
    }
    assert told(gatt.WEIGHT_MEASUREMENT, {"weight_lb": 155.88}) == {"weight": pytest.approx(70.7060, abs=1e-4)}
    assert told(gatt.TEMPERATURE_MEASUREMENT, {"temperature_f": 98.6}) == {"body_temperature": pytest.approx(37.0)}
    assert told(gatt.INTERMEDIATE_TEMPERATURE, {"temperature_c": 36.1}) == {"body_temperature_interim": 36.1}
    bike = {"speed_kmh": 36.0, "energy_kcal": 100, "energy_per_hour_kcal": None, "energy_per_minute_kcal": None}
    assert told(gatt.INDOOR_BIKE_DATA, bike) == {"speed": 10.0, "energy": pytest.approx(418.4)}


@pytest.mark.parametrize("concentration", [{"glucose_kg_per_l": 0.0009008}, {"glucose_mol_per_l": 0.005}])
def test_glucose_is_in_mmol_per_litre_whatever_the_meter_says(concentration):
    values = {"record": 1, "base_time": None, "type_and_location": (1, 1), **concentration}
    assert told(gatt.GLUCOSE_MEASUREMENT, values) == {"glucose": pytest.approx(5.0, rel=2e-3)}


def test_a_machine_without_a_strap_says_no_heart_rate():
    assert told(gatt.INDOOR_BIKE_DATA, {"power": 200, "heart_rate": 0}) == {"power": 200}
    assert told(gatt.INDOOR_BIKE_DATA, {"power": 200, "heart_rate": 140}) == {"power": 200, "heart_rate": 140}


def test_cadence_and_speed_come_from_the_counters_and_power_never_does():
    listener, streams = Listener(Wearing(wheel_circumference_m=2.0)), {}
    for second in range(4):
        turned = {"wheel_revolutions": 100 + 5 * second, "wheel_ticks": 65_000 + 1024 * second & 0xFFFF}
        cranked = {"crank_revolutions": 65_535 + second & 0xFFFF, "crank_ticks": 60_000 + 1024 * second & 0xFFFF}
        packet = heard(turned | cranked, AT + second * SECOND, gatt.CSC_MEASUREMENT)
        for seen in listener.observations(packet):
            streams.setdefault(seen.stream, []).append(seen.value)
    assert streams == {"cadence": [60.0] * 3, "speed": [10.0] * 3}


def test_a_lost_link_primes_the_counters_anew_and_ends_what_was_begun():
    listener = Listener()
    turned = [{"crank_revolutions": n, "crank_ticks": 1024 * n} for n in range(3)]
    assert listener.observations(heard(turned[0], AT, gatt.CSC_MEASUREMENT)) == []
    bike = [{"speed_kmh": 36.0}, {"power": 200}]
    listener.observations(heard(bike[0], AT, gatt.INDOOR_BIKE_DATA))
    assert listener.observations(heard(bike[1], AT + 1, gatt.INDOOR_BIKE_DATA)) == []
    assert listener.observations(Notification(LINK_ENDED, b"", AT + 2)) == [Observation("power", AT + 1, 200)]
    assert listener.observations(heard(turned[1], AT + SECOND, gatt.CSC_MEASUREMENT)) == []
    assert len(listener.observations(heard(turned[2], AT + 2 * SECOND, gatt.CSC_MEASUREMENT))) == 1


def test_each_device_is_understood_by_what_it_said_before():
    listener, found = Listener(), []
    for n in range(4):
        values = {"crank_revolutions": n // 2 * (1 + n % 2), "crank_ticks": 1024 * (n // 2)}
        packet = gatt.encode(gatt.CSC_MEASUREMENT, values)
        found += listener.observations(Notification(gatt.CSC_MEASUREMENT, packet, AT + n, "ab"[n % 2]))
    assert [(seen.peripheral, seen.value) for seen in found] == [("a", 60), ("b", 120)]


GLUCOSE = {
    "record": 7,
    "base_time": datetime.fromisoformat("2026-01-15T12:00"),
    "offset_min": 30,
    "glucose_mol_per_l": 0.0055,
    "type_and_location": (1, 1),
}


def test_a_stored_measurement_has_the_devices_time_and_a_lasting_number():
    for arrival in (AT, AT + 3600 * SECOND):
        (seen,) = Listener(BERLIN).observations(heard(GLUCOSE, arrival, gatt.GLUCOSE_MEASUREMENT))
        assert (seen.stream, seen.time_us, seen.record, seen.value) == ("glucose", MEASURED_AT, 7, 5.5)
    listener = Listener(BERLIN)
    listener.observations(heard(GLUCOSE, AT, gatt.GLUCOSE_MEASUREMENT))
    context = {"record": 7, "carbohydrate_kind": 2, "carbohydrate_kg": 0.04}
    (seen,) = listener.observations(heard(context, AT + 1, gatt.GLUCOSE_CONTEXT))
    assert (seen.stream, seen.time_us, seen.record, seen.value) == ("carbohydrate", MEASURED_AT, 7, 40.0)


def test_without_a_number_of_its_own_a_stored_measurement_is_known_by_what_it_says():
    noon = datetime.fromisoformat("2026-01-15T12:30")
    weights = [
        Listener(BERLIN).observations(heard({"weight_kg": kg, "time": noon}, AT + n, gatt.WEIGHT_MEASUREMENT))[0]
        for n, kg in enumerate([70.0, 70.0, 70.1])
    ]
    assert {seen.time_us for seen in weights} == {MEASURED_AT}
    assert weights[0] == weights[1]
    assert weights[0].record != weights[2].record
    assert all(0 <= seen.record < 1 << 31 for seen in weights)


def test_a_device_that_does_not_know_the_time_is_timed_at_arrival():
    noon = datetime.fromisoformat("2026-01-15T12:30")
    spot = {"spo2": 97.5, "pulse_rate": 72.0, "time": noon}
    number = gatt.PULSE_OXIMETER_SPOT_CHECK
    assert Listener(BERLIN).observations(heard(spot, number=number))[0].time_us == MEASURED_AT
    assert Listener(BERLIN).observations(heard(spot | {"clock_not_set": True}, number=number))[0].time_us == AT
    assert Listener(BERLIN).observations(heard(spot | {"time": None}, number=number))[0].time_us == AT
    here = datetime.fromtimestamp(MEASURED_AT / SECOND).replace(tzinfo=None)  # noqa: DTZ006 - as a device has it
    assert Listener().observations(heard(spot | {"time": here}, number=number))[0].time_us == MEASURED_AT


def test_what_others_measure_on_a_shared_device_is_theirs():
    values = {"weight_kg": 70.0, "user": 2}
    assert told(gatt.WEIGHT_MEASUREMENT, values, Wearing(user=1)) == {}
    assert told(gatt.WEIGHT_MEASUREMENT, values, Wearing(user=2)) == {"weight": 70.0}
    assert told(gatt.WEIGHT_MEASUREMENT, values) == {"weight": 70.0}
    listener = Listener(Wearing(user=1))
    listener.observations(heard(values, number=gatt.WEIGHT_MEASUREMENT))
    assert listener.of_others == 1
    (unknown,) = listener.observations(heard(values | {"user": None}, number=gatt.WEIGHT_MEASUREMENT))
    assert (unknown.value, unknown.doubts) == (70.0, ("unknown_user",))


def test_a_device_of_several_users_without_a_named_one_is_lamented_once(caplog):
    listener = Listener()
    for user in (1, 1, 2, 1, 3):
        listener.observations(heard({"weight_kg": 70.0, "user": user}, number=gatt.WEIGHT_MEASUREMENT))
    assert caplog.text.count("several_users") == 1


def test_doubts_of_the_device_go_with_the_value_and_no_measurement_is_no_value():
    oximeter = {"spo2": 91.0, "pulse_rate": 72.0}
    doubtful = heard(oximeter | {"status": 1 << 14 | 1 << 6}, number=gatt.PULSE_OXIMETER_CONTINUOUS)
    assert {seen.doubts for seen in Listener().observations(doubtful)} == {("early_estimate", "questionable")}
    for bit in (10, 11, 12, 13, 15):
        assert told(gatt.PULSE_OXIMETER_CONTINUOUS, oximeter | {"status": 1 << bit}) == {}
    finding = {"systolic_mmhg": 120, "diastolic_mmhg": 80, "mean_arterial_mmhg": 93, "status": 1 << 2}
    seen = Listener().observations(heard(finding, number=gatt.BLOOD_PRESSURE_MEASUREMENT))
    assert [one.doubts for one in seen] == [()] * 3, "an irregular pulse is a finding and no fault"
    assert told(gatt.GLUCOSE_MEASUREMENT, GLUCOSE | {"type_and_location": (10, 4)}) == {}, "a control solution"
    assert told(gatt.GLUCOSE_MEASUREMENT, GLUCOSE | {"type_and_location": (9, 1)}) == {"interstitial_glucose": 5.5}
    nothing = {"spo2": gatt.Special.NOT_A_NUMBER, "pulse_rate": 72.0}
    assert told(gatt.PULSE_OXIMETER_CONTINUOUS, nothing) == {"pulse_rate": 72.0}


def test_a_device_is_known_by_what_it_says_of_itself():
    listener = Listener()
    assert listener.observations(Notification(0x2A29, b"Polar\0", AT)) == []
    assert listener.observations(Notification(0x2A25, b"12345", AT)) == []
    assert listener.about() == {"manufacturer": "Polar", "serial_number": "12345"}
    assert listener.about("somebody else") == {}
