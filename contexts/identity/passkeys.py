"""Passkeys (WebAuthn): signing in without a password, and a second factor that cannot be phished (ID-1, ID-2).

The `fido2` library judges what an authenticator says; allauth's rows of type `webauthn` keep the public keys. Ours
are the promises around them: a challenge is for one purpose and one person, good for five minutes and for one
answer; a key that counts backwards was copied and is refused.
"""

import json
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db import IntegrityError
from fido2.cose import CoseKey
from fido2.server import Fido2Server
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    AuthenticatorData,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from contexts.identity import events, rules, second_factor, sessions
from contexts.identity.models import User
from contexts.identity.reauthentication import ensure_recent, own_session
from contexts.identity.sessions import Origin
from contexts.identity.tokens import AccessGrant, Tokens
from kernel.bus import publish
from kernel.databases import redis_client, savepoint, unit_of_work
from kernel.errors import NotFound, Refused
from kernel.models import uuid7

log = logging.getLogger(__name__)

REQUIRED, PREFERRED = UserVerificationRequirement.REQUIRED, UserVerificationRequirement.PREFERRED


class ChallengeInvalid(Refused):
    """The challenge is unknown, was used before, or is too old; begin again."""

    status = 400


class InvalidPasskey(Refused):
    """The passkey was not accepted."""

    status = 400


class PasskeyRefused(Refused):
    """The passkey was not accepted, or its account may not sign in."""

    status = 401


class PasskeyCopied(Refused):
    """This passkey seems to have been copied; sign in another way and remove it."""

    status = 403


class PasskeyKnown(Refused):
    """This passkey is registered already."""


class TooManyPasskeys(Refused):
    """There is no room for another passkey; remove one first."""


@dataclass(frozen=True, kw_only=True)
class Passkey:
    """A passkey as its owner sees it."""

    id: UUID
    name: str
    added_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Added:
    """A new passkey; with the first second factor come recovery codes, shown this once."""

    id: UUID
    name: str
    recovery_codes: list[str]


@dataclass(frozen=True, kw_only=True)
class Challenge:
    """What the browser hands to the authenticator, and the name to answer under."""

    challenge_id: str
    options: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What an authenticator said to a challenge that was ours, and is used up now."""

    state: dict[str, Any]
    credential: dict[str, Any]


def passkeys_of(*, user_id: UUID) -> list[Passkey]:
    """A person's passkeys, the oldest first."""
    return [
        Passkey(
            id=UUID(row.data["id"]), name=row.data["name"], added_at=row.created_at, last_used_at=row.last_used_at
        )
        for row in _rows(user_id).order_by("created_at")
    ]


@unit_of_work("identity", isolation="read committed")
def begin_registration(*, by: UUID, session_id: UUID, at: datetime) -> Challenge:
    """What a browser needs to make a passkey."""
    session = own_session(by=by, session_id=session_id)
    ensure_recent(session, at)
    person = session.user
    options, state = _server().register_begin(
        PublicKeyCredentialUserEntity(id=by.bytes, name=person.email, display_name=person.display_name),
        credentials=[_credential(row) for row in _rows(by)],
        resident_key_requirement=ResidentKeyRequirement.REQUIRED,
        user_verification=PREFERRED,
    )
    return _ask(purpose="register", user_id=by, options=options.public_key, state=state)


def register(
    *, by: UUID, session_id: UUID, name: str, challenge_id: str, credential: dict[str, Any], at: datetime
) -> Added:
    """Keep a new passkey: from now on signing in with a password takes a second factor."""
    answer = take_answer(purpose="register", user_id=by, challenge_id=challenge_id, credential=credential)
    made = _made(answer)
    if made is None:
        raise InvalidPasskey
    return _keep(by=by, session_id=session_id, name=name, made=made, at=at)


def _made(answer: Answer) -> AuthenticatorData | None:
    """The new credential, if its authenticator answered what was asked and signs in a way we can verify."""
    try:
        made = _server().register_complete(answer.state, answer.credential)
        known = made.credential_data is not None and made.credential_data.public_key[3] in _algorithms()
    except Exception:  # bytes of a stranger: whatever the library's parsers stumble over means no
        log.info("a new passkey was refused", exc_info=True)
        return None
    return made if known else None


@unit_of_work("identity", isolation="read committed")
def _keep(*, by: UUID, session_id: UUID, name: str, made: AuthenticatorData, at: datetime) -> Added:
    session = own_session(by=by, session_id=session_id)
    ensure_recent(session, at)
    if _rows(by).count() >= rules.MAX_PASSKEYS:
        raise TooManyPasskeys
    row = Authenticator(user_id=by, type=Authenticator.Type.WEBAUTHN, created_at=at, data=_data(name, made))
    try:
        with savepoint():
            row.save()
    except IntegrityError:
        raise PasskeyKnown from None
    publish(events.CredentialsChanged(user_id=by, what="passkey", occurred_at=at))
    codes = second_factor.first_recovery_codes(person=session.user)
    return Added(id=UUID(row.data["id"]), name=name, recovery_codes=codes)


def _data(name: str, made: AuthenticatorData) -> dict[str, Any]:
    credential = made.credential_data
    assert credential is not None  # `_made` has looked
    return {
        "id": str(uuid7()),
        "name": name,
        "credential_id": websafe_encode(credential.credential_id),
        "credential": websafe_encode(credential),
        "sign_count": made.counter,
    }


@unit_of_work("identity", isolation="read committed")
def remove(*, by: UUID, session_id: UUID, passkey_id: UUID, at: datetime) -> None:
    """Forget a passkey; with the last second factor go the recovery codes."""
    ensure_recent(own_session(by=by, session_id=session_id), at)
    if not _rows(by).filter(data__id=str(passkey_id)).delete()[0]:
        raise NotFound
    second_factor.forget_idle_recovery_codes(user_id=by)
    publish(events.CredentialsChanged(user_id=by, what="passkey", occurred_at=at))


def ask_to_sign_in() -> Challenge:
    """A challenge for whoever holds a passkey of ours: it will say who they are, and have looked at them."""
    options, state = _server().authenticate_begin(user_verification=REQUIRED)
    return _ask(purpose="sign_in", user_id=None, options=options.public_key, state=state)


def ask_for_second_factor(*, user_id: UUID, purpose: str) -> Challenge:
    """A challenge for the passkeys of one person, who has said already who they are."""
    credentials = [_credential(row) for row in _rows(user_id)]
    if not credentials:
        raise second_factor.NotEnrolled
    options, state = _server().authenticate_begin(credentials, user_verification=PREFERRED)
    return _ask(purpose=purpose, user_id=user_id, options=options.public_key, state=state)


def sign_in(*, challenge_id: str, credential: dict[str, Any], origin: Origin, at: datetime) -> Tokens:
    """Begin a session without a password. A passkey that looked at its person is both factors at once."""
    answer = take_answer(purpose="sign_in", user_id=None, challenge_id=challenge_id, credential=credential)
    return _sign_in(answer=answer, origin=origin, at=at)


@unit_of_work("identity", isolation="read committed")
def _sign_in(*, answer: Answer, origin: Origin, at: datetime) -> Tokens:
    person = _holder(answer)
    if person is None:
        raise PasskeyRefused
    if refused := judge(user_id=person.pk, answer=answer, at=at):
        raise PasskeyRefused if isinstance(refused, InvalidPasskey) else refused
    session = sessions.begin(
        person=person, origin=origin, signed_in_with="passkey", mfa_at=at, mfa_with=rules.KEY, at=at
    )
    publish(events.UserAuthenticated(user_id=person.pk, session_id=session.pk, occurred_at=at))
    return sessions.issue(session, at=at)


def _holder(answer: Answer) -> User | None:
    """Whose passkey it says it is, if they may sign in at all."""
    try:
        user_id = UUID(bytes=websafe_decode(answer.credential["response"]["userHandle"]))
    except (KeyError, TypeError, ValueError):
        return None
    people = User.objects.select_for_update(no_key=True)
    return people.filter(pk=user_id, is_active=True, confirmed_at__isnull=False).first()


def step_up(
    *, by: UUID, session_id: UUID, challenge_id: str, credential: dict[str, Any], at: datetime
) -> AccessGrant:
    """Show a passkey as the second factor again: an access token that opens medical data for a while."""
    answer = take_answer(purpose="step_up", user_id=by, challenge_id=challenge_id, credential=credential)
    verdict = _step_up(by=by, session_id=session_id, answer=answer, at=at)
    if isinstance(verdict, Refused):
        raise verdict
    return verdict


@unit_of_work("identity", isolation="read committed")
def _step_up(*, by: UUID, session_id: UUID, answer: Answer, at: datetime) -> AccessGrant | Refused:
    session = own_session(by=by, session_id=session_id)
    refused = spend_answer(user_id=by, answer=answer, at=at)
    return refused or second_factor.note_second_factor(session, shown=rules.KEY, at=at)


def spend_answer(*, user_id: UUID, answer: Answer, at: datetime) -> Refused | None:
    """A passkey as second factor, behind the same door as the codes. For an open READ COMMITTED unit of work."""
    return second_factor.through_door(
        user_id=user_id, at=at, judge=lambda: judge(user_id=user_id, answer=answer, at=at)
    )


def judge(*, user_id: UUID, answer: Answer, at: datetime) -> Refused | None:
    """Why the answer is not that of a passkey of this person; else its count moves on, under its row's lock."""
    named = _rows(user_id).select_for_update().filter(data__credential_id=str(answer.credential.get("rawId")))
    row = named.first()
    count = None if row is None else _verified_count(answer, _credential(row))
    return InvalidPasskey() if count is None else _count(row, count, at=at)


def _verified_count(answer: Answer, credential: AttestedCredentialData) -> int | None:
    """How often the authenticator says it has signed, if the signature is good."""
    try:
        said = AuthenticationResponse.from_dict(answer.credential)
        _server().authenticate_complete(answer.state, [credential], said)
        return said.response.authenticator_data.counter
    except Exception:  # bytes of a stranger: whatever the library's parsers stumble over means no
        log.info("a passkey was refused", exc_info=True)
        return None


def _count(row: Authenticator, count: int, *, at: datetime) -> PasskeyCopied | None:
    if rules.was_copied(known=row.data["sign_count"], shown=count):
        log.warning("a passkey counted backwards", extra={"passkey_id": row.data["id"]})
        return PasskeyCopied()
    row.data["sign_count"], row.last_used_at = count, at
    row.save(update_fields=["data", "last_used_at"])
    return None


def take_answer(*, purpose: str, user_id: UUID | None, challenge_id: str, credential: dict[str, Any]) -> Answer:
    """Use up the challenge, whatever the answer is worth: of parallel answers to one, a single one is heard."""
    kept = redis_client().getdel(_key(challenge_id))
    if kept is None:
        raise ChallengeInvalid
    asked = json.loads(kept)
    if (asked["purpose"], asked["user_id"]) != (purpose, _text(user_id)):
        raise ChallengeInvalid
    return Answer(state=asked["state"], credential=credential)


def _ask(*, purpose: str, user_id: UUID | None, options: Mapping[str, Any], state: dict[str, Any]) -> Challenge:
    challenge_id = secrets.token_urlsafe(24)
    kept = json.dumps({"purpose": purpose, "user_id": _text(user_id), "state": state})
    redis_client().set(_key(challenge_id), kept, ex=int(rules.CHALLENGE_LIFETIME.total_seconds()))
    return Challenge(challenge_id=challenge_id, options=_plain(options))


def _plain(options: Any) -> Any:
    """The options as JSON has them, byte strings in base64url, as browsers read them."""
    if isinstance(options, Mapping):
        return {name: _plain(options[name]) for name in options}
    return [_plain(item) for item in options] if isinstance(options, list | tuple) else options


def _key(challenge_id: str) -> str:
    return f"passkey:{challenge_id}"


def _text(user_id: UUID | None) -> str | None:
    return None if user_id is None else str(user_id)


def _server() -> Fido2Server:
    rp = PublicKeyCredentialRpEntity(id=settings.PASSKEY_RP_ID, name="Stayer")
    return Fido2Server(rp, verify_origin=lambda origin: origin in settings.PASSKEY_ORIGINS)


def _algorithms() -> list[int]:
    return list(CoseKey.supported_algorithms())


def _rows(user_id: UUID) -> Any:
    return Authenticator.objects.filter(user_id=user_id, type=Authenticator.Type.WEBAUTHN)


def _credential(row: Authenticator) -> AttestedCredentialData:
    return AttestedCredentialData(websafe_decode(row.data["credential"]))
