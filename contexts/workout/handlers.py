"""What workout does when others speak."""

from contexts.health import events as health
from contexts.health import services as health_services
from contexts.identity import events as identity
from contexts.identity import services as identity_services
from contexts.social import events as social
from contexts.workout import events, tasks
from contexts.workout.numbers import bodies
from contexts.workout.outdoors import efforts
from contexts.workout.plans import following
from contexts.workout.recording import sampling, together, watching
from kernel import personal_data
from kernel.bus import on, publish
from kernel.databases import run_after_commit


def _readings_of_sessions(
    event: health.HealthMetricRecorded,
) -> tuple[list[health_services.Reading], sampling.Counts]:
    """The batch's readings, fetched only if the athlete had a live session at the time; and late counts of energy."""
    user_id, first_at, last_at = event.user_id, event.first_at, event.last_at
    if not sampling.has_session_between(user_id=user_id, first_at=first_at, last_at=last_at):
        return [], {}
    has_counted = "counted_energy" in event.streams
    counts = sampling.counts_between(user_id=user_id, first_at=first_at, last_at=last_at) if has_counted else {}
    return health_services.get_batch(batch_id=event.batch_id), counts


@on(health.HealthMetricRecorded, asks=_readings_of_sessions)
def take_readings_into_sessions(
    event: health.HealthMetricRecorded, found: tuple[list[health_services.Reading], sampling.Counts]
) -> None:
    """Readings of the athlete's devices become samples of the session they fall into."""
    readings, counts = found
    if readings:
        sampling.take_readings(by=event.user_id, readings=readings, at=event.occurred_at)
    if counts:
        sampling.take_counts(by=event.user_id, counts=counts, at=event.occurred_at)


@on(events.WorkoutCompleted)
def wake_analysis(event: events.WorkoutCompleted) -> None:
    """A new session is analysed at once; without this wake-up within seconds."""
    run_after_commit(tasks.analyse_sessions.delay, once="analysis")


@on(events.WorkoutCompleted)
def show_result_to_group(event: events.WorkoutCompleted) -> None:
    """Who trained together sees each other's results as they come in."""
    together.tell_result(session_id=event.session_id)


@on(events.GroupWorkoutCreated)
def tell_invited(event: events.GroupWorkoutCreated) -> None:
    """Those invited hear so on their sockets."""
    for user_id in event.invited:
        watching.tell_person(
            user_id,
            {
                "type": "invitation",
                "group_id": event.group_id,
                "organiser_id": event.organiser_id,
                "title": event.title,
                "starts_at": event.starts_at,
            },
        )


@on(events.WorkoutCompleted)
def count_for_the_plan(event: events.WorkoutCompleted) -> None:
    """A session is what a plan asked for on that day: its scheduled workout is done."""
    following.match_session(session_id=event.session_id, by=event.user_id, at=event.occurred_at)


def _body_told(event: identity.ProfileUpdated) -> identity_services.Physiology | None:
    """The person's body, asked for only where it is what has changed."""
    if set(bodies.TOLD).isdisjoint(event.changed):
        return None
    return identity_services.get_physiology(user_id=event.user_id)


@on(identity.ProfileUpdated, asks=_body_told)
def fill_in_bodies(event: identity.ProfileUpdated, known: identity_services.Physiology | None) -> None:
    """Who tells their body mass has the energy of what they trained before."""
    if known is not None and bodies.fill_in(by=event.user_id, known=known, changed=event.changed):
        run_after_commit(tasks.analyse_sessions.delay, once="analysis")


@on(social.FriendshipEstablished)
def let_friends_watch(event: social.FriendshipEstablished) -> None:
    """Friends may follow each other's sessions, as far as these are shared."""
    watching.befriend(user_a=event.user_a, user_b=event.user_b)


@on(events.WorkoutCompleted)
def match_with_segments(event: events.WorkoutCompleted) -> None:
    """A session that has ended may have gone along segments."""
    efforts.match_session(session_id=event.session_id, at=event.occurred_at)


def _hand_out(event: identity.UserExportRequested) -> dict[str, int]:
    return personal_data.export("workout", event.user_id, personal_data.part_of(event.export_id, "workout"))


@on(identity.UserExportRequested, asks=_hand_out)
def hand_out_personal_data(event: identity.UserExportRequested, rows: dict[str, int]) -> None:
    """A person wants everything about them: our part is in the storage before we say so."""
    publish(
        events.PersonalDataExported(
            user_id=event.user_id, export_id=event.export_id, rows=rows, occurred_at=event.occurred_at
        )
    )


def _erase(event: identity.UserErased | identity.ErasureRepeated) -> None:
    personal_data.erase("workout", event.user_id)


@on(identity.UserErased, identity.ErasureRepeated, asks=_erase)
def erase_person(event: identity.UserErased | identity.ErasureRepeated, _: None) -> None:
    """An account is erased: in units of work of their own, before we say that nothing is left."""
    publish(
        events.PersonalDataErased(user_id=event.user_id, erasure_id=event.erasure_id, occurred_at=event.occurred_at)
    )
