"""Another address for an account: confirmed where it leads, told where it led."""

from datetime import datetime
from uuid import UUID

from allauth.account.models import EmailAddress

from contexts.identity import changing_password, events, mailing, registering, sessions
from contexts.identity.models import User
from contexts.identity.sessions import Origin
from kernel.bus import publish
from kernel.databases import unit_of_work
from kernel.errors import Refused


class AddressIsTaken(Refused):
    """This address belongs to another account by now."""


def ask_to_change(*, by: UUID, email: str, password: str, origin: Origin, at: datetime) -> None:
    """Mail a link to the new address. If it has an account already its owner is told instead, and nobody else."""
    changing_password.ensure_password(user_id=by, password=password, origin=origin, at=at)
    _ask(by=by, email=email, at=at)


@unit_of_work("identity", isolation="read committed")
def _ask(*, by: UUID, email: str, at: datetime) -> None:
    if User.objects.filter(email=email).exists():
        registering.note_repetition(email=email, at=at)
        return
    person = User.objects.get(pk=by)
    mailing.request_link(person=person, purpose="change_email", address=email, at=at)


@unit_of_work("identity", isolation="read committed")
def change(*, token: str, at: datetime) -> None:
    """Move the account to the address of the link; every session ends, and the old address hears of it."""
    link = mailing.spend(token=token, purpose="change_email", at=at)
    person = link.user
    if User.objects.filter(email=link.address).exclude(pk=person.pk).exists():
        raise AddressIsTaken
    mailing.request_link(person=person, purpose="email_changed", address=person.email, at=at)
    EmailAddress.objects.filter(user=person).update(email=link.address, primary=True, verified=True)
    person.email = link.address
    person.save(update_fields=["email"])
    sessions.revoke_all_sessions(user_id=person.pk, reason="email_changed", at=at)
    publish(events.CredentialsChanged(user_id=person.pk, what="email", occurred_at=at))
