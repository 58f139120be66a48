"""The feed: what friends shared of their workouts (SO-4).

Nothing is fanned out. Who may see an entry is decided when it is read, in the query, before any page is cut:
a friendship that ends takes the entries with it, and no page comes out short.
"""

from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from contexts.social import friendships, rules
from contexts.social.models import FeedEntry, FeedSource
from kernel.databases import unit_of_work


@dataclass(frozen=True, kw_only=True)
class Workout:
    """A completed workout, as it is shown to others."""

    session_id: UUID
    author_id: UUID
    sport: str
    started_at: datetime
    ended_at: datetime
    duration_s: float
    moving_s: float
    distance_m: float | None
    energy_kcal: float | None
    visibility: str


@unit_of_work("social", gate="session_id")
def share_workout(*, session_id: UUID, workout: Workout) -> None:
    """Put a completed workout into the feed, unless it is private, or something later was heard of it already."""
    if not FeedSource.objects.filter(session_id=session_id).exists():
        _show(workout)


@unit_of_work("social", gate="session_id")
def correct_workout(*, session_id: UUID, workout: Workout, change: int) -> None:
    """A completed workout is another sport's, or others may see it: it enters, changes or leaves the feed."""
    source, _ = FeedSource.objects.get_or_create(session_id=session_id, defaults={"author_id": workout.author_id})
    if source.is_before(change):
        source.change = change
        source.save(update_fields=["change"])
        _show(workout)


def _show(workout: Workout) -> None:
    if rules.is_shared(workout.visibility):
        FeedEntry.objects.update_or_create(session_id=workout.session_id, defaults=asdict(workout))
    else:
        FeedEntry.objects.filter(session_id=workout.session_id).delete()


@unit_of_work("social", gate="session_id")
def withdraw_workout(*, session_id: UUID, author_id: UUID) -> None:
    """A workout is no more, for good."""
    FeedSource.objects.update_or_create(
        session_id=session_id,
        defaults={"is_deleted": True},
        create_defaults={"is_deleted": True, "author_id": author_id},
    )
    FeedEntry.objects.filter(session_id=session_id).delete()


def entries_for(*, viewer: UUID) -> QuerySet[FeedEntry]:
    """Entries this member may see now: their own and their present friends', none of them private."""
    circle = {viewer, *friendships.friend_ids(user_id=viewer)}
    return FeedEntry.objects.filter(author_id__in=circle, visibility__in=rules.SHARED)
