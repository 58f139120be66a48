"""Telling those who watch a board what changed: at most four frames a second for each board and process."""

import logging
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from threading import Lock, Timer
from time import monotonic
from typing import Any, Final
from uuid import UUID

from contexts.gamification import leaderboards, rules
from kernel.databases import release_connections
from kernel.observability import correlation, correlation_id
from kernel.realtime import push

log = logging.getLogger(__name__)

INTERVAL_S: Final = 0.25
MOST_ENTRIES: Final = 100
"""A frame names at most so many athletes, the best; `more` then asks clients to read the board again."""


def group_of(board: rules.Board) -> str:
    """The sockets that watch a board."""
    return f"gamification.board.{board.period}.{board.key}"


def announce(moved: Mapping[rules.Board, set[UUID]], *, at: datetime) -> None:
    """Tell the watchers of every open board who moved; boards of the past move in silence."""
    for board, users in moved.items():
        if board.opens_at <= at < board.closes_at:
            _ticker_of(board, at=at).changed(users)


class Ticker:
    """Collects the changes of one board: the first goes out at once, what follows within 250 ms goes together.

    A frame belongs to the request behind the last change in it.
    """

    def __init__(self, board: rules.Board) -> None:
        self.board = board
        self._waiting: set[UUID] = set()
        self._request = ""
        self._sent_at = -INTERVAL_S
        self._timer: Timer | None = None
        self._lock = Lock()

    def changed(self, users: set[UUID]) -> None:
        """Take up a change and send it, now or with the next frame."""
        with self._lock:
            self._waiting |= users
            self._request = correlation_id()
            if self._timer is not None:
                return
            pause = self._sent_at + INTERVAL_S - monotonic()
            if pause > 0:
                self._timer = Timer(pause, self._send_later)
                self._timer.daemon = True
                self._timer.start()
            else:
                self._send()

    def _send_later(self) -> None:
        try:
            with self._lock, correlation(self._request):
                self._timer = None
                self._send()
        except Exception:
            log.exception("a frame of a board is lost; the next change brings the next one")
        finally:
            release_connections()  # the timer's thread ends here; its connections must not outlive it

    def _send(self) -> None:
        users, self._waiting = self._waiting, set()
        self._sent_at = monotonic()
        frame = frame_of(self.board, users)
        if frame:
            push(group_of(self.board), frame)


def frame_of(board: rules.Board, users: set[UUID]) -> dict[str, Any] | None:
    """One frame with the places of those who moved, as everybody may see them; None if there is nothing to say.

    `gone` names the rows of those who are on the board no more.
    """
    places = leaderboards.changed_places(board, users=users)
    if places is None or not users:
        return None
    gone = users - {place.user_id for place in places}
    lines = leaderboards.as_seen(board, places[:MOST_ENTRIES], viewer=None)
    return {
        "type": "changes",
        "period": board.period,
        "period_key": board.key,
        "seq": leaderboards.next_seq(board),
        "entries": [asdict(line) for line in lines],
        "gone": sorted(leaderboards.row_of(board, user_id) for user_id in gone),
        "more": len(places) > MOST_ENTRIES,
    }


_tickers: dict[rules.Board, Ticker] = {}
_tickers_lock = Lock()


def _ticker_of(board: rules.Board, *, at: datetime) -> Ticker:
    with _tickers_lock:
        for past in [known for known in _tickers if known.closes_at <= at]:
            del _tickers[past]
        return _tickers.setdefault(board, Ticker(board))
