"""What workout does when others speak."""

from contexts.health import events as health
from contexts.health import services as health_services
from contexts.social import events as social
from contexts.workout import sampling, watching
from kernel.bus import on


def _readings_of_sessions(event: health.HealthMetricRecorded) -> list[health_services.Reading]:
    """The batch's readings, fetched only if the athlete had a live session at the time."""
    if not sampling.has_session_between(user_id=event.user_id, first_at=event.first_at, last_at=event.last_at):
        return []
    return health_services.get_batch(batch_id=event.batch_id)


@on(health.HealthMetricRecorded, asks=_readings_of_sessions)
def take_readings_into_sessions(event: health.HealthMetricRecorded, readings: list[health_services.Reading]) -> None:
    """Readings of the athlete's devices become samples of the session they fall into."""
    if readings:
        sampling.take_readings(by=event.user_id, readings=readings, at=event.occurred_at)


@on(social.FriendshipEstablished)
def let_friends_watch(event: social.FriendshipEstablished) -> None:
    """Friends may follow each other's sessions, as far as these are shared."""
    watching.befriend(user_a=event.user_a, user_b=event.user_b)
