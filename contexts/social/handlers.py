"""What the social context does when others speak."""

from dataclasses import fields

from contexts.identity import events as identity
from contexts.social import events, feed
from contexts.workout import events as workout
from kernel import personal_data
from kernel.bus import on, publish


@on(workout.WorkoutCompleted)
def share_completed_workout(event: workout.WorkoutCompleted) -> None:
    """A finished workout appears in friends' feeds if its athlete shares it."""
    feed.share_workout(session_id=event.session_id, workout=_workout(event))


@on(workout.WorkoutChanged)
def correct_shared_workout(event: workout.WorkoutChanged) -> None:
    """What its athlete shares later enters the feeds, what they make private leaves them.

    Without a summary the session is under way, or stands behind another: it is in no feed.
    """
    if event.change is not None and event.ended_at is not None:
        feed.correct_workout(session_id=event.session_id, workout=_workout(event), change=event.change)


def _workout(event: workout.WorkoutCompleted | workout.WorkoutChanged) -> feed.Workout:
    told = {field.name: getattr(event, field.name) for field in fields(feed.Workout) if field.name != "author_id"}
    return feed.Workout(author_id=event.user_id, **told)


@on(workout.WorkoutDeleted)
def withdraw_deleted_workout(event: workout.WorkoutDeleted) -> None:
    """What its athlete deletes leaves the feeds."""
    feed.withdraw_workout(session_id=event.session_id, author_id=event.user_id)


def _hand_out(event: identity.UserExportRequested) -> dict[str, int]:
    return personal_data.export("social", event.user_id, personal_data.part_of(event.export_id, "social"))


@on(identity.UserExportRequested, asks=_hand_out)
def hand_out_personal_data(event: identity.UserExportRequested, rows: dict[str, int]) -> None:
    """A person wants everything about them: our part is in the storage before we say so."""
    publish(
        events.PersonalDataExported(
            user_id=event.user_id, export_id=event.export_id, rows=rows, occurred_at=event.occurred_at
        )
    )


def _erase(event: identity.UserErased | identity.ErasureRepeated) -> None:
    personal_data.erase("social", event.user_id)


@on(identity.UserErased, identity.ErasureRepeated, asks=_erase)
def erase_person(event: identity.UserErased | identity.ErasureRepeated, _: None) -> None:
    """An account is erased: in units of work of their own, before we say that nothing is left."""
    publish(
        events.PersonalDataErased(user_id=event.user_id, erasure_id=event.erasure_id, occurred_at=event.occurred_at)
    )
