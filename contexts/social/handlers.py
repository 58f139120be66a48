"""What the social context does when others speak."""

from contexts.social import feed
from contexts.workout import events as workout
from kernel.bus import on


@on(workout.WorkoutCompleted)
def share_completed_workout(event: workout.WorkoutCompleted) -> None:
    """A finished workout appears in friends' feeds if its athlete shares it."""
    feed.share_workout(
        session_id=event.session_id,
        author_id=event.user_id,
        sport=event.sport,
        started_at=event.started_at,
        ended_at=event.ended_at,
        duration_s=event.duration_s,
        moving_s=event.moving_s,
        distance_m=event.distance_m,
        energy_kcal=event.energy_kcal,
        visibility=event.visibility,
    )
