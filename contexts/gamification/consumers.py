"""Leaderboards over a WebSocket: a board, then what changes on it."""

import asyncio
from dataclasses import asdict
from typing import Any
from uuid import UUID

from django.urls import path
from django.utils.timezone import now

from contexts.gamification import broadcasting, leaderboards, rules
from kernel.access import member
from kernel.realtime import Socket, in_thread


class LeaderboardSocket(Socket):
    """Follows the board of the watcher's local day, week or month, and moves on to the next one by itself."""

    access = member
    _following: asyncio.Task[None] | None = None

    async def opened(self) -> None:
        """Send the board; changes follow as they happen."""
        period = self.scope["url_route"]["kwargs"]["period"]
        if period not in rules.PERIODS:
            await self.refuse("not_found")
            return
        board = await self._show(period)
        self._following = asyncio.create_task(self._move_on_after(board))

    async def disconnect(self, code: int) -> None:
        """Stop waiting for the next period."""
        if self._following is not None:
            self._following.cancel()
        await super().disconnect(code)

    async def _show(self, period: str) -> rules.Board:
        board = rules.Board.of(period, rules.local_day(now(), self.principal.time_zone))
        await self.join(broadcasting.group_of(board))
        await self.send_json(await in_thread(_board_frame, board=board, viewer=self.principal.user_id))
        return board

    async def _move_on_after(self, board: rules.Board) -> None:
        while True:
            wait = board.next_opens_for(self.principal.time_zone) - now()
            await asyncio.sleep(max(0.0, wait.total_seconds()))
            await self.leave(broadcasting.group_of(board))
            board = await self._show(board.period)


def _board_frame(*, board: rules.Board, viewer: UUID) -> dict[str, Any]:
    return {"type": "board", **asdict(leaderboards.show_board(board, viewer=viewer))}


websocket_urlpatterns = [path("leaderboards/<str:period>", LeaderboardSocket.as_asgi())]
