"""Looking at a month of a heart rate at 1 Hz: a day of points, a month of buckets; and what it weighs at rest.

Each question goes through the API, with the second factor, the access row and its event. Beside it stands the bare
SQL over the readings on a connection of its own; the month is asked for before it is rolled up and afterwards. Bytes
are those of the tables with their indexes, and of one month as a cold file.
"""

import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from benchmarks.figures import Figure, percentile
from benchmarks.people import people

DAYS = 30
ASKED = 40
A_DAY = 86_400
PORTION = 43_200
API = "/api/v1/health/metrics/heart_rate"

BARE = """
    SELECT time_bucket(%s::interval, time) AS bucket, avg(value), min(value), max(value), count(*)
    FROM health_reading
    WHERE device_number = %s AND stream = 1 AND time >= %s AND time < %s AND NOT quarantined
    GROUP BY bucket ORDER BY bucket
"""


def run(*, quick: bool) -> list[Figure]:
    """Fill, ask, and weigh."""
    days = 2 if quick else DAYS
    from contexts.health import rules

    end = rules.cold_before(at=datetime.now(UTC), months=rules.COLD_AFTER_AT_LEAST)
    start = end - timedelta(days=days)
    api, number = _worn(start)
    before = _bytes_at_rest()
    _fill(number, start, seconds=days * A_DAY)
    at_rest = (_bytes_at_rest() - before) / (days * A_DAY)
    asked = 4 if quick else ASKED
    day, month = (end - timedelta(days=1), end, "1m"), (start, end, "1h")
    hours = f"{days} days at 1 Hz as buckets of an hour"
    return [
        _figure("a day at 1 Hz as 1,440 points, p95", api, number, *day, asked=asked),
        _figure(f"{hours}, not rolled up, p95", api, number, *month, asked=asked // 4),
        _rolled_up(days * A_DAY),
        _figure(f"{hours}, rolled up, p95", api, number, *month, asked=asked, at_most=0.1),
        Figure(about="a reading at rest, in the table with its index", ours=at_rest, unit="bytes"),
        _trend(f"{days} days at 1 Hz as a trend by days, with medians, p95", api, start, end, asked=asked // 4),
        _cold(at=end),
        _trend("the same from a cold file, p95", api, start, end, asked=asked // 4),
    ]


def _worn(start: datetime) -> tuple[Any, int]:
    """A member with a recent second factor, and the number of their strap."""
    from django.utils.timezone import now

    from contexts.health.models import Device
    from contexts.health.worn import devices
    from contexts.identity import tokens
    from contexts.identity.models import Session
    from tests.conftest import Api

    (person,) = people(1)
    session = Session.objects.get(user_id=person.user_id)
    session.mfa_at = now()
    session.save(update_fields=["mfa_at"])
    device, _ = devices.add_device(name="Bench", kind="chest_strap", by=person.user_id, at=start)
    number = Device.objects.values_list("number", flat=True).get(device_id=device.device_id)
    return Api(tokens.access_token(session, at=now())), number


def _fill(number: int, start: datetime, *, seconds: int) -> None:
    """A heart that beats as hearts do, through the same door as a device's readings."""
    from contexts.health.columns import Columns, microseconds_of
    from contexts.health.intake import ingesting
    from contexts.health.models import Device
    from contexts.health.worn import devices

    known = devices.known_device(Device.objects.get(number=number).device_id)
    assert known is not None
    wander = np.random.default_rng(7)
    for first in range(0, seconds, PORTION):
        times = microseconds_of(start) + 1_000_000 * np.arange(first, first + PORTION, dtype=np.int64)
        values = np.clip(np.round(70 + np.cumsum(wander.normal(0, 0.4, PORTION)) % 60), 41, 199)
        whole = np.zeros(PORTION, np.int32)
        columns = Columns(streams=np.ones(PORTION, np.int16), times=times, sequences=whole, values=values)
        ingesting.store(columns=columns, by=known, at=start)


def _rolled_up(readings: int) -> Figure:
    """All of it, as a worker does it: read, added up, written down."""
    from contexts.health.looking import rolling_up

    began = time.perf_counter()
    rolling_up.roll_up()
    took = time.perf_counter() - began
    size, rollups = _ask("SELECT pg_total_relation_size('health_rollup'), count(*) FROM health_rollup")[0]
    return Figure(
        about="readings rolled up in a second",
        ours=readings / took,
        unit="readings/s",
        note=f"{rollups} rollups of {size / max(rollups, 1):.0f} bytes",
    )


def _bytes_at_rest() -> int:
    return int(
        _ask(
            "SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('health_reading')",
        )[0][0]
    )


def _ask(query: str, *values: Any) -> list[Any]:
    from django.db import connections

    with connections["health"].cursor() as cursor:
        cursor.execute(query, values)
        return cursor.fetchall()


def _figure(
    about: str,
    api: Any,
    number: int,
    since: datetime,
    until: datetime,
    bucket: str,
    *,
    asked: int,
    at_most: float | None = None,
) -> Figure:
    width = {"1m": timedelta(minutes=1), "1h": timedelta(hours=1)}[bucket]
    query = {"from": since.isoformat(), "to": until.isoformat(), "bucket": bucket}

    def through_the_api() -> int:
        answer = api.get(API, data=query)
        assert answer.status_code == 200, answer.content
        return len(answer.json()["points"])

    ours = _taken(through_the_api, asked)
    bare = _taken(lambda: len(_ask(BARE, width, number, since, until)), asked)
    note = f"median {statistics.median(ours):.0f} ms"
    return Figure(
        about=about,
        ours=percentile(ours, 95),
        unit="ms",
        beside="ms bare SQL over readings",
        limit=percentile(bare, 95),
        at_most=at_most,
        of_ratio=at_most is not None,
        note=note,
    )


def _trend(about: str, api: Any, since: datetime, until: datetime, *, asked: int) -> Figure:
    query = {"from": since.date().isoformat(), "to": (until - timedelta(days=1)).date().isoformat()}

    def through_the_api() -> int:
        answer = api.get(f"{API}/trend", data=query)
        assert answer.status_code == 200, answer.content
        return len(answer.json()["items"])

    ours = _taken(through_the_api, asked)
    return Figure(about=about, ours=percentile(ours, 95), unit="ms", note=f"median {statistics.median(ours):.0f} ms")


def _taken(ask: Callable[[], int], times: int) -> list[float]:
    """Milliseconds, the first left out."""
    taken = []
    for _ in range(times + 1):
        began = time.perf_counter()
        assert ask() > 0
        taken.append(1_000 * (time.perf_counter() - began))
    return taken[1:]


def _cold(*, at: datetime) -> Figure:
    """The same readings as cold files."""
    from contexts.health.archive import moving
    from contexts.health.models import ColdFile

    began = time.perf_counter()
    moved = moving.move_due(before=at, at=datetime.now(UTC))
    took = time.perf_counter() - began
    files = list(ColdFile.objects.all())
    return Figure(
        about="the same as cold files, encrypted",
        ours=sum(file.bytes for file in files) / max(sum(file.rows for file in files), 1),
        unit="bytes",
        at_most=3,
        note=f"{len(files)} files; {moved / took:,.0f} readings/s moved",
    )
