"""What vendors have given us for a person: sealed at rest, refreshed by one at a time, forgotten when it is over.

Most vendors give a new refresh token with each refresh, and the old one is worth nothing then. So one process at a
time refreshes a connection (a lock in Redis), and writes only over what it has read (`tokens_version`): whoever is
refused looks first whether somebody else was faster.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
import redis
from django.db.models import F

from contexts.health import sealing
from contexts.health.integrations import telling
from contexts.health.integrations.contract import AccessRevoked, Adapter, Grant, VendorAway
from contexts.health.models import Connection
from kernel.databases import redis_client, unit_of_work

COLUMN = "health_connection.sealed_tokens"
EARLY = timedelta(seconds=60)
"""So long before it ends an access token is not used any more."""
LOCKED_S, WAITED_S = 30.0, 20.0


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """In the clear: lives in memory, briefly."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)


def sealed(grant: Grant, *, connection_id: UUID) -> bytes:
    """As they may be stored; they open for this connection only."""
    return sealing.seal_in(COLUMN, msgspec.json.encode([grant.access, grant.refresh]), of=connection_id)


def tokens_of(connection: Connection) -> Tokens:
    """A connection's tokens; raises `AccessRevoked` where there are none."""
    if connection.sealed_tokens is None:
        raise AccessRevoked
    opened = sealing.unseal_in(COLUMN, bytes(connection.sealed_tokens), of=connection.connection_id)
    access, refresh = msgspec.json.decode(opened, type=tuple[str, str])
    return Tokens(access=access, refresh=refresh)


def access_of(adapter: Adapter, connection: Connection, *, at: datetime) -> str:
    """An access token that is good for a while yet."""
    if connection.access_until is not None and connection.access_until > at + EARLY:
        return tokens_of(connection).access
    return refreshed(adapter, connection, at=at)


def refreshed(adapter: Adapter, connection: Connection, *, at: datetime) -> str:
    """A newer access token than `connection` has; raises `AccessRevoked` when the person has to connect anew."""
    lock = redis_client().lock(
        f"integrations:refresh:{connection.connection_id}", timeout=LOCKED_S, blocking_timeout=WAITED_S
    )
    try:
        with lock:
            return _refreshed(adapter, connection, at=at)
    except redis.RedisError:
        raise VendorAway from None


def _refreshed(adapter: Adapter, stale: Connection, *, at: datetime) -> str:
    current = Connection.objects.get(pk=stale.pk)
    if current.tokens_version != stale.tokens_version:
        return tokens_of(current).access
    try:
        grant = adapter.refresh(refresh_token=tokens_of(current).refresh, vendor_user=current.vendor_user)
    except AccessRevoked:
        latest = Connection.objects.get(pk=stale.pk)
        if latest.tokens_version != stale.tokens_version:  # the lock had lapsed, and another one was faster
            return tokens_of(latest).access
        telling.needs_reconnect(connection_id=stale.pk, at=at)
        raise
    return _keep(current, grant, at=at)


@unit_of_work("health")
def _keep(current: Connection, grant: Grant, *, at: datetime) -> str:
    kept = Connection.objects.filter(
        pk=current.pk, tokens_version=current.tokens_version, sealed_tokens__isnull=False
    ).update(
        sealed_tokens=sealed(grant, connection_id=current.pk),
        tokens_version=F("tokens_version") + 1,
        access_until=at + timedelta(seconds=grant.lasts_s),
    )
    return grant.access if kept else tokens_of(Connection.objects.get(pk=current.pk)).access
