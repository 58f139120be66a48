"""The bridge's clock against the server's."""

from hypothesis import given
from hypothesis import strategies as st

from device_bridge.clock import Clock
from device_bridge.readings import MICROSECONDS
from device_bridge.status import Board, boot_id, remembered_offset_us

AT = 1_790_000_000_000_000
S = MICROSECONDS


@given(
    true_offset=st.integers(-7200 * S, 7200 * S),
    asked=st.lists(st.tuples(st.integers(0, S), st.integers(0, S)), min_size=1, max_size=30),
)
def test_the_offset_is_never_further_off_than_one_answer_allows(true_offset, asked):
    """Answers with whole seconds, each with a way there and a way back."""
    clock, now_us = Clock(), AT
    for there, back in asked:
        server = now_us + there + true_offset
        received = now_us + there + back
        clock.learn(sent_us=now_us, received_us=received, server_us=server // S * S, resolution_us=S)
        now_us = received + 137_931
    slack = 100 + sum(there + back + 137_931 for there, back in asked) // 10_000
    assert abs(clock.offset_us - true_offset) <= S + min(there + back for there, back in asked) + slack


@given(
    offsets=st.lists(st.integers(-3600 * S, 3600 * S), max_size=8),
    steps=st.lists(st.integers(0, 60 * S), min_size=1, max_size=60),
)
def test_a_correction_never_makes_time_run_back(offsets, steps):
    clock, now_us, told = Clock(), AT, []
    for number, step in enumerate(steps):
        now_us += step
        if number < len(offsets):
            clock.learn(sent_us=now_us, received_us=now_us, server_us=now_us + offsets[number], resolution_us=0)
        told.append(clock.correct(now_us))
    assert told == sorted(told)


def test_ahead_it_slows_down_until_it_is_right_and_behind_it_is_right_at_once():
    clock = Clock()
    clock.learn(sent_us=AT, received_us=AT, server_us=AT + 90 * S, resolution_us=0)
    assert clock.correct(AT) == AT + 90 * S
    clock.learn(sent_us=AT, received_us=AT, server_us=AT - 10 * S, resolution_us=0)
    assert clock.correct(AT + 2 * S) == AT + 91 * S
    assert clock.correct(AT + 300 * S) == AT + 290 * S


def test_whole_seconds_narrow_down_and_a_clock_that_agrees_is_left_alone():
    clock = Clock()
    for shift in range(0, S, 50_000):
        sent = AT + shift
        clock.learn(sent_us=sent, received_us=sent + 20_000, server_us=(sent + 300_000) // S * S, resolution_us=S)
    assert abs(clock.offset_us - 300_000) <= 80_000
    agreeing = Clock()
    agreeing.learn(sent_us=AT, received_us=AT + 20_000, server_us=AT, resolution_us=S)
    assert (agreeing.offset_us, agreeing.is_known) == (0, True)


def test_either_header_tells_the_time_and_nonsense_tells_none():
    for headers, offset_us in [
        ({"X-Server-Time": "1790000100.25"}, 100_250_000),
        ({"Date": "Mon, 21 Sep 2026 14:15:00 GMT"}, 100 * S),
        ({"Date": "yesterday", "X-Other": "1"}, 0),
        ({"X-Server-Time": "inf"}, 0),
        ({}, 0),
    ]:
        clock = Clock()
        clock.hear(headers, sent_us=AT, received_us=AT)
        assert abs(clock.offset_us - offset_us) <= 1000, headers


def test_an_offset_is_remembered_until_the_machine_starts_anew(tmp_path, monkeypatch):
    clock = Clock()
    clock.learn(sent_us=AT, received_us=AT, server_us=AT - 8 * S, resolution_us=0)
    Board(folder=tmp_path, lanes=[], clock=clock).tell()
    assert boot_id()
    assert remembered_offset_us(tmp_path) == -8 * S
    monkeypatch.setattr("device_bridge.status.boot_id", lambda: "another")
    assert remembered_offset_us(tmp_path) == 0
    (tmp_path / "status.json").write_text("[")
    assert remembered_offset_us(tmp_path) == 0
