"""A new password: in place of a known one, or of one that was forgotten (ID-3).

Every session ends with the old password, apps' too. A second factor stays: a mailbox alone opens no account that
has one.
"""

from datetime import datetime, timedelta
from uuid import UUID

from django.contrib.auth.hashers import check_password, make_password

from contexts.identity import confirming, events, lockout, mailing, passwords, sessions
from contexts.identity.models import Session, User
from contexts.identity.sessions import Origin
from contexts.identity.tokens import Tokens
from kernel.bus import publish
from kernel.databases import unit_of_work
from kernel.errors import NotFound, Refused

FORGOTTEN_AGAIN_AFTER = timedelta(minutes=2)


class PasswordIsWrong(Refused):
    """This is not your password."""

    status = 403


@unit_of_work("identity", isolation="read committed")
def ask_to_reset(*, email: str, at: datetime) -> None:
    """Mail a link to choose a new password, if the address has an account."""
    lockout.locked_row(key=lockout.key_of("forgotten", email))  # known or not, something is written
    person = User.objects.filter(email=email, is_active=True).first()
    since = at - FORGOTTEN_AGAIN_AFTER
    if person and not mailing.was_mailed_since(person=person, purpose="reset_password", since=since):
        mailing.request_link(person=person, purpose="reset_password", at=at)


def reset(*, token: str, password: str, at: datetime) -> None:
    """Set the password of a reset link's account. The link shows that the address is theirs as well."""
    person = mailing.find(token=token, purpose="reset_password", at=at).user
    passwords.ensure_acceptable(password=password, person=person)
    _reset(token=token, hashed=make_password(password), at=at)


@unit_of_work("identity", isolation="read committed")
def _reset(*, token: str, hashed: str, at: datetime) -> None:
    person = mailing.spend(token=token, purpose="reset_password", at=at).user
    confirming.mark_confirmed(person=person, at=at)
    lockout.forget_account(email=person.email)
    _replace(person, hashed, at=at)


def change(*, by: UUID, session_id: UUID, password: str, new_password: str, origin: Origin, at: datetime) -> Tokens:
    """Replace a known password; all sessions end, and the device that asked gets a new one."""
    person = ensure_password(user_id=by, password=password, origin=origin, at=at)
    passwords.ensure_acceptable(password=new_password, person=person)
    hashed = make_password(new_password)
    return _change(by=by, session_id=session_id, hashed=hashed, origin=origin, at=at)


def ensure_password(*, user_id: UUID, password: str, origin: Origin, at: datetime) -> User:
    """The person, if this is their password; wrong ones count at the door that signing in goes through."""
    person = User.objects.filter(pk=user_id, is_active=True).first()
    if person is None:
        raise NotFound
    door = lockout.key_of("password", person.email, origin.address)
    lockout.ensure_open(key=door, at=at)
    if not check_password(password, person.password):
        account = lockout.key_of("account", person.email)
        raise lockout.count_failure(key=door, at=at, account=account) or PasswordIsWrong()
    return person


@unit_of_work("identity", isolation="read committed")
def _change(*, by: UUID, session_id: UUID, hashed: str, origin: Origin, at: datetime) -> Tokens:
    person = User.objects.select_for_update(no_key=True).get(pk=by)
    present = Session.objects.get(pk=session_id, user_id=by)
    _replace(person, hashed, at=at)
    fresh = sessions.begin(
        person=person, origin=origin, mfa_at=present.mfa_at, at=at, signed_in_with=present.signed_in_with
    )
    return sessions.issue(fresh, at=at)


def _replace(person: User, hashed: str, *, at: datetime) -> None:
    User.objects.filter(pk=person.pk).update(password=hashed, password_changed_at=at)
    sessions.revoke_all_sessions(user_id=person.pk, reason="password_changed", at=at)
    publish(events.CredentialsChanged(user_id=person.pk, what="password", occurred_at=at))
