"""Fifty rides handed in one by one: uploaded, read within bounds, stored, analysed; and the streams of a long one.

The limit is a loop that only reads the same files and copies their points into a bare table: no upload, no bounds, no
summary, no track, no duplicates, no records. Ours runs as `make run` runs it: two workers take up what the web
process was handed in, several files at a time.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from typing import Any

from benchmarks.figures import Figure, percentile
from benchmarks.people import people

FILES = 50
POINTS = 3_600
WORKERS = 2
LONG_S = 36_000
BEGIN = datetime(2021, 1, 1, 8, tzinfo=UTC)
ASKED = 20

BARE_TABLE = """
    CREATE TEMPORARY TABLE IF NOT EXISTS bench_points
        (file int, at float8, latitude float8, longitude float8, altitude float8, heart_rate float8, power float8)
"""


def run(*, quick: bool) -> list[Figure]:
    """Both loops over the same files, then the questions to a long one."""
    from tests.conftest import Api

    files = [ride(nth, seconds=POINTS) for nth in range(5 if quick else FILES)]
    api = Api(people(1)[0].token)
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn"), initializer=_start_worker) as workers:
        desk = Desk(api, workers)
        desk.hand_in([ride(5_000 + nth, seconds=60) for nth in range(2 * WORKERS)])
        desk.analyse()
        bare = len(files) / _timed(lambda: _copy(files))
        reading_s = _timed(lambda: desk.hand_in(files))
        analysing_s = _timed(desk.analyse)
        return [
            _beside("rides of an hour uploaded, read, stored", len(files) / reading_s, bare, 0.5),
            _beside("the same with full analysis", len(files) / (reading_s + analysing_s), bare, 0.3),
            *_streams(api, desk, asked=3 if quick else ASKED),
        ]


def _beside(about: str, ours: float, limit: float, at_least: float) -> Figure:
    return Figure(
        about=about,
        ours=ours,
        unit="files/s",
        beside="read and COPY",
        limit=limit,
        at_least=at_least,
        of_ratio=True,
    )


def ride(nth: int, *, seconds: int) -> bytes:
    """A FIT file of a ride, a point a second, as our own writer makes it; no two are of the same time."""
    from contexts.workout.recordings import RecordedActivity, Streams, fit_activity_writing

    start = BEGIN + timedelta(days=nth)
    streams = Streams(
        time=[float(second) for second in range(seconds)],
        latitude=[50 + second * 8 / 111_195 for second in range(seconds)],
        longitude=[8.0 + nth / 1000] * seconds,
        altitude_m=[100.0 + second % 300 / 10 for second in range(seconds)],
        heart_rate_bpm=[120.0 + second % 40 for second in range(seconds)],
        power_w=[200.0 + second % 30 for second in range(seconds)],
    )
    ended = start + timedelta(seconds=seconds - 1)
    return fit_activity_writing.write(
        RecordedActivity("cycling", None, start, ended, None, None, None, None, [], streams)
    )


def _timed(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _copy(files: Sequence[bytes]) -> None:
    from django.db import connections

    from contexts.workout.recordings import read

    with connections["workout"].cursor() as cursor:
        cursor.execute(BARE_TABLE)
        for nth, data in enumerate(files):
            (activity,) = read(data).activities
            streams = activity.streams
            columns = (
                streams.latitude,
                streams.longitude,
                streams.altitude_m,
                streams.heart_rate_bpm,
                streams.power_w,
            )
            with cursor.copy("COPY bench_points FROM STDIN") as copy:
                for row in zip(streams.time.tolist(), *(column.tolist() for column in columns), strict=True):
                    copy.write_row((nth, *row))


class Desk:
    """Where files are handed in: over HTTP, and from there to the workers, as through Celery's queue."""

    def __init__(self, api: Any, workers: ProcessPoolExecutor) -> None:
        from contexts.workout import tasks

        self._api, self._workers = api, workers
        self._running: list[Future[None]] = []
        tasks.read_import.delay = lambda import_id: self._running.append(workers.submit(_read, import_id))

    def hand_in(self, files: Sequence[bytes]) -> list[str]:
        """Upload the files and wait until all are sessions; the ids of their imports."""
        from django.core.files.uploadedfile import SimpleUploadedFile

        bodies = ({"file": SimpleUploadedFile("ride.fit", data)} for data in files)
        imports = [self._api.post("/api/v1/workout/imports", data=body).json()["import_id"] for body in bodies]
        while self._running:
            self._running.pop().result()
        return imports

    def analyse(self) -> None:
        """Have both workers analyse until nothing is due."""
        for done in [self._workers.submit(_analyse) for _ in range(WORKERS)]:
            done.result()


def _start_worker() -> None:
    """A process of its own, with connections of its own."""
    import django

    from kernel.memory import settle_in

    django.setup()
    settle_in()


def _read(import_id: str) -> None:
    from contexts.workout import tasks

    tasks.read_import(import_id)


def _analyse() -> None:
    from contexts.workout import tasks

    while tasks.analyse_sessions():
        pass


def _streams(api: Any, desk: Desk, *, asked: int) -> list[Figure]:
    """The streams of ten hours at a point a second: all of them, and as many points as a screen is wide."""
    (import_id,) = desk.hand_in([ride(6_000, seconds=LONG_S)])
    (session_id,) = api.get(f"/api/v1/workout/imports/{import_id}").json()["sessions"]
    path = f"/api/v1/workout/sessions/{session_id}/streams"
    figures = []
    for about, query in (
        ("whole", ""),
        ("1,000 points of heart rate and power", "?kinds=heart_rate&kinds=power&points=1000"),
    ):
        taken, size = [], 0
        for _ in range(asked):
            began = time.perf_counter()
            size = len(api.get(path + query).content)
            taken.append(1_000 * (time.perf_counter() - began))
        figures.append(
            Figure(
                about=f"streams of a ten-hour ride, {about}, p95",
                ours=percentile(taken, 95),
                unit="ms",
                note=f"{size / 1_000:,.0f} kB",
            )
        )
    return figures
