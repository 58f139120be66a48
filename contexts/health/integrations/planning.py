"""What is to be fetched, as rows: the past in portions, what has changed since the last time, what pings tell."""

import logging
import random
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from celery import current_app
from django.db.models import QuerySet
from kombu.exceptions import OperationalError

from contexts.health import rules
from contexts.health.integrations import vendors
from contexts.health.integrations.contract import Adapter, Ping, Way
from contexts.health.models import Connection, Portion
from kernel.databases import run_after_commit, unit_of_work

log = logging.getLogger(__name__)

Reason = Portion.Reason
RANKS = {Reason.PING: 0, Reason.PULL: 1, Reason.BACKFILL: 2}


def wake() -> None:
    """Ask the worker to look at the rows; it looks by itself a little later."""
    run_after_commit(_send, once="fetch from vendors")


def _send() -> None:
    """By its name: the tasks import what they do. Without a broker the clock will do it."""
    try:
        current_app.send_task("contexts.health.tasks.fetch_from_vendors", ignore_result=True)
    except OperationalError as error:
        log.warning("the worker could not be woken", extra={"why": type(error).__name__})


def plan_backfill(adapter: Adapter, connection: Connection, *, since: datetime, at: datetime) -> None:
    """The past until now, portion by portion, the newest first."""
    if not adapter.ways & {Way.PULL, Way.CALLBACK}:
        return
    rows = []
    for collection, longest in adapter.collections.items():
        until = at
        while until > since:
            start = max(since, until - longest)
            rows.append(_portion(connection, Reason.BACKFILL, collection, start, until, at=at))
            until = start
    rows.sort(key=lambda row: row.until, reverse=True)
    for place, row in enumerate(rows):
        row.not_before = at + timedelta(microseconds=place)  # their order
    Portion.objects.bulk_create(rows)


def _portion(
    connection: Connection, reason: str, collection: str, since: datetime, until: datetime, *, at: datetime
) -> Portion:
    return Portion(
        connection_id=connection.pk,
        reason=reason,
        rank=RANKS[Reason(reason)],
        collection=collection,
        since=since,
        until=until,
        not_before=at,
    )


def next_pull(adapter: Adapter, *, at: datetime) -> datetime | None:
    """When to ask next, give or take a tenth: not everybody at one moment."""
    if Way.PULL not in adapter.ways:
        return None
    return at + rules.PULL_EVERY * random.uniform(0.9, 1.1)


def plan_due_pulls(*, at: datetime, limit: int = 500) -> int:
    """Plan to ask about those whose time it is. Returns how many."""
    due = Connection.objects.filter(state=Connection.State.CONNECTED, next_pull_at__lte=at)
    found = list(due.order_by("next_pull_at").values_list("pk", flat=True)[:limit])
    for connection_id in found:
        _plan_pull(connection_id=connection_id, at=at)
    if found:
        wake()
    return len(found)


@unit_of_work("health", isolation="read committed")
def _plan_pull(*, connection_id: UUID, at: datetime) -> None:
    rows = Connection.objects.select_for_update(skip_locked=True).filter(next_pull_at__lte=at)
    connection = rows.filter(pk=connection_id, state=Connection.State.CONNECTED).first()
    adapter = vendors.configured().get(connection.vendor) if connection else None
    if connection is None:
        return
    if adapter is None:  # the operator has taken the vendor away
        connection.next_pull_at = at + rules.PULL_EVERY
    else:
        since = connection.pulled_until - adapter.overlap
        for collection in adapter.collections:
            # One that still waits covers everything until it is worked on: its end moves.
            waiting = _untaken(connection_id, collection).filter(reason=Reason.PULL)
            if not waiting.update(until=at):
                _portion(connection, Reason.PULL, collection, since, at, at=at).save()
        connection.pulled_until, connection.next_pull_at = at, next_pull(adapter, at=at)
    connection.save(update_fields=["pulled_until", "next_pull_at"])


def _untaken(connection_id: UUID, collection: str) -> QuerySet[Portion]:
    waiting = Portion.objects.filter(connection_id=connection_id, collection=collection, done_at=None)
    return waiting.select_for_update().filter(is_taken=False, page="")


def plan_pings(adapter: Adapter, pings: Iterable[Ping], *, at: datetime) -> None:
    """Plan what pings tell; of people we do not know, or who have ended it, nothing."""
    for ping in pings:
        _plan_ping(adapter=adapter, ping=ping, at=at)
    wake()


@unit_of_work("health", isolation="read committed")
def _plan_ping(*, adapter: Adapter, ping: Ping, at: datetime) -> None:
    """One that says what a waiting one says adds nothing; what is being worked on may have looked too early."""
    live = Connection.objects.filter(state=Connection.State.CONNECTED, vendor=adapter.vendor.name)
    connection = live.filter(vendor_user=ping.vendor_user).first()
    if connection is None:
        return
    until = min(ping.until or at, rules.latest(at=at))
    since = min(max(ping.since or at - adapter.overlap, rules.EARLIEST_ENTRY), until)
    if until - since > rules.LONGEST_PING:
        since = until - rules.LONGEST_PING
    for collection in ping.collections or adapter.collections:
        same = _untaken(connection.pk, collection).filter(reason=Reason.PING, since=since)
        if not same.exists():
            _portion(connection, Reason.PING, collection, since, until, at=at).save()
        else:
            same.filter(until__lt=until).update(until=until)


@unit_of_work("health")
def plan_what_was_missed(*, user_id: UUID, at: datetime) -> None:
    """A person has agreed again: what vendors posted meanwhile is asked for."""
    for connection in Connection.objects.select_for_update().filter(
        user_id=user_id, state=Connection.State.CONNECTED, missed_since__isnull=False
    ):
        adapter = vendors.configured().get(connection.vendor)
        assert connection.missed_since is not None
        if adapter is not None:
            plan_backfill(adapter, connection, since=connection.missed_since - adapter.overlap, at=at)
        connection.missed_since = None
        connection.save(update_fields=["missed_since"])
    Portion.objects.filter(
        connection_id__in=Connection.objects.filter(user_id=user_id).values("pk"), done_at=None, is_taken=False
    ).update(not_before=at)
    wake()
