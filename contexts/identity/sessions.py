"""Sessions: begun by a sign-in, carried on by refreshes, ended by a revocation (ID-5).

The database is the truth; Redis holds `session:<id>` = 0 for a revoked one, so that the next request with an
old access token is refused at once. A refresh token is used once. A second use means that somebody has a
copy, and ends the whole session, which is the family of all tokens that ever came from one sign-in.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from contexts.identity import events, rules, tokens
from contexts.identity.models import RefreshToken, Session, User
from contexts.identity.tokens import Tokens
from kernel.access import forget_session
from kernel.bus import publish
from kernel.databases import redis_client, run_after_commit, unit_of_work
from kernel.errors import NotFound, Refused


class InvalidRefreshToken(Refused):
    """The refresh token is not valid; sign in again."""

    status = 401


class RefreshTokenReused(Refused):
    """The refresh token had been used before, so the session was ended; sign in again."""

    status = 401


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a request came from."""

    address: str
    user_agent: str = ""

    @property
    def network(self) -> str:
        """The address, coarse: the /24 of IPv4, the /48 of IPv6."""
        try:
            address = ipaddress.ip_address(self.address)
        except ValueError:
            return ""
        prefix = 24 if address.version == 4 else 48
        return str(ipaddress.ip_network((address, prefix), strict=False).network_address)

    @property
    def device(self) -> str:
        """The user agent, as much as is kept of it."""
        return "".join(c for c in self.user_agent if c.isprintable())[:200]


def begin(
    *,
    person: User,
    origin: Origin,
    mfa_at: datetime | None,
    at: datetime,
    signed_in_with: str = "password",
    mfa_with: str = rules.CODE,
) -> Session:
    """A new session; belongs inside an open unit of work."""
    return Session.objects.create(
        user=person,
        signed_in_with=signed_in_with,
        started_at=at,
        last_seen_at=at,
        address=origin.network,
        user_agent=origin.device,
        mfa_at=mfa_at,
        mfa_with=mfa_with,
    )


def issue(session: Session, *, parent: str | None = None, at: datetime) -> Tokens:
    """A pair of tokens for the session; belongs inside an open unit of work."""
    refresh = tokens.refresh_token(session, at=at)
    RefreshToken.objects.create(
        jti_sha256=tokens.digest(refresh),
        session=session,
        parent_id=parent,
        issued_at=at,
        expires_at=min(at + rules.REFRESH_LIFETIME, session.started_at + rules.LONGEST_SESSION),
    )
    return Tokens(access=tokens.access_token(session, at=at), refresh=str(refresh))


def refresh(*, token: str, at: datetime, app_id: UUID | None = None) -> Tokens:
    """Exchange a refresh token for a new pair, exactly once; `app_id` is the app that holds it."""
    digest = tokens.read_refresh(token)
    verdict = _rotate(digest=digest, app_id=app_id, at=at) if digest else InvalidRefreshToken()
    if isinstance(verdict, Refused):
        raise verdict  # out here, so that a revocation made in there is kept
    return verdict


@unit_of_work("identity", isolation="read committed")
def _rotate(*, digest: str, app_id: UUID | None, at: datetime) -> Tokens | Refused:
    if not RefreshToken.objects.filter(pk=digest, session__app_id=app_id).exists():
        return InvalidRefreshToken()
    # UPDATE … WHERE used_at IS NULL: of any number of parallel uses the database lets one through.
    used_now = RefreshToken.objects.filter(pk=digest, used_at__isnull=True).update(used_at=at)
    presented = RefreshToken.objects.select_related("session__user").filter(pk=digest).first()
    if presented is None:
        return InvalidRefreshToken()
    session = presented.session
    if not used_now:
        revoke_session(session_id=session.pk, reason="refresh_token_reused", at=at)
        return RefreshTokenReused()
    if not session.is_open or at >= session.started_at + rules.LONGEST_SESSION:
        return InvalidRefreshToken()
    Session.objects.filter(pk=session.pk).update(last_seen_at=at)
    session.last_seen_at = at
    return issue(session, parent=digest, at=at)


@unit_of_work("identity", isolation="read committed")
def revoke_session(*, session_id: UUID, reason: str, at: datetime) -> bool:
    """End one session now; answers whether it was still open."""
    return bool(_revoke(Session.objects.filter(pk=session_id), reason=reason, at=at))


@unit_of_work("identity", isolation="read committed")
def revoke_own_session(*, by: UUID, session_id: UUID, at: datetime) -> None:
    """End one of one's own sessions."""
    if not _revoke(Session.objects.filter(pk=session_id, user_id=by), reason="revoked", at=at):
        raise NotFound


@unit_of_work("identity", isolation="read committed")
def revoke_all_sessions(*, user_id: UUID, reason: str, at: datetime, but: UUID | None = None) -> int:
    """End every session of a person now, apps' too, `but` one; answers how many there were."""
    return len(
        _revoke(Session.objects.filter(user_id=user_id).exclude(pk__in=[but] if but else []), reason=reason, at=at)
    )


@unit_of_work("identity", isolation="read committed")
def disconnect_app(*, user_id: UUID, app_id: UUID, at: datetime) -> int:
    """End what an app may do for a person; answers how many sessions of it there were."""
    return len(_revoke(Session.objects.filter(user_id=user_id, app_id=app_id), reason="app_disconnected", at=at))


@unit_of_work("identity", isolation="read committed")
def end_app(*, app_id: UUID, at: datetime) -> int:
    """End every session of an app, whomever it acts for; answers how many there were."""
    return len(_revoke(Session.objects.filter(app_id=app_id), reason="app_removed", at=at))


def _revoke(chosen: QuerySet[Session], *, reason: str, at: datetime) -> list[UUID]:
    open_ones = chosen.filter(revoked_at__isnull=True).select_for_update(of=("self",))
    ended = list(open_ones.values_list("pk", "user_id"))
    ids = [session_id for session_id, _ in ended]
    Session.objects.filter(pk__in=ids).update(revoked_at=at, pending_totp="")
    facts = [
        events.SessionRevoked(user_id=user_id, session_id=session_id, reason=reason, occurred_at=at)
        for session_id, user_id in ended
    ]
    publish(*facts)
    run_after_commit(lambda: refuse_from_now_on(ids))
    return ids


def open_sessions(*, user_id: UUID, at: datetime) -> QuerySet[Session]:
    """What of a person's can still be carried on, apps' sessions too."""
    return Session.objects.select_related("app").filter(
        user_id=user_id,
        revoked_at__isnull=True,
        last_seen_at__gt=at - rules.REFRESH_LIFETIME,
        started_at__gt=at - rules.LONGEST_SESSION,
    )


@unit_of_work("identity")
def forget_expired_tokens(*, at: datetime) -> int:
    """Delete refresh tokens that no one could use any more; answers how many."""
    return RefreshToken.objects.filter(expires_at__lt=at).delete()[0]


def refuse_from_now_on(session_ids: Iterable[UUID]) -> None:
    """Have every process refuse the tokens of ended sessions, whatever it still believes of them."""
    seconds = int(rules.SESSION_CACHE_TTL.total_seconds())
    pipe = redis_client().pipeline(transaction=False)
    for session_id in session_ids:
        forget_session(session_id)
        pipe.set(f"session:{session_id}", b"0", ex=seconds)
    pipe.execute()


def active_sessions(*, session_ids: list[UUID]) -> set[UUID]:
    """Those of the sessions that are open, of people who are not blocked."""
    found = Session.objects.filter(pk__in=session_ids, revoked_at__isnull=True, user__is_active=True)
    return set(found.values_list("pk", flat=True))
