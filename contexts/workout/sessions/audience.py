"""Who may see what an athlete shares: everybody, friends, or the athlete alone."""

from datetime import datetime
from uuid import UUID

from django.db.models import Exists, OuterRef, Q

from contexts.workout.models import Companion, TrainingSession, Visibility
from contexts.workout.sessions import history


def visible_to(viewer: UUID, *, through: str = "") -> Q:
    """Rows with `user_id` and `visibility` that a member may see; `through` leads to them, as in `session__`."""
    friends = Companion.objects.filter(user_id=OuterRef(f"{through}user_id"), friend_id=viewer)
    return (
        Q(**{f"{through}user_id": viewer})
        | Q(**{f"{through}visibility": Visibility.EVERYONE})
        | Q(Exists(friends), **{f"{through}visibility": Visibility.FRIENDS})
    )


def session_shown_to(*, session_id: UUID, viewer: UUID, at: datetime) -> TrainingSession:
    """A session as its athlete shares it, or as a coach may see it; for others it does not exist.

    Asks identity, so not for an open unit of work.
    """
    shared = TrainingSession.objects.filter(visible_to(viewer), id=session_id).first()
    return shared or history.shown_session(session_id=session_id, by=viewer, at=at)
