"""Working off what is to be fetched: one portion after the other, each by one worker at a time.

A portion is taken with a lease and given back with the time of its next try: after a 429 as late as the vendor
says, when it is away later and later. It goes when its readings are stored; killed half way, it is fetched again
from its last page on, and what was stored already is a duplicate.
"""

import logging
import secrets
import time
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from django.utils.crypto import salted_hmac
from django.utils.timezone import now

from contexts.health import rules
from contexts.health.integrations import connecting, credentials, limits, storing, telling, vendors
from contexts.health.integrations.contract import (
    AccessExpired,
    AccessRevoked,
    Adapter,
    NotGranted,
    Throttled,
    VendorAway,
    Wanted,
    Way,
)
from contexts.health.models import Connection, Portion
from contexts.health.worn.devices import ConsentRequired
from contexts.health.worn.signatures import DeviceUnknown
from contexts.identity import services as identity
from kernel.databases import unit_of_work

log = logging.getLogger(__name__)


def fetch_due(*, lasts_s: float = 120.0) -> int:
    """Work off portions that are due, for so long; the rest is for the next one. Returns how many were taken."""
    began, count = time.monotonic(), 0
    while time.monotonic() - began < lasts_s and (portion := _take(at=now())) is not None:
        _fetch(portion)
        count += 1
    return count


def _live() -> QuerySet[Connection]:
    return Connection.objects.filter(state=Connection.State.CONNECTED)


@unit_of_work("health", isolation="read committed")
def _take(*, at: datetime) -> Portion | None:
    due = Portion.objects.filter(done_at=None, not_before__lte=at, connection_id__in=_live().values("pk"))
    portion = due.order_by("rank", "not_before").select_for_update(skip_locked=True, of=("self",)).first()
    if portion is not None:
        portion.is_taken, portion.not_before = True, at + rules.FETCH_LEASE
        portion.save(update_fields=["is_taken", "not_before"])
    return portion


def _fetch(portion: Portion) -> None:
    """Fetch a portion to its end, or until somebody has to wait."""
    connection = _live().filter(pk=portion.connection_id).first()
    adapter = vendors.configured().get(connection.vendor) if connection else None
    if connection is None or adapter is None:
        _give_back(portion, wait=rules.WITHOUT_CONSENT_AGAIN)
        return
    if not identity.has_consent(user_id=connection.user_id, purpose=rules.PURPOSE):
        _give_back(portion, wait=rules.WITHOUT_CONSENT_AGAIN)
        return
    try:
        _subscribe(adapter, connection)
        while not _next_page(adapter, connection, portion):
            pass
    except NotGranted:
        finish(portion_id=portion.pk, at=now())
    except Throttled as told:
        _give_back(portion, wait=timedelta(seconds=limits.leave_alone(adapter, connection.pk, told)))
    except VendorAway:
        portion.tries += 1
        _give_back(portion, wait=min(rules.FETCH_AGAIN * 2 ** min(portion.tries - 1, 10), rules.FETCH_AGAIN_AT_MOST))
    except (ConsentRequired, DeviceUnknown):
        _give_back(portion, wait=rules.WITHOUT_CONSENT_AGAIN)
    except (AccessExpired, AccessRevoked):
        telling.needs_reconnect(connection_id=connection.pk, at=now())
        _give_back(portion, wait=timedelta())


def _subscribe(adapter: Adapter, connection: Connection) -> None:
    """Once for each connection, and again once it was connected anew."""
    if connection.is_subscribed or Way.PING not in adapter.ways:
        return
    about = {"name": connecting.name_of(connection), "webhook_url": connecting.webhook_url(adapter)}
    if not limits.is_first_for(
        f"subscribe:{connection.pk}:{connection.connected_at:%Y%m%d%H%M%S}", rules.SUBSCRIBE_AGAIN
    ):
        return
    try:
        _with_access(adapter, connection, lambda access: adapter.subscribe(access=access, **about))
    except VendorAway:  # it does not like our address, say; until then we ask without being told
        log.warning("a vendor does not tell us of changes", extra={"vendor": connection.vendor})
        return
    _note_subscribed(connection_id=connection.pk)


@unit_of_work("health")
def _note_subscribed(*, connection_id: UUID) -> None:
    _live().filter(pk=connection_id).update(is_subscribed=True)


def _with_access(adapter: Adapter, connection: Connection, call: Any) -> Any:
    """Call with an access token, once more with a refreshed one if the vendor does not take it."""
    limits.take(adapter, connection.pk)
    fresh = Connection.objects.get(pk=connection.pk)
    access = credentials.access_of(adapter, fresh, at=now())
    try:
        return call(access)
    except AccessExpired:
        fresh = Connection.objects.get(pk=connection.pk)
        if fresh.sealed_tokens is None:
            raise
        if (kept := credentials.tokens_of(fresh).access) == access:
            kept = credentials.refreshed(adapter, fresh, at=now())
        return call(kept)


def _next_page(adapter: Adapter, connection: Connection, portion: Portion) -> bool:
    """Fetch one page and store it; whether it was the last."""
    wanted = Wanted(
        vendor_user=connection.vendor_user,
        collection=portion.collection,
        since=portion.since,
        until=portion.until,
        changed=portion.reason == Portion.Reason.PULL,
        page=portion.page,
    )
    if Way.PULL not in adapter.ways:
        _ask_for_callback(adapter, connection, portion, wanted)
        return True
    page = _with_access(adapter, connection, lambda access: adapter.pull(access=access, wanted=wanted))
    at = now()
    storing.store(connection.pk, page.readings, at=at)
    if page.next and page.next != portion.page:
        _turn_page(portion, page.next, at=at)
        return False
    finish(portion_id=portion.pk, at=at)
    return True


@unit_of_work("health")
def _turn_page(portion: Portion, page: str, *, at: datetime) -> None:
    portion.page, portion.tries, portion.not_before = page, 0, at + rules.FETCH_LEASE
    Portion.objects.filter(pk=portion.pk).update(page=page, tries=0, not_before=portion.not_before)


@unit_of_work("health")
def finish(*, portion_id: UUID, at: datetime) -> None:
    """All of it is stored."""
    rows = Portion.objects.filter(pk=portion_id)
    if not rows.filter(reason=Portion.Reason.BACKFILL).update(done_at=at, callback_digest=None, is_taken=False):
        rows.delete()


@unit_of_work("health")
def _give_back(portion: Portion, *, wait: timedelta) -> None:
    Portion.objects.filter(pk=portion.pk, done_at=None).update(
        not_before=now() + wait, is_taken=False, tries=portion.tries
    )


# --- callbacks --------------------------------------------------------------------------------------------------


def _ask_for_callback(adapter: Adapter, connection: Connection, portion: Portion, wanted: Wanted) -> None:
    """Ask for it to be posted to an address of its own; not posted in time, it is asked for again."""
    token = secrets.token_urlsafe(32)
    _expect(portion=portion, digest=digest_of(token))
    url = f"{settings.PUBLIC_URL}/api/v1/health/integrations/callbacks/{adapter.vendor.name}/{token}"
    _with_access(
        adapter,
        connection,
        lambda access: adapter.ask_for_callback(access=access, wanted=wanted, callback_url=url),
    )


@unit_of_work("health")
def _expect(*, portion: Portion, digest: str) -> None:
    """Before it is asked for: the answer may be faster than we are."""
    Portion.objects.filter(pk=portion.pk).update(callback_digest=digest, not_before=now() + rules.CALLBACK_WITHIN)


def digest_of(token: str) -> str:
    """As the token of a callback is stored."""
    return str(salted_hmac("health.integrations.callback", token, algorithm="sha256").hexdigest())
