"""Which readings a packet becomes, and when."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_bridge import gatt
from device_bridge.gatt import HeartRate
from device_bridge.heart import Heart
from device_bridge.readings import Listener, Notification, Observation, Reading, rr_intervals

AT = 1_790_000_000_000_000


def heard(measured: HeartRate, at_us: int = AT) -> Notification:
    return Notification(gatt.HEART_RATE_MEASUREMENT, gatt.encode_heart_rate(measured), at_us)


def test_the_last_rr_interval_ends_at_the_notification():
    said = Listener().observations(heard(HeartRate(bpm=64, rr_ticks=(1024, 896, 512))))
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


def test_lost_contact_is_said_and_the_heart_rate_still_sent():
    said = Listener().observations(heard(HeartRate(bpm=0, contact=False)))
    assert said == [Observation("sensor_contact", AT, 0), Observation("heart_rate", AT, 0)]


def test_contact_is_said_when_it_changes_and_once_a_minute():
    listener, told = Listener(), []
    for second, contact in [(0, True), (1, True), (2, False), (3, False), (4, True), (64, True), (65, None)]:
        for said in listener.observations(heard(HeartRate(bpm=70, contact=contact), AT + second * 1_000_000)):
            if said.stream == "sensor_contact":
                told.append((second, said.value))
    assert told == [(0, 1), (2, 0), (4, 1), (64, 1)]


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
    def beaten(seed: int) -> list[HeartRate]:
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
