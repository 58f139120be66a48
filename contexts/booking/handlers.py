"""What booking does when others speak, and when it has spoken itself."""

from contexts.booking import broadcasting, events, friends, tasks, waitlist
from contexts.booking.rules import PREMIUM
from contexts.identity import events as identity
from contexts.social import events as social
from kernel import personal_data
from kernel.bus import on, publish
from kernel.databases import run_after_commit


@on(events.BookingConfirmed, events.BookingCancelled, events.SportEventCancelled)
def wake_processes(event: events.BookingConfirmed | events.BookingCancelled | events.SportEventCancelled) -> None:
    """Money moves and events are cleared at once; without this wake-up within a second."""
    run_after_commit(tasks.advance_processes.delay, once="processes")


@on(events.WaitlistOffered)
def tell_of_offer(event: events.WaitlistOffered) -> None:
    """Whose turn it is hears so on their sockets."""
    frame = {
        "type": "offer",
        "booking_id": event.booking_id,
        "sport_event_id": event.sport_event_id,
        "quantity": event.quantity,
        "expires_at": event.expires_at,
    }
    broadcasting.tell_person(event.user_id, frame)


@on(social.FriendshipEstablished)
def note_friendship(event: social.FriendshipEstablished) -> None:
    """A ticket may be given to a friend."""
    friends.note_friendship(user_a=event.user_a, user_b=event.user_b)


@on(identity.MembershipChanged)
def note_membership(event: identity.MembershipChanged) -> None:
    """Premium members come first on waitlists, from the moment they are."""
    waitlist.note_membership(user_id=event.user_id, is_premium=event.tier in PREMIUM)


def _hand_out(event: identity.UserExportRequested) -> dict[str, int]:
    return personal_data.export("booking", event.user_id, personal_data.part_of(event.export_id, "booking"))


@on(identity.UserExportRequested, asks=_hand_out)
def hand_out_personal_data(event: identity.UserExportRequested, rows: dict[str, int]) -> None:
    """A person wants everything about them: our part is in the storage before we say so."""
    publish(
        events.PersonalDataExported(
            user_id=event.user_id, export_id=event.export_id, rows=rows, occurred_at=event.occurred_at
        )
    )


def _erase(event: identity.UserErased | identity.ErasureRepeated) -> None:
    personal_data.erase("booking", event.user_id)


@on(identity.UserErased, identity.ErasureRepeated, asks=_erase)
def erase_person(event: identity.UserErased | identity.ErasureRepeated, _: None) -> None:
    """An account is erased: in units of work of their own, before we say that nothing is left."""
    publish(
        events.PersonalDataErased(user_id=event.user_id, erasure_id=event.erasure_id, occurred_at=event.occurred_at)
    )
