"""What gamification has about a person: points, and places on the boards."""

from datetime import timedelta
from uuid import UUID

from django.utils.timezone import now

from contexts.gamification import leaderboards, rules
from contexts.gamification.models import PointsEntry, UserDay
from kernel.databases import redis_client
from kernel.personal_data import Data, Owned

DATA: Data = {
    PointsEntry: Owned(by="user_id"),
    UserDay: Owned(by="user_id"),
}


def after_erasing(user_id: UUID) -> None:
    """Take the person off every board that Redis may still hold; the ledger has nothing to bring them back with."""
    today = now().date()
    days = [today + timedelta(days=offset) for offset in range(-leaderboards.DAYS_KEPT, 2)]
    with redis_client().pipeline(transaction=False) as pipe:
        for board in {board for day in days for board in rules.boards_of(day)}:
            pipe.zrem(leaderboards.key_of(board), str(user_id))
        pipe.execute()
