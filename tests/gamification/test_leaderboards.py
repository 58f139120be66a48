"""Boards over HTTP, in Redis and in the ledger: the same everywhere, for everybody what they may see."""

import io
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import redis
from django.core.management import CommandError, call_command
from django.utils.timezone import now

from contexts.gamification import leaderboards, rules, scoring
from contexts.gamification.models import UserDay
from kernel.databases import redis_client, release_connections
from kernel.models import uuid7
from tests.gamification.conftest import completed

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

DAILY = "/api/v1/gamification/leaderboards/daily"


def moments(count: int) -> list[datetime]:
    """Instants of today, a moment apart, the last of them now."""
    end = now()
    return [end - timedelta(milliseconds=5 * step) for step in reversed(range(count))]


def boards_in_redis() -> dict[bytes, list[Any]]:
    client = redis_client()
    keys = [key for key in client.scan_iter("gamification:board:*") if client.type(key) == b"zset"]
    return {key: client.zrange(key, 0, -1, withscores=True) for key in sorted(keys)}


def forget_boards() -> None:
    for key in redis_client().scan_iter("gamification:*"):
        redis_client().delete(key)


def today() -> rules.Board:
    return rules.Board.of("daily", now().date())


@pytest.mark.parametrize("period", ["daily", "weekly", "monthly"])
def test_ga3_a_finished_workout_is_on_every_board(register, announce, deliver, period):
    anna = register(display_name="Anna", visibility={"display_name": "everyone"})
    announce(completed(anna.user_id, points=120))
    deliver()
    board = anna.api.get(f"/api/v1/gamification/leaderboards/{period}").json()
    assert board["period"] == period
    assert board["period_key"] == rules.Board.of(period, now().date()).key
    line = {"rank": 1, "user_id": str(anna.user_id), "display_name": "Anna", "points": 120}
    assert [{**line, "row": board["me"]["row"]}] == board["top"] == board["around_me"] == [board["me"]]


def test_ga3_equals_share_a_rank_and_the_earlier_is_shown_first(register, announce, deliver):
    viewer = register()
    points, names = [100, 200, 200, 300], [uuid7() for _ in range(4)]
    for user, worth, end in reversed(list(zip(names, points, moments(4), strict=True))):
        announce(completed(user, points=worth, ended_at=end))
    deliver()
    board = viewer.api.get(DAILY).json()
    assert [(line["rank"], line["points"]) for line in board["top"]] == [(1, 300), (2, 200), (2, 200), (4, 100)]
    rows = [leaderboards.row_of(today(), names[i]) for i in (3, 1, 2, 0)]
    assert [line["row"] for line in board["top"]] == rows
    assert (board["me"], board["around_me"]) == (None, [])


def test_ga3_my_neighbourhood_is_three_above_and_three_below(register, announce, deliver):
    viewer = register()
    worth = [400 - 10 * i for i in range(30)]
    for i, (points, end) in enumerate(zip(worth, moments(30), strict=True)):
        announce(completed(viewer.user_id if i == 25 else uuid7(), points=points - points % 20, ended_at=end))
    deliver()
    board = viewer.api.get(DAILY).json()
    assert len(board["top"]) == 20
    assert board["me"]["rank"] == 26 - (board["me"]["points"] == board["around_me"][2]["points"])
    assert len(board["around_me"]) == 7
    assert board["around_me"][3] == board["me"]
    everybody = leaderboards._places_in_ledger(today(), viewer.user_id)[1]
    assert [(p.points, p.rank) for p in everybody] == [(x["points"], x["rank"]) for x in board["around_me"]]


def test_id7_a_private_athlete_has_no_name_on_a_board(register, announce, deliver):
    hidden, shown = register(), register(display_name="Shown", visibility={"display_name": "everyone"})
    announce(completed(hidden.user_id, points=200), completed(shown.user_id, points=100))
    deliver()
    first, second = shown.api.get(DAILY).json()["top"]
    assert (first["user_id"], first["display_name"], first["points"]) == (None, None, 200)
    assert second["display_name"] == "Shown"
    own = hidden.api.get(DAILY).json()["top"][0]
    assert own["user_id"] == str(hidden.user_id)
    assert own["display_name"] is not None


def test_ga3_a_flushed_board_comes_back_identical(register, announce, deliver):
    viewer = register()
    for end in moments(40):
        announce(completed(uuid7(), points=50 + end.microsecond % 7, ended_at=end))
    announce(completed(viewer.user_id, points=53))
    deliver()
    call_command("rebuild_leaderboards", stdout=io.StringIO())
    board, held = viewer.api.get(DAILY).json(), boards_in_redis()
    forget_boards()
    assert boards_in_redis() == {}
    assert viewer.api.get(DAILY).json() | {"seq": board["seq"]} == board
    call_command("rebuild_leaderboards", stdout=io.StringIO())
    assert boards_in_redis() == held


def test_ga3_updates_alone_lead_to_the_same_board_as_a_rebuild(announce, deliver):
    users = [uuid7() for _ in range(15)]
    for i, end in enumerate(moments(60)):
        announce(completed(users[i % 15], points=i, ended_at=end))
        if i % 20 == 0:
            deliver()
    deliver()
    leaderboards.show_board(today(), viewer=users[0])
    held = boards_in_redis()
    forget_boards()
    call_command("rebuild_leaderboards", stdout=io.StringIO())
    rebuilt = boards_in_redis()
    for key, members in held.items():
        assert [m for m in members if m[1] >= 0] == [m for m in rebuilt[key] if m[1] >= 0]


def test_g2_the_check_finds_what_differs_from_the_ledger(announce, deliver):
    announce(completed(uuid7(), points=10))
    deliver()
    call_command("rebuild_leaderboards", stdout=io.StringIO())
    call_command("rebuild_leaderboards", "--check", stdout=io.StringIO())
    redis_client().zadd(leaderboards.key_of(today()), {str(uuid7()): 1})
    with pytest.raises(CommandError, match="1 of 3 boards differ"):
        call_command("rebuild_leaderboards", "--check", stdout=io.StringIO())
    call_command("rebuild_leaderboards", stdout=io.StringIO())
    call_command("rebuild_leaderboards", "--check", stdout=io.StringIO())


def test_g2_a_rebuild_in_the_middle_of_awards_loses_none(announce, deliver):
    users = [uuid7() for _ in range(8)]
    board = today()

    def award(user_id: UUID) -> None:
        moment = now()
        award = scoring.Award(
            user_id=user_id,
            rule=rules.COMPLETED_WORKOUT,
            source_id=uuid7(),
            points=3,
            local_day=board.first_day,
            earned_at=moment,
            awarded_at=moment,
        )
        scoring.award_points(awards=[award])
        leaderboards.refresh(board, users=[user_id])

    def work(i: int) -> None:
        try:
            leaderboards.rebuild(board) if i % 10 == 0 else award(users[i % 8])
        finally:
            release_connections()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(200)))
    assert leaderboards.differences(board) == 0


def test_ga3_without_redis_the_ledger_answers(register, announce, deliver, monkeypatch):
    anna = register()
    announce(completed(anna.user_id, points=70), completed(uuid7(), points=90))
    deliver()
    board = anna.api.get(DAILY).json()
    nowhere = redis.Redis(port=1, socket_connect_timeout=1)
    monkeypatch.setattr(leaderboards, "redis_client", lambda: nowhere)
    assert anna.api.get(DAILY).json() | {"seq": board["seq"]} == board


def test_ga3_a_board_of_the_past_does_not_stay_in_redis(announce, deliver):
    announce(completed(uuid7(), points=10, ended_at=now() - timedelta(days=100)))
    deliver()
    assert UserDay.objects.count() == 1
    assert boards_in_redis() == {}


def test_ga3_there_is_no_yearly_board(register):
    answer = register().api.get("/api/v1/gamification/leaderboards/yearly")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("path", [DAILY, "/api/v1/gamification/points"])
def test_ga3_boards_and_points_are_for_members(anonymous, path):
    assert anonymous.get(path).status_code == 401


def test_ga1_my_points_are_mine_to_read(register, announce, deliver):
    anna, boris = register(), register()
    announce(
        completed(anna.user_id, points=700), completed(anna.user_id, points=700), completed(UUID(int=9), points=5)
    )
    deliver()
    mine = anna.api.get("/api/v1/gamification/points?limit=1").json()
    assert (mine["today"], mine["cap"], mine["total"]) == (1_000, 1_000, 1_000)
    (newest,) = mine["entries"]["items"]
    assert newest["points_asked"] == 700
    older = anna.api.get(f"/api/v1/gamification/points?limit=1&cursor={mine['entries']['next']}").json()["entries"]
    assert {newest["points_granted"], older["items"][0]["points_granted"]} == {700, 300}
    assert older["next"] is None
    assert boris.api.get("/api/v1/gamification/points").json()["total"] == 0
