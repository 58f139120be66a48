"""What effort is worth, where days end, and who stands where: without a database."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contexts.gamification import rules
from contexts.gamification.rules import Board, Standing

SOMEBODY = UUID(int=1)
NOVEMBER_OPENS = datetime(2026, 10, 31, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("moving_s", "energy_kcal", "points"),
    [(3600, 400, 160), (14_400, 2_800, 760), (29, 9, 0), (30, None, 1), (0, None, 0), (-5, -5, 0)],
)
def test_ga1_points_follow_active_time_and_energy(moving_s, energy_kcal, points):
    assert rules.points_for_workout(moving_s=moving_s, energy_kcal=energy_kcal) == points


def test_ga1_a_first_result_beats_nothing_and_earns_no_bonus():
    assert not rules.beats_something(previous=None)
    assert rules.beats_something(previous=1_500.0)


@given(st.lists(st.integers(0, 1_500), max_size=40))
def test_ga1_awards_in_any_order_add_up_to_the_sum_or_the_cap(asked):
    earned = 0
    for points in asked:
        earned += rules.grantable(asked=points, earned_today=earned)
    assert earned == min(sum(asked), rules.DAILY_CAP)


@pytest.mark.parametrize(
    ("moment", "zone", "day"),
    [
        ("2026-11-20T23:30:00+00:00", "Europe/Moscow", "2026-11-21"),
        ("2026-11-20T09:59:00+00:00", "Pacific/Kiritimati", "2026-11-20"),
        ("2026-11-20T10:00:00+00:00", "Pacific/Kiritimati", "2026-11-21"),
        ("2026-11-20T07:59:00+00:00", "America/Los_Angeles", "2026-11-19"),
        # 29 March 2026 has 23 hours in Berlin, 25 October has 25
        ("2026-03-28T23:00:00+00:00", "Europe/Berlin", "2026-03-29"),
        ("2026-03-29T21:59:59+00:00", "Europe/Berlin", "2026-03-29"),
        ("2026-03-29T22:00:00+00:00", "Europe/Berlin", "2026-03-30"),
        ("2026-10-24T22:00:00+00:00", "Europe/Berlin", "2026-10-25"),
        ("2026-10-25T22:59:59+00:00", "Europe/Berlin", "2026-10-25"),
        ("2026-10-25T23:00:00+00:00", "Europe/Berlin", "2026-10-26"),
        ("2026-11-20T23:30:00+00:00", "Nowhere/Atlantis", "2026-11-20"),
        ("2026-11-20T23:30:00+00:00", "../etc/passwd", "2026-11-20"),
        ("2026-11-20T23:30:00+00:00", "Europe", "2026-11-20"),
        ("2026-11-20T23:30:00+00:00", "", "2026-11-20"),
    ],
)
def test_ga1_the_day_is_the_athletes_own(moment, zone, day):
    assert rules.local_day(datetime.fromisoformat(moment), zone) == date.fromisoformat(day)


def test_ga3_boards_are_named_after_their_period():
    boards = rules.boards_of(date(2027, 1, 1))
    assert [(board.period, board.key) for board in boards] == [
        ("daily", "2027-01-01"),
        ("weekly", "2026-W53"),
        ("monthly", "2027-01"),
    ]
    assert (boards[1].first_day, boards[1].last_day) == (date(2026, 12, 28), date(2027, 1, 3))
    with pytest.raises(ValueError, match="yearly"):
        Board.of("yearly", date(2027, 1, 1))


@given(st.dates(date(2000, 1, 3), date(2100, 1, 1)))
def test_ga3_a_boards_name_leads_back_to_the_board(day):
    for board in rules.boards_of(day):
        assert Board.parse(board.period, board.key) == board
        assert board.first_day <= day <= board.last_day


def test_ga3_a_board_ends_at_the_watchers_midnight():
    board = Board.of("daily", date(2026, 10, 25))
    assert board.next_opens_for("Europe/Berlin") == datetime(2026, 10, 25, 23, tzinfo=UTC)
    assert board.opens_at < board.next_opens_for("Pacific/Kiritimati")
    assert board.next_opens_for("Etc/GMT+12") == board.closes_at


places = st.builds(
    Standing,
    user_id=st.just(SOMEBODY),
    points=st.integers(1, 31_000),
    reached_at=st.integers(0, 31 * 86_400_000).map(lambda ms: NOVEMBER_OPENS + timedelta(milliseconds=ms)),
)


@given(places, places)
def test_ga3_more_points_come_first_and_among_equals_the_earlier(one, other):
    board = Board.of("monthly", date(2026, 11, 20))
    by_score = rules.score_of(board, one) - rules.score_of(board, other)
    if one.points != other.points:
        assert (by_score > 0) == (one.points > other.points)
    elif abs(one.reached_at - other.reached_at) >= timedelta(milliseconds=1):
        assert (by_score > 0) == (one.reached_at < other.reached_at)


@given(places)
def test_ga3_a_score_is_exact_as_redis_keeps_it(standing):
    score = rules.score_of(Board.of("monthly", date(2026, 11, 20)), standing)
    assert int(float(score)) == score < 2**53
    assert rules.points_in(float(score)) == standing.points
    assert rules.lowest_score(standing.points) <= score < rules.lowest_score(standing.points + 1)


def test_ga3_equals_share_a_rank_and_the_next_one_skips():
    assert rules.ranks([300, 200, 200, 100], first=1, position=1) == [1, 2, 2, 4]
    assert rules.ranks([200, 100, 100], first=2, position=3) == [2, 4, 4]
    assert rules.ranks([], first=1, position=1) == []
