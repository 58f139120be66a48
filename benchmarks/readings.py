"""Readings in batches of 500: what the API takes in a second, beside a handler that does nothing else.

Both servers are one process served like ours, both commit each batch to the same PostgreSQL before they answer, and
both are measured in turns. The bare handler is the limit: it decodes the same body with msgspec and inserts it with
unnest and ON CONFLICT, without a framework, a signature or an event. Ours checks the signature and its nonce, stores,
and writes the event.
"""

import base64
import json
import os
import secrets
import statistics
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import psycopg

from benchmarks.figures import Figure, in_turns
from benchmarks.load import load, request
from benchmarks.programs import web_server

BATCH = 500
CONNECTIONS = 4
BATCHES_A_ROUND = 200
ROUNDS = 5
TARGET = 0.5
PATH = "/api/v1/health/readings"

BARE_TABLE = """
    DROP TABLE IF EXISTS bench_reading;
    CREATE TABLE bench_reading (
        time timestamptz NOT NULL, value double precision NOT NULL, device integer NOT NULL,
        sequence integer NOT NULL, stream text NOT NULL, PRIMARY KEY (device, stream, time, sequence))
"""
BARE_INSERT = """
    INSERT INTO bench_reading (time, value, device, sequence, stream)
    SELECT time, value, 1, sequence, stream
    FROM unnest(%b::timestamptz[], %b::float8[], %b::int[], %b::text[]) AS arrived (time, value, sequence, stream)
    ON CONFLICT DO NOTHING
"""


class Item(msgspec.Struct, gc=False):
    stream: str
    time: datetime
    sequence: int
    value: float


class Body(msgspec.Struct, gc=False):
    readings: list[Item]


_decoder = msgspec.json.Decoder(Body)
_mine = threading.local()


def bare_handler(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """The limit: decode, insert, answer how many were new."""
    if not hasattr(_mine, "connection"):
        _mine.connection = psycopg.connect(os.environ["BENCH_DSN"], autocommit=True)
    items = _decoder.decode(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))).readings
    columns = (
        [item.time for item in items],
        [item.value for item in items],
        [item.sequence for item in items],
        [item.stream for item in items],
    )
    with _mine.connection.cursor() as cursor:
        stored = cursor.execute(BARE_INSERT, columns).rowcount
    body = json.dumps({"accepted": stored}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def bare_application() -> Any:
    """The bare handler in our bridge (a factory for uvicorn)."""
    from config.asgi import HTTP_THREADS
    from config.bridge import WsgiBridge

    return WsgiBridge(bare_handler, threads=HTTP_THREADS)


def run(*, quick: bool) -> list[Figure]:
    """Measure both in turns; every round brings readings that nobody has seen."""
    count = 10 if quick else BATCHES_A_ROUND
    dsn, batches = dsn_of("health"), Batches()
    with psycopg.connect(dsn, autocommit=True) as connection, ExitStack() as servers:
        connection.execute(BARE_TABLE)
        bare = servers.enter_context(web_server("benchmarks.readings:bare_application", "--factory", BENCH_DSN=dsn))
        ours = servers.enter_context(web_server())
        speeds = in_turns(
            1 if quick else ROUNDS,
            {
                "bare": lambda: load(bare, batches.unsigned(count), connections=CONNECTIONS).per_second,
                "ours": lambda: load(ours, batches.signed(count), connections=CONNECTIONS).per_second,
            },
        )
        connection.execute("DROP TABLE bench_reading")
    return [
        Figure(
            about=f"readings through the API, JSON batches of {BATCH}",
            ours=BATCH * statistics.median(speeds["ours"]),
            unit="readings/s",
            beside="bare WSGI handler",
            limit=BATCH * statistics.median(speeds["bare"]),
            at_least=TARGET,
            of_ratio=True,
        )
    ]


def dsn_of(alias: str) -> str:
    """Where a context's database is, for psycopg alone."""
    from django.db import connections

    options = connections[alias].settings_dict
    return psycopg.conninfo.make_conninfo(
        dbname=options["NAME"],
        user=options["USER"],
        password=options["PASSWORD"] or None,
        host=options["HOST"],
        port=options["PORT"],
    )


class Batches:
    """Requests with a heart rate and a beat-to-beat interval each second, one batch after the other."""

    def __init__(self) -> None:
        from django.utils.timezone import now

        from contexts.health.devices import add_device
        from kernel.models import uuid7

        self.device, told = add_device(name="Bench", kind="bench", by=uuid7(), at=now())
        self.secret = base64.urlsafe_b64decode(told + "=" * (-len(told) % 4))
        self.next_time = datetime.now(UTC) - timedelta(days=20)

    def unsigned(self, count: int) -> list[bytes]:
        """So many requests for the bare handler."""
        return [request("POST", PATH, body=self._body(), Content_Type="application/json") for _ in range(count)]

    def signed(self, count: int) -> list[bytes]:
        """So many requests for our API."""
        bodies = [self._body() for _ in range(count)]
        return [
            request("POST", PATH, body=body, Content_Type="application/json", Authorization=self._signature(body))
            for body in bodies
        ]

    def _signature(self, body: bytes) -> str:
        from contexts.health.signatures import sign

        seconds, nonce = str(int(time.time())), secrets.token_urlsafe(16)
        signature = sign(self.secret, "POST", PATH, body, seconds, nonce)
        return f"Device {self.device.device_id}:{seconds}:{nonce}:{signature}"

    def _body(self) -> bytes:
        first, step = self.next_time, timedelta(milliseconds=500)
        self.next_time += BATCH * step
        readings = [
            {
                "stream": ("heart_rate", "rr_interval")[n % 2],
                "time": first + n * step,
                "sequence": 0,
                "value": (60 + n % 100, 812.5)[n % 2],
            }
            for n in range(BATCH)
        ]
        return msgspec.json.encode({"readings": readings})
