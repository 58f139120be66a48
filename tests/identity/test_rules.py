"""Identity's pure decisions."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contexts.identity import rules
from contexts.identity.rules import Failures, after_failure

MONDAY = datetime(2026, 3, 2, 12, tzinfo=UTC)


def failed(times: int, *, at: datetime = MONDAY, known: Failures | None = None) -> Failures:
    known = known or Failures()
    for _ in range(times):
        known = after_failure(known, at=at)
    return known


def test_id3_four_failures_leave_the_door_open_and_the_fifth_shuts_it():
    assert not failed(4).is_shut(at=MONDAY)
    shut = failed(5)
    assert shut.is_shut(at=MONDAY)
    assert shut.locked_until == MONDAY + timedelta(minutes=15)
    assert not shut.is_shut(at=MONDAY + timedelta(minutes=15))


def test_id3_each_lockout_is_twice_as_long_as_the_one_before_up_to_a_day():
    known, at, lengths = Failures(), MONDAY, []
    for _ in range(9):
        known = failed(5, at=at, known=known)
        lengths.append(known.locked_until - at)
        at = known.locked_until
    assert lengths[:3] == [timedelta(minutes=15), timedelta(minutes=30), timedelta(hours=1)]
    assert max(lengths) <= timedelta(days=1)


def test_id3_failures_of_yesterday_are_forgotten():
    next_day = MONDAY + rules.FAILURE_MEMORY
    assert after_failure(failed(4), at=next_day) == Failures(failures=1, last_failed_at=next_day)


@given(st.lists(st.integers(min_value=0, max_value=100_000), max_size=60))
def test_i2_whoever_waits_as_told_never_gets_past_five_failures(pauses: list[int]):
    known, at = Failures(), MONDAY
    for pause in pauses:
        at += timedelta(seconds=pause)
        if known.is_shut(at=at):
            at = known.locked_until
        known = after_failure(known, at=at)
        assert 1 <= known.failures <= rules.MAX_FAILURES
        assert known.is_shut(at=at) == (known.failures == rules.MAX_FAILURES)


@pytest.mark.parametrize(
    ("born", "age", "band"),
    [
        (date(2010, 3, 3), 15, "under_16"),
        (date(2010, 3, 2), 16, "16_17"),
        (date(2008, 3, 3), 17, "16_17"),
        (date(2008, 3, 2), 18, "adult"),
        (date(2004, 2, 29), 22, "adult"),
    ],
)
def test_ages_are_completed_years(born, age, band):
    assert rules.age_on(born, MONDAY.date()) == age
    assert rules.age_band(age) == band


def test_id2_a_code_is_good_one_step_early_and_one_step_late():
    step = int(MONDAY.timestamp()) // 30
    assert rules.totp_steps(at=MONDAY) == [step, step - 1, step + 1]
