"""Heart Rate Measurement 0x2A37 and its neighbours, byte by byte."""

import pytest
from bumble.profiles.heart_rate_service import HeartRateService
from hypothesis import given
from hypothesis import strategies as st

from device_bridge import gatt
from device_bridge.gatt import HeartRate, MalformedPacket

u16 = st.integers(0, 0xFFFF)
heart_rates = st.builds(
    HeartRate,
    bpm=u16,
    contact=st.sampled_from([None, False, True]),
    energy_kj=st.none() | u16,
    rr_ticks=st.lists(u16, max_size=9).map(tuple),
)

GOLDEN = [
    ("16 50 00 04 80 03", HeartRate(bpm=80, contact=True, rr_ticks=(1024, 896))),
    ("04 00", HeartRate(bpm=0, contact=False)),
    ("00 3c", HeartRate(bpm=60)),
    ("02 3c", HeartRate(bpm=60)),
    ("06 3c", HeartRate(bpm=60, contact=True)),
    ("01 2c 01", HeartRate(bpm=300)),
    ("01 3c 00", HeartRate(bpm=60)),
    ("08 48 e8 03", HeartRate(bpm=72, energy_kj=1000)),
    ("1f 2c 01 ff ff 00 04", HeartRate(bpm=300, contact=True, energy_kj=65535, rr_ticks=(1024,))),
    ("1c 41 00 00 00 03 01 03 02 03", HeartRate(bpm=65, contact=False, energy_kj=0, rr_ticks=(768, 769, 770))),
    ("10 3c", HeartRate(bpm=60)),
    ("e0 3c aa bb", HeartRate(bpm=60)),
]


@pytest.mark.parametrize(("packet", "meaning"), GOLDEN)
def test_every_flag_form_is_understood(packet, meaning):
    assert gatt.decode_heart_rate(bytes.fromhex(packet)) == meaning


@given(heart_rates)
def test_what_is_encoded_decodes_to_the_same(measured):
    assert gatt.decode_heart_rate(gatt.encode_heart_rate(measured)) == measured


@given(heart_rates)
def test_another_implementation_reads_our_packets_alike(measured):
    theirs = HeartRateService.HeartRateMeasurement.from_bytes(gatt.encode_heart_rate(measured))
    assert (theirs.heart_rate, theirs.energy_expended) == (measured.bpm, measured.energy_kj)
    assert theirs.sensor_contact_detected == measured.contact
    assert tuple(round(rr * 1024) for rr in theirs.rr_intervals or ()) == measured.rr_ticks


@given(st.binary(max_size=32))
def test_arbitrary_bytes_are_a_measurement_or_malformed(packet):
    for decode in (gatt.decode_heart_rate, gatt.decode_battery_level, gatt.decode_sensor_location):
        try:
            decode(packet)
        except MalformedPacket:
            continue


@given(heart_rates, st.data())
def test_a_packet_cut_short_is_malformed_or_has_fewer_intervals(measured, data):
    packet = gatt.encode_heart_rate(measured)
    cut = packet[: data.draw(st.integers(0, len(packet) - 1))]
    try:
        found = gatt.decode_heart_rate(cut)
    except MalformedPacket:
        return
    assert found.rr_ticks == measured.rr_ticks[: len(found.rr_ticks)]
    assert len(found.rr_ticks) < len(measured.rr_ticks)


@pytest.mark.parametrize("packet", ["", "00", "01 3c", "08 3c 01", "10 3c 00 04 03"])
def test_a_measurement_that_ends_too_early_is_malformed(packet):
    with pytest.raises(MalformedPacket):
        gatt.decode_heart_rate(bytes.fromhex(packet))


def test_values_that_do_not_fit_are_refused():
    with pytest.raises(MalformedPacket):
        gatt.encode_heart_rate(HeartRate(bpm=70_000))


def test_battery_is_a_percentage():
    assert gatt.decode_battery_level(b"\x57") == 87
    for wrong in (b"", b"\x65", b"\x01\x02"):
        with pytest.raises(MalformedPacket):
            gatt.decode_battery_level(wrong)


def test_sensor_locations_unknown_to_us_are_other():
    assert gatt.decode_sensor_location(b"\x01") is gatt.SensorLocation.CHEST
    assert gatt.decode_sensor_location(b"\x63") is gatt.SensorLocation.OTHER
