"""The second factor: time-based one-time codes (RFC 6238) and recovery codes (ID-2).

allauth keeps the authenticators and computes the codes. Ours are the promises around them: a code is good
once, five wrong ones shut the door, and enrolling takes a recent sign-in, so that a stolen access token
cannot bring a second factor of its own.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from allauth.core.internal.cryptokit import compare_user_code, normalize_user_code
from allauth.mfa import app_settings as mfa_settings
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value

from contexts.identity import lockout, rules, tokens
from contexts.identity.models import Session, User
from contexts.identity.tokens import AccessGrant
from kernel.databases import unit_of_work
from kernel.errors import NotFound, Refused


class InvalidCode(Refused):
    """The code is wrong, too old, or was used before."""

    status = 400


class AlreadyEnrolled(Refused):
    """A second factor is enrolled already."""


class NotEnrolled(Refused):
    """No second factor is enrolled; enrol one first."""


class NothingToConfirm(Refused):
    """No enrolment was begun in this session."""


class SignInAgain(Refused):
    """This needs a recent sign-in; sign in again."""

    status = 403


@dataclass(frozen=True, kw_only=True)
class Enrolment:
    """What an authenticator app needs: the seed in base32 and as an otpauth URI."""

    secret: str
    uri: str


@dataclass(frozen=True, kw_only=True)
class Enrolled:
    """The recovery codes, shown once, and a token that knows of the second factor."""

    recovery_codes: list[str]
    access: str
    expires_in: int


def is_enrolled(*, user_id: UUID) -> bool:
    """Whether the person has a second factor."""
    return bool(Authenticator.objects.filter(user_id=user_id, type=Authenticator.Type.TOTP).exists())


def code_for(*, secret: str, at: datetime) -> str:
    """The six digits an authenticator app shows at `at`."""
    return _code(secret, rules.totp_steps(at=at)[0])


@unit_of_work("identity", isolation="read committed")
def begin_enrolment(*, by: UUID, session_id: UUID, at: datetime) -> Enrolment:
    """A new seed, kept with the session until it is confirmed."""
    session = _own_session(by, session_id)
    if is_enrolled(user_id=by):
        raise AlreadyEnrolled
    if at - session.started_at > rules.FRESH_SIGN_IN:
        raise SignInAgain
    secret = generate_totp_secret()
    session.pending_totp = get_adapter().encrypt(secret)
    session.save(update_fields=["pending_totp"])
    return Enrolment(secret=secret, uri=get_adapter().build_totp_url(session.user, secret))


def confirm_enrolment(*, by: UUID, session_id: UUID, code: str, at: datetime) -> Enrolled:
    """Prove that the app has the seed: from now on signing in takes a code."""
    verdict = _confirm(by=by, session_id=session_id, code=code, at=at)
    if isinstance(verdict, Refused):
        raise verdict
    return verdict


@unit_of_work("identity", isolation="read committed")
def _confirm(*, by: UUID, session_id: UUID, code: str, at: datetime) -> Enrolled | Refused:
    session = _own_session(by, session_id)
    if is_enrolled(user_id=by):
        return AlreadyEnrolled()
    if not session.pending_totp:
        return NothingToConfirm()
    door = lockout.locked_row(key=_door(by))
    if shut := lockout.refusal(door, at=at):
        return shut
    secret = get_adapter().decrypt(session.pending_totp)
    step = _matching_step(secret, code, at=at)
    if step is None:
        door.count(at=at)
        return InvalidCode()
    return _enrol(session, secret=secret, step=step, at=at)


def _enrol(session: Session, *, secret: str, step: int, at: datetime) -> Enrolled:
    _remember_step(TOTP.activate(session.user, secret).instance, step, at=at)
    codes = RecoveryCodes.activate(session.user).generate_codes()
    session.pending_totp = ""
    grant = _note_second_factor(session, at=at)
    return Enrolled(recovery_codes=codes, access=grant.access, expires_in=grant.expires_in)


def step_up(*, by: UUID, session_id: UUID, code: str, at: datetime) -> AccessGrant:
    """Show the second factor again: an access token that opens medical data for a while."""
    verdict = _step_up(by=by, session_id=session_id, code=code, at=at)
    if isinstance(verdict, Refused):
        raise verdict
    return verdict


@unit_of_work("identity", isolation="read committed")
def _step_up(*, by: UUID, session_id: UUID, code: str, at: datetime) -> AccessGrant | Refused:
    session = _own_session(by, session_id)
    if not is_enrolled(user_id=by):
        return NotEnrolled()
    return spend_code(user_id=by, code=code, at=at) or _note_second_factor(session, at=at)


def spend_code(*, user_id: UUID, code: str, at: datetime) -> Refused | None:
    """Use up a code; answers why not, and counts the failure. For an open READ COMMITTED unit of work.

    It answers instead of raising, because the count of failures must be committed.
    """
    door = lockout.locked_row(key=_door(user_id))
    if shut := lockout.refusal(door, at=at):
        return shut
    if _spend_totp(user_id, code, at=at) or _spend_recovery_code(user_id, code):
        door.forget()
        return None
    door.count(at=at)
    return InvalidCode()


def _spend_totp(user_id: UUID, code: str, *, at: datetime) -> bool:
    authenticator = _authenticator(user_id, Authenticator.Type.TOTP)
    if authenticator is None:
        return False
    step = _matching_step(get_adapter().decrypt(authenticator.data["secret"]), code, at=at)
    if step is None or step <= authenticator.data.get("last_step", 0):
        return False
    _remember_step(authenticator, step, at=at)
    return True


def _spend_recovery_code(user_id: UUID, code: str) -> bool:
    authenticator = _authenticator(user_id, Authenticator.Type.RECOVERY_CODES)
    if authenticator is None or len(normalize_user_code(code)) != mfa_settings.RECOVERY_CODE_DIGITS:
        return False
    return bool(RecoveryCodes(authenticator).validate_code(code))


def _authenticator(user_id: UUID, kind: str) -> Authenticator | None:
    return Authenticator.objects.select_for_update().filter(user_id=user_id, type=kind).first()


def _matching_step(secret: str, code: str, *, at: datetime) -> int | None:
    steps = rules.totp_steps(at=at)
    return next((step for step in steps if compare_user_code(actual=code, expected=_code(secret, step))), None)


def _code(secret: str, step: int) -> str:
    return str(format_hotp_value(hotp_value(secret, step)))


def _remember_step(authenticator: Authenticator, step: int, *, at: datetime) -> None:
    authenticator.data["last_step"] = step
    authenticator.last_used_at = at
    authenticator.save()


def _note_second_factor(session: Session, *, at: datetime) -> AccessGrant:
    session.mfa_at = at
    session.save(update_fields=["mfa_at", "pending_totp"])
    return AccessGrant(access=tokens.access_token(session, at=at))


def _own_session(user_id: UUID, session_id: UUID) -> Session:
    # The person's row is locked first, so that two enrolments of one person stand in line.
    person = User.objects.select_for_update(no_key=True).filter(pk=user_id, is_active=True).first()
    session = Session.objects.filter(pk=session_id, user_id=user_id, revoked_at__isnull=True).first()
    if person is None or session is None:
        raise NotFound
    session.user = person
    return session


def _door(user_id: UUID) -> str:
    return lockout.key_of("second factor", user_id)
