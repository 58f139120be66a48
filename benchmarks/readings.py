"""Readings: what the API takes in a second, beside what does nothing else, in the same run.

Both servers are one process served like ours, both commit each request to the same PostgreSQL before they answer,
and both are measured in turns. The bare handler decodes the same body with msgspec and inserts it with unnest and ON
CONFLICT, without a framework, a signature or an event. Ours checks the signature and its nonce, stores, and writes
the event. The compact form is held against COPY in PostgreSQL's binary form into our own table, rows made beforehand,
by as many connections. Each round has devices of its own, so that none is asked to slow down. Single readings come
from many devices at once, each of which waits for its answer, as they do where nobody collects them; both servers get
them over as many connections. A second line says how it is with few. These are new, the others late.
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
from itertools import cycle
from typing import Any
from uuid import UUID

import msgspec
import numpy as np
import psycopg

from benchmarks.figures import Figure, in_turns
from benchmarks.load import load, request
from benchmarks.programs import web_server

BATCH = 1_000
COLUMN_BATCH = 20_000
FEW, MANY = 4, 32
CONNECTIONS = {"batches": FEW, "single": MANY, "few single": FEW, "columns": FEW}
ROUNDS = 5
A_ROUND = {"batches": 150, "single": 4_000, "few single": 1_500, "columns": 20}
TARGETS = {"batches": 0.7, "single": 0.6, "few single": None, "columns": 0.35}
STEP = timedelta(milliseconds=500)
LONG_AGO, JUST_NOW = timedelta(days=20), timedelta(minutes=50)
AGE = {"batches": LONG_AGO, "single": JUST_NOW, "few single": JUST_NOW, "columns": LONG_AGO}
"""Of the first reading of a round."""
PATH = "/api/v1/health/readings"
COLUMNS = "application/vnd.stayer.columns+json"

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
    """Measure all in turns; every round brings readings that nobody has seen."""
    rounds = {name: 8 if quick else count for name, count in A_ROUND.items()}
    dsn = dsn_of("health")
    with psycopg.connect(dsn, autocommit=True) as connection, ExitStack() as servers:
        connection.execute(BARE_TABLE)
        bare = servers.enter_context(web_server("benchmarks.readings:bare_application", "--factory", BENCH_DSN=dsn))
        ours = servers.enter_context(web_server())
        bodies = {
            "batches": lambda batches: batches.body(BATCH),
            "single": lambda batches: batches.body(1),
            "few single": lambda batches: batches.body(1),
            "columns": lambda batches: batches.columns(COLUMN_BATCH),
        }

        def speed_of_ours(name: str) -> float:
            devices = [Batches(AGE[name]) for _ in range(CONNECTIONS[name])]
            made = [(device, bodies[name](device)) for _, device in zip(range(rounds[name]), cycle(devices))]
            form = COLUMNS if name == "columns" else "application/json"
            requests = [device.signed(body, form) for device, body in made]
            return load(ours, requests, connections=CONNECTIONS[name]).per_second

        def speed_of_bare(name: str) -> float:
            batches = Batches(AGE[name])
            requests = [
                request("POST", PATH, body=bodies[name](batches), Content_Type="application/json")
                for _ in range(rounds[name])
            ]
            return load(bare, requests, connections=CONNECTIONS[name]).per_second

        speeds = in_turns(
            1 if quick else ROUNDS,
            {
                "bare batches": lambda: speed_of_bare("batches"),
                "ours batches": lambda: speed_of_ours("batches"),
                "bare single": lambda: speed_of_bare("single"),
                "ours single": lambda: speed_of_ours("single"),
                "bare few single": lambda: speed_of_bare("few single"),
                "ours few single": lambda: speed_of_ours("few single"),
                "bare columns": lambda: copied_per_second(dsn, rounds["columns"]),
                "ours columns": lambda: speed_of_ours("columns"),
            },
        )
        connection.execute("DROP TABLE bench_reading")
    median = {name: statistics.median(values) for name, values in speeds.items()}
    return [
        figure(f"readings through the API, JSON batches of {BATCH:,}", "batches", median, BATCH, "bare WSGI handler"),
        figure(f"readings through the API, one a request, {MANY} devices", "single", median, 1, "bare WSGI handler"),
        figure(f"the same of {FEW} devices", "few single", median, 1, "bare WSGI handler"),
        figure(
            f"readings through the API, {COLUMN_BATCH:,} a request in columns",
            "columns",
            median,
            COLUMN_BATCH,
            "binary COPY into the same table",
        ),
    ]


def figure(about: str, name: str, median: dict[str, float], size: int, beside: str) -> Figure:
    """One line of the table."""
    return Figure(
        about=about,
        ours=size * median[f"ours {name}"],
        unit="readings/s",
        beside=beside,
        limit=size * median[f"bare {name}"],
        at_least=TARGETS[name],
        of_ratio=True,
    )


def copied_per_second(dsn: str, count: int) -> float:
    """Requests' worth of readings copied into our table a second, each committed by itself."""
    columns = "(time, value, device_number, sequence, mark, stream)"
    batches = Batches()
    made = [binary_rows(batches, COLUMN_BATCH) for _ in range(count)]

    def copy(rows: list[bytes]) -> None:
        with psycopg.connect(dsn, autocommit=True) as connection, connection.cursor() as cursor:
            for data in rows:
                with cursor.copy(f"COPY health_reading {columns} FROM STDIN (FORMAT binary)") as copying:
                    copying.write(data)

    threads = [threading.Thread(target=copy, args=(made[n::FEW],)) for n in range(FEW)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return count / (time.perf_counter() - began)


def binary_rows(batches: "Batches", count: int) -> bytes:
    """Rows of our table as binary COPY wants them, made beforehand."""
    from kernel.timescale.columns import EPOCH

    first = (batches.next_time - EPOCH) // timedelta(microseconds=1)
    batches.next_time += count * STEP
    fields = [("n", ">i2")]
    for name, letters in (
        *(("time", ">i8"), ("value", ">f8"), ("device", ">i4")),
        *(("sequence", ">i4"), ("mark", ">i4"), ("stream", ">i2")),
    ):
        fields += [(f"size_{name}", ">i4"), (name, letters)]
    rows = np.zeros(count, dtype=fields)
    rows["n"] = 6
    for name, _ in fields:
        if name.startswith("size_"):
            rows[name] = rows.dtype[name.removeprefix("size_")].itemsize
    rows["time"] = first + np.arange(count) * (STEP // timedelta(microseconds=1))
    rows["value"] = 60 + np.arange(count) % 100
    rows["device"], rows["stream"] = batches.device.number, 1
    return b"PGCOPY\n\xff\r\n\0" + bytes(8) + rows.tobytes() + b"\xff\xff"


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
    """Bodies of a device of its own: a heart rate and a beat-to-beat interval each second, one after the other."""

    def __init__(self, age: timedelta = LONG_AGO) -> None:
        from django.utils.timezone import now

        from contexts.health.worn.devices import add_device
        from kernel.models import uuid7

        self.device, told = add_device(name="Bench", kind="bench", by=uuid7(), at=now())
        self.secret = base64.urlsafe_b64decode(told + "=" * (-len(told) % 4))
        self.next_time = datetime.now(UTC) - age

    def signed(self, body: bytes, form: str) -> bytes:
        """A request for our API."""
        return request(
            "POST",
            PATH,
            body=body,
            Content_Type=form,
            Authorization=signature_of(self.device.device_id, self.secret, body),
        )

    def body(self, size: int) -> bytes:
        """So many readings as JSON."""
        first = self.next_time
        self.next_time += size * STEP
        readings = [
            {
                "stream": ("heart_rate", "rr_interval")[n % 2],
                "time": first + n * STEP,
                "sequence": 0,
                "value": (60 + n % 100, 812.5)[n % 2],
            }
            for n in range(size)
        ]
        return msgspec.json.encode({"readings": readings})

    def columns(self, size: int) -> bytes:
        """So many heart rates in the compact form."""
        first = self.next_time
        self.next_time += size * STEP
        steps = [0] + [STEP // timedelta(microseconds=1)] * (size - 1)
        values = [60 + n % 100 for n in range(size)]
        return msgspec.json.encode([{"stream": "heart_rate", "base": first, "steps_us": steps, "values": values}])


def signature_of(device_id: UUID, secret: bytes, body: bytes) -> str:
    """The header with which a device may post this body."""
    from contexts.health.worn.signatures import sign

    seconds, nonce = str(int(time.time())), secrets.token_urlsafe(16)
    return f"Device {device_id}:{seconds}:{nonce}:{sign(secret, 'POST', PATH, body, seconds, nonce)}"
