"""What the social context does when others speak."""

from contexts.identity import events as identity
from contexts.social import events, feed
from contexts.workout import events as workout
from kernel import personal_data
from kernel.bus import on, publish


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
