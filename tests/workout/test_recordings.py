"""Reading recordings that we made ourselves, so that every expected number is known."""

import os
import re
import struct
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from contexts.workout import recordings
from contexts.workout.recordings import Limits, Reading, Unreadable, bounded
from contexts.workout.recordings.fit import crc16
from contexts.workout.recordings.recording import plain
from tests.workout import making
from tests.workout.making import (
    CYCLING,
    FLOAT32,
    RUNNING,
    SINT32,
    START,
    SWIMMING,
    TRANSITION,
    UINT8,
    UINT16,
    UINT32,
    FitWriter,
    Value,
    fit_time,
)


def read(data: bytes, **options: object) -> Reading:
    return recordings.read(data, filename="upload.bin", **options)


def codes(reading: Reading) -> list[str]:
    return [warning.code for warning in reading.warnings]


def refusal(data: bytes, filename: str = "upload.bin", **options: object) -> str:
    with pytest.raises(Unreadable) as refused:
        recordings.read(data, filename=filename, **options)
    assert refused.value.detail
    return refused.value.code


class TestFit:
    @pytest.mark.parametrize("order", ["<", ">"])
    @pytest.mark.parametrize("header_size", [12, 14])
    @pytest.mark.parametrize("summary", ["first", "last"])
    def test_reads_every_byte_order_and_header_and_place_of_the_summary(self, order, header_size, summary):
        made = making.fit_activity(order=order, header_size=header_size, summary=summary, kcal=90)
        reading = read(made)
        (activity,) = reading.activities
        assert codes(reading) == []
        assert (activity.sport, activity.started_at) == ("running", START)
        assert activity.ended_at == START + timedelta(seconds=600)
        assert (activity.timer_s, activity.device_distance_m, activity.device_kcal) == (600, 1800, 90)
        assert (activity.manufacturer, activity.product) == ("garmin", "2697")
        assert activity.time_zone_offset_s == 7200
        assert len(activity.laps) == 1
        assert (activity.laps[0].start_s, activity.laps[0].end_s) == (0, 600)

    def test_values_are_si_and_cadence_counts_both_legs(self):
        streams = read(making.fit_activity()).activities[0].streams
        assert plain(streams.time) == [float(second) for second in range(601)]
        assert plain(streams.altitude_m) == [100.0] * 601
        assert plain(streams.speed_mps) == [3.0] * 601
        assert streams.distance_m[-1] == 1800.0
        assert plain(streams.cadence_rpm) == [170] * 601
        assert streams.latitude[600] == pytest.approx(1800 / 111_195, abs=1e-7)

    def test_points_on_equator_and_meridian_are_places(self):
        streams = read(making.fit_activity()).activities[0].streams
        assert (streams.latitude[0], streams.longitude[0]) == (0.0, 0.0)

    def test_indoor_recording_without_places_is_accepted(self):
        (activity,) = read(making.fit_activity(places=False, sport=CYCLING, sub_sport=6)).activities
        assert (activity.sport, activity.sub_sport) == ("cycling", "indoor_cycling")
        assert activity.streams.latitude is None
        assert sum(activity.streams.heart_rate_bpm) == 140 * 601

    @pytest.mark.parametrize("summary", ["first", "last"])
    def test_multisport_becomes_several_activities_without_the_transitions(self, summary):
        legs = [(SWIMMING, 60), (TRANSITION, 20), (CYCLING, 90), (TRANSITION, 10), (RUNNING, 30)]
        activities = read(making.fit_multisport(legs=legs, summary=summary)).activities
        assert [activity.sport for activity in activities] == ["swimming", "cycling", "running"]
        assert [len(activity.streams) for activity in activities] == [60, 90, 30]
        assert [len(activity.laps) for activity in activities] == [1, 1, 1]

    def test_chained_files_become_several_activities(self):
        later = making.fit_activity(start=START + timedelta(hours=3), sport=CYCLING)
        reading = read(making.fit_activity() + making.fit_other(2) + later)
        assert [activity.sport for activity in reading.activities] == ["running", "cycling"]
        assert codes(reading) == []

    def test_a_corrupt_tail_keeps_all_whole_records_before_it(self):
        whole = making.fit_activity(summary="never")
        record = 1 + 4 + 1 + 1 + 4 + 2 + 4 + 4 + 2
        reading = read(whole[: -(2 + 1 + 10 + 1 + 15) - 5 * record - 3])
        (activity,) = reading.activities
        assert len(activity.streams) == 601 - 6
        assert "truncated" in codes(reading) or "corrupt_tail" in codes(reading)
        assert "no_summary" in codes(reading)

    def test_a_message_never_defined_ends_reading_but_keeps_what_came_before(self):
        writer = FitWriter()
        making.file_id(writer)
        making.records(writer, start=START, seconds=30)
        writer.body += b"\x0b" + bytes(40)
        reading = read(writer.file())
        assert len(reading.activities[0].streams) == 31
        assert codes(reading) == ["corrupt_tail", "no_summary"]

    def test_a_wrong_checksum_is_a_warning(self):
        made = bytearray(making.fit_activity())
        made[-1] ^= 0xFF
        reading = read(bytes(made))
        assert codes(reading) == ["checksum_mismatch"]
        assert len(reading.activities[0].streams) == 601

    def test_a_recorder_that_never_wrote_the_size_is_read_to_the_end(self):
        made = bytearray(making.fit_activity())
        made[4:8] = bytes(4)
        assert len(read(bytes(made)).activities[0].streams) == 601

    def test_compressed_timestamps_count_on_from_the_last_full_one(self):
        writer = FitWriter()
        making.file_id(writer)
        first = fit_time(START)
        writer.write(20, Value(253, UINT32, first), Value(3, UINT8, 100), local=0)
        for step in range(1, 100):
            writer.write(20, Value(3, UINT8, 101), local=1, time_offset=first + step)
        streams = read(writer.file()).activities[0].streams
        assert plain(streams.time) == [float(step) for step in range(100)]

    def test_enhanced_fields_are_preferred_and_invalid_values_are_missing(self):
        writer = FitWriter()
        making.file_id(writer)
        for second, enhanced in enumerate([5_000, 0xFFFFFFFF, 7_000]):
            time = Value(253, UINT32, fit_time(START) + second)
            writer.write(20, time, Value(6, UINT16, 3_000), Value(73, UINT32, enhanced), Value(3, UINT8, 0xFF))
        streams = read(writer.file()).activities[0].streams
        assert plain(streams.speed_mps) == [5.0, 3.0, 7.0]
        assert streams.heart_rate_bpm is None

    def test_developer_fields_are_skipped_by_size_or_stand_in_for_a_native_field(self):
        writer = FitWriter()
        making.file_id(writer)
        description = [Value(0, UINT8, 0), Value(1, UINT8, 5), Value(2, UINT8, UINT16)]
        writer.write(206, *description, Value(14, UINT16, 20), Value(15, UINT8, 7), local=5)
        for second in range(3):
            time = Value(253, UINT32, fit_time(START) + second)
            extra = [(5, 0, struct.pack("<H", 250 + second)), (9, 1, b"unknown!")]
            writer.write(20, time, Value(3, UINT8, 120), developer=extra)
        streams = read(writer.file()).activities[0].streams
        assert plain(streams.power_w) == [250, 251, 252]
        assert plain(streams.heart_rate_bpm) == [120] * 3

    def test_fields_of_impossible_size_and_unknown_messages_are_skipped(self):
        writer = FitWriter()
        making.file_id(writer)
        for second in range(3):
            writer.write(
                20, Value(253, UINT32, fit_time(START) + second), Value(6, UINT16, b"abc"), Value(3, UINT8, 90)
            )
            writer.write(9999, Value(1, FLOAT32, 1.5), local=7)
        reading = read(writer.file())
        assert codes(reading) == ["misaligned_fields", "no_summary"]
        assert plain(reading.activities[0].streams.heart_rate_bpm) == [90] * 3

    def test_heart_rate_a_strap_stored_under_water_is_merged(self):
        writer = FitWriter()
        making.file_id(writer)
        making.records(writer, start=START, seconds=20, heart_rate=None, places=False)
        making.session(writer, start=START, seconds=20, sport=SWIMMING)
        tie, counter = Value(253, UINT32, fit_time(START)), 5_000_000
        writer.write(132, tie, Value(9, UINT32, counter), Value(6, UINT8, 100), local=6)
        for first in range(0, 16, 2):
            beats = [counter + (first + nth) * 1024 + 1024 for nth in range(2)]
            low, high = beats[0] & 0xFFF, beats[1] & 0xFFF
            packed = bytes([low & 0xFF, low >> 8 | (high & 15) << 4, high >> 4])
            writer.write(132, Value(10, UINT8, packed), Value(6, UINT8, [101 + first, 102 + first]), local=7)
        streams = read(writer.file()).activities[0].streams
        assert plain(streams.heart_rate_bpm) == [100 + second for second in range(17)] + [None] * 4

    def test_records_of_two_definitions_keep_the_order_of_the_file(self):
        writer = FitWriter()
        making.file_id(writer)
        for second in range(10):
            power = [Value(7, UINT16, 200)] if second % 2 else []
            writer.write(20, Value(253, UINT32, fit_time(START) + second), *power, local=second % 2)
        reading = read(writer.file())
        assert codes(reading) == ["no_summary"]
        assert plain(reading.activities[0].streams.power_w) == [None, 200] * 5

    def test_points_of_a_wrong_clock_are_dropped(self):
        writer = FitWriter()
        making.file_id(writer)
        making.records(writer, start=START - timedelta(days=900), seconds=2)
        making.records(writer, start=START, seconds=60)
        reading = read(writer.file())
        assert codes(reading) == ["clock_jump", "no_summary"]
        assert reading.activities[0].started_at == START

    @pytest.mark.parametrize("kind", [2, 5, 6, 9, 15])
    def test_files_that_hold_no_activity_are_refused_by_name(self, kind):
        assert refusal(making.fit_other(kind)) == "not_an_activity"

    def test_checksum_equals_its_definition_for_any_length(self):
        for length in [0, 1, 2, 777, 32_766, 32_767, 32_768, 100_000]:
            data = bytes(nth * 31 % 251 for nth in range(length))
            assert crc16(data) == making.crc(data)

    def test_half_a_place_is_no_place(self):
        writer = FitWriter()
        making.file_id(writer)
        for second in range(3):
            north = Value(0, SINT32, 0x7FFFFFFF if second == 1 else 1000)
            writer.write(20, Value(253, UINT32, fit_time(START) + second), north, Value(1, SINT32, 1000))
        streams = read(writer.file()).activities[0].streams
        assert plain(streams.latitude)[1] is None
        assert plain(streams.longitude)[1] is None


class TestGpx:
    @pytest.mark.parametrize(
        "namespace", ["http://www.topografix.com/GPX/1/1", "http://www.topografix.com/GPX/1/0", ""]
    )
    def test_reads_both_versions_and_files_without_a_namespace(self, namespace):
        (activity,) = read(making.gpx(namespace=namespace)).activities
        assert (activity.sport, activity.started_at, activity.product) == ("running", START, "making")
        assert activity.ended_at == START + timedelta(seconds=59 * 5)
        assert plain(activity.streams.heart_rate_bpm) == [140] * 60
        assert plain(activity.streams.cadence_rpm) == [170] * 60
        assert plain(activity.streams.altitude_m) == [100] * 60

    def test_segments_are_one_activity_and_tracks_are_several(self):
        activities = read(making.gpx(tracks=2, segments=3)).activities
        assert [len(activity.streams) for activity in activities] == [180, 180]

    def test_a_route_without_times_is_refused(self):
        assert refusal(making.gpx(times=False)) == "no_times"

    def test_waypoints_alone_are_no_activity(self):
        assert refusal(b'<gpx><wpt lat="1" lon="2"/></gpx>') == "not_an_activity"

    def test_times_with_any_offset_or_none_are_understood(self):
        made = making.gpx(points=3).replace(b"06:30:05Z", b"08:30:05.250+02:00").replace(b"06:30:10Z", b"06:30:10")
        assert plain(read(made).activities[0].streams.time) == [0.0, 5.25, 10.0]

    def test_times_that_go_back_are_sorted_with_a_warning(self):
        made = making.gpx(points=3).replace(b"06:30:00Z", b"06:31:00Z")
        reading = read(made)
        assert codes(reading) == ["times_out_of_order"]
        assert plain(reading.activities[0].streams.time) == [0.0, 5.0, 55.0]

    def test_impossible_values_are_dropped_with_a_warning_and_the_others_kept(self):
        made = re.sub(rb"<ele>[^<]*</ele>", b"<ele>99999</ele>", making.gpx(points=3), count=1)
        reading = read(made)
        (warning,) = reading.warnings
        assert (warning.code, warning.values) == ("impossible_values", {"count": 1, "name": "altitude_m"})
        heights = plain(reading.activities[0].streams.altitude_m)
        assert heights == [None, *plain(read(making.gpx(points=3)).activities[0].streams.altitude_m)[1:]]

    def test_a_corrupt_tail_keeps_the_points_before_it(self):
        reading = read(making.gpx(points=50)[:-900])
        assert 40 < len(reading.activities[0].streams) < 50
        assert codes(reading) == ["corrupt_tail"]

    def test_values_that_are_no_numbers_are_missing(self):
        made = making.gpx(points=4).replace(b"<x:hr>140</x:hr>", b"<x:hr>NaN</x:hr>", 1)
        made = made.replace(b"<ele>100.0</ele>", b"<ele>1e999</ele>", 2)
        streams = read(made).activities[0].streams
        assert plain(streams.heart_rate_bpm) == [None, 140, 140, 140]
        assert plain(streams.altitude_m) == [None, None, 100, 100]


class TestTcx:
    def test_laps_points_and_totals_are_read(self):
        (activity,) = read(making.tcx()).activities
        assert (activity.sport, activity.started_at, activity.product) == ("running", START, "making")
        assert (activity.timer_s, activity.device_distance_m, activity.device_kcal) == (60, 180, 14)
        assert [(lap.start_s, lap.end_s, lap.distance_m) for lap in activity.laps] == [(0, 30, 90), (30, 60, 90)]
        assert plain(activity.streams.heart_rate_bpm) == [140] * 60
        assert plain(activity.streams.speed_mps) == [3.0] * 60
        assert plain(activity.streams.cadence_rpm) == [170] * 60

    def test_several_activities_stay_several(self):
        assert len(read(making.tcx(activities=3, sport="Biking")).activities) == 3

    def test_a_lap_without_points_is_an_activity_of_its_length(self):
        made = (
            b'<TrainingCenterDatabase><Activities><Activity Sport="Other"><Lap StartTime="2026-05-01T06:30:00Z">'
            b"<TotalTimeSeconds>1800</TotalTimeSeconds></Lap></Activity></Activities></TrainingCenterDatabase>"
        )
        (activity,) = read(made).activities
        assert activity.ended_at - activity.started_at == timedelta(minutes=30)

    def test_points_without_times_are_refused(self):
        made = making.tcx(times=False).replace(b"StartTime", b"Started")
        assert refusal(made) == "no_times"


class TestRefusals:
    @pytest.mark.parametrize(
        ("data", "code"),
        [
            (b"", "empty"),
            (b"hello", "unknown_format"),
            (b"\x1f\x8b\x08\x00", "corrupt_compression"),
            (b"PK\x03\x04", "unknown_format"),
            (b"<kml xmlns='http://www.opengis.net/kml/2.2'/>", "not_an_activity"),
            (b"<html></html>", "unknown_format"),
            (b"<gpx", "corrupt_xml"),
            (b"<", "corrupt_xml"),
            (b"<?xml version='1.0' encoding='nonsense'?><gpx/>", "corrupt_xml"),
            (b"\x0e\x20\x00\x00\x00\x00\x00\x00.FIT\x00\x00", "not_an_activity"),
            (b"\x02\x20\x00\x00\x00\x00\x00\x00.FIT\x00\x00", "corrupt_header"),
        ],
    )
    def test_each_kind_of_stranger_is_told_apart(self, data, code):
        assert refusal(data) == code

    def test_a_damaged_header_is_known_by_the_name_of_the_file(self):
        assert refusal(b"\x00" * 50, filename="Morning Run.FIT") == "corrupt_header"

    def test_document_types_and_entities_are_forbidden(self):
        bomb = b'<!DOCTYPE gpx [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><gpx>&b;</gpx>'
        outside = b'<!DOCTYPE gpx SYSTEM "http://stranger.example/gpx.dtd"><gpx/>'
        late = b"<gpx>" + b" " * 200_000 + bomb
        assert refusal(bomb) == "xml_forbidden"
        assert refusal(outside) == "xml_forbidden"
        assert refusal(late) in ("xml_forbidden", "corrupt_xml")

    def test_deep_nesting_is_forbidden(self):
        assert refusal(b"<gpx>" + b"<trk>" * 200_000) == "xml_forbidden"

    def test_too_many_bytes_points_or_activities_are_refused(self):
        assert refusal(making.gpx(), limits=Limits(max_bytes=100)) == "too_large"
        assert refusal(making.gpx(), limits=Limits(max_points=59)) == "too_many_points"
        assert refusal(making.tcx(), limits=Limits(max_points=59)) == "too_many_points"
        assert refusal(making.fit_activity(), limits=Limits(max_points=600)) == "too_many_points"
        assert refusal(making.gpx(tracks=5), limits=Limits(max_activities=4)) == "too_many_activities"
        assert refusal(making.tcx(activities=5), limits=Limits(max_activities=4)) == "too_many_activities"
        legs = [(RUNNING, 10)] * 5
        assert refusal(making.fit_multisport(legs=legs), limits=Limits(max_activities=4)) == "too_many_activities"
        chain = b"".join(making.fit_activity(start=START + timedelta(hours=nth)) for nth in range(5))
        assert refusal(chain, limits=Limits(max_activities=4)) == "too_many_activities"

    def test_names_are_cleaned(self):
        made = making.gpx(points=3).replace(b'creator="making"', 'creator=" a\u202eb\tc "'.encode())
        assert read(made).activities[0].product == "ab c"


@pytest.fixture
def readers(monkeypatch):
    """Readers of this test alone."""
    own = bounded.Readers()
    monkeypatch.setattr(bounded, "readers", own)
    yield own
    own.close()


def bounded_refusal(data: bytes, filename: str = "a.fit", **options: int) -> str:
    with pytest.raises(Unreadable) as refused:
        recordings.read_bounded(data, filename=filename, **options)
    return refused.value.code


ENDLESS = b"<gpx>" + b"<a/>" * 5_000_000 + b"</gpx>"


class TestBounded:
    @pytest.mark.parametrize("made", [making.fit_activity(kcal=90), making.gpx(), making.tcx()])
    def test_a_process_of_its_own_gives_the_same_answer(self, made):
        assert recordings.read_bounded(made, filename="a") == recordings.read(made, filename="a")

    def test_a_refusal_crosses_the_border_with_its_code(self):
        assert bounded_refusal(making.gpx(times=False), "a.gpx") == "no_times"

    def test_too_much_memory_is_refused_as_too_expensive(self):
        assert bounded_refusal(making.fit_activity(seconds=100_000), memory=2 << 20) == "too_expensive"

    def test_too_much_time_is_refused_as_too_expensive(self):
        assert bounded_refusal(ENDLESS, "a.gpx", seconds=1) == "too_expensive"

    def test_a_reader_that_does_not_answer_is_our_fault(self, readers, monkeypatch, tmp_path):
        monkeypatch.setattr(bounded, "ROOT", tmp_path)
        assert bounded_refusal(making.gpx(), "a.gpx") == "reader_failed"
        assert readers.idle == []

    def test_a_reader_too_slow_by_the_clock_is_ended_and_replaced(self, readers, monkeypatch):
        with monkeypatch.context() as hasty:
            hasty.setattr(bounded, "START_UP_S", 0)
            assert bounded_refusal(making.gpx(), "a.gpx", seconds=0) == "too_expensive"
        assert readers.idle == []
        assert recordings.read_bounded(making.gpx(), filename="a.gpx").activities

    def test_a_file_that_kills_what_reads_it_does_not_kill_the_reader(self, readers):
        recordings.read_bounded(making.gpx(), filename="a.gpx")
        (before,) = readers.idle
        assert bounded_refusal(ENDLESS, "a.gpx", seconds=1) == "too_expensive"
        assert recordings.read_bounded(making.gpx(), filename="a.gpx").activities
        assert readers.idle == [before]

    def test_a_reader_that_died_is_replaced(self, readers):
        recordings.read_bounded(making.gpx(), filename="a.gpx")
        (dead,) = readers.idle
        dead.process.kill()
        dead.process.wait()
        assert recordings.read_bounded(making.gpx(), filename="a.gpx").activities
        assert dead not in readers.idle

    def test_a_reader_is_replaced_after_many_files(self, readers, monkeypatch):
        monkeypatch.setattr(bounded, "FILES_EACH", 2)
        seen = []
        for _ in range(4):
            recordings.read_bounded(making.gpx(), filename="a.gpx")
            seen += [reader.process.pid for reader in readers.idle]
        assert len(seen) == len(set(seen)) == 2

    def test_files_at_the_same_time_have_readers_of_their_own(self, readers):
        made = [making.fit_activity(seconds=60 + nth) for nth in range(6)]
        with ThreadPoolExecutor(3) as threads:
            read_ = list(threads.map(lambda data: recordings.read_bounded(data, filename="a.fit"), made))
        assert [len(reading.activities[0].streams) for reading in read_] == [61 + nth for nth in range(6)]
        assert 1 <= len(readers.idle) <= bounded.KEPT

    def test_a_fork_of_the_worker_leaves_the_readers_to_its_parent(self):
        recordings.read_bounded(making.gpx(), filename="a.gpx")
        child = os.fork()
        if child == 0:
            os._exit(len(bounded.readers.idle))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert len(bounded.readers.idle) >= 1
        assert recordings.read_bounded(making.gpx(), filename="a.gpx").activities
