"""One database per context, and the one way to write to it; one Redis for what may be lost.

`unit_of_work` is a decorator and not a with-block because a serialization failure is answered by running
the whole block again, which only a function allows. It opens the transaction on the context's own alias at
the context's own isolation level, takes its gate *before* BEGIN (a lock waited for inside a snapshot does not
help the snapshot), and retries what PostgreSQL asks to be retried.
"""

import contextvars
import functools
import hashlib
import importlib
import inspect
import logging
import random
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, ParamSpec, TypeVar

import redis
from django.conf import settings
from django.db import DatabaseError, OperationalError, connections, models, transaction
from psycopg import IsolationLevel

from kernel.errors import TryAgain

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")
V = TypeVar("V")

TRIES = 10
FIRST_PAUSE_S = 0.005
LONGEST_PAUSE_S = 0.25

SERIALIZATION_FAILURES = {"40001", "40P01"}
"""PostgreSQL asks for the whole transaction to be run again."""

BUSY = {"55P03", "57014", "25P03"}
"""A lock, a statement or a transaction took longer than its budget."""

CONNECTION_LOST = ("08", "57P")
"""The server went away; an error without a code is libpq's own word for the same."""

LEVELS = {
    "read committed": IsolationLevel.READ_COMMITTED,
    "repeatable read": IsolationLevel.REPEATABLE_READ,
    "serializable": IsolationLevel.SERIALIZABLE,
}


class TwoContexts(Exception):
    """A unit of work of one context tried to write into another: no commit spans two databases."""


class NoUnitOfWork(Exception):
    """Something that must happen inside a transaction was tried outside one."""


def alias_of(context: str) -> str:
    """The database alias of a context. Identity is `default`: Django's own tables live there."""
    return "default" if context == "identity" else context


def context_of(alias: str) -> str:
    """The context whose database this alias is."""
    return "identity" if alias == "default" else alias


def isolation_of(context: str) -> str:
    """The isolation level a context declares as `ISOLATION` in its package."""
    return getattr(importlib.import_module(f"contexts.{context}"), "ISOLATION", "read committed")


class ContextRouter:
    """Sends every model to its context's database and refuses relations between two of them.

    The kernel's own tables exist in all of them, so code that touches those says `using=`.
    """

    def db_for_read(self, model: type[models.Model], **hints: Any) -> str:
        if model._meta.app_label == "kernel":
            instance = hints.get("instance")
            if instance is None or instance._state.db is None:
                raise LookupError(f"{model.__name__} is in every database: say which with using()")
            return str(instance._state.db)
        return self._home(model._meta.app_label)

    db_for_write = db_for_read

    def allow_relation(self, one: models.Model, other: models.Model, **hints: Any) -> bool:
        return self._home(one._meta.app_label) == self._home(other._meta.app_label)

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return app_label == "kernel" or db == self._home(app_label)

    @staticmethod
    def _home(app_label: str) -> str:
        return alias_of(app_label) if app_label in settings.CONTEXTS else "default"


class _Unit:
    """The unit of work that is open on this thread."""

    def __init__(self, context: str) -> None:
        self.context = context
        self.alias = alias_of(context)
        self.hints: set[str] = set()


_open_unit: ContextVar[_Unit | None] = ContextVar("open_unit_of_work", default=None)


def current_context() -> str | None:
    """The context whose unit of work is open here, if one is."""
    unit = _open_unit.get()
    return unit.context if unit else None


def require_unit_of_work(context: str) -> str:
    """The alias to write to; raises unless this context's unit of work is open."""
    unit = _open_unit.get()
    if unit is None:
        raise NoUnitOfWork(f"this belongs inside @unit_of_work({context!r})")
    if unit.context != context:
        raise TwoContexts(f"{context!r} inside a unit of work of {unit.context!r}")
    return unit.alias


class unit_of_work:  # noqa: N801  (reads as a decorator)
    """Run the decorated function in one transaction of `context`, again if PostgreSQL asks for it.

    `gate` names keyword arguments: an advisory lock on their values is held around the transaction, so that
    callers who want the same hot row wait outside their snapshots. `isolation` replaces the context's level.
    A call inside an open unit of the same context joins it; inside another context's it raises `TwoContexts`.
    Raises `TryAgain` (503) when the retries are used up or a lock is not to be had in time.
    """

    def __init__(self, context: str, *, gate: str | tuple[str, ...] = (), isolation: str | None = None) -> None:
        self.context = context
        self.gate = (gate,) if isinstance(gate, str) else gate
        self.isolation = isolation

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
            raise TypeError("a unit of work is a plain function: it may be run again as a whole")

        @functools.wraps(function)
        def in_unit(*args: P.args, **kwargs: P.kwargs) -> R:
            body = functools.partial(function, *args, **kwargs)
            keys = [gate_key(self.context, name, kwargs[name]) for name in self.gate]
            if _open_unit.get() is None:
                return self._run(body, keys)
            alias = require_unit_of_work(self.context)
            _lock_until_commit(alias, keys)
            return body()

        return in_unit

    def _run(self, body: Callable[[], R], keys: list[int]) -> R:
        alias = alias_of(self.context)
        for attempt in range(TRIES):
            try:
                with _gates(alias, keys), _isolated(alias, self.isolation), _transaction(self.context):
                    return body()
            except DatabaseError as error:
                state = sqlstate_of(error)
                if state in BUSY or _is_lost(alias, error):
                    raise TryAgain from error
                if state not in SERIALIZATION_FAILURES:
                    raise
                log.debug("unit of work runs again", extra={"context": self.context, "attempt": attempt + 1})
                pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**attempt)
                time.sleep(random.uniform(pause / 2, pause))
        raise TryAgain("Too many others want the same thing at this moment.")


def _is_lost(alias: str, error: DatabaseError) -> bool:
    """Whether the server hung up or was not there; then the pool is told to look at its other connections."""
    state = sqlstate_of(error)
    if not isinstance(error, OperationalError) or not (state is None or state.startswith(CONNECTION_LOST)):
        return False
    pool = getattr(connections[alias], "pool", None)
    if pool is not None:
        pool.check()
    return True


def sqlstate_of(error: BaseException) -> str | None:
    """PostgreSQL's five-character code of a Django database error."""
    return getattr(error.__cause__ or error, "sqlstate", None)


@contextmanager
def _transaction(context: str) -> Iterator[None]:
    unit = _Unit(context)
    token = _open_unit.set(unit)
    try:
        with transaction.atomic(using=unit.alias, durable=True):
            yield
    finally:
        _open_unit.reset(token)


@contextmanager
def savepoint() -> Iterator[None]:
    """A part of the open unit of work that may fail, and be caught, without taking the rest with it."""
    unit = _open_unit.get()
    if unit is None:
        raise NoUnitOfWork("a savepoint stands inside a unit of work")
    with transaction.atomic(using=unit.alias):
        yield


@contextmanager
def _isolated(alias: str, level: str | None) -> Iterator[None]:
    """Use another isolation level for the next transaction; costs no round trip."""
    connection = connections[alias]
    if level is None or connection.in_atomic_block:
        yield
        return
    connection.ensure_connection()
    raw = connection.connection
    usual = raw.isolation_level
    raw.isolation_level = LEVELS[level]
    try:
        yield
    finally:
        if not raw.closed:
            raw.isolation_level = usual


def gate_key(*parts: Any) -> int:
    """A signed 64-bit advisory lock key for these words."""
    digest = hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


@contextmanager
def _gates(alias: str, keys: list[int]) -> Iterator[None]:
    held = []
    try:
        for key in sorted(set(keys)):  # one order everywhere, so that two gates cannot wait for each other
            _execute(alias, "SELECT pg_advisory_lock(%s)", key)
            held.append(key)
        yield
    finally:
        for key in reversed(held):
            if connections[alias].connection is not None and not connections[alias].connection.closed:
                _execute(alias, "SELECT pg_advisory_unlock(%s)", key)


def _lock_until_commit(alias: str, keys: list[int]) -> None:
    for key in sorted(set(keys)):
        _execute(alias, "SELECT pg_advisory_xact_lock(%s)", key)


@contextmanager
def try_gate(context: str, *parts: Any) -> Iterator[bool]:
    """Take a gate if it is free, at once: yields whether it was. For work that must not queue up."""
    with _try_keys(alias_of(context), [gate_key(context, *parts)]) as taken:
        yield bool(taken)


@contextmanager
def try_gates(context: str, name: str, values: Iterable[V]) -> Iterator[set[V]]:
    """Take those of many gates of one name that are free, at once; yields the values whose gates were."""
    by_key = {gate_key(context, name, value): value for value in values}
    with _try_keys(alias_of(context), list(by_key)) as taken:
        yield {by_key[key] for key in taken}


@contextmanager
def _try_keys(alias: str, keys: list[int]) -> Iterator[list[int]]:
    statement = (
        "SELECT coalesce(array_agg(key), '{}') FROM unnest(%s::bigint[]) AS key WHERE pg_try_advisory_lock(key)"
    )
    taken: list[int] = _execute(alias, statement, keys)
    try:
        yield taken
    finally:
        if taken:
            _execute(alias, "SELECT count(pg_advisory_unlock(key)) FROM unnest(%s::bigint[]) AS key", taken)


def _execute(alias: str, statement: str, *values: Any) -> Any:
    with connections[alias].cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchone()[0]


def run_after_commit(hint: Callable[[], Any], *, once: str | None = None) -> None:
    """Call `hint` when the open unit of work has committed; at once when none is open.

    For hints only (wake-ups, caches, sockets): a crash between commit and call loses it, and its failure is
    logged, not raised. Facts go through `publish`. Calls that share a name in `once` are made once. The hint
    keeps the correlation id of this moment.
    """
    unit = _open_unit.get()
    if unit is None:
        hint()
        return
    if once is not None:
        if once in unit.hints:
            return
        unit.hints.add(once)

    here = contextvars.copy_context()
    here.run(_open_unit.set, None)  # the unit is over by then: a hint may ask a neighbour, or open one of its own

    def when_committed() -> None:
        here.run(hint)

    transaction.on_commit(when_committed, using=unit.alias, robust=True)


def database_time(context: str) -> datetime:
    """This moment by the clock of a context's database: one clock for all processes, where an instant decides."""
    return datetime.fromtimestamp(float(_execute(alias_of(context), _SECONDS)), tz=UTC)


_SECONDS = "SELECT extract(epoch FROM clock_timestamp())"


def release_connections() -> None:
    """Give this thread's connections back to their pools; worker threads call it between two jobs."""
    connections.close_all()


@functools.cache
def redis_client() -> redis.Redis:
    """This process's Redis client: wake-ups, caches, counters. Nothing that must survive lives only there."""
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=5, socket_connect_timeout=5)


def redis_number() -> str:
    """The number of our Redis database. Channels, unlike keys, are shared by all of a server's databases, so their
    names carry it: two installations on one server must not hear each other.
    """
    return settings.REDIS_URL.partition("?")[0].rpartition("/")[2]
