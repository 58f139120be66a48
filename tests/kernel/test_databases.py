"""A database per context, the unit of work and its guards."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import IntegrityError, connections, transaction
from psycopg import IsolationLevel

from contexts.social.models import FeedEntry
from kernel import databases
from kernel.databases import (
    ContextRouter,
    NoUnitOfWork,
    TwoContexts,
    release_connections,
    run_after_commit,
    savepoint,
    try_gate,
    unit_of_work,
)
from kernel.errors import TryAgain
from tests.kernel.probe import create_ledger

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

EVERY_LEVEL = ["read committed", "repeatable read", "serializable"]


def scalar(alias: str, statement: str, *values: object) -> object:
    with connections[alias].cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchone()[0]


def execute(alias: str, statement: str, *values: object) -> None:
    with connections[alias].cursor() as cursor:
        cursor.execute(statement, values)


@pytest.fixture
def counter() -> None:
    """A row that several transactions want at once."""
    execute("social", "CREATE TABLE IF NOT EXISTS probe_counter (id int PRIMARY KEY, value int NOT NULL)")
    execute("social", "TRUNCATE probe_counter")
    execute("social", "INSERT INTO probe_counter VALUES (1, 0)")


@pytest.mark.parametrize(
    ("context", "level"),
    [("identity", "repeatable read"), ("health", "serializable"), ("social", "read committed")],
)
def test_p8_each_context_has_its_isolation_level(context: str, level: str) -> None:
    @unit_of_work(context)
    def shown() -> object:
        return scalar(databases.alias_of(context), "SHOW transaction_isolation")

    assert shown() == level


@pytest.mark.parametrize("level", EVERY_LEVEL)
def test_a_unit_of_work_may_replace_the_level_and_leaves_no_trace(level: str) -> None:
    @unit_of_work("health", isolation=level)
    def shown() -> object:
        return scalar("health", "SHOW transaction_isolation")

    assert shown() == level
    assert connections["health"].connection.isolation_level is IsolationLevel.SERIALIZABLE


def test_router_sends_models_home_and_refuses_two_homes() -> None:
    router = ContextRouter()
    assert router.db_for_write(FeedEntry) == "social"
    assert router.allow_migrate("social", "social")
    assert not router.allow_migrate("default", "social")
    assert not router.allow_migrate("social", "auth")
    assert router.allow_migrate("social", "kernel")


def test_kernel_models_must_say_which_database() -> None:
    from kernel.models import OutboxEvent

    with pytest.raises(LookupError):
        OutboxEvent.objects.count()


@unit_of_work("social")
def _nothing_social() -> None:
    pass


def test_no_unit_of_work_spans_two_contexts() -> None:
    @unit_of_work("gamification")
    def outer() -> None:
        _nothing_social()

    with pytest.raises(TwoContexts):
        outer()


def test_a_nested_unit_of_work_joins_its_own_context() -> None:
    @unit_of_work("social")
    def outer() -> None:
        _nothing_social()
        assert databases.current_context() == "social"

    outer()
    assert databases.current_context() is None


def test_hints_run_after_commit_and_not_after_rollback() -> None:
    ran = []

    @unit_of_work("social")
    def work(*, fails: bool) -> None:
        before = len(ran)
        run_after_commit(lambda: ran.append("hint"))
        assert len(ran) == before
        if fails:
            raise RuntimeError

    work(fails=False)
    assert ran == ["hint"]
    with pytest.raises(RuntimeError):
        work(fails=True)
    assert ran == ["hint"]


def test_a_failing_hint_does_not_fail_the_work() -> None:
    @unit_of_work("social")
    def work() -> str:
        run_after_commit(lambda: 1 / 0)
        return "done"

    assert work() == "done"


def test_a_savepoint_lets_a_part_fail() -> None:
    create_ledger("social")

    @unit_of_work("social")
    def work() -> None:
        execute("social", "INSERT INTO probe_ledger (handler) VALUES ('kept')")
        with pytest.raises(IntegrityError), savepoint():
            execute("social", "INSERT INTO probe_ledger (entry) SELECT entry FROM probe_ledger")

    work()
    assert scalar("social", "SELECT count(*) FROM probe_ledger WHERE handler = 'kept'") == 1
    with pytest.raises(NoUnitOfWork), savepoint():
        pass


def in_threads(count: int, job) -> list:
    def run(_: int):
        try:
            return job()
        finally:
            release_connections()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_serialization_failures_are_retried_until_every_increment_counts(counter: None, level: str) -> None:
    @unit_of_work("social", isolation=level)
    def increment() -> None:
        value = scalar("social", "SELECT value FROM probe_counter WHERE id = 1")
        execute("social", "UPDATE probe_counter SET value = %s WHERE id = 1", value + 1)

    in_threads(6, lambda: [increment() for _ in range(5)])
    assert scalar("social", "SELECT value FROM probe_counter WHERE id = 1") == 30


def test_negative_control_without_retries_increments_are_refused(counter: None, monkeypatch) -> None:
    """The detector can go red: with one try only, the same load does not get through."""
    monkeypatch.setattr(databases, "TRIES", 1)
    barrier = threading.Barrier(2, timeout=10)

    @unit_of_work("social", isolation="repeatable read")
    def increment() -> None:
        value = scalar("social", "SELECT value FROM probe_counter WHERE id = 1")
        barrier.wait()
        execute("social", "UPDATE probe_counter SET value = %s WHERE id = 1", value + 1)

    def attempt() -> str:
        try:
            increment()
        except TryAgain:
            return "refused"
        return "done"

    assert sorted(in_threads(2, attempt)) == ["done", "refused"]


def test_a_gate_is_taken_before_begin_so_that_nobody_retries(counter: None) -> None:
    runs = []

    @unit_of_work("social", gate="hot", isolation="serializable")
    def increment(*, hot: int) -> None:
        runs.append(hot)
        value = scalar("social", "SELECT value FROM probe_counter WHERE id = %s", hot)
        execute("social", "UPDATE probe_counter SET value = %s WHERE id = %s", value + 1, hot)

    in_threads(6, lambda: [increment(hot=1) for _ in range(5)])
    assert scalar("social", "SELECT value FROM probe_counter WHERE id = 1") == 30
    assert len(runs) == 30


def test_a_gate_is_free_again_after_a_failure() -> None:
    @unit_of_work("social", gate="hot")
    def fail(*, hot: int) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        fail(hot=7)

    def is_free() -> bool:
        with try_gate("social", "hot", 7) as taken:
            return taken

    assert in_threads(1, is_free) == [True]


def test_waiting_too_long_for_a_lock_is_try_again(counter: None) -> None:
    @unit_of_work("social")
    def blocked() -> None:
        execute("social", "SET LOCAL lock_timeout = '50ms'")
        execute("social", "UPDATE probe_counter SET value = 2 WHERE id = 1")

    def holder(started: threading.Event, finish: threading.Event) -> None:
        with transaction.atomic(using="social"):
            execute("social", "UPDATE probe_counter SET value = 1 WHERE id = 1")
            started.set()
            finish.wait(10)
        release_connections()

    started, finish = threading.Event(), threading.Event()
    thread = threading.Thread(target=holder, args=(started, finish))
    thread.start()
    started.wait(10)
    try:
        with pytest.raises(TryAgain):
            blocked()
    finally:
        finish.set()
        thread.join()


def test_a_lost_connection_is_try_again_and_the_next_call_works() -> None:
    @unit_of_work("social")
    def cut_off() -> None:
        execute("social", "SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(TryAgain):
        cut_off()
    _nothing_social()
    assert scalar("social", "SELECT 1") == 1
