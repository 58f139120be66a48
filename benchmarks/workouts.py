"""The list of workouts, a page of 20 of 1,000: requests a second, beside a view that does nothing else.

Both servers are one process served like ours, both read the same rows of the same PostgreSQL by the same index, and
both are measured in turns. The bare view is the limit: Django's WSGI handler without middleware, one raw query,
`json.dumps`. Ours signs the athlete in, checks that the session still lives, and answers a page with its cursor.
"""

import json
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.urls import path

from benchmarks.figures import Figure, in_turns
from benchmarks.histories import completed, imported
from benchmarks.load import load, request
from benchmarks.people import people
from benchmarks.programs import web_server

ATHLETES = 20
WORKOUTS_EACH = 1_000
PAGE = 20
CONNECTIONS = 4
REQUESTS_A_ROUND = 2_000
ROUNDS = 5
TARGET = 0.35
PATH = "/api/v1/workout/sessions"

COLUMNS = (
    "id, started_at, ended_at, sport, title, state, visibility, source, revision,"
    " duration_s, moving_s, distance_m, energy_kcal, hr_avg, hr_max"
)
BARE_QUERY = (
    f"SELECT {COLUMNS} FROM workout_trainingsession WHERE user_id = %s AND duplicate_of_id IS NULL"
    f" ORDER BY started_at DESC, id DESC LIMIT {PAGE}"
)


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

BARE = "benchmarks.workouts:bare_application"


def bare_application() -> Any:
    """Django's WSGI handler with this one view and no middleware (a factory for uvicorn)."""
    import django
    from django.conf import settings
    from django.core.handlers.wsgi import WSGIHandler

    from config.asgi import HTTP_THREADS
    from config.bridge import WsgiBridge

    django.setup()
    settings.MIDDLEWARE = []
    settings.ROOT_URLCONF = __name__
    return WsgiBridge(WSGIHandler(), threads=HTTP_THREADS)


def run(*, quick: bool) -> list[Figure]:
    """Measure both in turns."""
    times = REQUESTS_A_ROUND // (20 if quick else 1)
    with history() as (athlete, token), web_server(BARE, "--factory") as bare:
        bare_request, our_request = request("GET", f"/bare?athlete={athlete}"), list_request(token)
        with web_server() as ours:
            speeds = in_turns(
                1 if quick else ROUNDS,
                {
                    "bare": lambda: load(bare, [bare_request], times=times, connections=CONNECTIONS).per_second,
                    "ours": lambda: load(ours, [our_request], times=times, connections=CONNECTIONS).per_second,
                },
            )
    return [
        Figure(
            about=f"list of workouts, {PAGE} of {WORKOUTS_EACH:,}, signed in",
            ours=statistics.median(speeds["ours"]),
            unit="requests/s",
            beside="bare Django view",
            limit=statistics.median(speeds["bare"]),
            at_least=TARGET,
            of_ratio=True,
        )
    ]


def list_request(token: str) -> bytes:
    """The athlete's first page."""
    return request("GET", PATH, Authorization=f"Bearer {token}")


@contextmanager
def history() -> Iterator[tuple[UUID, str]]:
    """An athlete (id, token) with many workouts, and others around theirs in the same index; gone afterwards."""
    from django.db import connections

    athlete, now = people(1)[0], datetime.now(tz=UTC)
    recordings = []
    for owner in [athlete.user_id, *(uuid4() for _ in range(ATHLETES - 1))]:
        recording = imported(athlete=owner, sha256=f"bench{owner.hex}", at=now)
        recordings.append(recording.id)
        completed(
            {
                "user_id": owner,
                "sport": "running",
                "source": "import",
                "started_at": now - timedelta(days=nth),
                "recording": recording,
                "part": nth,
                "distance_m": 10_000 + nth,
                "energy_kcal": 700,
                "hr_avg": 140,
                "hr_max": 170,
            }
            for nth in range(1, WORKOUTS_EACH + 1)
        )
    with connections["workout"].cursor() as cursor:
        cursor.execute("ANALYZE workout_trainingsession")
    try:
        yield athlete.user_id, athlete.token
    finally:
        with connections["workout"].cursor() as cursor:
            cursor.execute("DELETE FROM workout_trainingsession WHERE recording_id = ANY(%s)", [recordings])
            cursor.execute("DELETE FROM workout_import WHERE id = ANY(%s)", [recordings])
