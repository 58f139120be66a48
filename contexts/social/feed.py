"""The feed: what friends shared of their workouts (SO-4).

Nothing is fanned out. Who may see an entry is decided when it is read, in the query, before any page is cut:
a friendship that ends takes the entries with it, and no page comes out short.
"""

from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from contexts.social import friendships, rules
from contexts.social.models import FeedEntry
from kernel.databases import unit_of_work


@unit_of_work("social")
def share_workout(
    *,
    session_id: UUID,
    author_id: UUID,
    sport: str,
    started_at: datetime,
    ended_at: datetime,
    duration_s: float,
    moving_s: float,
    distance_m: float | None,
    energy_kcal: float | None,
    visibility: str,
) -> None:
    """Put a completed workout into the feed, unless it is private. A workout appears once."""
    if not rules.is_shared(visibility):
        return
    entry = FeedEntry(
        session_id=session_id,
        author_id=author_id,
        sport=sport,
        started_at=started_at,
        ended_at=ended_at,
        duration_s=duration_s,
        moving_s=moving_s,
        distance_m=distance_m,
        energy_kcal=energy_kcal,
        visibility=visibility,
    )
    FeedEntry.objects.bulk_create([entry], ignore_conflicts=True)


def entries_for(*, viewer: UUID) -> QuerySet[FeedEntry]:
    """Entries this member may see now: their own and their present friends', none of them private."""
    circle = {viewer, *friendships.friend_ids(user_id=viewer)}
    return FeedEntry.objects.filter(author_id__in=circle, visibility__in=rules.SHARED)
