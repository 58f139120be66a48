"""Signing in with a password and, where one is enrolled, a second factor (ID-1, ID-2, ID-3)."""

from datetime import datetime

from django.contrib.auth import authenticate

from contexts.identity import events, lockout, second_factor, sessions
from contexts.identity.models import User
from contexts.identity.sessions import Origin
from contexts.identity.tokens import Tokens
from kernel.bus import publish
from kernel.databases import unit_of_work
from kernel.errors import Refused


class InvalidCredentials(Refused):
    """The address or the password is wrong."""

    status = 401


class OtpRequired(Refused):
    """A code of the second factor is needed too."""

    status = 401


class OtpInvalid(Refused):
    """The code of the second factor is wrong, too old, or was used before."""

    status = 401


def sign_in(*, email: str, password: str, otp: str | None, origin: Origin, at: datetime) -> Tokens:
    """Begin a session, or refuse: known and unknown addresses alike, in the same words and the same time."""
    door = lockout.key_of("password", email.strip().lower(), origin.address)
    lockout.ensure_open(key=door, at=at)
    person = authenticate(email=email.strip(), password=password)  # outside any transaction: it is meant to be slow
    if not isinstance(person, User):
        raise lockout.count_failure(key=door, at=at) or InvalidCredentials()
    verdict = _admit(person=person, door=door, otp=otp, origin=origin, at=at)
    if isinstance(verdict, Refused):
        raise verdict  # out here, so that a failure counted in there is kept
    return verdict


@unit_of_work("identity", isolation="read committed")
def _admit(*, person: User, door: str, otp: str | None, origin: Origin, at: datetime) -> Tokens | Refused:
    row = lockout.locked_row(key=door)
    if shut := lockout.refusal(row, at=at):
        return shut
    has_second_factor = second_factor.is_enrolled(user_id=person.pk)
    if has_second_factor and (refused := _refuse_without_code(person, otp, at=at)):
        return refused
    row.forget()
    session = sessions.begin(person=person, origin=origin, mfa_at=at if has_second_factor else None, at=at)
    publish(events.UserAuthenticated(user_id=person.pk, session_id=session.pk, occurred_at=at))
    return sessions.issue(session, at=at)


def _refuse_without_code(person: User, otp: str | None, *, at: datetime) -> Refused | None:
    if not otp:
        return OtpRequired()
    refused = second_factor.spend_code(user_id=person.pk, code=otp, at=at)
    return OtpInvalid() if isinstance(refused, second_factor.InvalidCode) else refused
