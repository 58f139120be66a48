"""The second factor: time-based one-time codes (RFC 6238) and recovery codes (ID-2); see passkeys.py for the keys.

allauth keeps the authenticators and computes the codes. Ours are the promises around them: a code is good
once, five wrong ones shut the door, and enrolling takes a recent sign-in, so that a stolen access token
cannot bring a second factor of its own.
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import qrcode
from allauth.core.internal.cryptokit import compare_user_code, normalize_user_code
from allauth.mfa import app_settings as mfa_settings
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from qrcode.image.svg import SvgPathFillImage

from contexts.identity import events, lockout, rules, tokens
from contexts.identity.models import Session, User
from contexts.identity.reauthentication import SignInAgain, ensure_recent, own_session
from contexts.identity.tokens import AccessGrant
from kernel.bus import publish
from kernel.databases import unit_of_work
from kernel.errors import Refused

PASSKEY = Authenticator.Type.WEBAUTHN
FACTORS = (Authenticator.Type.TOTP, PASSKEY)
METHODS = {
    Authenticator.Type.TOTP: "totp",
    PASSKEY: "passkey",
    Authenticator.Type.RECOVERY_CODES: "recovery_code",
}


class InvalidCode(Refused):
    """The code is wrong, too old, or was used before."""

    status = 400


class AlreadyEnrolled(Refused):
    """A second factor is enrolled already."""


class NotEnrolled(Refused):
    """No second factor is enrolled; enrol one first."""


class NothingToConfirm(Refused):
    """No enrolment was begun in this session."""


@dataclass(frozen=True, kw_only=True)
class Enrolment:
    """What an authenticator app needs: the seed in base32, as an otpauth URI, and as a picture of that."""

    secret: str
    uri: str
    qr: str


@dataclass(frozen=True, kw_only=True)
class Enrolled:
    """The recovery codes, shown once (none where there were some), and a token that knows of the second factor."""

    recovery_codes: list[str]
    access: str
    expires_in: int


@dataclass(frozen=True, kw_only=True)
class Codes:
    """Whether an authenticator app is enrolled, and how many recovery codes are left."""

    totp: bool
    recovery_codes_left: int


def is_enrolled(*, user_id: UUID) -> bool:
    """Whether signing in takes a second factor: an authenticator app or a passkey. Recovery codes alone are none."""
    return bool(Authenticator.objects.filter(user_id=user_id, type__in=FACTORS).exists())


def codes_of(*, user_id: UUID) -> Codes:
    """What a person has enrolled that gives codes."""
    rows = {row.type: row for row in Authenticator.objects.filter(user_id=user_id).exclude(type=PASSKEY)}
    kept = rows.get(Authenticator.Type.RECOVERY_CODES)
    left = len(RecoveryCodes(kept).get_unused_codes()) if kept else 0
    return Codes(totp=Authenticator.Type.TOTP in rows, recovery_codes_left=left)


def methods_of(*, user_id: UUID) -> list[str]:
    """With what a person can show a second factor: totp, passkey, recovery_code."""
    kinds = set(Authenticator.objects.filter(user_id=user_id).values_list("type", flat=True))
    return [name for kind, name in METHODS.items() if kind in kinds]


def code_for(*, secret: str, at: datetime) -> str:
    """The six digits an authenticator app shows at `at`."""
    return _code(secret, rules.totp_steps(at=at)[0])


@unit_of_work("identity", isolation="read committed")
def begin_enrolment(*, by: UUID, session_id: UUID, at: datetime) -> Enrolment:
    """A new seed, kept with the session until it is confirmed."""
    session = own_session(by=by, session_id=session_id)
    if _authenticator(by, Authenticator.Type.TOTP):
        raise AlreadyEnrolled
    ensure_recent(session, at)
    secret = generate_totp_secret()
    session.pending_totp = get_adapter().encrypt(secret)
    session.save(update_fields=["pending_totp"])
    uri = get_adapter().build_totp_url(session.user, secret)
    return Enrolment(secret=secret, uri=uri, qr=_drawn(uri))


def _drawn(uri: str) -> str:
    picture = qrcode.make(uri, image_factory=SvgPathFillImage).to_string()
    return "data:image/svg+xml;base64," + base64.b64encode(picture).decode()


def confirm_enrolment(*, by: UUID, session_id: UUID, code: str, at: datetime) -> Enrolled:
    """Prove that the app has the seed: from now on signing in takes a code."""
    verdict = _confirm(by=by, session_id=session_id, code=code, at=at)
    if isinstance(verdict, Refused):
        raise verdict
    return verdict


@unit_of_work("identity", isolation="read committed")
def _confirm(*, by: UUID, session_id: UUID, code: str, at: datetime) -> Enrolled | Refused:
    session = own_session(by=by, session_id=session_id)
    if _authenticator(by, Authenticator.Type.TOTP):
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
    codes = first_recovery_codes(person=session.user)
    session.pending_totp = ""
    publish(events.CredentialsChanged(user_id=session.user_id, what="totp", occurred_at=at))
    grant = note_second_factor(session, shown=rules.CODE, at=at)
    return Enrolled(recovery_codes=codes, access=grant.access, expires_in=grant.expires_in)


def remove_totp(*, by: UUID, session_id: UUID, code: str, at: datetime) -> None:
    """Forget the authenticator app; takes a code of it, or a recovery code."""
    if refused := _remove_totp(by=by, session_id=session_id, code=code, at=at):
        raise refused


@unit_of_work("identity", isolation="read committed")
def _remove_totp(*, by: UUID, session_id: UUID, code: str, at: datetime) -> Refused | None:
    ensure_recent(own_session(by=by, session_id=session_id), at)
    if _authenticator(by, Authenticator.Type.TOTP) is None:
        return NotEnrolled()
    if refused := spend_code(user_id=by, code=code, at=at):
        return refused
    Authenticator.objects.filter(user_id=by, type=Authenticator.Type.TOTP).delete()
    forget_idle_recovery_codes(user_id=by)
    publish(events.CredentialsChanged(user_id=by, what="totp", occurred_at=at))
    return None


@unit_of_work("identity", isolation="read committed")
def renew_recovery_codes(*, by: UUID, session_id: UUID, at: datetime) -> list[str]:
    """A new set; the old codes are worth nothing. Takes a second factor of just now."""
    session = own_session(by=by, session_id=session_id)
    if not is_enrolled(user_id=by):
        raise NotEnrolled
    if session.mfa_at is None or at - session.mfa_at > rules.FRESH_SIGN_IN:
        raise SignInAgain
    Authenticator.objects.filter(user_id=by, type=Authenticator.Type.RECOVERY_CODES).delete()
    publish(events.CredentialsChanged(user_id=by, what="recovery_codes", occurred_at=at))
    return first_recovery_codes(person=session.user)


def first_recovery_codes(*, person: User) -> list[str]:
    """Recovery codes for somebody who has none; nothing where there are some. For an open unit of work."""
    if _authenticator(person.pk, Authenticator.Type.RECOVERY_CODES):
        return []
    return list(RecoveryCodes.activate(person).generate_codes())


def forget_idle_recovery_codes(*, user_id: UUID) -> None:
    """Recovery codes go with the last second factor. For an open unit of work."""
    if not is_enrolled(user_id=user_id):
        Authenticator.objects.filter(user_id=user_id, type=Authenticator.Type.RECOVERY_CODES).delete()


def step_up(*, by: UUID, session_id: UUID, code: str, at: datetime) -> AccessGrant:
    """Show the second factor again: an access token that opens medical data for a while."""
    verdict = _step_up(by=by, session_id=session_id, code=code, at=at)
    if isinstance(verdict, Refused):
        raise verdict
    return verdict


@unit_of_work("identity", isolation="read committed")
def _step_up(*, by: UUID, session_id: UUID, code: str, at: datetime) -> AccessGrant | Refused:
    session = own_session(by=by, session_id=session_id)
    if not is_enrolled(user_id=by):
        return NotEnrolled()
    refused = spend_code(user_id=by, code=code, at=at)
    return refused or note_second_factor(session, shown=rules.CODE, at=at)


def spend_code(*, user_id: UUID, code: str, at: datetime) -> Refused | None:
    """Use up a code; answers why not, and counts the failure. For an open READ COMMITTED unit of work."""

    def judge() -> Refused | None:
        good = _spend_totp(user_id, code, at=at) or _spend_recovery_code(user_id, code)
        return None if good else InvalidCode()

    return through_door(user_id=user_id, at=at, judge=judge)


def through_door(*, user_id: UUID, at: datetime, judge: Callable[[], Refused | None]) -> Refused | None:
    """Let `judge` look at a second factor unless its door is shut, and count what it refuses.

    It answers instead of raising, because the count of failures must be committed.
    """
    door = lockout.locked_row(key=_door(user_id))
    if shut := lockout.refusal(door, at=at):
        return shut
    refused = judge()
    if refused:
        door.count(at=at)
    else:
        door.forget()
    return refused


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


def note_second_factor(session: Session, *, shown: str, at: datetime) -> AccessGrant:
    """The session has shown a second factor just now: a token that says so. For an open unit of work."""
    session.mfa_at, session.mfa_with = at, shown
    session.save(update_fields=["mfa_at", "mfa_with", "pending_totp"])
    return AccessGrant(access=tokens.access_token(session, at=at))


def _door(user_id: UUID) -> str:
    return lockout.key_of("second factor", user_id)
