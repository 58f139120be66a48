"""An archive of 1,000 recordings, from the upload to the last session, by the worker as it runs in production.

The files are made here: an hour each, a point every ten seconds. The archive is handed in over HTTP; then two workers
take up what the queue holds, as Celery's would, and progress is asked for over REST meanwhile. Beside it: the same
files read by our reader alone, in one process, without bounds or database.
"""

import io
import time
import zipfile
from collections import deque
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from typing import Any

from benchmarks.figures import Figure

FILES = 1_000
POINTS = 360
WORKERS = 2
TARGET_S = 40.0
BEGIN = datetime(2020, 1, 1, 8, tzinfo=UTC)


def run(*, quick: bool) -> list[Figure]:
    """Measure once: the work is long enough to be its own average."""
    files = [_recording(nth) for nth in range(40 if quick else FILES)]
    alone = _read_alone(files)
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn"), initializer=_start_worker) as workers:
        list(workers.map(time.sleep, [0.5] * WORKERS))
        began = time.perf_counter()
        seen = _import_all(_archive(files), workers)
        took = time.perf_counter() - began
    return [
        Figure(
            about=f"{len(files):,} recordings of {POINTS} points in one archive become sessions",
            ours=took,
            unit="s",
            beside="s, read only, one process",
            limit=alone,
            at_most=TARGET_S,
            note=f"{WORKERS} workers; progress was asked for {len(seen)} times: {_shown(seen)}",
        )
    ]


def _recording(nth: int) -> bytes:
    """A ride as our own writer makes it; no two are of the same time."""
    from contexts.workout.recordings import RecordedActivity, Streams, tcx_writing

    times = [10.0 * each for each in range(POINTS)]
    start = BEGIN + timedelta(days=nth)
    streams = Streams(
        time=times,
        latitude=[50 + each * 60 / 111_195 for each in range(POINTS)],
        longitude=[8.0 + nth / 1000] * POINTS,
        altitude_m=[100.0 + each % 50 for each in range(POINTS)],
        heart_rate_bpm=[120.0 + each % 40 for each in range(POINTS)],
        power_w=[200.0 + each % 30 for each in range(POINTS)],
    )
    ended = start + timedelta(seconds=times[-1])
    return tcx_writing.write(RecordedActivity("cycling", None, start, ended, None, None, None, None, [], streams))


def _archive(files: list[bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for nth, data in enumerate(files):
            archive.writestr(f"activities/{nth}.tcx", data)
    return made.getvalue()


def _read_alone(files: list[bytes]) -> float:
    from contexts.workout.recordings import read

    began = time.perf_counter()
    for data in files:
        read(data)
    return time.perf_counter() - began


def _import_all(archive: bytes, workers: ProcessPoolExecutor) -> list[int]:
    """Hand it in and work until it is done; answers how many were done each time somebody looked."""
    from django.core.files.uploadedfile import SimpleUploadedFile

    from benchmarks.people import people
    from contexts.workout import tasks
    from tests.conftest import Api

    queue: deque[Any] = deque()
    tasks.open_batch.delay = queue.append
    tasks.read_portion.delay = lambda *portion: queue.append(portion)
    api = Api(people(1)[0].token)
    file = SimpleUploadedFile("export.zip", archive)
    batch_id = api.post("/api/v1/workout/imports/batches", data={"file": file}).json()["batch_id"]
    tasks.open_batch(queue.popleft())
    running = [workers.submit(_work, portion) for portion in queue]
    seen = []
    while True:
        shown: dict[str, Any] = api.get(f"/api/v1/workout/imports/batches/{batch_id}").json()
        seen.append(shown["counts"]["done"])
        if shown["state"] == "done":
            return seen
        ended, _ = wait(running, timeout=1.0, return_when=FIRST_EXCEPTION)
        for each in ended:
            each.result()


def _start_worker() -> None:
    """A process of its own, with connections of its own."""
    import django

    from kernel.memory import settle_in

    django.setup()
    settle_in()


def _work(portion: tuple[str, int]) -> None:
    from contexts.workout import tasks

    tasks.read_portion(*portion)


def _shown(seen: list[int]) -> str:
    return ", ".join(map(str, seen[:: max(1, len(seen) // 8)]))
