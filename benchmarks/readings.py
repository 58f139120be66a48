"""Readings in batches of 500: what the API takes in a second, beside a handler that does nothing else.

Both servers are one uvicorn process with the same options and thread pool, both commit each batch to the same
PostgreSQL before they answer, and both are measured in the same run, in turns. The bare handler is the limit: it
decodes the same body with msgspec and inserts it with unnest and ON CONFLICT, without a framework, a signature
or an event. Ours checks the signature and its nonce, stores, and writes the event. `run()` expects Django to be
set up and the engines to be up.
"""

import base64
import http.client
import json
import os
import secrets
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import psycopg
from a2wsgi import WSGIMiddleware

BATCH = 500
CONNECTIONS = 4
BATCHES_A_ROUND = 200
ROUNDS = 5
TARGET = 0.5
PATH = "/api/v1/health/readings"
UVICORN = ["--loop", "uvloop", "--http", "httptools", "--log-level", "warning"]

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
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({"accepted": stored}).encode()]


bare_application = WSGIMiddleware(bare_handler, workers=8)


def run() -> dict[str, Any]:
    """Measure both and print them; returns the figures."""
    dsn = _dsn()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(BARE_TABLE)
    sign = _signer()
    speeds: dict[str, list[float]] = {"bare": [], "ours": []}
    with ExitStack() as servers:
        bare = servers.enter_context(_server("benchmarks.readings:bare_application", BENCH_DSN=dsn))
        ours = servers.enter_context(_server("config.asgi:application"))
        for _ in range(ROUNDS + 1):
            speeds["bare"].append(_round(bare, lambda body: {}))
            speeds["ours"].append(_round(ours, sign))
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("DROP TABLE bench_reading")
    figures = {name: statistics.median(rounds[1:]) for name, rounds in speeds.items()}
    ratio = figures["ours"] / figures["bare"]
    print(f"readings: JSON batches of {BATCH}, {CONNECTIONS} connections; median of {ROUNDS} rounds")
    for name, about in (("bare", "bare handler"), ("ours", "our API")):
        spread = (max(speeds[name][1:]) - min(speeds[name][1:])) / figures[name]
        print(f"  {about:14} {figures[name]:>9,.0f} readings/s   (spread {spread:.0%})")
    print(f"  ratio {ratio:.2f} (target {TARGET})")
    return {**figures, "ratio": ratio, "target": TARGET}


def _dsn() -> str:
    from django.db import connections

    options = connections["health"].settings_dict
    return psycopg.conninfo.make_conninfo(
        dbname=options["NAME"],
        user=options["USER"],
        password=options["PASSWORD"] or None,
        host=options["HOST"],
        port=options["PORT"],
    )


def _signer() -> Callable[[bytes], dict[str, str]]:
    """Connect a device and return what signs a body for it."""
    from django.utils.timezone import now

    from contexts.health.devices import connect_device
    from contexts.health.signatures import sign
    from kernel.models import uuid7

    device, told = connect_device(name="Bench", kind="bench", by=uuid7(), at=now())
    secret = base64.urlsafe_b64decode(told + "=" * (-len(told) % 4))

    def headers(body: bytes) -> dict[str, str]:
        seconds, nonce = str(int(time.time())), secrets.token_urlsafe(16)
        signature = sign(secret, "POST", PATH, body, seconds, nonce)
        return {"Authorization": f"Device {device.device_id}:{seconds}:{nonce}:{signature}"}

    return headers


_began = datetime.now(UTC) - timedelta(days=20)
_sent = 0


def _bodies(count: int) -> list[bytes]:
    """Batches nobody has seen: a heart rate and a beat-to-beat interval each second, one batch after the other."""
    global _sent
    bodies = []
    for _ in range(count):
        first = _began + timedelta(milliseconds=500 * _sent)
        _sent += BATCH
        bodies.append(
            msgspec.json.encode(
                {
                    "readings": [
                        {
                            "stream": ("heart_rate", "rr_interval")[n % 2],
                            "time": first + timedelta(milliseconds=500 * n),
                            "sequence": 0,
                            "value": (60 + n % 100, 812.5)[n % 2],
                        }
                        for n in range(BATCH)
                    ]
                }
            )
        )
    return bodies


def _round(port: int, sign: Callable[[bytes], dict[str, str]]) -> float:
    """Readings a second over one round; bodies and signatures are made before the clock starts."""
    requests = [(body, sign(body) | {"Content-Type": "application/json"}) for body in _bodies(BATCHES_A_ROUND)]
    started = time.perf_counter()
    with ThreadPoolExecutor(CONNECTIONS) as clients:
        accepted = sum(clients.map(lambda n: _send(port, requests[n::CONNECTIONS]), range(CONNECTIONS)))
    took = time.perf_counter() - started
    if accepted != BATCH * BATCHES_A_ROUND:
        raise RuntimeError(f"{accepted} readings were accepted of {BATCH * BATCHES_A_ROUND}")
    return accepted / took


def _send(port: int, requests: list[tuple[bytes, dict[str, str]]]) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    accepted = 0
    for body, headers in requests:
        connection.request("POST", PATH, body, headers)
        answer = connection.getresponse()
        told = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {told[:300]!r}")
        accepted += json.loads(told)["accepted"]
    connection.close()
    return accepted


@contextmanager
def _server(application: str, **environment: str) -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", application, "--host", "127.0.0.1", "--port", str(port), *UVICORN],
        env=os.environ | environment,
    )
    try:
        _await_listening(process, port)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=20)


def _await_listening(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("the server did not start")
