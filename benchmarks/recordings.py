"""Recordings: FIT messages decoded a second on one core, beside fitdecode, and files through the bounded reader.

The long file is ten hours at one record a second with ten fields; fitdecode reads its first hour, in turns with us,
and both times are of the processor. A reading is what an import needs: activities with streams as plain lists, not
columns alone. The files are of every kind that the tests make, each read within bounds on time and memory.
"""

import gc
import statistics
import time
import warnings
from collections.abc import Callable
from datetime import datetime
from io import BytesIO

from benchmarks.figures import Figure, in_turns
from contexts.workout import recordings
from contexts.workout.recordings import Limits, fit
from tests.workout import making
from tests.workout.making import (
    CYCLING,
    RUNNING,
    SINT8,
    SINT32,
    START,
    SWIMMING,
    TRANSITION,
    UINT8,
    UINT16,
    UINT32,
    FitWriter,
    Value,
)

HOURS = 10
ROUNDS = 5
MESSAGES_A_SECOND = 500_000
TIMES_FITDECODE = 20


def run(*, quick: bool) -> list[Figure]:
    """Measure all of it in turns."""
    long, hour = ride(seconds=HOURS * 3600), ride(seconds=60 if quick else 3600)
    turned = in_turns_of_two(seconds=HOURS * 3600)
    rounds = 1 if quick else ROUNDS
    speeds = in_turns(
        rounds,
        {
            "fitdecode": lambda: per_second(lambda: by_fitdecode(hour)),
            "columns": lambda: per_second(lambda: by_us(long)),
            "turned": lambda: per_second(lambda: by_us(turned)),
            "reading": lambda: per_second(lambda: points_of(long)),
        },
    )
    speed = {name: statistics.median(values) for name, values in speeds.items()}
    return [
        compared("FIT messages decoded into columns", speed["columns"], speed["fitdecode"]),
        compared("the same, of two definitions in turns", speed["turned"], speed["fitdecode"]),
        compared("FIT file read into activities", speed["reading"], speed["fitdecode"]),
        Figure(
            about="FIT messages decoded into columns, one core",
            ours=speed["columns"],
            unit="messages/s",
            at_least=MESSAGES_A_SECOND,
        ),
        Figure(
            about="files of every kind, each within its bounds",
            ours=files_per_second(2 if quick else 20),
            unit="files/s",
            note="from bytes to a Reading; FIT of 1 to 3 chained files, GPX and TCX",
        ),
    ]


def compared(about: str, ours: float, fitdecode: float) -> Figure:
    """A line beside fitdecode."""
    return Figure(
        about=about,
        ours=ours,
        unit="messages/s",
        beside="fitdecode",
        limit=fitdecode,
        at_least=TIMES_FITDECODE,
        of_ratio=True,
    )


def ride(*, seconds: int) -> bytes:
    """Records of ten fields every second."""
    writer = FitWriter()
    making.file_id(writer)
    for second in range(seconds):
        writer.write(20, *record(second), local=1)
    making.session(writer, start=START, seconds=seconds, sport=CYCLING)
    return writer.file()


def in_turns_of_two(*, seconds: int) -> bytes:
    """As `ride`, with the intervals between beats after each record, as many watches write them."""
    writer = FitWriter()
    making.file_id(writer)
    for second in range(seconds // 2):
        writer.write(20, *record(second), local=1)
        writer.write(78, Value(0, UINT16, [430, 431, 0xFFFF, 0xFFFF, 0xFFFF]), local=4)
    making.session(writer, start=START, seconds=seconds // 2, sport=CYCLING)
    return writer.file()


def record(second: int, start: datetime = START) -> list[Value]:
    """A second of an even ride."""
    return [
        Value(253, UINT32, making.fit_time(start) + second),
        Value(0, SINT32, 500_000_000 + second * 70),
        Value(1, SINT32, 100_000_000 + second),
        Value(2, UINT16, 3_000 + second % 500),
        Value(3, UINT8, 120 + second % 40),
        Value(4, UINT8, 80 + second % 20),
        Value(5, UINT32, second * 800),
        Value(6, UINT16, 8_000),
        Value(7, UINT16, 200 + second % 60),
        Value(13, SINT8, 18),
    ]


def per_second(measured: Callable[[], int]) -> float:
    """Messages for each second of the processor."""
    gc.collect()
    began = time.process_time()
    count = measured()
    return count / (time.process_time() - began)


def by_us(data: bytes) -> int:
    """Messages in our columns."""
    (file,) = fit.decode(data, Limits(), [])
    return sum(len(layout) for layouts in file.layouts.values() for layout in layouts)


def points_of(data: bytes) -> int:
    """Records in a reading as an import takes it."""
    return sum(len(activity.streams) for activity in recordings.read(data, filename="ride.fit").activities)


def by_fitdecode(data: bytes) -> int:
    """Messages fitdecode finds; it is spared the checksum."""
    import fitdecode

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reader = fitdecode.FitReader(BytesIO(data), processor=None, check_crc=fitdecode.CrcCheck.DISABLED)
        with reader as frames:
            return sum(isinstance(frame, fitdecode.FitDataMessage) for frame in frames)


def files_per_second(times: int) -> float:
    """Whole files through the bounded reader, one after another."""
    legs = [(SWIMMING, 600), (TRANSITION, 60), (CYCLING, 1800), (RUNNING, 900)]
    files = [
        making.fit_activity(seconds=3600),
        making.fit_activity(seconds=600, order=">", places=False),
        making.fit_multisport(legs=legs, summary="first"),
        making.fit_activity() + making.fit_other(2) + making.fit_activity(sport=CYCLING),
        making.gpx(points=600),
        making.tcx(points=300),
    ]
    recordings.read_bounded(files[0], filename="warm.fit")
    began = time.perf_counter()
    for _ in range(times):
        for data in files:
            recordings.read_bounded(data, filename="made.fit")
    return len(files) * times / (time.perf_counter() - began)
