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

from contexts.identity import rules, tokens
from contexts.identity.models import RefreshToken, Session, User
from contexts.identity.tokens import Tokens
from kernel.databases import redis_client, run_after_commit, unit_of_work
from kernel.errors import Refused


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


def begin(*, person: User, origin: Origin, mfa_at: datetime | None, at: datetime) -> Session:
    """A new session; belongs inside an open unit of work."""
    return Session.objects.create(
        user=person,
        started_at=at,
        last_seen_at=at,
        address=origin.network,
        user_agent=origin.device,
        mfa_at=mfa_at,
    )


def issue(session: Session, *, parent: str | None = None, at: datetime) -> Tokens:
    """A pair of tokens for the session; belongs inside an open unit of work."""
    refresh = tokens.refresh_token(session, at=at)
    RefreshToken.objects.create(
        jti_sha256=tokens.digest(refresh),
        session=session,
        parent_id=parent,
        issued_at=at,
        expires_at=at + rules.REFRESH_LIFETIME,
    )
    return Tokens(access=tokens.access_token(session, at=at), refresh=str(refresh))


def refresh(*, token: str, at: datetime) -> Tokens:
    """Exchange a refresh token for a new pair, exactly once."""
    digest = tokens.read_refresh(token)
    verdict = _rotate(digest=digest, at=at) if digest else InvalidRefreshToken()
    if isinstance(verdict, Refused):
        raise verdict  # out here, so that a revocation made in there is kept
    return verdict


@unit_of_work("identity", isolation="read committed")
def _rotate(*, digest: str, at: datetime) -> Tokens | Refused:
    # UPDATE … WHERE used_at IS NULL: of any number of parallel uses the database lets one through.
    used_now = RefreshToken.objects.filter(pk=digest, used_at__isnull=True).update(used_at=at)
    presented = RefreshToken.objects.select_related("session__user").filter(pk=digest).first()
    if presented is None:
        return InvalidRefreshToken()
    session = presented.session
    if not used_now:
        revoke_session(session_id=session.pk, at=at)
        return RefreshTokenReused()
    if not session.is_open:
        return InvalidRefreshToken()
    Session.objects.filter(pk=session.pk).update(last_seen_at=at)
    return issue(session, parent=digest, at=at)


@unit_of_work("identity", isolation="read committed")
def revoke_session(*, session_id: UUID, at: datetime) -> bool:
    """End one session now; answers whether it was still open."""
    ended = Session.objects.filter(pk=session_id, revoked_at__isnull=True).update(revoked_at=at, pending_totp="")
    run_after_commit(lambda: _refuse_from_now_on([session_id]))
    return bool(ended)


@unit_of_work("identity", isolation="read committed")
def revoke_all_sessions(*, user_id: UUID, at: datetime) -> int:
    """End every session of a person now; answers how many there were."""
    open_ones = Session.objects.filter(user_id=user_id, revoked_at__isnull=True)
    ids = list(open_ones.select_for_update().values_list("pk", flat=True))
    Session.objects.filter(pk__in=ids).update(revoked_at=at, pending_totp="")
    run_after_commit(lambda: _refuse_from_now_on(ids))
    return len(ids)


@unit_of_work("identity")
def forget_expired_tokens(*, at: datetime) -> int:
    """Delete refresh tokens that no one could use any more; answers how many."""
    return RefreshToken.objects.filter(expires_at__lt=at).delete()[0]


def _refuse_from_now_on(session_ids: Iterable[UUID]) -> None:
    seconds = int(rules.SESSION_CACHE_TTL.total_seconds())
    pipe = redis_client().pipeline(transaction=False)
    for session_id in session_ids:
        pipe.set(f"session:{session_id}", b"0", ex=seconds)
    pipe.execute()


def active_sessions(*, session_ids: list[UUID]) -> set[UUID]:
    """Those of the sessions that are open, of people who are not blocked."""
    found = Session.objects.filter(pk__in=session_ids, revoked_at__isnull=True, user__is_active=True)
    return set(found.values_list("pk", flat=True))
