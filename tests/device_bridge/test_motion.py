"""Speed and cadence from counters that wrap."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_bridge import motion
from device_bridge.motion import Turning

AT = 1_790_000_000_000_000
SECOND = 1_000_000

rides = st.lists(st.tuples(st.integers(0, 3), st.floats(0.5, 3)), min_size=2, max_size=30)
"""(whole turns, seconds they took) packet by packet."""


def rates(ride, *, turns_before=0, ticks_before=0, make=motion.crank, bits=16, ticks_per_second=1024):
    """What a sensor that starts from these counters makes of a ride."""
    turning, turns, ticks, at_us, found = make(), turns_before, ticks_before, AT, []
    for turned, seconds in ride:
        at_us += round(seconds * SECOND)
        turns += turned
        ticks += round(seconds * ticks_per_second) if turned else 0
        found.append(turning.take(turns % (1 << bits), ticks % (1 << 16), at_us))
    return found


@given(ride=rides, turns=st.integers(0, 0xFFFF), ticks=st.integers(0, 0xFFFF))
def test_where_the_counters_stand_is_of_no_account(ride, turns, ticks):
    assert rates(ride) == rates(ride, turns_before=turns, ticks_before=ticks)


@given(ride=rides, turns=st.integers(0, 0xFFFF_FFFF), ticks=st.integers(0, 0xFFFF))
def test_nor_for_wheels_of_32_bits_and_1_2048_of_a_second(ride, turns, ticks):
    def make():
        return motion.wheel(2.105, ticks_per_second=2048)

    how = {"make": make, "bits": 32, "ticks_per_second": 2048}
    assert rates(ride, **how) == rates(ride, turns_before=turns, ticks_before=ticks, **how)


@given(st.integers(1, 3), st.integers(0, 1), st.floats(1, 20))
def test_more_turns_in_the_same_time_are_faster(turns, more, seconds):
    def rate(turned):
        return rates([(0, 1.0), (turned, seconds)])[1]

    assert rate(turns + more) >= rate(turns) > 0
    assert rate(turns) == pytest.approx(turns / (round(seconds * 1024) / 1024))


def test_the_first_packet_primes_and_a_repeat_says_nothing():
    crank = motion.crank()
    assert crank.take(2764, 59577, AT) is None
    assert crank.take(2764, 59577, AT + SECOND) is None
    assert crank.take(2766, (59577 + 1024) & 0xFFFF, AT + 2 * SECOND) == 2.0


def test_what_stands_still_for_three_seconds_is_at_rest():
    crank = motion.crank()
    told = [crank.take(10, 1000, AT + n * SECOND) for n in range(5)]
    assert told == [None, None, None, 0.0, 0.0]
    assert crank.take(11, 1000 + 5 * 1024, AT + 5 * SECOND) == pytest.approx(0.2)


def test_a_counter_that_jumps_is_no_speed_and_the_next_packet_is_right_again():
    wheel = motion.wheel(2.0, ticks_per_second=1024)
    assert wheel.take(7197, 1000, AT) is None
    assert wheel.take(3, 2024, AT + SECOND) is None  # reset: 4,294,960,102 turns by the modulus
    assert wheel.take(8, 3048, AT + 2 * SECOND) == 5.0
    assert wheel.take(8 + 21, 4072, AT + 3 * SECOND) is None  # 42 m/s
    assert wheel.take(8 + 21 + 20, 5096, AT + 4 * SECOND) == 20.0


def test_turns_without_time_are_ignored_and_counted_with_the_next():
    crank = motion.crank()
    crank.take(0, 0, AT)
    assert crank.take(1, 0, AT + SECOND) is None
    assert crank.take(2, 2048, AT + 2 * SECOND) == 1.0


@pytest.mark.parametrize(("per_second", "silence_s"), [(1024, 64), (2048, 32)])
def test_after_a_whole_turn_of_the_event_clock_it_primes_anew(per_second, silence_s):
    def after(seconds):
        turning = Turning(count_bits=32, ticks_per_second=per_second, most_per_second=20)
        turning.take(0, 0, AT)
        return turning.take(5, per_second, AT + seconds * SECOND)

    assert after(silence_s - 1) == 5.0
    assert after(silence_s) is None


def test_standing_still_for_long_primes_anew_and_so_does_a_clock_set_back():
    crank = motion.crank()
    for n in range(70):
        crank.take(10, 1000, AT + n * SECOND)
    assert crank.take(11, 1000 + 70 * 1024 & 0xFFFF, AT + 70 * SECOND) is None
    assert crank.take(12, 1000 + 71 * 1024 & 0xFFFF, AT + 71 * SECOND) == 1.0
    assert crank.take(13, 1000 + 72 * 1024 & 0xFFFF, AT) is None
    crank.forget()
    assert crank.take(14, 1000 + 73 * 1024 & 0xFFFF, AT + SECOND) is None
