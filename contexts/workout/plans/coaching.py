"""What a coach sees of an athlete's plans, as long as the athlete lets them; every look is announced."""

from datetime import date, datetime
from uuid import UUID

from contexts.identity import services as identity
from contexts.workout import events
from contexts.workout.models import ScheduledWorkout
from contexts.workout.plans import following
from kernel.bus import publish
from kernel.databases import unit_of_work
from kernel.errors import NotFound


def athletes_days(*, athlete_id: UUID, first: date, last: date, by: UUID, at: datetime) -> list[ScheduledWorkout]:
    """An athlete's workouts from one day to another, for the athlete or a coach whom they let see their workouts.

    For others the athlete does not exist. A coach's look is announced before anything is shown. Asks identity, so not
    for an open unit of work.
    """
    asked = following.days(by=athlete_id, first=first, last=last)
    if athlete_id != by:
        granted = identity.get_coach_scopes(coach_id=by, athlete_ids=[athlete_id]).get(athlete_id, [])
        if "workout:read" not in granted:
            raise NotFound
        _announce_look(athlete_id=athlete_id, first=first, last=last, by=by, at=at)
    return list(asked)


@unit_of_work("workout")
def _announce_look(*, athlete_id: UUID, first: date, last: date, by: UUID, at: datetime) -> None:
    publish(events.ScheduleViewed(user_id=athlete_id, by=by, first_day=first, last_day=last, occurred_at=at))
