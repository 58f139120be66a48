"""Connecting an account at a vendor, and letting it go.

What is under way between two requests lies sealed in Redis for ten minutes, is good once, and belongs to the person
who began it: the one who comes back with the code has to be signed in as them, so that nobody's readings end up in
another one's account by a link.
"""

import json
import logging
import secrets
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import redis
from django.conf import settings
from django.db import IntegrityError
from django.utils.crypto import salted_hmac

from contexts.health import events, rules, sealing
from contexts.health.integrations import credentials, planning, vendors
from contexts.health.integrations.contract import (
    AccessExpired,
    AccessRevoked,
    Adapter,
    Grant,
    Throttled,
    VendorAway,
)
from contexts.health.integrations.telling import broadcast
from contexts.health.models import Connection, Device, Portion, Posted
from contexts.health.worn import devices
from contexts.health.worn.devices import ConsentRequired
from contexts.identity import services as identity
from kernel.bus import publish
from kernel.databases import redis_client, unit_of_work
from kernel.errors import NotFound, Refused, TryAgain

log = logging.getLogger(__name__)

State = Connection.State
AWAY = (VendorAway, Throttled, AccessExpired, AccessRevoked)
NAMESPACE = UUID("6f1f6f0e-6d0a-4f59-9d39-0b7a3c1b7f11")


class ConnectingExpired(Refused):
    """This connection was begun by somebody else, is over, or took too long; begin again."""

    status = 400


class AlreadyConnected(Refused):
    """You have an account of this vendor connected; disconnect it first."""


class AccountConnectedElsewhere(Refused):
    """This account of the vendor is connected to another person."""


class VendorUnavailable(TryAgain):
    """The vendor does not answer at this moment; try again."""

    retry_after = 30.0


class VendorRefused(Refused):
    """The vendor did not let us in; begin again."""

    status = 400


# --- there and back ---------------------------------------------------------------------------------------------


def begin(*, vendor: str, by: UUID) -> tuple[str, str]:
    """Where to send somebody who has agreed, to let us in at this vendor; and the state they come back with."""
    adapter = vendors.adapter_of(vendor)
    _ensure_consent(by)
    if Connection.objects.filter(user_id=by, vendor=vendor, state=State.CONNECTED).exists():
        raise AlreadyConnected
    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
    _keep(state, {"vendor": vendor, "by": str(by), "verifier": verifier})
    return adapter.authorization_url(state=state, verifier=verifier), state


def complete(*, state: str, code: str, by: UUID, at: datetime) -> Connection:
    """Take somebody back from the vendor, once, with the code it gave them; what they had measured is on its way.

    Raises `ConnectingExpired`, `VendorRefused`, `VendorUnavailable`, `AlreadyConnected`, `AccountConnectedElsewhere`.
    """
    begun = _spend(state)
    if begun["by"] != str(by):
        raise ConnectingExpired
    adapter = vendors.adapter_of(begun["vendor"])
    _ensure_consent(by)
    try:
        grant = adapter.exchange(code=code, verifier=begun["verifier"])
    except (AccessRevoked, AccessExpired):
        raise VendorRefused from None
    except (VendorAway, Throttled):
        raise VendorUnavailable from None
    if not grant.vendor_user:
        raise VendorRefused
    try:
        connection = _connect(adapter=adapter, grant=grant, by=by, at=at)
    except (IntegrityError, AccountConnectedElsewhere):
        _give_back(adapter, grant.access, grant.refresh, grant.vendor_user)
        raise AccountConnectedElsewhere from None
    planning.wake()
    return connection


def _ensure_consent(by: UUID) -> None:
    if not identity.has_consent(user_id=by, purpose=rules.PURPOSE):
        raise ConsentRequired(purpose=rules.PURPOSE)


@unit_of_work("health")
def _connect(*, adapter: Adapter, grant: Grant, by: UUID, at: datetime) -> Connection:
    name = adapter.vendor.name
    if (
        Connection.objects.exclude(state=State.DISCONNECTED)
        .filter(vendor=name, vendor_user=grant.vendor_user)
        .exclude(user_id=by)
    ):
        raise AccountConnectedElsewhere
    own = Connection.objects.select_for_update().filter(user_id=by, vendor=name)
    for other in own.exclude(vendor_user=grant.vendor_user).exclude(state=State.DISCONNECTED):
        if other.state == State.CONNECTED:
            raise AlreadyConnected
        _end(other, at=at)  # it had to be connected anew, and another account came
    connection = own.filter(vendor_user=grant.vendor_user).first()
    if connection is None:
        source = _new_source(adapter, by=by, at=at)
        connection = Connection(user_id=by, vendor=name, vendor_user=grant.vendor_user, device_number=source.number)
        connection.backfill_from = at - timedelta(days=settings.INTEGRATIONS_BACKFILL_DAYS)
        since = connection.backfill_from
    else:
        source = Device.objects.select_for_update().get(number=connection.device_number)
        source.revoked_at = None
        source.save(update_fields=["revoked_at"])
        devices.forget(source.device_id)
        since = connection.pulled_until - adapter.overlap
        if connection.state == State.DISCONNECTED:  # what was not fetched yet went with it
            since = min(since, at - timedelta(days=settings.INTEGRATIONS_BACKFILL_DAYS))
        connection.backfill_from = min(connection.backfill_from, since)
    connection.state, connection.connected_at, connection.scopes = State.CONNECTED, at, list(grant.scopes)
    connection.sealed_tokens = credentials.sealed(grant, connection_id=connection.pk)
    connection.tokens_version += 1
    connection.access_until = at + timedelta(seconds=grant.lasts_s)
    connection.told_at = connection.revoke_until = connection.missed_since = None
    connection.is_subscribed, connection.pulled_until = False, at
    connection.next_pull_at = planning.next_pull(adapter, at=at)
    connection.save()
    Portion.objects.filter(connection_id=connection.pk, reason=Portion.Reason.BACKFILL).exclude(done_at=None).delete()
    planning.plan_backfill(adapter, connection, since=since, at=at)
    publish(
        events.IntegrationConnected(
            connection_id=connection.pk, user_id=by, vendor=name, device_id=source.device_id, occurred_at=at
        )
    )
    broadcast(connection)
    return connection


def _new_source(adapter: Adapter, *, by: UUID, at: datetime) -> Device:
    """The device that stands for the connection: its secret nobody has, its owner is the person's for good."""
    source = Device(user_id=by, kind=rules.INTEGRATION, name=adapter.vendor.label, connected_at=at)
    source.maker = adapter.vendor.label
    source.sealed_secret = sealing.seal(sealing.new_secret(), device_id=source.device_id)
    source.save(force_insert=True)
    publish(events.DeviceConnected(device_id=source.device_id, user_id=by, kind=source.kind, occurred_at=at))
    return source


# --- looking and letting go -------------------------------------------------------------------------------------


def connections_of(user_id: UUID) -> list[Connection]:
    """A person's connections that are not ended, in the order of their vendors' names."""
    return list(Connection.objects.filter(user_id=user_id).exclude(state=State.DISCONNECTED).order_by("vendor"))


def own_connection(*, connection_id: UUID, by: UUID) -> Connection:
    """A connection of this person's that is not ended; raises `NotFound` for any other."""
    found = Connection.objects.filter(pk=connection_id, user_id=by).exclude(state=State.DISCONNECTED).first()
    if found is None:
        raise NotFound
    return found


def disconnect(*, connection_id: UUID, by: UUID, at: datetime) -> None:
    """Let an account go: nothing more is taken from it, and what we were given is given back and forgotten.

    What it has brought stays. Where the vendor does not answer, giving back is tried for a day.
    """
    _disconnect(connection_id=connection_id, by=by, at=at)
    give_back(connection_id=connection_id, at=at)


@unit_of_work("health")
def _disconnect(*, connection_id: UUID, by: UUID, at: datetime) -> None:
    own_connection(connection_id=connection_id, by=by)
    _end(Connection.objects.select_for_update().get(pk=connection_id), at=at)


def _end(connection: Connection, *, at: datetime) -> None:
    source = Device.objects.select_for_update().get(number=connection.device_number)
    source.revoked_at = at
    source.save(update_fields=["revoked_at"])
    devices.forget(source.device_id)
    Portion.objects.filter(connection_id=connection.pk).delete()
    Posted.objects.filter(connection_id=connection.pk).delete()
    connection.state, connection.next_pull_at = State.DISCONNECTED, None
    connection.revoke_until = at + rules.REVOKED_WITHIN if connection.sealed_tokens else None
    connection.save()
    publish(
        events.IntegrationDisconnected(
            connection_id=connection.pk, user_id=connection.user_id, vendor=connection.vendor, occurred_at=at
        )
    )
    broadcast(connection)


def give_back(*, connection_id: UUID, at: datetime) -> None:
    """Revoke an ended connection's tokens at the vendor and forget them; after a day they are forgotten anyway."""
    connection = Connection.objects.filter(pk=connection_id, state=State.DISCONNECTED).first()
    if connection is None or connection.sealed_tokens is None:
        return
    tokens = credentials.tokens_of(connection)
    adapter = vendors.configured().get(connection.vendor)
    done = adapter is None or _unsubscribed_and_given_back(adapter, connection, tokens)
    if done or connection.revoke_until is None or connection.revoke_until <= at:
        _forget_tokens(connection_id=connection_id)


def give_back_later(*, at: datetime) -> None:
    """Try again for those ended connections whose vendor did not answer."""
    waiting = Connection.objects.filter(state=State.DISCONNECTED, sealed_tokens__isnull=False)
    for connection_id in waiting.values_list("pk", flat=True)[:100]:
        give_back(connection_id=connection_id, at=at)


def _unsubscribed_and_given_back(adapter: Adapter, connection: Connection, tokens: credentials.Tokens) -> bool:
    try:
        adapter.unsubscribe(access=tokens.access, name=name_of(connection), webhook_url=webhook_url(adapter))
    except AWAY:
        log.info("a vendor could not be unsubscribed from", extra={"vendor": connection.vendor})
    return _give_back(adapter, tokens.access, tokens.refresh, connection.vendor_user)


def _give_back(adapter: Adapter, access: str, refresh: str, vendor_user: str) -> bool:
    try:
        adapter.revoke(access=access, refresh=refresh, vendor_user=vendor_user)
    except (AccessRevoked, AccessExpired):
        return True
    except (VendorAway, Throttled):
        return False
    return True


@unit_of_work("health")
def _forget_tokens(*, connection_id: UUID) -> None:
    Connection.objects.filter(pk=connection_id, state=State.DISCONNECTED).update(
        sealed_tokens=None, access_until=None, revoke_until=None
    )


def let_go_of_everything(user_id: UUID, *, at: datetime) -> None:
    """An account is being erased: every vendor is told, once; whether it answers or not, nothing stays here."""
    for connection in connections_of(user_id):
        disconnect(connection_id=connection.pk, by=user_id, at=at)


# --- our address, as vendors know it ----------------------------------------------------------------------------


def webhook_url(adapter: Adapter) -> str:
    """Where this vendor posts to. The token in it is the only proof of those who do not sign."""
    name = adapter.vendor.name
    return f"{settings.PUBLIC_URL}/api/v1/health/integrations/webhooks/{name}/{webhook_token(name)}"


def webhook_token(vendor: str) -> str:
    """Of a vendor's address; made from our own key, so it is stored nowhere."""
    return str(salted_hmac("health.integrations.webhook", vendor, algorithm="sha256").hexdigest()[:40])


def name_of(connection: Connection) -> str:
    """What we call a connection towards its vendor: no identifier of ours leaves."""
    return uuid5(NAMESPACE, str(connection.pk)).hex


# --- what is under way ------------------------------------------------------------------------------------------

COLUMN = "integrations.state"
LASTS_S = int(rules.CONNECTING_LASTS.total_seconds())


def _keep(state: str, known: dict[str, str]) -> None:
    sealed = sealing.seal_in(COLUMN, json.dumps(known).encode(), of=_place(state))
    try:
        redis_client().set(f"integrations:state:{_place(state)}", sealed, ex=LASTS_S)
    except redis.RedisError:
        raise TryAgain from None


def _spend(state: str) -> dict[str, str]:
    """What was kept, in the one moment it is taken."""
    try:
        sealed: Any = redis_client().getdel(f"integrations:state:{_place(state)}")
    except redis.RedisError:
        raise TryAgain from None
    if sealed is None:
        raise ConnectingExpired
    known: dict[str, str] = json.loads(sealing.unseal_in(COLUMN, sealed, of=_place(state)))
    return known


def _place(state: str) -> UUID:
    """The state itself is not kept: whoever reads Redis can complete nothing."""
    return uuid5(NAMESPACE, state)
