"""The domain-event bus: `publish` announces a fact, `@on` reacts to it.

What `@on` promises: the handler runs after the announcing transaction has committed, in its own transaction on
its own context's database; its effect there happens once per event, however often the event is delivered; a
failing handler is tried again alone and never disturbs its siblings; order is kept per key.
"""

import functools
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import repeat
from typing import Any
from uuid import UUID

import msgspec
from django.db import connections

from kernel.databases import (
    alias_of,
    redis_client,
    redis_number,
    require_unit_of_work,
    run_after_commit,
    unit_of_work,
)
from kernel.events import DomainEvent, Envelope, context_of_module, lane_of, uuid7
from kernel.observability import correlation, correlation_id, deliveries_total

WAKE_CHANNEL = f"outbox:{redis_number()}"

_cause: ContextVar[UUID | None] = ContextVar("causing_event", default=None)


def publish(*announced: DomainEvent, requests: Sequence[str | None] | None = None) -> None:
    """Write facts to the outbox of the context whose unit of work is open; raises outside one.

    They are committed with the change that made them true, or not at all, and relayed afterwards. Who answers many
    requests at once says in `requests` which correlation id each fact belongs to.
    """
    alias = ""
    for event in announced:
        alias = require_unit_of_work(event.context)
    if not announced:
        return
    came_with = requests or repeat(None, len(announced))
    rows = [_outbox_row(event, request) for event, request in zip(announced, came_with, strict=True)]
    with connections[alias].cursor() as cursor:
        cursor.execute(_INSERT_OUTBOX, [msgspec.json.encode(rows).decode()])
    run_after_commit(functools.partial(_wake_relay, alias), once="wake the relay")


_INSERT_OUTBOX = """
    INSERT INTO kernel_outbox
        (event_id, type, version, key, lane, occurred_at, correlation_id, causation_id, payload)
    SELECT event_id, type, version, key, lane, occurred_at, correlation_id, causation_id, payload
    FROM ROWS FROM (json_to_recordset(%s::json) AS
        (event_id uuid, type text, version smallint, key text, lane smallint, occurred_at timestamptz,
         correlation_id text, causation_id uuid, payload jsonb)) WITH ORDINALITY
    ORDER BY ordinality
"""


def _outbox_row(event: DomainEvent, request: str | None) -> dict[str, Any]:
    return {
        "event_id": uuid7(),
        "type": event.type,
        "version": event.version,
        "key": event.key,
        "lane": lane_of(event.key),
        "occurred_at": event.occurred_at,
        "correlation_id": request or correlation_id(),
        "causation_id": _cause.get(),
        "payload": msgspec.Raw(event.payload()),
    }


def _wake_relay(alias: str) -> None:
    """A hint: without it the relay looks by itself within a second."""
    redis_client().publish(WAKE_CHANNEL, alias)


@dataclass(frozen=True, kw_only=True)
class Handler:
    """A context's reaction to some kinds of event."""

    name: str
    context: str
    reacts_to: frozenset[str]
    function: Callable[..., Any]
    asks: Callable[[Any], Any] | None
    batch: bool
    keep_order: bool
    isolation: str | None

    @property
    def alias(self) -> str:
        """The database that holds this handler's effects and its inbox."""
        return alias_of(self.context)


_handlers: dict[str, Handler] = {}


def on(
    *kinds: type[DomainEvent],
    asks: Callable[[Any], Any] | None = None,
    batch: bool = False,
    keep_order: bool = False,
    isolation: str | None = None,
    context: str | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register the decorated function as a handler of these events.

    `asks(event)` is called before the transaction opens, the place to ask another context's services; the
    handler then gets `(event, answer)`. With `batch` the handler gets a list of events, in order, for set-wise
    effects. With `keep_order` later events of a key wait while an earlier one is being retried; without it they
    go on. `isolation` replaces the context's level, for effects that stand in line for one row. `context` is
    needed only outside `contexts/`.
    """

    if batch and asks:
        raise TypeError("asks= answers one event at a time, and a batch handler gets many")

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        home = context or context_of_module(function.__module__)
        handler = Handler(
            name=f"{home}.{function.__name__}",
            context=home,
            reacts_to=frozenset(kind.type for kind in kinds),
            function=function,
            asks=asks,
            batch=batch,
            keep_order=keep_order,
            isolation=isolation,
        )
        if handler.name in _handlers:
            raise TypeError(f"two handlers are called {handler.name}")
        _handlers[handler.name] = handler
        return function

    return register


def handlers() -> list[Handler]:
    """Every handler of this process."""
    return list(_handlers.values())


def handler_named(name: str) -> Handler:
    """The handler of that name; raises `KeyError` if it has gone."""
    return _handlers[name]


@contextmanager
def handlers_removed_after() -> Iterator[None]:
    """Forget the handlers registered inside; for tests that bring their own."""
    before = dict(_handlers)
    try:
        yield
    finally:
        _handlers.clear()
        _handlers.update(before)


def deliver(envelopes: Sequence[Envelope]) -> dict[str, list[tuple[Envelope, Exception]]]:
    """Hand events, in order, to every handler that reacts to them; returns what failed, by handler name.

    Each handler takes the whole batch in one transaction. If that fails it takes the events one by one, so that
    one bad event is found and the others are not held up.
    """
    wanted: dict[str, list[Envelope]] = defaultdict(list)
    for envelope in envelopes:
        for handler in _handlers.values():
            if envelope.type in handler.reacts_to:
                wanted[handler.name].append(envelope)
    return {name: failed for name, batch in wanted.items() if (failed := give(_handlers[name], batch))}


def give(handler: Handler, batch: list[Envelope]) -> list[tuple[Envelope, Exception]]:
    """Hand a batch to one handler, as a whole or else one by one; returns what it could not take."""
    try:
        apply(handler, batch)
        return []
    except Exception as error:
        if len(batch) == 1:
            return [(batch[0], error)]
    failed: list[tuple[Envelope, Exception]] = []
    for envelope in batch:
        if handler.keep_order and any(envelope.key == earlier.key for earlier, _ in failed):
            failed.append((envelope, WaitsBehind(f"an earlier event of key {envelope.key}")))
            continue
        failed += give(handler, [envelope])
    return failed


class WaitsBehind(Exception):
    """An earlier event of this key has not been handled yet."""


def apply(handler: Handler, batch: Sequence[Envelope]) -> None:
    """Run the handler for those of the events it has not had, in one transaction with the proof of it."""
    if handler.asks is not None:
        batch = _not_applied(handler, batch)
    answers = {e.event_id: handler.asks(e.open()) for e in batch} if handler.asks else {}

    @unit_of_work(handler.context, isolation=handler.isolation)
    def effect() -> int:
        fresh = _claim(handler, batch)
        if handler.keep_order:
            _refuse_to_overtake(handler, fresh)
        _run(handler, fresh, answers)
        return len(fresh)

    deliveries_total.labels(handler.name, "applied").inc(effect())


def _run(handler: Handler, fresh: Sequence[Envelope], answers: Mapping[UUID, Any]) -> None:
    events = [envelope.open() for envelope in fresh]
    if handler.batch:
        if events:
            with _caused_by(fresh[0]):
                handler.function(events)
        return
    for envelope, event in zip(fresh, events, strict=True):
        with _caused_by(envelope):
            handler.function(event, *([answers[envelope.event_id]] if handler.asks else []))


def _not_applied(handler: Handler, batch: Sequence[Envelope]) -> list[Envelope]:
    with connections[handler.alias].cursor() as cursor:
        cursor.execute(
            "SELECT event_id FROM kernel_inbox WHERE handler = %s AND event_id = ANY(%s)",
            [handler.name, [e.event_id for e in batch]],
        )
        applied = {row[0] for row in cursor.fetchall()}
    return [envelope for envelope in batch if envelope.event_id not in applied]


def _claim(handler: Handler, batch: Sequence[Envelope]) -> list[Envelope]:
    with connections[handler.alias].cursor() as cursor:
        cursor.execute(
            "INSERT INTO kernel_inbox (handler, event_id) SELECT %s, unnest(%s::uuid[])"
            " ON CONFLICT DO NOTHING RETURNING event_id",
            [handler.name, [e.event_id for e in batch]],
        )
        fresh = {row[0] for row in cursor.fetchall()}
    return [envelope for envelope in batch if envelope.event_id in fresh]


def _refuse_to_overtake(handler: Handler, fresh: Sequence[Envelope]) -> None:
    with connections[handler.alias].cursor() as cursor:
        cursor.execute(
            "SELECT key FROM kernel_failed_delivery"
            " WHERE handler = %(handler)s AND state = 'retrying' AND key = ANY(%(keys)s) AND id < coalesce("
            "   (SELECT min(id) FROM kernel_failed_delivery WHERE handler = %(handler)s AND event_id = ANY(%(ids)s)),"
            "   9223372036854775807) LIMIT 1",
            {"handler": handler.name, "keys": [e.key for e in fresh], "ids": [e.event_id for e in fresh]},
        )
        if (row := cursor.fetchone()) is not None:
            raise WaitsBehind(f"an earlier event of key {row[0]}")


@contextmanager
def _caused_by(envelope: Envelope) -> Iterator[None]:
    token = _cause.set(envelope.event_id)
    try:
        with correlation(envelope.correlation_id):
            yield
    finally:
        _cause.reset(token)
