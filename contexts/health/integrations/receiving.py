"""What vendors post to us: verified, written down, answered at once; the work is done afterwards.

A ping becomes rows of what is to be fetched. A body with readings is kept sealed until a worker has stored them;
its id stays for a day longer than its signature is good for, so that playing it again does nothing. Whom we do not
know gets the same answer as everybody.
"""

import hmac
import logging
import time
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.db.models import F
from django.utils.timezone import now

from contexts.health import rules, sealing
from contexts.health.integrations import connecting, fetching, planning, storing, telling, vendors
from contexts.health.integrations.contract import Adapter, Delivery, NotSigned, Ping, Way
from contexts.health.models import Connection, Portion, Posted
from contexts.health.worn.devices import ConsentRequired
from contexts.health.worn.signatures import DeviceUnknown
from contexts.identity import services as identity
from kernel.databases import unit_of_work
from kernel.errors import NotFound, Refused

log = logging.getLogger(__name__)

MAX_NAME = 128
COLUMN = "health_posted.sealed_body"


class WebhookNotSigned(Refused):
    """This was not signed by the vendor, or is older than five minutes."""

    status = 401


class WebhookNotUnderstood(Refused):
    """This is not what the vendor's contract describes."""

    status = 400


def webhook(*, vendor: str, token: str, body: bytes, headers: Mapping[str, str], at: datetime) -> None:
    """Take what a vendor posts to its address."""
    adapter = _adapter(vendor)
    heard = _read(adapter, token=token, body=body, headers=headers, at=at)
    if isinstance(heard, Delivery):
        if Way.STREAM in adapter.ways:
            _take_in(adapter, heard, body=body, portion_id=None, at=at)
        return
    for ping in heard:
        if ping.is_revoked:
            _note_revoked(adapter, ping, at=at)
    planning.plan_pings(adapter, [ping for ping in heard if not ping.is_revoked], at=at)


def callback(*, vendor: str, token: str, body: bytes, headers: Mapping[str, str], at: datetime) -> None:
    """Take what was posted to the address of one request; raises `NotFound` for one that is over, or never was."""
    adapter = _adapter(vendor)
    heard = _read(adapter, token="", body=body, headers=headers, at=at)
    expected = Portion.objects.filter(callback_digest=fetching.digest_of(token), done_at=None).first()
    if expected is None or not isinstance(heard, Delivery):
        raise NotFound
    connection = _connection(adapter, heard.vendor_user)
    if connection is None or connection.pk != expected.connection_id:
        raise NotFound
    _take_in(adapter, heard, body=body, portion_id=expected.pk, at=at)


def check(*, vendor: str, token: str, query: Mapping[str, str]) -> int:
    """The status with which a vendor is answered that tries our address out."""
    adapter = _adapter(vendor)
    if not _is_right(vendor, token):
        raise NotFound
    return adapter.answer_check(query)


def _adapter(vendor: str) -> Adapter:
    found = vendors.configured().get(vendor)
    if found is None:
        raise NotFound
    return found


def _is_right(vendor: str, token: str) -> bool:
    return hmac.compare_digest(connecting.webhook_token(vendor).encode(), token.encode())


def _read(
    adapter: Adapter, *, token: str, body: bytes, headers: Mapping[str, str], at: datetime
) -> Delivery | list[Ping]:
    is_right = _is_right(adapter.vendor.name, token)
    try:
        heard = adapter.read_webhook(body=body, headers=headers, token_is_right=is_right, at=at)
    except NotSigned:
        raise WebhookNotSigned from None
    except (ValueError, KeyError, OverflowError):
        raise WebhookNotUnderstood from None
    found = [heard] if isinstance(heard, Delivery) else list(heard)
    if not all(one.vendor_user.isprintable() and len(one.vendor_user) <= MAX_NAME for one in found):
        raise WebhookNotUnderstood
    return heard if isinstance(heard, Delivery) else list(heard)


def _connection(adapter: Adapter, vendor_user: str) -> Connection | None:
    live = Connection.objects.filter(state=Connection.State.CONNECTED, vendor=adapter.vendor.name)
    return live.filter(vendor_user=vendor_user).first()


def _note_revoked(adapter: Adapter, ping: Ping, *, at: datetime) -> None:
    connection = _connection(adapter, ping.vendor_user)
    if connection is not None:
        telling.needs_reconnect(connection_id=connection.pk, at=at)


def _take_in(adapter: Adapter, told: Delivery, *, body: bytes, portion_id: UUID | None, at: datetime) -> None:
    connection = _connection(adapter, told.vendor_user)
    if connection is None:
        return
    _write_down(connection_id=connection.pk, told=told, body=body, portion_id=portion_id, at=at)
    planning.wake()


@unit_of_work("health", isolation="read committed")
def _write_down(*, connection_id: UUID, told: Delivery, body: bytes, portion_id: UUID | None, at: datetime) -> None:
    row = Posted(
        connection_id=connection_id,
        delivery_id=told.delivery_id,
        portion_id=portion_id,
        sealed_body=sealing.seal_in(COLUMN, body, of=connection_id),
        posted_at=at,
        not_before=at,
    )
    Posted.objects.bulk_create([row], ignore_conflicts=True)


# --- storing ----------------------------------------------------------------------------------------------------


def store_posted(*, lasts_s: float = 120.0) -> int:
    """Store the readings of bodies that wait, for so long. Returns how many bodies were taken."""
    began, count = time.monotonic(), 0
    while time.monotonic() - began < lasts_s and (posted := _take(at=now())) is not None:
        _store(posted, at=now())
        count += 1
    return count


@unit_of_work("health", isolation="read committed")
def _take(*, at: datetime) -> Posted | None:
    waiting = Posted.objects.filter(sealed_body__isnull=False, not_before__lte=at)
    posted = waiting.order_by("not_before").select_for_update(skip_locked=True).first()
    if posted is not None:
        Posted.objects.filter(pk=posted.pk).update(not_before=at + rules.FETCH_LEASE, tries=F("tries") + 1)
    return posted


def _store(posted: Posted, *, at: datetime) -> None:
    connection = Connection.objects.filter(pk=posted.connection_id).first()
    adapter = vendors.configured().get(connection.vendor) if connection else None
    if connection is None or adapter is None or posted.sealed_body is None:
        return  # ended meanwhile; or the operator has taken the vendor away, and it waits
    try:
        if not identity.has_consent(user_id=connection.user_id, purpose=rules.PURPOSE):
            raise ConsentRequired(purpose=rules.PURPOSE)
        body = sealing.unseal_in(COLUMN, bytes(posted.sealed_body), of=connection.pk)
        readings, is_last = adapter.read_readings(body)
        storing.store(connection.pk, readings, at=at)
    except (ConsentRequired, DeviceUnknown):
        _drop(posted=posted, missed_at=posted.posted_at)
        return
    except ValueError:
        log.warning("a body of a vendor cannot be read", extra={"vendor": connection.vendor})
        is_last = False
    if posted.portion_id is not None and is_last:
        fetching.finish(portion_id=posted.portion_id, at=at)
    _drop(posted=posted, missed_at=None)


@unit_of_work("health")
def _drop(*, posted: Posted, missed_at: datetime | None) -> None:
    """The body goes, its id stays. What was not taken is noted: it is asked for once there is consent again."""
    Posted.objects.filter(pk=posted.pk).update(sealed_body=None)
    if missed_at is not None and posted.portion_id is None:
        missed = Connection.objects.select_for_update().filter(pk=posted.connection_id).first()
        if missed is not None and (missed.missed_since is None or missed.missed_since > missed_at):
            missed.missed_since = missed_at
            missed.save(update_fields=["missed_since"])


@unit_of_work("health")
def forget_posted(*, at: datetime) -> int:
    """Ids of what was stored long enough ago; returns how many."""
    old = Posted.objects.filter(sealed_body=None, posted_at__lt=at - rules.POSTED_KEPT)
    return old.delete()[0]
