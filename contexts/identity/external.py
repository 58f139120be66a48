"""Signing in with an account elsewhere (ID-1).

Who comes back is known by the provider's name and `sub`, never by an address: an address that has an account here
already leads to "sign in and link", so that nobody takes an account over by owning its address at some provider. What
is under way between two requests lies sealed in Redis for ten minutes, is good once, and is bound to the browser that
began it: by `binding`, of which we keep the SHA-256.
"""

import hmac
import json
import secrets
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from allauth.account.models import EmailAddress
from allauth.mfa.adapter import get_adapter
from django.db.models import QuerySet

from contexts.identity import (
    confirming,
    consents,
    events,
    passkeys,
    registering,
    rules,
    second_factor,
    sessions,
    signing_in,
)
from contexts.identity.external_providers import (
    NotVouchedFor,
    Vouched,
    authorization_url,
    provider_of,
    vouched_for,
)
from contexts.identity.models import ExternalAccount, MailedLink, User
from contexts.identity.oauth_apps import digest
from contexts.identity.reauthentication import ensure_recent, own_session
from contexts.identity.sessions import Origin
from contexts.identity.signing_in import OtpInvalid, OtpRequired, Proof
from contexts.identity.tokens import Tokens
from kernel.bus import publish
from kernel.databases import redis_client, unit_of_work
from kernel.errors import NotFound, Refused

LIFETIME_S = int(rules.EXTERNAL_STATE_LIFETIME.total_seconds())


class SignInExpired(Refused):
    """This sign-in was begun elsewhere, is over, or took too long; begin again."""

    status = 400


class AccountExists(Refused):
    """This address has an account already: sign in to it, and link the provider there."""


class AddressNotVerified(Refused):
    """The provider has not verified your address, so that no account can be opened with it."""

    status = 403


class MayNotSignIn(Refused):
    """This account may not sign in."""

    status = 403


class LinkedElsewhere(Refused):
    """This account of the provider, or another one of it, is linked already."""


class LastWayIn(Refused):
    """This is the only way into your account; set a password or add a passkey first."""


@dataclass(frozen=True, kw_only=True)
class Begun:
    """Where to send the browser; the page keeps `binding` to itself until the browser is back."""

    authorization_url: str
    state: str
    binding: str


@dataclass(frozen=True, kw_only=True)
class Linked:
    """The provider's account is a way into one's own from now on."""

    account: ExternalAccount


@dataclass(frozen=True, kw_only=True)
class Missing:
    """A new person: an account can be opened for `ticket` once we know what is missing."""

    ticket: str
    display_name: str


# --- There and back ---------------------------------------------------------------------------------------------


def begin_sign_in(*, provider: str) -> Begun:
    """Send somebody to their provider to sign in."""
    return _begin(provider, {"purpose": "sign_in"})


def begin_link(*, provider: str, by: UUID, session_id: UUID, at: datetime) -> Begun:
    """Send somebody who is signed in to a provider; needs a recent sign-in."""
    _ensure_may_link(by=by, session_id=session_id, at=at)
    return _begin(provider, {"purpose": "link", "by": str(by), "session_id": str(session_id)})


@unit_of_work("identity", isolation="read committed")
def _ensure_may_link(*, by: UUID, session_id: UUID, at: datetime) -> None:
    ensure_recent(own_session(by=by, session_id=session_id), at)


def _begin(provider: str, purpose: dict[str, str]) -> Begun:
    nonce, verifier, binding = (secrets.token_urlsafe(32) for _ in range(3))
    known = {"provider": provider, "nonce": nonce, "verifier": verifier, "binding": digest(binding)}
    state = _keep("state", purpose | known)
    url = authorization_url(provider_of(provider), state=state, nonce=nonce, verifier=verifier)
    return Begun(authorization_url=url, state=state, binding=binding)


def complete(
    *, state: str, code: str, binding: str, origin: Origin, at: datetime, iss: str = ""
) -> Tokens | Linked | Missing:
    """Take somebody back from their provider, once: signed in, linked, or about to open an account.

    Raises `SignInExpired`, `NotVouchedFor`, `OtpRequired` with a `ticket`, `AccountExists`, `AddressNotVerified`.
    """
    begun = _spend("state", state)
    if not hmac.compare_digest(begun["binding"], digest(binding)):
        raise SignInExpired
    provider = provider_of(begun["provider"])
    if iss and iss != provider.issuer:
        raise NotVouchedFor
    person = vouched_for(provider, code=code, nonce=begun["nonce"], verifier=begun["verifier"], at=at)
    if begun["purpose"] == "link":
        return _link(vouched=person, by=UUID(begun["by"]), session_id=UUID(begun["session_id"]), at=at)
    account = ExternalAccount.objects.filter(provider=person.provider, subject=person.subject).first()
    return _sign_in_or_ask(account, origin=origin, at=at) if account else _welcome(person)


def _sign_in_or_ask(account: ExternalAccount, *, origin: Origin, at: datetime) -> Tokens:
    verdict = _sign_in(account_id=account.pk, proof=None, origin=origin, at=at)
    if isinstance(verdict, OtpRequired):
        signing_in.with_challenge(verdict, account.user)
        verdict.extra["ticket"] = _keep("second_factor", {"account_id": str(account.pk)})
    if isinstance(verdict, Refused):
        raise verdict
    return verdict


def show_second_factor(
    *, ticket: str, otp: str | None, passkey: dict[str, Any] | None, origin: Origin, at: datetime
) -> Tokens:
    """Finish a sign-in with the second factor. Each try has its ticket: `OtpInvalid` brings the next one."""
    account = ExternalAccount.objects.filter(pk=_spend("second_factor", ticket)["account_id"]).first()
    if account is None:
        raise SignInExpired
    answer = passkeys.take_answer(purpose="second_factor", user_id=account.user_id, **passkey) if passkey else None
    verdict = _sign_in(account_id=account.pk, proof=answer or otp, origin=origin, at=at)
    if isinstance(verdict, OtpRequired | OtpInvalid):
        verdict.extra["ticket"] = _keep("second_factor", {"account_id": str(account.pk)})
    if isinstance(verdict, Refused):
        raise verdict  # out here, so that a failure counted in there is kept
    return verdict


@unit_of_work("identity", isolation="read committed")
def _sign_in(*, account_id: UUID, proof: Proof, origin: Origin, at: datetime) -> Tokens | Refused:
    account = ExternalAccount.objects.filter(pk=account_id).first()
    people = User.objects.select_for_update(no_key=True).filter(is_active=True, confirmed_at__isnull=False)
    person = people.filter(pk=account.user_id).first() if account else None
    if account is None or person is None:
        return MayNotSignIn()
    enrolled = second_factor.is_enrolled(user_id=person.pk)
    if enrolled and (refused := signing_in.refuse_without(proof, person, at=at)):
        return refused
    shown = rules.KEY if isinstance(proof, passkeys.Answer) else rules.CODE
    return _let_in(account, person, mfa_at=at if enrolled else None, mfa_with=shown, origin=origin, at=at)


def _let_in(
    account: ExternalAccount, person: User, *, mfa_at: datetime | None, mfa_with: str, origin: Origin, at: datetime
) -> Tokens:
    account.last_used_at = at
    account.save(update_fields=["last_used_at"])
    session = sessions.begin(
        person=person, origin=origin, signed_in_with="external", mfa_at=mfa_at, mfa_with=mfa_with, at=at
    )
    publish(events.UserAuthenticated(user_id=person.pk, session_id=session.pk, occurred_at=at))
    return sessions.issue(session, at=at)


# --- New people -------------------------------------------------------------------------------------------------


def _welcome(person: Vouched) -> Missing:
    if person.email is None:
        raise AddressNotVerified
    if User.objects.filter(email=person.email, confirmed_at__isnull=False).exists():
        raise AccountExists
    known = {"provider": person.provider, "subject": person.subject, "email": person.email}
    suggested = "".join(c for c in person.name if c.isprintable())[: rules.MAX_NAME_LENGTH]
    return Missing(ticket=_keep("register", known), display_name=suggested)


def register(*, ticket: str, birth_date: date, display_name: str, origin: Origin, at: datetime) -> Tokens:
    """Open the account of somebody whose provider has verified their address, and let them in.

    Without a password: resetting it by mail gives it one.
    """
    registering.ensure_old_enough(birth_date, on=at.date())
    known = _spend("register", ticket)
    person = User(email=known["email"], display_name=display_name.strip(), birth_date=birth_date, registered_at=at)
    person.set_unusable_password()
    account = ExternalAccount(provider=known["provider"], subject=known["subject"], linked_at=at)
    return _open_account(person=person, account=account, origin=origin, at=at)


@unit_of_work("identity", isolation="read committed")
def _open_account(*, person: User, account: ExternalAccount, origin: Origin, at: datetime) -> Tokens:
    User.objects.bulk_create([person], ignore_conflicts=True)
    if User.objects.filter(pk=person.pk).exists():
        EmailAddress.objects.create(user=person, email=person.email, primary=True, verified=False)
        consents.accept_terms(person=person, at=at)
        publish(events.UserRegistered(user_id=person.pk, occurred_at=at))
    else:
        person = _take_over_unconfirmed(person, at=at)
    if not _keep_account(account, person):
        raise AccountExists
    confirming.mark_confirmed(person=person, at=at)
    return _let_in(account, person, mfa_at=None, mfa_with=rules.CODE, origin=origin, at=at)


def _take_over_unconfirmed(person: User, *, at: datetime) -> User:
    """Somebody has registered the address and never shown that it is theirs: what they chose does not count."""
    pending = User.objects.select_for_update(no_key=True).filter(email=person.email, confirmed_at__isnull=True)
    known = pending.first()
    if known is None:
        raise AccountExists
    known.display_name, known.birth_date, known.registered_at = person.display_name, person.birth_date, at
    known.password = person.password
    known.save(update_fields=["display_name", "birth_date", "registered_at", "password"])
    MailedLink.objects.filter(user=known, used_at__isnull=True).update(used_at=at)
    return known


# --- Linked accounts --------------------------------------------------------------------------------------------


def accounts_of(*, by: UUID) -> QuerySet[ExternalAccount]:
    """The accounts elsewhere with which somebody can sign in."""
    return ExternalAccount.objects.filter(user_id=by)


@unit_of_work("identity", isolation="read committed")
def _link(*, vouched: Vouched, by: UUID, session_id: UUID, at: datetime) -> Linked:
    person = own_session(by=by, session_id=session_id).user
    account = ExternalAccount(provider=vouched.provider, subject=vouched.subject, linked_at=at)
    if not _keep_account(account, person):
        raise LinkedElsewhere
    publish(events.CredentialsChanged(user_id=by, what="external_account", occurred_at=at))
    return Linked(account=account)


def _keep_account(account: ExternalAccount, person: User) -> bool:
    """Whether it could be linked: one person an account, one account a provider."""
    account.user = person
    ExternalAccount.objects.bulk_create([account], ignore_conflicts=True)
    return ExternalAccount.objects.filter(pk=account.pk).exists()


@unit_of_work("identity", isolation="read committed")
def unlink(*, account_id: UUID, by: UUID, session_id: UUID, at: datetime) -> None:
    """Take a way into one's account away, unless it is the last; needs a recent sign-in."""
    session = own_session(by=by, session_id=session_id)  # locks the person's row: no two last ways go at once
    ensure_recent(session, at)
    account = accounts_of(by=by).filter(pk=account_id).first()
    if account is None:
        raise NotFound
    others = accounts_of(by=by).exclude(pk=account_id).exists()
    if not (others or session.user.has_usable_password() or "passkey" in second_factor.methods_of(user_id=by)):
        raise LastWayIn
    account.delete()
    publish(events.CredentialsChanged(user_id=by, what="external_account", occurred_at=at))


# --- What is under way ------------------------------------------------------------------------------------------


def _keep(kind: str, known: dict[str, str]) -> str:
    token = secrets.token_urlsafe(32)
    redis_client().set(_key(kind, token), get_adapter().encrypt(json.dumps(known)), ex=LIFETIME_S)
    return token


def _spend(kind: str, token: str) -> dict[str, str]:
    """What was kept, in the one moment it is taken; raises `SignInExpired`."""
    sealed: Any = redis_client().getdel(_key(kind, token))
    if sealed is None:
        raise SignInExpired
    known: dict[str, str] = json.loads(get_adapter().decrypt(sealed.decode()))
    return known


def _key(kind: str, token: str) -> str:
    return f"external:{kind}:{digest(token)}"
