"""Files we made, as hostile to a columnar reader as a device may write them, read beside fitdecode."""

import struct
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contexts.workout import recordings
from contexts.workout.recordings import Limits, Unreadable, fit, fit_layout
from contexts.workout.recordings import fit_profile as profile
from tests.workout import making
from tests.workout.making import (
    BYTE,
    CYCLING,
    ENUM,
    FLOAT32,
    RUNNING,
    SINT16,
    SINT32,
    START,
    STRING,
    SWIMMING,
    TRANSITION,
    UINT8,
    UINT16,
    UINT32,
    FitWriter,
    Value,
    fit_time,
)
from tests.workout.oracle import hold_to_the_oracle

FIRST = fit_time(START)


def record(second: int, *more: Value) -> tuple[Value, ...]:
    return Value(253, UINT32, FIRST + second), Value(3, UINT8, 100 + second % 100), *more


def interleaved(order: str = "<") -> bytes:
    """Records with an event every tenth, beats after each, and laps between."""
    writer = FitWriter(order=order)
    making.file_id(writer)
    for second in range(400):
        writer.write(20, *record(second, Value(7, UINT16, second)), local=1)
        writer.write(78, Value(0, UINT16, [900, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF]), local=2)
        if second % 10 == 0:
            writer.write(21, Value(253, UINT32, FIRST + second), Value(0, ENUM, 0), local=3)
        if second % 100 == 99:
            making.session(writer, start=START + timedelta(seconds=second - 99), seconds=100, metres=300)
    return writer.file()


def compressed(order: str = "<") -> bytes:
    """Long runs of compressed headers, a full time and a message of another kind now and then."""
    writer = FitWriter(order=order)
    making.file_id(writer)
    second = 0
    for stretch in (1, 40, 700, 3, 90):
        writer.write(20, *record(second), local=4)
        for _ in range(stretch):
            second += 1 if stretch < 100 else second % 29 + 1
            writer.write(20, Value(3, UINT8, 101), Value(5, UINT32, second), local=1, time_offset=FIRST + second)
            if second % 7 == 0:
                writer.write(21, Value(0, ENUM, 1), local=2, time_offset=FIRST + second)
        second += 1
    return writer.file()


def developed(order: str = "<") -> bytes:
    """Developer fields of several types, one of them described anew half-way."""
    writer = FitWriter(order=order)
    making.file_id(writer)
    writer.write(207, Value(1, BYTE, list(range(16))), Value(3, UINT8, 0), local=4)
    for base_type, layout in ((UINT16, "H"), (SINT32, "i"), (FLOAT32, "f")):
        description = [
            Value(0, UINT8, 0),
            Value(1, UINT8, 5),
            Value(2, UINT8, base_type),
            Value(3, STRING, b"power\0"),
        ]
        writer.write(206, *description, Value(14, UINT16, 20), Value(15, UINT8, 7), local=5)
        # A layout is defined anew: what was described meanwhile counts from there on.
        writer.layouts.clear()
        for second in range(50):
            extra = [(5, 0, struct.pack(order + layout, 250 + second))]
            writer.write(20, *record(second, Value(13, 0x01, -5)), developer=extra)
    return writer.file()


def types(order: str = "<") -> bytes:
    """Every base type with its invalid value, arrays, text, and sizes that do not fit."""
    writer = FitWriter(order=order)
    making.file_id(writer)
    for second in range(120):
        gone = second % 3 == 0
        writer.write(
            20,
            *record(second),
            Value(0, SINT32, 0x7FFFFFFF if gone else -second),
            Value(2, UINT16, 0xFFFF if gone else 3000),
            Value(6, UINT16, b"abc"),
            Value(13, 0x01, 0x7F if gone else -second),
            Value(200, SINT16, [0x7FFF, second]),
            Value(201, FLOAT32, float("nan") if gone else second / 7),
            Value(202, STRING, b"caf\xc3\xa9\0\0" if gone else b"\0" * 7),
            Value(203, BYTE, b"\xff\xff" if gone else b"\x01\xff"),
            Value(204, 0x8C, struct.pack(order + "I", 0 if gone else second)),
            Value(205, 0x8F, struct.pack(order + "Q", 2**64 - 1 if gone else 2**63 + second)),
            Value(206, 0x8E, struct.pack(order + "q", 2**63 - 1 if gone else -second)),
            Value(207, 0x89, struct.pack(order + "d", second / 3)),
        )
    return writer.file()


def chained(order: str = "<") -> bytes:
    """Three files after each other, several sessions in the last."""
    legs = [(SWIMMING, 60), (TRANSITION, 20), (CYCLING, 90), (RUNNING, 30)]
    return making.fit_activity(order=order) + making.fit_other(2) + making.fit_multisport(legs=legs)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("made", [interleaved, compressed, developed, types, chained, making.fit_activity])
def test_every_field_of_every_message_is_what_fitdecode_finds(made, order):
    assert hold_to_the_oracle(made(order=order)) > 100


TURNS = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 60), st.booleans()), min_size=1, max_size=30)


@settings(max_examples=60, deadline=None)
@given(turns=TURNS, order=st.sampled_from("<>"))
def test_messages_in_any_turns_are_what_fitdecode_finds(turns, order):
    writer = FitWriter(order=order)
    making.file_id(writer)
    writer.write(20, *record(0), local=0)
    second = 0
    for kind, times, short in turns:
        for _ in range(times):
            second += 1
            if short:
                writer.write(20, *[Value(3, UINT8, kind)] * (kind + 1), local=kind, time_offset=FIRST + second)
            else:
                writer.write(20 + kind % 2, *record(second, *[Value(7, UINT16, 9)] * kind), local=kind + 4)
    hold_to_the_oracle(writer.file())


def test_a_field_described_anew_has_its_new_meaning_from_there_on():
    power = recordings.read(developed()).activities[0].streams.power_w
    assert sorted(set(power)) == [250 + second for second in range(50)]
    assert len(power) == 150


def test_intervals_between_beats_are_kept_with_the_file():
    (file,) = fit.decode(interleaved(), Limits(), [])
    assert [message["intervals_ms"][0] for message in file.of(profile.HRV)] == [900] * 400


class TestHostileDefinitions:
    """No definition, however absurd, costs more than it holds."""

    @staticmethod
    def file(body: bytes) -> bytes:
        header = struct.pack("<BBHI4s", 12, 0x20, 2132, len(body), b".FIT")
        return header + body + struct.pack("<H", making.crc(header + body))

    def refusal(self, data: bytes, **limits: int) -> str:
        with pytest.raises(Unreadable) as refused:
            recordings.read(data, filename="a.fit", limits=Limits(**limits))
        return refused.value.code

    def test_255_fields_of_255_bytes_are_read_by_their_stride(self):
        fields = b"".join(bytes([number % 250, 255, UINT8]) for number in range(255))
        body = b"\x40\x00\x00\x14\x00\xff" + fields + b"\x00" + bytes(255 * 255)
        (file,) = fit.decode(self.file(body * 3), Limits(), [])
        assert len(file.records) == 3

    def test_messages_without_a_field_count_as_points_and_are_refused(self):
        body = b"\x40\x00\x00\x14\x00\x00" + bytes(2_000_000)
        assert self.refusal(self.file(body)) == "too_many_points"

    def test_fields_of_no_size_are_no_fields(self):
        body = b"\x40\x00\x00\x14\x00\x02" + bytes([253, 0, UINT32, 3, 1, UINT8]) + b"\x00\x64" * 40
        (file,) = fit.decode(self.file(body), Limits(), [])
        assert file.records.columns["heart_rate_bpm"].tolist() == [100.0] * 40

    @pytest.mark.parametrize("architecture", [0, 1, 2, 0x80, 0xFF])
    def test_any_architecture_but_0_is_big_endian(self, architecture):
        content = bytes([0, architecture]) + (b"\x14\x00" if architecture == 0 else b"\x00\x14") + b"\x00"
        assert fit_layout.Layout(content, ()).message == 20

    def test_a_definition_cut_short_ends_reading(self):
        for cut in range(1, 11):
            body = (b"\x40\x00\x00\x14\x00\x02" + bytes([253, 4, UINT32, 3, 1]))[:cut]
            assert self.refusal(self.file(body)) == "not_an_activity"

    def test_a_size_beyond_the_file_is_truncation(self):
        made = bytearray(making.fit_activity())
        made[4:8] = b"\xff\xff\xff\xff"
        reading = recordings.read(bytes(made))
        assert len(reading.activities[0].streams) == 601
        assert {warning.code for warning in reading.warnings} & {"truncated", "corrupt_tail"}

    def test_more_definitions_than_any_device_writes_are_refused(self):
        body = b"".join(b"\x40\x00\x00" + struct.pack("<H", number) + b"\x00" for number in range(30_000))
        assert self.refusal(self.file(body)) == "too_expensive"

    def test_more_files_in_a_chain_than_any_device_writes_are_refused(self):
        assert self.refusal(self.file(b"\x40\x00\x00\x14\x00\x00") * 2_000) == "too_many_activities"
