"""Showing that an address is one's own (ID-1): until then an account lets nobody in.

The link alone does not do: with it goes the password chosen when registering. Somebody else may have registered the
address with a password of theirs, hoping that its owner clicks; the owner's own password does not fit then, and
resetting it by mail makes the account theirs.
"""

from datetime import datetime, timedelta
from uuid import UUID

from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import check_password

from contexts.identity import events, lockout, mailing
from contexts.identity.models import MailedLink, User
from kernel.bus import publish
from kernel.databases import unit_of_work
from kernel.errors import NotFound, Refused

RESEND_AFTER = timedelta(minutes=2)


class PasswordDoesNotFit(Refused):
    """This is not the password the account was registered with; reset it by mail if it was not you."""

    status = 403


def confirm(*, token: str, password: str, at: datetime) -> None:
    """Open the account of a confirmation link; its password, tried five times in vain, shuts the link's door."""
    link = mailing.find(token=token, purpose="confirm_email", at=at)
    door = lockout.key_of("confirm", link.user_id)
    lockout.ensure_open(key=door, at=at)
    if not check_password(password, link.user.password):  # outside any transaction: it is meant to be slow
        raise lockout.count_failure(key=door, at=at) or PasswordDoesNotFit()
    _confirm(token=token, at=at)


@unit_of_work("identity", isolation="read committed")
def _confirm(*, token: str, at: datetime) -> None:
    link = mailing.spend(token=token, purpose="confirm_email", at=at)
    mark_confirmed(person=link.user, at=at)


def mark_confirmed(*, person: User, at: datetime) -> None:
    """Note that the address is theirs; nothing happens the second time. Inside an open unit of work."""
    if not User.objects.filter(pk=person.pk, confirmed_at__isnull=True).update(confirmed_at=at):
        return
    EmailAddress.objects.filter(user_id=person.pk, email=person.email).update(verified=True)
    publish(events.EmailConfirmed(user_id=person.pk, occurred_at=at))


@unit_of_work("identity", isolation="read committed")
def ask_again(*, email: str, at: datetime) -> None:
    """Mail the confirmation link once more, if there is anything to confirm."""
    person = User.objects.filter(email=email, confirmed_at__isnull=True, is_active=True).first()
    if person and not mailing.was_mailed_since(person=person, purpose="confirm_email", since=at - RESEND_AFTER):
        mailing.request_link(person=person, purpose="confirm_email", at=at)


@unit_of_work("identity", isolation="read committed")
def confirm_by_operator(*, email: str, at: datetime) -> UUID:
    """Confirm an address without its mail: for an operator who knows the person."""
    person = User.objects.filter(email=email).first()
    if person is None:
        raise NotFound
    MailedLink.objects.filter(user=person, purpose="confirm_email", used_at__isnull=True).update(used_at=at)
    mark_confirmed(person=person, at=at)
    return person.pk
