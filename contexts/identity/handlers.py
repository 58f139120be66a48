"""What identity does when something was announced."""

from functools import partial
from typing import get_args

from django.utils.timezone import now

from contexts.booking import events as booking
from contexts.gamification import events as gamification
from contexts.health import events as health
from contexts.identity import audited, erasing, events, exporting, mailing, people, registering, sessions, welcoming
from contexts.social import events as social
from contexts.workout import events as workout
from kernel import personal_data
from kernel.bus import on, publish
from kernel.databases import run_after_commit
from kernel.events import DomainEvent


@on(events.RegistrationRepeated)
def warn_owner_of_repeated_registration(event: events.RegistrationRepeated) -> None:
    """The owner of an address learns that somebody tried to register with it."""
    registering.warn_owner(user_id=event.user_id)


@on(events.MailRequested)
def mail_a_link(event: events.MailRequested) -> None:
    """The link goes to the person's mailbox."""
    mailing.send_link(link_id=event.link_id, at=now())


@on(social.FriendshipEstablished)
def note_a_friendship(event: social.FriendshipEstablished) -> None:
    """Friends see what a person shows to friends."""
    people.note_friendship(user_a=event.user_a, user_b=event.user_b)


@on(social.GroupJoined)
def note_a_group(event: social.GroupJoined) -> None:
    """Who shares a group sees what a person shows to groups."""
    people.note_group(group_id=event.group_id, user_ids=event.user_ids)


@on(events.CredentialsChanged)
def tell_of_changed_credentials(event: events.CredentialsChanged) -> None:
    """A person learns of every change to the ways into their account."""
    mailing.tell_of_change(user_id=event.user_id, what=event.what)


@on(health.EmergencyAccessOpened)
def tell_of_an_emergency_access(event: health.EmergencyAccessOpened) -> None:
    """A person learns at once that staff have opened their medical data."""
    mailing.tell_of_emergency(user_id=event.user_id)


@on(events.EmailConfirmed)
def plan_the_welcome_series(event: events.EmailConfirmed) -> None:
    """An open account is welcomed with a few letters."""
    welcoming.schedule(user_id=event.user_id, at=event.occurred_at)


@on(events.SessionRevoked)
def refuse_the_tokens_of_an_ended_session(event: events.SessionRevoked) -> None:
    """Redis was told after the commit already, unless the process ended between the two."""
    sessions.refuse_from_now_on([event.session_id])


@on(*audited.KEPT, isolation="read committed")
def keep_in_the_audit(event: DomainEvent) -> None:
    """What happened to an account, and every look at medical data, is written down for good."""
    audited.keep(event)


def _hand_out(event: events.UserExportRequested) -> dict[str, int]:
    return personal_data.export("identity", event.user_id, personal_data.part_of(event.export_id, "identity"))


@on(events.UserExportRequested, asks=_hand_out)
def hand_out_personal_data(event: events.UserExportRequested, rows: dict[str, int]) -> None:
    """A person wants everything about them: our part is in the storage before we say so."""
    publish(
        events.PersonalDataExported(
            user_id=event.user_id, export_id=event.export_id, rows=rows, occurred_at=event.occurred_at
        )
    )


Exported = (
    events.PersonalDataExported
    | booking.PersonalDataExported
    | gamification.PersonalDataExported
    | health.PersonalDataExported
    | social.PersonalDataExported
    | workout.PersonalDataExported
)
Erased = (
    events.PersonalDataErased
    | booking.PersonalDataErased
    | gamification.PersonalDataErased
    | health.PersonalDataErased
    | social.PersonalDataErased
    | workout.PersonalDataErased
)


@on(*get_args(Exported), isolation="read committed")
def collect_part(event: Exported) -> None:
    """A context has left its part of an export."""
    exporting.note_part(export_id=event.export_id, context=event.context, rows=event.rows, at=now())


def _make_archive(event: events.DataExportCollected) -> None:
    exporting.make_archive(export_id=event.export_id)


@on(events.DataExportCollected, asks=_make_archive)
def offer_archive(event: events.DataExportCollected, _: None) -> None:
    """All parts are there: the archive, made outside of any transaction, may be fetched."""
    exporting.note_archive(export_id=event.export_id, at=now())
    run_after_commit(partial(exporting.delete_parts, export_id=event.export_id))


def _say_farewell_and_erase(event: events.UserErased | events.ErasureRepeated) -> None:
    erasing.send_farewell(user_id=event.user_id, erasure_id=event.erasure_id)
    personal_data.erase("identity", event.user_id)


@on(events.UserErased, events.ErasureRepeated, asks=_say_farewell_and_erase)
def erase_person(event: events.UserErased | events.ErasureRepeated, _: None) -> None:
    """An account is erased: in units of work of their own, before we say that nothing is left."""
    publish(
        events.PersonalDataErased(user_id=event.user_id, erasure_id=event.erasure_id, occurred_at=event.occurred_at)
    )


@on(*get_args(Erased), isolation="read committed")
def note_erased(event: Erased) -> None:
    """A context has nothing about an erased person any more."""
    erasing.note_erased(erasure_id=event.erasure_id, context=event.context, at=now())
