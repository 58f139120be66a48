"""Who is whose friend, as social has announced: a ticket may be given to friends alone."""

from uuid import UUID

from contexts.booking.models import Friendship
from kernel.databases import unit_of_work


@unit_of_work("booking", isolation="read committed")
def note_friendship(*, user_a: UUID, user_b: UUID) -> None:
    """Two members are friends; hearing it twice changes nothing."""
    low, high = sorted((user_a, user_b))
    Friendship.objects.bulk_create([Friendship(user_a=low, user_b=high)], ignore_conflicts=True)


def are_friends(one: UUID, other: UUID) -> bool:
    """Whether these two are friends, as far as it has been heard here."""
    low, high = sorted((one, other))
    return Friendship.objects.filter(user_a=low, user_b=high).exists()
