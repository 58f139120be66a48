"""The list of workouts, a page of 20 of 1,000: requests a second, beside a view that does nothing else.

Both servers are one uvicorn process with the same options and thread pool, both read the same rows of the same
PostgreSQL by the same index, and both are measured in the same run, in turns. The bare view is the limit: Django's
WSGI handler without middleware, one raw query, `json.dumps`. Ours signs the athlete in, checks that the session
still lives, and answers a page with its cursor. `run()` expects Django to be set up and the engines to be up.
"""

import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any
from uuid import UUID, uuid4

from a2wsgi import WSGIMiddleware
from django.urls import path

ATHLETES = 20
WORKOUTS_EACH = 1_000
PAGE = 20
CONNECTIONS = 4
REQUESTS_A_ROUND = 2_000
ROUNDS = 5
TARGET = 0.35
PATH = "/api/v1/workout/sessions"
PASSWORD = "Long-enough 4 everyone!"
UVICORN = ["--loop", "uvloop", "--http", "httptools", "--log-level", "warning"]

COLUMNS = (
    "id, started_at, ended_at, sport, state, visibility, source, revision,"
    " duration_s, moving_s, distance_m, energy_kcal, hr_avg, hr_max"
)
BARE_QUERY = (
    f"SELECT {COLUMNS} FROM workout_trainingsession WHERE user_id = %s ORDER BY started_at DESC, id DESC LIMIT {PAGE}"
)
WORKOUTS = """
    WITH recordings AS (
        INSERT INTO workout_import (id, user_id, sha256, file_name, size, original, state, posted_at, attempts,
                                    finished_at, refusal_code, refusal_detail, warnings)
        VALUES (gen_random_uuid(), %(athlete)s, %(sha256)s, 'bench', 1, 'bench', 'done', now(), 1, now(), '', '', '[]')
        RETURNING id
    )
    INSERT INTO workout_trainingsession (id, user_id, sport, state, visibility, source, time_zone, started_at, ended_at,
        completed_at, pauses, recording_id, part, frames, revision, duration_s, moving_s, distance_m, energy_kcal,
        hr_avg, hr_max, methods, anomalies, athlete)
    SELECT gen_random_uuid(), %(athlete)s, 'running', 'completed', 'private', 'import', 'UTC',
        now() - nth * interval '1 day', now() - nth * interval '1 day' + interval '1 hour', now(), '{}', recordings.id,
        nth, 0, 0, 3600, 3500, 10000 + nth, 700, 140, 170, '{}', '[]', '{}'
    FROM recordings, generate_series(1, %(count)s) AS nth
"""


def bare_view(request: Any) -> Any:
    """The limit: one indexed query, `json.dumps`."""
    from django.db import connections
    from django.http import HttpResponse

    with connections["workout"].cursor() as cursor:
        cursor.execute(BARE_QUERY, [request.GET["athlete"]])
        names = [column.name for column in cursor.description]
        items = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return HttpResponse(json.dumps({"items": items}, default=str), content_type="application/json")


urlpatterns = [path("bare", bare_view)]


def bare_application() -> Any:
    """Django's WSGI handler with this one view and no middleware (a factory for uvicorn)."""
    import django
    from django.conf import settings
    from django.core.handlers.wsgi import WSGIHandler

    django.setup()
    settings.MIDDLEWARE = []
    settings.ROOT_URLCONF = __name__
    return WSGIMiddleware(WSGIHandler(), workers=8)


def run() -> dict[str, Any]:
    """Measure both and print them; returns the figures."""
    speeds: dict[str, list[float]] = {"bare": [], "ours": []}
    with ExitStack() as servers:
        bare = servers.enter_context(_server("benchmarks.workouts:bare_application", "--factory"))
        ours = servers.enter_context(_server("config.asgi:application"))
        athlete, token = _sign_up(ours)
        _prepare(athlete)
        try:
            for _ in range(ROUNDS + 1):
                speeds["bare"].append(_round(bare, f"/bare?athlete={athlete}"))
                speeds["ours"].append(_round(ours, PATH, f"Authorization: Bearer {token}\r\n"))
        finally:
            _forget()
    figures = {name: statistics.median(rounds[1:]) for name, rounds in speeds.items()}
    ratio = figures["ours"] / figures["bare"]
    print(f"workouts: a page of {PAGE} of {WORKOUTS_EACH:,}, {CONNECTIONS} connections; median of {ROUNDS} rounds")
    for name, about in (("bare", "bare view"), ("ours", "our API")):
        spread = (max(speeds[name][1:]) - min(speeds[name][1:])) / figures[name]
        print(f"  {about:14} {figures[name]:>9,.0f} requests/s   (spread {spread:.0%})")
    print(f"  ratio {ratio:.2f} (target {TARGET})")
    return {**figures, "ratio": ratio, "target": TARGET}


def _sign_up(port: int) -> tuple[UUID, str]:
    """A person who registers and signs in like any other."""
    email = f"bench-{uuid4().hex}@example.org"
    form = {"email": email, "password": PASSWORD, "display_name": "Bench", "birth_date": "1990-01-01"}
    made = _post(port, "/api/v1/identity/register", form)
    tokens = _post(port, "/api/v1/identity/login", {"email": email, "password": PASSWORD})
    return UUID(made["user_id"]), tokens["access"]


def _post(port: int, path: str, form: dict[str, str]) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("POST", path, json.dumps(form), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    told: dict[str, Any] = json.loads(answer.read())
    if answer.status >= 300:
        raise RuntimeError(f"{answer.status}: {told}")
    return told


def _prepare(athlete: UUID) -> None:
    """A history for the athlete, and others around it in the same index."""
    from django.db import connections

    with connections["workout"].cursor() as cursor:
        for owner in [athlete, *(uuid4() for _ in range(ATHLETES - 1))]:
            cursor.execute(WORKOUTS, {"athlete": owner, "sha256": f"bench{owner.hex}", "count": WORKOUTS_EACH})
        cursor.execute("ANALYZE workout_trainingsession")


def _forget() -> None:
    from django.db import connections

    with connections["workout"].cursor() as cursor:
        cursor.execute(
            "DELETE FROM workout_trainingsession USING workout_import AS recording"
            " WHERE recording.id = recording_id AND recording.original = 'bench'"
        )
        cursor.execute("DELETE FROM workout_import WHERE original = 'bench'")


def _round(port: int, path: str, headers: str = "") -> float:
    """Requests a second over one round."""
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n".encode()
    started = time.perf_counter()
    with ThreadPoolExecutor(CONNECTIONS) as clients:
        list(clients.map(lambda _: _ask(port, request, REQUESTS_A_ROUND // CONNECTIONS), range(CONNECTIONS)))
    return REQUESTS_A_ROUND / (time.perf_counter() - started)


def _ask(port: int, request: bytes, times: int) -> None:
    """A client as lean as can be: it shares the processors with the server."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for _ in range(times):
            connection.sendall(request)
            answer = connection.recv(65_536)
            head, _, body = answer.partition(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(answer[:300])
            while not _is_whole(head.lower(), body):
                body += connection.recv(65_536)


def _is_whole(head: bytes, body: bytes) -> bool:
    _, declared, length = head.partition(b"content-length:")
    return len(body) >= int(length.partition(b"\r\n")[0]) if declared else body.endswith(b"0\r\n\r\n")


@contextmanager
def _server(application: str, *options: str) -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", application, "--host", "127.0.0.1", "--port", str(port), *UVICORN, *options],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings"},
    )
    try:
        _await_listening(process, port)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=20)


def _await_listening(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("the server did not start")
