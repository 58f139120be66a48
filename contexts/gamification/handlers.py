"""What gamification does when others speak."""

from collections import defaultdict
from uuid import UUID

from django.utils.timezone import now

from contexts.gamification import broadcasting, events, leaderboards, rules, scoring
from contexts.identity import events as identity
from contexts.workout import events as workout
from kernel import personal_data
from kernel.bus import on, publish
from kernel.databases import run_after_commit


@on(workout.WorkoutCompleted, workout.PersonalRecordAchieved, workout.WorkoutDeleted, batch=True)
def award_points(
    happened: list[workout.WorkoutCompleted | workout.PersonalRecordAchieved | workout.WorkoutDeleted],
) -> None:
    """Finished workouts earn points; a record earns a bonus, tried again while its workout has no points yet.

    What a deleted workout had brought is taken back, whichever of its events came first.
    """
    finished = [event for event in happened if isinstance(event, workout.WorkoutCompleted)]
    beaten = [event for event in happened if isinstance(event, workout.PersonalRecordAchieved)]
    scoring.award_points(awards=[_award_for(event) for event in finished])
    scoring.award_records(
        records=[
            scoring.Record(session_id=event.session_id, record=event.record, achieved_at=event.occurred_at)
            for event in beaten
            if rules.beats_something(previous=event.previous)
        ]
    )
    scoring.take_back(
        deletions=[
            scoring.Deletion(user_id=event.user_id, session_id=event.session_id, deleted_at=event.occurred_at)
            for event in happened
            if isinstance(event, workout.WorkoutDeleted)
        ]
    )


def _award_for(event: workout.WorkoutCompleted) -> scoring.Award:
    return scoring.Award(
        user_id=event.user_id,
        rule=rules.COMPLETED_WORKOUT,
        source_id=event.session_id,
        points=rules.points_for_workout(moving_s=event.moving_s, energy_kcal=event.energy_kcal),
        local_day=rules.local_day(event.ended_at, event.time_zone),
        earned_at=event.ended_at,
        awarded_at=event.occurred_at,
    )


@on(events.LeaderboardUpdated, batch=True)
def move_boards(updates: list[events.LeaderboardUpdated]) -> None:
    """New totals go from the ledger to Redis, then to those who watch.

    Through the bus, so that a Redis that is away for a while costs a retry and not an update.
    """
    moved: dict[rules.Board, set[UUID]] = defaultdict(set)
    for update in updates:
        moved[rules.Board.parse(update.period, update.period_key)].add(update.user_id)
    for board, users in moved.items():
        leaderboards.refresh(board, users=sorted(users))
    run_after_commit(lambda: broadcasting.announce(moved, at=now()))


def _hand_out(event: identity.UserExportRequested) -> dict[str, int]:
    return personal_data.export("gamification", event.user_id, personal_data.part_of(event.export_id, "gamification"))


@on(identity.UserExportRequested, asks=_hand_out)
def hand_out_personal_data(event: identity.UserExportRequested, rows: dict[str, int]) -> None:
    """A person wants everything about them: our part is in the storage before we say so."""
    publish(
        events.PersonalDataExported(
            user_id=event.user_id, export_id=event.export_id, rows=rows, occurred_at=event.occurred_at
        )
    )


def _erase(event: identity.UserErased | identity.ErasureRepeated) -> None:
    personal_data.erase("gamification", event.user_id)


@on(identity.UserErased, identity.ErasureRepeated, asks=_erase)
def erase_person(event: identity.UserErased | identity.ErasureRepeated, _: None) -> None:
    """An account is erased: in units of work of their own, before we say that nothing is left."""
    publish(
        events.PersonalDataErased(user_id=event.user_id, erasure_id=event.erasure_id, occurred_at=event.occurred_at)
    )
