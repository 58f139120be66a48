"""A session is deleted, or is of another sport: the workouts it counted for are as if it had never been (WO-2).

They are before their athlete again: due, or missed and made up like any other whose day is over; unless another
session that has counted for nothing is what was meant. The caller holds the athlete's gate.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from contexts.workout.models import ScheduledWorkout, TrainingSession
from contexts.workout.planning import steps as parts
from contexts.workout.plans import following, targets

State = ScheduledWorkout.State


def take_back(*, sessions: Iterable[TrainingSession], at: datetime) -> list[ScheduledWorkout]:
    """Sessions are about to be deleted; answers what they counted for, to be handed to `settle_anew` when they are.

    Results that the athlete has reported in their own words stand without a session.
    """
    rows = list(ScheduledWorkout.objects.select_related("adopted").filter(session__in=sessions))
    for row in rows:
        said = following.outcome_of(row)
        if said.results and not said.from_sets:
            row.session = None
            following.judge(row, at=at)
        elif row.adopted.ended_at is None:
            row.unsettle(at=at)
            row.save()
        else:
            _close(row, at=at)
    return [row for row in rows if row.adopted.ended_at is None]


def match_anew(session: TrainingSession, *, at: datetime) -> None:
    """Its sport is another, and stored: what it counted for is taken back, and it counts for what it was meant for.

    The caller holds the athlete's gate.
    """
    if ScheduledWorkout.objects.filter(session=session).exclude(sport=session.sport).exists():
        settle_anew(take_back(sessions=[session], at=at), at=at)
    if session.duplicate_of_id is None:
        following.match(session, at=at)


def _close(row: ScheduledWorkout, *, at: datetime) -> None:
    """A plan given up has nothing to come: what was not done in time was missed."""
    if row.day >= row.adopted.today(at=at):
        row.delete()
        return
    row.unsettle(at=at)
    row.settle(State.MISSED, thresholds=parts.plain(targets.thresholds_of(row)), at=at)
    row.save()


def settle_anew(rows: Iterable[ScheduledWorkout], *, at: datetime) -> None:
    """The sessions are gone: another one may be what was meant, and what follows is laid out anew."""
    for row in rows:
        if row.state == State.PLANNED:
            for session in _others(row):
                following.match(session, at=at)
        if not following.miss_what_is_over(row.adopted, at=at):
            following.lay_out(row.adopted, at=at)


def _others(row: ScheduledWorkout) -> Iterable[TrainingSession]:
    reach = following.MATCHES_WITHIN + timedelta(days=1)  # the athlete's day is at most one away from that of UTC
    return TrainingSession.objects.filter(
        user_id=row.user_id,
        sport=row.sport,
        state=TrainingSession.State.COMPLETED,
        duplicate_of=None,
        scheduled_workout=None,
        started_at__date__range=(row.day - reach, row.day + reach),
    ).order_by("started_at", "id")
