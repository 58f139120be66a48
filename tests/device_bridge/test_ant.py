"""ANT+ pages as sensors send them, and a machine without a stick."""

import pytest

from device_bridge.sources import ant_pages
from device_bridge.sources.ant_pages import BrokenPage, Sensor

AT = 1_790_000_000_000_000
S = 1_000_000


def told(kind: int, *pages: str, every_us: int = S // 4) -> list[tuple[str, float]]:
    """(stream, value) of these pages, one after another."""
    sensor = Sensor(kind)
    return [
        (seen.stream, round(seen.value, 3))
        for number, page in enumerate(pages)
        for seen in sensor.values(bytes.fromhex(page), AT + number * every_us)
    ]


def test_heart_rate_pages_tell_each_beat_once():
    """Pages 0 and 4, the toggle bit set and not; beat 0x65 at 0x1A00, 0x66 at 0x1D80, then two beats at once."""
    pages = ["04FFEC19001A6548", "04FFEC19001A6548", "8400001A801D6649", "00FFFFFF0025684A"]
    assert told(ant_pages.HEART_RATE, *pages) == [
        ("heart_rate", 72),
        ("heart_rate", 73),
        ("rr_interval", 875.0),
        ("heart_rate", 74),
    ]


def test_heart_rate_counters_run_over_and_batteries_are_told_once():
    pages = ["07570000C0FFFF3C", "875700008003003C", "8757000080030100"]
    assert told(ant_pages.HEART_RATE, *pages) == [
        ("battery", 87),
        ("heart_rate", 60),
        ("heart_rate", 60),
        ("rr_interval", 937.5),
    ]


def test_power_pages_tell_watts_and_cadence_once_an_event():
    pages = [
        "10 01 FF 5A 00 00 FA 00",
        "10 01 FF 5A 00 00 FA 00",
        "52 01 00 00 00 00 00 00",
        "10 02 B2 FF FA 00 05 01",
    ]
    assert told(ant_pages.POWER, *pages) == [("power", 250), ("cadence", 90), ("power", 261)]


def test_speed_and_cadence_come_from_differences():
    """A crank of 90 a minute (683 ticks a turn) and a wheel of 4 a second; then both run over."""
    pages = ["00FC FFFF 00FF 0A00", "ABFE 0000 0003 0E00"]
    assert told(ant_pages.SPEED_AND_CADENCE, *pages) == [("cadence", 89.956), ("speed", 8.384)]
    assert told(ant_pages.CADENCE, "00FFFFFF00000100", "80FFFFFF00040300") == [("cadence", 120.0)]
    assert told(ant_pages.SPEED, "00FFFFFF00000100", "80FFFFFF00040400") == [("speed", 6.288)]


def test_a_wheel_that_stands_says_so_once_and_starts_without_a_leap():
    same = ["00FFFFFF00000100"] * 4
    pages = [*same, "00FFFFFF00100300", "00FFFFFF00140500"]
    assert told(ant_pages.SPEED, *pages, every_us=2 * S) == [("speed", 0.0), ("speed", 4.192)]


def test_a_counter_that_began_anew_and_a_broken_page_say_nothing():
    assert told(ant_pages.SPEED, "00FFFFFF0000FF00", "00FFFFFF00040000") == []
    with pytest.raises(BrokenPage):
        Sensor(ant_pages.POWER).values(b"\x10", AT)


def test_without_a_stick_or_its_package_one_sentence_says_so(bridge):
    code, said = bridge("ant").ended()
    assert code == 3
    assert any(sentence in said.splitlines()[-1] for sentence in ("No ANT+ stick here", "needs the package openant"))
    assert "Traceback" not in said
