"""Signing in with a password and, where one is enrolled, a second factor (ID-1, ID-2, ID-3)."""

from datetime import datetime
from typing import Any, cast

from django.contrib.auth import authenticate

from contexts.identity import events, lockout, mailing, passkeys, rules, second_factor, sessions
from contexts.identity.models import Session, User
from contexts.identity.sessions import Origin
from contexts.identity.tokens import Tokens
from kernel.bus import publish
from kernel.databases import unit_of_work
from kernel.errors import Refused

Proof = passkeys.Answer | str | None
"""A second factor as it was shown: what a passkey answered, or a code."""


class InvalidCredentials(Refused):
    """The address or the password is wrong, or the address is not confirmed yet."""

    status = 401


class OtpRequired(Refused):
    """A second factor is needed too."""

    status = 401


class OtpInvalid(Refused):
    """The code of the second factor is wrong, too old, or was used before."""

    status = 401


class SecondFactorMissing(Refused):
    """Staff need a second factor: sign in at /account/, enrol an authenticator app there, and come back."""

    status = 403


def sign_in(
    *, email: str, password: str, otp: str | None, origin: Origin, at: datetime, passkey: dict[str, Any] | None = None
) -> Tokens:
    """Begin a session, or refuse: known and unknown addresses alike, in the same words and the same time."""
    person, door = _recognise(email=email, password=password, origin=origin, at=at)
    answer = passkeys.take_answer(purpose="second_factor", user_id=person.pk, **passkey) if passkey else None
    verdict = _admit(person=person, door=door, proof=answer or otp, origin=origin, at=at)
    if isinstance(verdict, OtpRequired):
        raise with_challenge(verdict, person)
    if isinstance(verdict, Refused):
        raise verdict  # out here, so that a failure counted in there is kept
    return verdict


def sign_in_staff(*, email: str, password: str, code: str, origin: Origin, at: datetime) -> Session:
    """Begin a session in the administration: through the same doors, and never without a second factor."""
    person, door = _recognise(email=email, password=password, origin=origin, at=at, staff_only=True)
    verdict = _admit_staff(person=person, door=door, proof=code, origin=origin, at=at)
    if isinstance(verdict, Refused):
        raise verdict
    return verdict


def _recognise(
    *, email: str, password: str, origin: Origin, at: datetime, staff_only: bool = False
) -> tuple[User, str]:
    """Whose address and password these are, and the door that counts for them."""
    address = email.strip().lower()
    door = lockout.key_of("password", address, origin.address)
    lockout.ensure_open(key=door, at=at)
    person = authenticate(email=email.strip(), password=password)  # outside any transaction: it is meant to be slow
    known = isinstance(person, User) and person.confirmed_at is not None and (person.is_staff or not staff_only)
    if not known:
        raise _count_failure(door=door, email=address, at=at) or InvalidCredentials()
    return cast(User, person), door


def with_challenge(refused: OtpRequired, person: User) -> OtpRequired:
    """Name the second factors that would do; for passkeys with the challenge they have to answer."""
    methods = second_factor.methods_of(user_id=person.pk)
    asked: dict[str, Any] = {"mfa_methods": methods}
    if "passkey" in methods:
        challenge = passkeys.ask_for_second_factor(user_id=person.pk, purpose="second_factor")
        asked["passkey"] = {"challenge_id": challenge.challenge_id, "options": challenge.options}
    refused.extra |= asked
    return refused


@unit_of_work("identity", isolation="read committed")
def _count_failure(*, door: str, email: str, at: datetime) -> Refused | None:
    row = lockout.locked_row(key=door, account=lockout.key_of("account", email))
    if shut := lockout.refusal(row, at=at):
        return shut
    row.count(at=at)
    if row.known.is_shut(at=at):
        _offer_to_unlock(door=door, email=email, at=at)
    return None


def _offer_to_unlock(*, door: str, email: str, at: datetime) -> None:
    """The owner of the account hears that somebody failed five times, and can lift the lock-out."""
    person = User.objects.filter(email=email, is_active=True, confirmed_at__isnull=False).first()
    since = at - rules.UNLOCK_MAIL_EVERY
    if person and not mailing.was_mailed_since(person=person, purpose="unlock", since=since):
        mailing.request_link(person=person, purpose="unlock", door=door, at=at)


@unit_of_work("identity", isolation="read committed")
def _admit(*, person: User, door: str, proof: Proof, origin: Origin, at: datetime) -> Tokens | Refused:
    verdict = _begin(person=person, door=door, proof=proof, origin=origin, at=at)
    return verdict if isinstance(verdict, Refused) else sessions.issue(verdict, at=at)


@unit_of_work("identity", isolation="read committed")
def _admit_staff(*, person: User, door: str, proof: Proof, origin: Origin, at: datetime) -> Session | Refused:
    return _begin(person=person, door=door, proof=proof, origin=origin, at=at, staff=True)


def _begin(
    *, person: User, door: str, proof: Proof, origin: Origin, at: datetime, staff: bool = False
) -> Session | Refused:
    is_still_right = _is_still_right(person)
    row = lockout.locked_row(key=door, account=lockout.key_of("account", person.email))
    if shut := lockout.refusal(row, at=at):
        return shut
    if not is_still_right:
        return InvalidCredentials()
    enrolled = second_factor.is_enrolled(user_id=person.pk)
    if staff and not enrolled:
        return SecondFactorMissing()
    if enrolled and (refused := refuse_without(proof, person, at=at)):
        return refused
    row.forget()
    shown = rules.KEY if isinstance(proof, passkeys.Answer) else rules.CODE
    session = sessions.begin(person=person, origin=origin, mfa_at=at if enrolled else None, mfa_with=shown, at=at)
    publish(events.UserAuthenticated(user_id=person.pk, session_id=session.pk, occurred_at=at))
    return session


def _is_still_right(person: User) -> bool:
    """Whether the password that was right a moment ago still is; from now on nobody changes it before we are done."""
    known = User.objects.select_for_update(no_key=True).filter(pk=person.pk, password=person.password, is_active=True)
    return known.values_list("pk").first() is not None


def refuse_without(proof: Proof, person: User, *, at: datetime) -> Refused | None:
    """Why this proof is no second factor of theirs; failures are counted. For an open READ COMMITTED unit of work."""
    if not proof:
        return OtpRequired()
    if isinstance(proof, passkeys.Answer):
        refused = passkeys.spend_answer(user_id=person.pk, answer=proof, at=at)
    else:
        refused = second_factor.spend_code(user_id=person.pk, code=proof, at=at)
    wrong = (second_factor.InvalidCode, passkeys.InvalidPasskey)
    return OtpInvalid() if isinstance(refused, wrong) else refused
