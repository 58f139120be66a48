"""Leaderboards: sorted sets in Redis, each a copy of what the ledger says, and how they are read and rebuilt.

The ledger is the truth. A write carries the whole total, and whoever has written reads the ledger again and writes
again until both agree: whatever the order of two writers, the one that writes last has seen the newest total. A lost
write is mended by the next. The member `complete` (score -1, below all)
is written by a rebuild alone: a set without it has been flushed or never built, and is rebuilt before it is read.
"""

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID, uuid4

from django.utils.crypto import salted_hmac
from redis import Redis, RedisError

from contexts.gamification import rules
from contexts.gamification.models import UserDay
from contexts.identity import services as identity
from kernel.databases import redis_client

log = logging.getLogger(__name__)
TOP = 20
NEIGHBOURS = 3
DAYS_KEPT = 45
"""A board that counts an older day than this has left Redis."""

Scored = list[tuple[bytes, float]]
"""Members with their scores, as Redis answers."""

_COMPLETE = "complete"
_PORTION = 5_000
_REBUILD_TIMEOUT_S = 60


def key_of(board: rules.Board) -> str:
    """The sorted set of a board."""
    return f"gamification:board:{board.period}:{board.key}"


@dataclass(frozen=True)
class Place:
    """One athlete's place on a board."""

    user_id: UUID
    points: int
    rank: int


@dataclass(frozen=True)
class Line:
    """A place as one viewer may see it: an athlete who keeps their profile private has no name and no id.

    `row` is opaque and stable within one board, so that a client can move the row of somebody it cannot name.
    """

    row: str
    rank: int
    user_id: UUID | None
    display_name: str | None
    points: int


@dataclass(frozen=True)
class BoardView:
    """A board as one viewer sees it; `seq` is the last change it contains for certain."""

    period: str
    period_key: str
    seq: int
    top: list[Line]
    around_me: list[Line]
    me: Line | None


# --- writing ---------------------------------------------------------------------------------------------------


def refresh(board: rules.Board, *, users: list[UUID]) -> None:
    """Copy these athletes' totals from the ledger to Redis; who has no points any more leaves the board."""
    written: list[rules.Standing] | None = None
    while (standings := UserDay.objects.standings(board, users=users)) != written:
        _write(board, standings, gone=set(users) - {standing.user_id for standing in standings})
        written = standings


def _write(board: rules.Board, standings: Sequence[rules.Standing], *, gone: Collection[UUID]) -> None:
    with redis_client().pipeline(transaction=False) as pipe:
        for scores in _scores(board, standings):
            pipe.zadd(key_of(board), scores)
        if gone:
            pipe.zrem(key_of(board), *map(str, gone))
        pipe.expireat(key_of(board), board.forgotten_at)
        pipe.execute()


def _scores(board: rules.Board, standings: Sequence[rules.Standing]) -> Iterator[dict[str, int]]:
    """Members and scores, in portions that do not hold Redis up."""
    for start in range(0, len(standings), _PORTION):
        yield {str(s.user_id): rules.score_of(board, s) for s in standings[start : start + _PORTION]}


def rebuild(board: rules.Board) -> int:
    """Replace a board by what the ledger says; returns the number of athletes on it.

    What changes between reading the ledger and swapping the set is caught by reading a second time.
    """
    before = UserDay.objects.standings(board)
    fresh = f"{{{key_of(board)}}}:{uuid4().hex}"  # the braces keep both keys on one node of a cluster
    with redis_client().pipeline(transaction=False) as pipe:
        pipe.zadd(fresh, {_COMPLETE: -1})
        for scores in _scores(board, before):
            pipe.zadd(fresh, scores)
        pipe.expireat(fresh, board.forgotten_at)
        pipe.rename(fresh, key_of(board))
        pipe.execute()
    if changed := {standing.user_id for standing in {*before} ^ {*UserDay.objects.standings(board)}}:
        refresh(board, users=sorted(changed))
    return len(before)


def kept_boards(*, at: datetime) -> list[rules.Board]:
    """The boards with points which Redis should still hold at `at`."""
    since = (at - timedelta(days=DAYS_KEPT)).date()
    days = UserDay.objects.filter(local_day__gte=since, points__gt=0).order_by().values_list("local_day", flat=True)
    boards = {board for day in days.distinct() for board in rules.boards_of(day)}
    return sorted(board for board in boards if board.forgotten_at > at)


def differences(board: rules.Board) -> int | None:
    """How many athletes Redis and the ledger disagree about; None if Redis does not hold the whole board."""
    found = cast(Scored, redis_client().zrange(key_of(board), 0, -1, withscores=True))
    held = dict(found)
    if held.pop(_COMPLETE.encode(), None) is None:
        return None
    scores = {str(s.user_id).encode(): rules.score_of(board, s) for s in UserDay.objects.standings(board)}
    return sum(held.get(user) != scores.get(user) for user in held.keys() | scores.keys())


def _is_complete(board: rules.Board) -> bool:
    """Whether Redis holds the whole board, after building it if nobody else is building it right now."""
    if redis_client().zscore(key_of(board), _COMPLETE) is not None:
        return True
    gate = f"{key_of(board)}:rebuilding"
    if not redis_client().set(gate, 1, nx=True, ex=_REBUILD_TIMEOUT_S):
        return False
    try:
        rebuild(board)
    finally:
        redis_client().delete(gate)
    return True


# --- reading ---------------------------------------------------------------------------------------------------


def show_board(board: rules.Board, *, viewer: UUID) -> BoardView:
    """The top of a board and the viewer's neighbourhood, from Redis, or from the ledger while Redis cannot."""
    seq = 0
    try:
        seq = int(redis_client().get(_seq_key(board)) or 0)
        places = _places_in_redis if _is_complete(board) else _places_in_ledger
        top, around = places(board, viewer)
    except RedisError:
        log.warning("leaderboard read from the ledger", extra={"board": key_of(board)}, exc_info=True)
        top, around = _places_in_ledger(board, viewer)
    lines = {line.row: line for line in as_seen(board, [*top, *around], viewer=viewer)}
    own = row_of(board, viewer)
    return BoardView(
        period=board.period,
        period_key=board.key,
        seq=seq,
        top=[lines[row_of(board, place.user_id)] for place in top],
        around_me=[lines[row_of(board, place.user_id)] for place in around],
        me=lines[own] if any(place.user_id == viewer for place in around) else None,
    )


def changed_places(board: rules.Board, *, users: Iterable[UUID]) -> list[Place] | None:
    """Where these athletes stand now, best first, without those who stand nowhere; None if Redis is being rebuilt."""
    members = [str(user) for user in users]
    if not _is_complete(board):
        return None
    if not members:
        return []
    scores = redis_client().zmscore(key_of(board), members)
    found = [(UUID(member), rules.points_in(s)) for member, s in zip(members, scores, strict=True) if s is not None]
    with redis_client().pipeline(transaction=False) as pipe:
        for _, points in found:
            _count_better(pipe, board, points)
        ranks = [better + 1 for better in pipe.execute()]
    places = [Place(user, points, rank) for (user, points), rank in zip(found, ranks, strict=True)]
    return sorted(places, key=lambda place: place.rank)


def next_seq(board: rules.Board) -> int:
    """The number of the next change announced for a board."""
    with redis_client().pipeline() as pipe:
        pipe.incr(_seq_key(board))
        pipe.expireat(_seq_key(board), board.forgotten_at)
        return int(pipe.execute()[0])


def as_seen(board: rules.Board, places: list[Place], *, viewer: UUID | None) -> list[Line]:
    """Places with the names the viewer may see (None: what everybody may see), asked for in one batch."""
    members = identity.get_members(user_ids=list({place.user_id for place in places}))
    lines = []
    for place in places:
        member = members.get(place.user_id)
        shown = member is not None and (member.is_public or place.user_id == viewer)
        lines.append(
            Line(
                row=row_of(board, place.user_id),
                rank=place.rank,
                user_id=place.user_id if shown else None,
                display_name=member.display_name if member and shown else None,
                points=place.points,
            )
        )
    return lines


def row_of(board: rules.Board, user_id: UUID) -> str:
    """An athlete's opaque name on one board: tells nothing, and nothing about them on the next board."""
    return salted_hmac("gamification.board", f"{board.period}:{board.key}:{user_id}").hexdigest()[:16]


def _seq_key(board: rules.Board) -> str:
    return f"{key_of(board)}:seq"


def _count_better(client: Redis, board: rules.Board, points: int) -> Any:
    """How many have more points; inside a pipeline the answer comes when that is executed."""
    return client.zcount(key_of(board), rules.lowest_score(points + 1), "+inf")


def _places_in_redis(board: rules.Board, viewer: UUID) -> tuple[list[Place], list[Place]]:
    key = key_of(board)
    with redis_client().pipeline(transaction=False) as pipe:
        pipe.zrevrange(key, 0, TOP - 1, withscores=True)
        pipe.zrevrank(key, str(viewer))
        best, position = pipe.execute()
    top = _places(best, first=1, position=1)
    if position is None:
        return top, []
    start = max(0, position - NEIGHBOURS)
    near = cast(Scored, redis_client().zrevrange(key, start, position + NEIGHBOURS, withscores=True))
    better = _count_better(redis_client(), board, rules.points_in(near[0][1]))
    return top, _places(near, first=better + 1, position=start + 1)


def _places(found: Scored, *, first: int, position: int) -> list[Place]:
    rows = [(UUID(member.decode()), rules.points_in(score)) for member, score in found if score >= 0]
    ranks = rules.ranks([points for _, points in rows], first=first, position=position)
    return [Place(user, points, rank) for (user, points), rank in zip(rows, ranks, strict=True)]


def _places_in_ledger(board: rules.Board, viewer: UUID) -> tuple[list[Place], list[Place]]:
    """The same answer from PostgreSQL: the whole board is read, fine for some 100,000 athletes."""
    standings = UserDay.objects.standings(board)
    ranks = rules.ranks([standing.points for standing in standings], first=1, position=1)
    places = [Place(s.user_id, s.points, rank) for s, rank in zip(standings, ranks, strict=True)]
    mine = next((i for i, place in enumerate(places) if place.user_id == viewer), None)
    around = [] if mine is None else places[max(0, mine - NEIGHBOURS) : mine + NEIGHBOURS + 1]
    return places[:TOP], around
