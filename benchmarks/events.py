"""The relay: events a second with inbox and effect, and the way of a single event, each beside its bare limits.

The effect is a total per subject in the consumer's database; the relay runs in a process of its own. The bare limits
do the same work on the same tables with psycopg alone: inbox rows and effect in one transaction in the consumer's
database, then the mark in the outbox; row by row, in pipelined batches of 200, set-wise in batches of 1,000, and, as
the relay does it for a handler that takes one event at a time, a statement each in batches of 500.
"""

import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg

from benchmarks.figures import Figure, in_turns, percentile
from benchmarks.readings import dsn_of
from kernel.events import DomainEvent

PUBLISHER, CONSUMER = "social", "gamification"
SUBJECTS = 500
EVENTS = 6_000
ROW_BY_ROW = 300
ROUNDS = 3
HOPS = 200
PACE_S = 0.02
AT_LEAST, HOP_AT_MOST_MS = 5_000, 20
CHANNEL = "bench_hop"

TABLES = {
    CONSUMER: "CREATE TABLE IF NOT EXISTS bench_total (subject text PRIMARY KEY, points bigint NOT NULL)",
    PUBLISHER: "CREATE TABLE IF NOT EXISTS bench_fact (number int)",
}
CLAIM = "INSERT INTO kernel_inbox (handler, event_id) SELECT 'bench', unnest(%s::uuid[]) ON CONFLICT DO NOTHING"
ADD = (
    "INSERT INTO bench_total (subject, points) VALUES (%s, %s)"
    " ON CONFLICT (subject) DO UPDATE SET points = bench_total.points + excluded.points"
)
ADD_MANY = (
    "INSERT INTO bench_total (subject, points) SELECT subject, sum(points) FROM unnest(%s::text[], %s::int[])"
    " AS earned (subject, points) GROUP BY subject"
    " ON CONFLICT (subject) DO UPDATE SET points = bench_total.points + excluded.points"
)
MARK = "UPDATE kernel_outbox SET published_at = now() WHERE position = ANY(%s)"
WAITING = "SELECT position, event_id, key, (payload->>'points')::int FROM kernel_outbox WHERE published_at IS NULL"

Row = tuple[int, UUID, str, int]


@dataclass(frozen=True, kw_only=True)
class PointsEarned(DomainEvent, key="subject", context=PUBLISHER):
    """A fact to relay."""

    subject: str
    points: int


def run(*, quick: bool) -> list[Figure]:
    """Throughput of set-wise and of per-event handlers, then the single hop; the bare limits between them."""
    rounds, count = (1, EVENTS // 10) if quick else (ROUNDS, EVENTS)
    for alias, statement in TABLES.items():
        with psycopg.connect(dsn_of(alias), autocommit=True) as connection:
            connection.execute(statement)
    with Relayer("batch") as setwise, Relayer("each") as one_by_one:
        rates = in_turns(
            rounds,
            {
                "set-wise handler": lambda: _rate(setwise.drain, count),
                "per-event handler": lambda: _rate(one_by_one.drain, count),
                "row by row": lambda: _rate(_row_by_row, ROW_BY_ROW),
                "a statement each": lambda: _rate(_a_statement_each, count),
                "pipelined": lambda: _rate(_pipelined, count),
                "set-wise SQL": lambda: _rate(_set_wise, count),
            },
        )
    speed = {name: statistics.median(values) for name, values in rates.items()}
    with Relayer("hop") as hopping:
        ours, bare = _hops(hopping, 10 if quick else HOPS)
    return [*_throughput(speed), *_hop_figures(ours, bare)]


def _throughput(speed: dict[str, float]) -> Iterator[Figure]:
    yield Figure(
        about="relay with inbox and effect, set-wise handler",
        ours=speed["set-wise handler"],
        unit="events/s",
        beside="set-wise SQL",
        limit=speed["set-wise SQL"],
        at_least=AT_LEAST,
        note=f"row by row {speed['row by row']:,.0f}, pipelined by 200 {speed['pipelined']:,.0f} events/s",
    )
    yield Figure(
        about="relay with inbox and effect, handler takes one at a time",
        ours=speed["per-event handler"],
        unit="events/s",
        beside="a statement each",
        limit=speed["a statement each"],
    )


def _hop_figures(ours: list[float], bare: list[float]) -> Iterator[Figure]:
    for percent in (50, 99):
        yield Figure(
            about=f"idle hop, publish → handler, p{percent}",
            ours=percentile(ours, percent),
            unit="ms",
            beside="ms bare INSERT + NOTIFY → listener",
            limit=percentile(bare, percent),
            at_most=HOP_AT_MOST_MS if percent == 50 else None,
        )


def _rate(relay_all: Callable[[], float], count: int) -> float:
    """Events a second; they wait in the outbox before the clock starts."""
    _publish(count)
    return count / relay_all()


def _publish(count: int) -> None:
    from kernel.bus import publish
    from kernel.databases import unit_of_work

    at = datetime.now(UTC)
    announce = unit_of_work(PUBLISHER)(publish)
    for start in range(0, count, 500):
        numbers = range(start, min(start + 500, count))
        announce(*(PointsEarned(subject=f"s{n % SUBJECTS}", points=n % 7, occurred_at=at) for n in numbers))


# --- The bare limits ---------------------------------------------------------------------------------------------


@contextmanager
def _both() -> Iterator[tuple[psycopg.Connection, psycopg.Connection, list[Row]]]:
    """Connections to the publisher's and the consumer's database, and what waits to be relayed."""
    with psycopg.connect(dsn_of(PUBLISHER)) as publisher, psycopg.connect(dsn_of(CONSUMER)) as consumer:
        rows: list[Row] = publisher.execute(f"{WAITING} ORDER BY position").fetchall()
        publisher.commit()
        yield publisher, consumer, rows


def _row_by_row() -> float:
    with _both() as (publisher, consumer, rows):
        started = time.perf_counter()
        for position, event_id, subject, points in rows:
            consumer.execute(CLAIM, [[event_id]])
            consumer.execute(ADD, [subject, points])
            consumer.commit()
            publisher.execute(MARK, [[position]])
            publisher.commit()
        return time.perf_counter() - started


def _pipelined() -> float:
    with _both() as (publisher, consumer, rows):
        started = time.perf_counter()
        for batch in _slices(rows, 200):
            with consumer.pipeline():
                for _, event_id, subject, points in batch:
                    consumer.execute(CLAIM, [[event_id]])
                    consumer.execute(ADD, [subject, points])
            consumer.commit()
            _mark(publisher, batch)
        return time.perf_counter() - started


def _a_statement_each() -> float:
    with _both() as (publisher, consumer, rows):
        started = time.perf_counter()
        for batch in _slices(rows, 500):
            consumer.execute(CLAIM, [[event_id for _, event_id, _, _ in batch]])
            for _, _, subject, points in batch:
                consumer.execute(ADD, [subject, points])
            consumer.commit()
            _mark(publisher, batch)
        return time.perf_counter() - started


def _set_wise() -> float:
    with _both() as (publisher, consumer, rows):
        started = time.perf_counter()
        for batch in _slices(rows, 1_000):
            consumer.execute(CLAIM, [[event_id for _, event_id, _, _ in batch]])
            consumer.execute(ADD_MANY, [[row[2] for row in batch], [row[3] for row in batch]])
            consumer.commit()
            _mark(publisher, batch)
        return time.perf_counter() - started


def _slices(rows: list[Row], size: int) -> Iterator[list[Row]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))


def _mark(publisher: psycopg.Connection, batch: Sequence[Row]) -> None:
    publisher.execute(MARK, [[row[0] for row in batch]])
    publisher.commit()


# --- The single hop ----------------------------------------------------------------------------------------------


def _hops(hopping: "Relayer", count: int) -> tuple[list[float], list[float]]:
    """Milliseconds from before the transaction to the handler's first line; ours and bare ones in turns."""
    ours, bare = [], []
    hopping.tell("run")
    with psycopg.connect(dsn_of(PUBLISHER), autocommit=True) as writer, _listener() as heard:
        for number in range(count + 1):
            time.sleep(PACE_S)
            started = time.monotonic_ns()
            _publish(1)
            ours.append((hopping.hear() - started) / 1e6)
            time.sleep(PACE_S)
            started = time.monotonic_ns()
            with writer.transaction():
                writer.execute("INSERT INTO bench_fact VALUES (%s)", [number])
                writer.execute(f"NOTIFY {CHANNEL}")
            bare.append((heard() - started) / 1e6)
    return ours[1:], bare[1:]


@contextmanager
def _listener() -> Iterator[Callable[[], int]]:
    """A process that does nothing but LISTEN; yields what waits for its next word."""
    with Relayer("listen") as listener:
        listener.tell("listen")
        listener.answer()
        yield listener.hear


# --- The process that relays -------------------------------------------------------------------------------------


class Relayer:
    """A child process with a relay and one handler, told what to do on its standard input."""

    def __init__(self, kind: str) -> None:
        command = [sys.executable, "-m", "benchmarks.events", kind]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.answer()

    def __enter__(self) -> "Relayer":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()

    def tell(self, what: str) -> None:
        """Say what to do next."""
        assert self._process.stdin is not None
        self._process.stdin.write(what + "\n")
        self._process.stdin.flush()

    def answer(self) -> Any:
        """The next line it prints."""
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def drain(self) -> float:
        """Let it relay all that waits; returns the seconds that took."""
        self.tell("drain")
        return float(self.answer())

    def hear(self) -> int:
        """The monotonic nanoseconds at which its handler was next called."""
        return int(self.answer())


def _work(kind: str) -> None:
    """The child: registers its one handler, then does what each line says."""
    import django

    django.setup()
    _register(kind)
    _say(True)
    for line in sys.stdin:
        {"drain": _drain, "run": _run, "listen": _listen}[line.strip()]()


def _say(value: Any) -> None:
    print(json.dumps(value), flush=True)


def _register(kind: str) -> None:
    from django.db import connections

    from kernel.bus import on

    if kind == "batch":

        @on(PointsEarned, context=CONSUMER, batch=True)
        def bench_batch(events: list[PointsEarned]) -> None:
            with connections[CONSUMER].cursor() as cursor:
                cursor.execute(ADD_MANY, [[e.subject for e in events], [e.points for e in events]])

    elif kind == "each":

        @on(PointsEarned, context=CONSUMER)
        def bench_each(event: PointsEarned) -> None:
            with connections[CONSUMER].cursor() as cursor:
                cursor.execute(ADD, [event.subject, event.points])

    elif kind == "hop":

        @on(PointsEarned, context=CONSUMER)
        def bench_hop(event: PointsEarned) -> None:
            _say(time.monotonic_ns())


def _drain() -> None:
    from kernel.relay import Relay

    started = time.perf_counter()
    Relay(contexts=[PUBLISHER]).drain()
    _say(time.perf_counter() - started)


def _run() -> None:
    from django.conf import settings

    from kernel.relay import Relay

    Relay(contexts=settings.CONTEXTS).run(threading.Event())


def _listen() -> None:
    with psycopg.connect(dsn_of(PUBLISHER), autocommit=True) as connection:
        connection.execute(f"LISTEN {CHANNEL}")
        _say(True)
        for _ in connection.notifies():
            _say(time.monotonic_ns())


if __name__ == "__main__":
    from benchmarks import events  # the event's class must be the one the publisher registered

    events._work(sys.argv[1])
