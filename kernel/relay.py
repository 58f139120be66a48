"""The relay: moves committed events from each outbox to the handlers, in batches, in order per key.

Any number of relays may run. A lane (all events whose keys hash alike) is worked by one of them at a time, under
an advisory lock that dies with its connection, so a killed relay leaves nothing behind: what it had not marked as
published is delivered again, and the inbox keeps the effect single.
"""

import logging
import random
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import redis
from django.conf import settings
from django.db import DatabaseError, connections
from django.utils.module_loading import import_string

from kernel import bus
from kernel.bus import Handler, WaitsBehind
from kernel.databases import alias_of, context_of, redis_client, release_connections
from kernel.events import LANES, Envelope
from kernel.idempotency import forget_old_answers
from kernel.observability import deliveries_total

log = logging.getLogger(__name__)

BATCH = 500
LANES_AT_ONCE = 4
"""How many lanes a relay takes for one batch; the others are free for its neighbours."""
TIDIES_EVERY_S = 3600.0
LOOKS_EVERY_S = 1.0
"""The safety net under the wake-ups."""
ATTEMPTS = 12
"""After so many tries, spread over about fourteen hours, a delivery becomes a dead letter."""
FIRST_PAUSE_S, PAUSE_GROWTH, LONGEST_PAUSE_S = 1.0, 3.0, 6 * 3600.0
KEPT = timedelta(days=7)
"""How long relayed events stay replayable, and inbox entries proof."""

_LOCK_SPACE = 0x5A1E  # advisory locks (space, lane) of the relays, apart from the 64-bit gates


class Sink(Protocol):
    """Where relayed events go. In process by default; Kafka or NATS for contexts that have moved out."""

    def deliver(self, envelopes: Sequence[Envelope]) -> None:
        """Take a batch durably, in order, or raise: then the whole batch comes again."""


class InProcess:
    """Gives events to the handlers of this process; what they cannot take is parked beside their data."""

    def deliver(self, envelopes: Sequence[Envelope]) -> None:
        for name, failed in bus.deliver(envelopes).items():
            for envelope, error in failed:
                park(bus.handler_named(name), envelope, error)


def pause_before(attempt: int) -> timedelta:
    """Exponential back-off with full jitter: 0…1 s, 0…3 s, 0…9 s, … up to six hours."""
    longest = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * PAUSE_GROWTH ** (attempt - 1))
    return timedelta(seconds=random.uniform(0, longest))


def park(handler: Handler, envelope: Envelope, error: Exception) -> None:
    """Keep an event that a handler could not take, to try it again later or to lie as a dead letter."""
    waits = isinstance(error, WaitsBehind)
    log.warning(
        "an event waits to be tried again",
        extra={"handler": handler.name, "event_id": str(envelope.event_id), "error": type(error).__name__},
        exc_info=None if waits else error,
    )
    deliveries_total.labels(handler.name, "waits" if waits else "failed").inc()
    row: dict[str, Any] = {
        "handler": handler.name,
        "event_id": envelope.event_id,
        "type": envelope.type,
        "version": envelope.version,
        "key": envelope.key,
        "occurred_at": envelope.occurred_at,
        "correlation_id": envelope.correlation_id,
        "causation_id": envelope.causation_id,
        "payload": envelope.payload.decode(),
        "keep_order": handler.keep_order,
        "attempts": 0 if waits else 1,
        "pause": 0 if waits else pause_before(1).total_seconds(),
        "error": _described(error),
    }
    with connections[handler.alias].cursor() as cursor:
        cursor.execute(_PARK, row)


_PARK = """
    INSERT INTO kernel_failed_delivery (handler, event_id, type, version, key, occurred_at, correlation_id,
        causation_id, payload, keep_order, attempts, state, next_attempt_at, error)
    VALUES (%(handler)s, %(event_id)s, %(type)s, %(version)s, %(key)s, %(occurred_at)s, %(correlation_id)s,
        %(causation_id)s, %(payload)s::jsonb, %(keep_order)s, %(attempts)s,
        'retrying', now() + make_interval(secs => %(pause)s), %(error)s)
    ON CONFLICT (handler, event_id) DO NOTHING
"""


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:2000]


@dataclass(frozen=True)
class Relay:
    """Relays the events of some contexts, and tries failed deliveries towards them again."""

    contexts: Sequence[str]

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set: at once when woken, and once a second unasked."""
        wakes = _Wakes()
        due = set(self.contexts)
        tidied_at = 0.0
        while not stop.is_set():
            if time.monotonic() - tidied_at > TIDIES_EVERY_S:
                tidied_at = time.monotonic()
                self._tidy()
            busy = self._guarded_pass(due)
            due = set(self.contexts) if busy else wakes.wait(LOOKS_EVERY_S) & set(self.contexts)
            due = due or set(self.contexts)

    def _guarded_pass(self, contexts: Iterable[str]) -> bool:
        moved = 0
        for context in sorted(contexts):
            try:
                moved += self.relay_batch(context) + self.retry_due(context)
            except (DatabaseError, redis.RedisError):
                log.exception("the relay lost an engine and will look again", extra={"context": context})
                release_connections()
        return moved > 0

    def _tidy(self) -> None:
        for context in self.contexts:
            try:
                forget_old(context=context, at=datetime.now(UTC))
                forget_old_answers(context=context, at=datetime.now(UTC))
            except DatabaseError:
                log.exception("tidying up will be tried again in an hour", extra={"context": context})
                release_connections()

    def drain(self) -> int:
        """Relay until nothing is left to do now; returns how many events and retries that were."""
        total = 0
        while moved := sum(self.relay_batch(c) + self.retry_due(c) for c in self.contexts):
            total += moved
        return total

    def relay_batch(self, context: str) -> int:
        """Move one batch out of a context's outbox; returns its size."""
        alias = alias_of(context)
        with _lanes(alias) as lanes:
            rows = _read_batch(alias, lanes) if lanes else []
            if not rows:
                return 0
            envelopes = [envelope for _, envelope in rows]
            for sink in _sinks():
                sink.deliver(envelopes)
            with connections[alias].cursor() as cursor:
                cursor.execute(
                    "UPDATE kernel_outbox SET published_at = now() WHERE position = ANY(%s)",
                    [[position for position, _ in rows]],
                )
        return len(rows)

    def retry_due(self, context: str) -> int:
        """Try the failed deliveries towards a context that are due; returns how many were tried."""
        alias = alias_of(context)
        with connections[alias].cursor() as cursor:
            cursor.execute(_DUE)
            due = cursor.fetchall()
        for row in due:
            _try_again(alias, *row)
        return len(due)


_DUE = """
    SELECT id, handler, attempts FROM kernel_failed_delivery AS due
    WHERE state = 'retrying' AND next_attempt_at <= now() AND NOT (keep_order AND EXISTS (
        SELECT 1 FROM kernel_failed_delivery AS earlier
        WHERE earlier.handler = due.handler AND earlier.key = due.key AND earlier.state = 'retrying'
          AND earlier.id < due.id))
    ORDER BY id LIMIT 100
"""


def _try_again(alias: str, delivery_id: int, handler_name: str, attempts: int) -> None:
    """One more try of one delivery, by one relay: the session lock keeps the others off it."""
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [_LOCK_SPACE + 1, delivery_id % 2**31])
        if not cursor.fetchone()[0]:
            return
        try:
            _attempt(alias, delivery_id, handler_name, attempts)
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [_LOCK_SPACE + 1, delivery_id % 2**31])


def _attempt(alias: str, delivery_id: int, handler_name: str, attempts: int) -> None:
    envelope = _parked_envelope(alias, delivery_id, attempts)
    if envelope is None:
        return
    try:
        bus.apply(bus.handler_named(handler_name), [envelope])
    except Exception as error:
        _put_off(alias, delivery_id, attempts, error)
        deliveries_total.labels(handler_name, "failed").inc()
        log.warning(
            "a delivery failed again",
            extra={"handler": handler_name, "event_id": str(envelope.event_id), "attempt": attempts + 1},
            exc_info=error,
        )
        return
    # The effect and its inbox entry are committed; if we die here the next try finds the entry and does nothing.
    with connections[alias].cursor() as cursor:
        cursor.execute("DELETE FROM kernel_failed_delivery WHERE id = %s", [delivery_id])


def _parked_envelope(alias: str, delivery_id: int, attempts: int) -> Envelope | None:
    with connections[alias].cursor() as cursor:
        cursor.execute(
            "SELECT event_id, type, version, key, occurred_at, correlation_id, causation_id, payload::text"
            " FROM kernel_failed_delivery WHERE id = %s AND attempts = %s AND state = 'retrying'",
            [delivery_id, attempts],
        )
        row = cursor.fetchone()
    return _envelope(row) if row else None


def _put_off(alias: str, delivery_id: int, attempts: int, error: Exception) -> None:
    tried = attempts if isinstance(error, WaitsBehind) else attempts + 1
    state = "dead" if tried >= ATTEMPTS else "retrying"
    with connections[alias].cursor() as cursor:
        cursor.execute(
            "UPDATE kernel_failed_delivery SET attempts = %s, state = %s, error = %s,"
            " next_attempt_at = now() + make_interval(secs => %s)"
            " WHERE id = %s",
            [tried, state, _described(error), pause_before(tried + 1).total_seconds(), delivery_id],
        )


def replay(*, context: str, delivery_ids: Sequence[int]) -> int:
    """Give dead letters (or waiting deliveries) a new set of attempts, the first of them now."""
    with connections[alias_of(context)].cursor() as cursor:
        cursor.execute(
            "UPDATE kernel_failed_delivery SET state = 'retrying', attempts = 0, next_attempt_at = now()"
            " WHERE id = ANY(%s)",
            [list(delivery_ids)],
        )
        return int(cursor.rowcount)


def discard(*, context: str, delivery_ids: Sequence[int]) -> int:
    """Give up on deliveries: the handler will never have those events."""
    with connections[alias_of(context)].cursor() as cursor:
        cursor.execute("DELETE FROM kernel_failed_delivery WHERE id = ANY(%s)", [list(delivery_ids)])
        return int(cursor.rowcount)


def replay_events(*, context: str, handler: Handler, since: datetime) -> int:
    """Deliver a context's past events to one handler; those it has had are skipped. For new subscribers."""
    position, total = 0, 0
    while rows := _past_events(alias_of(context), sorted(handler.reacts_to), since, position):
        position = rows[-1][0]
        for envelope, error in bus.give(handler, [envelope for _, envelope in rows]):
            park(handler, envelope, error)
        total += len(rows)
    return total


def _past_events(alias: str, types: list[str], since: datetime, after: int) -> list[tuple[int, Envelope]]:
    with connections[alias].cursor() as cursor:
        cursor.execute(
            f"SELECT position, {_COLUMNS} FROM kernel_outbox"
            " WHERE type = ANY(%s) AND recorded_at >= %s AND position > %s ORDER BY position LIMIT %s",
            [types, since, after, BATCH],
        )
        return [(row[0], _envelope(row[1:])) for row in cursor.fetchall()]


def forget_old(*, context: str, at: datetime) -> int:
    """Delete relayed events and inbox entries older than `KEPT`; returns how many rows."""
    deleted = 0
    with connections[alias_of(context)].cursor() as cursor:
        for table, column in (("kernel_outbox", "published_at"), ("kernel_inbox", "applied_at")):
            # Proof is kept a day longer than what it proves, so that no replay can come after it has gone.
            grace = timedelta(days=1) if table == "kernel_inbox" else timedelta(0)
            cursor.execute(f"DELETE FROM {table} WHERE {column} < %s", [at - KEPT - grace])
            deleted += cursor.rowcount
    return deleted


_COLUMNS = "event_id, type, version, key, occurred_at, correlation_id, causation_id, payload::text"

_TAKE_LANES = """
    WITH waiting AS MATERIALIZED (
        SELECT lane FROM generate_series(0, %s) AS lane
        WHERE EXISTS (SELECT 1 FROM kernel_outbox WHERE published_at IS NULL AND kernel_outbox.lane = lane.lane)
        ORDER BY random())
    SELECT lane FROM waiting WHERE pg_try_advisory_lock(%s, lane) LIMIT %s
"""


@contextmanager
def _lanes(alias: str) -> Iterator[list[int]]:
    """Take some lanes that have work; the locks are the session's, so they go with a killed relay."""
    with connections[alias].cursor() as cursor:
        cursor.execute(_TAKE_LANES, [LANES - 1, _LOCK_SPACE, LANES_AT_ONCE])
        lanes = [row[0] for row in cursor.fetchall()]
    try:
        yield lanes
    finally:
        raw = connections[alias].connection
        if lanes and raw is not None and not raw.closed:
            with connections[alias].cursor() as cursor:
                cursor.execute(
                    "SELECT pg_advisory_unlock(%s, lane) FROM unnest(%s::int[]) AS lane", [_LOCK_SPACE, lanes]
                )


def _read_batch(alias: str, lanes: list[int]) -> list[tuple[int, Envelope]]:
    with connections[alias].cursor() as cursor:
        cursor.execute(
            f"""
            SELECT waiting.* FROM unnest(%s::smallint[]) AS wanted, LATERAL (
                SELECT position, {_COLUMNS} FROM kernel_outbox
                WHERE published_at IS NULL AND lane = wanted ORDER BY position LIMIT %s) AS waiting
            ORDER BY position""",
            [lanes, BATCH // len(lanes)],
        )
        return [(row[0], _envelope(row[1:])) for row in cursor.fetchall()]


def _envelope(row: Sequence[Any]) -> Envelope:
    event_id, kind, version, key, occurred_at, correlation_id, causation_id, payload = row
    return Envelope(
        event_id=event_id,
        type=kind,
        version=version,
        key=key,
        occurred_at=occurred_at,
        correlation_id=correlation_id,
        causation_id=causation_id,
        payload=payload.encode(),
    )


def _sinks() -> list[Sink]:
    return [import_string(path)() for path in settings.EVENT_SINKS]


class _Wakes:
    """Waits for the hint that an outbox has something; falls back to looking once a second."""

    def __init__(self) -> None:
        self._subscription: Any = None

    def wait(self, seconds: float) -> set[str]:
        """The contexts that were announced, possibly none after `seconds`."""
        try:
            if self._subscription is None:
                self._subscription = redis_client().pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
                self._subscription.subscribe(bus.WAKE_CHANNEL)
            return self._drain(self._subscription.get_message(timeout=seconds))
        except redis.RedisError:
            self._subscription = None
            threading.Event().wait(seconds)
            return set()

    def _drain(self, message: Any) -> set[str]:
        woken = set()
        while message is not None:
            woken.add(context_of(message["data"].decode()))
            message = self._subscription.get_message(timeout=0)
        return woken
