"""Makes recordings of sports that are more than a way: pool swims, triathlons, rides with power, rowers, sets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from tests.workout.making import (
    ENUM,
    SINT32,
    START,
    STRING,
    UINT8,
    UINT16,
    UINT32,
    FitWriter,
    Value,
    file_id,
    fit_time,
    semicircles,
    session,
)

FREESTYLE, BREASTSTROKE, DRILL = 0, 2, 4
NOTHING_8, NOTHING_16 = 0xFF, 0xFFFF


def fit_pool_swim(
    lengths: Sequence[tuple[float, int | None, int | None]],
    *,
    pool_m: float,
    yards: bool = False,
    start: datetime = START,
    metres: float | None = None,
) -> bytes:
    """Lengths as (seconds, strokes, stroke); one without a stroke is a rest. A lap ends with each rest."""
    writer = FitWriter()
    file_id(writer)
    at = start
    for seconds, strokes, stroke in lengths:
        writer.write(
            101,
            Value(253, UINT32, fit_time(at + timedelta(seconds=seconds))),
            Value(2, UINT32, fit_time(at)),
            Value(3, UINT32, round(seconds * 1000)),
            Value(4, UINT32, round(seconds * 1000)),
            Value(5, UINT16, NOTHING_16 if strokes is None else strokes),
            Value(7, ENUM, NOTHING_8 if stroke is None else stroke),
            Value(12, ENUM, int(stroke is not None)),
        )
        at += timedelta(seconds=seconds)
    lasted = (at - start).total_seconds()
    totals = [
        Value(253, UINT32, fit_time(at)),
        Value(2, UINT32, fit_time(start)),
        Value(7, UINT32, round(lasted * 1000)),
        Value(8, UINT32, round(lasted * 1000)),
        Value(9, UINT32, 0xFFFFFFFF if metres is None else round(metres * 100)),
    ]
    writer.write(19, *totals, local=2)
    pool = [Value(44, UINT16, round(pool_m * 100)), Value(46, ENUM, int(yards))]
    writer.write(18, *totals, Value(5, ENUM, 5), Value(6, ENUM, 17), *pool, local=3)
    return writer.file()


def fit_triathlon(legs: Sequence[tuple[int, int, float]], *, start: datetime = START, gap_s: int = 0) -> bytes:
    """Legs as (FIT sport, seconds, metres per second), transitions among them, the counter going on through all."""
    writer = FitWriter()
    file_id(writer)
    at, covered = start, 0.0
    ends = []
    for sport, seconds, speed in legs:
        for second in range(seconds):
            covered += speed
            writer.write(
                20,
                Value(253, UINT32, fit_time(at) + second),
                Value(0, SINT32, semicircles(covered / 111_195)),
                Value(1, SINT32, semicircles(0.0)),
                Value(3, UINT8, 140 + sport),
                Value(5, UINT32, round(covered * 100)),
                local=1,
            )
        ends.append((at, sport, seconds, speed * seconds))
        at += timedelta(seconds=seconds + gap_s)
    for begin, sport, seconds, metres in ends:
        session(writer, start=begin, seconds=seconds, sport=sport, metres=metres)
    return writer.file()


def fit_machine(
    rows: Sequence[dict[str, float]], *, sport: int, sub_sport: int, metres: float, start: datetime = START
) -> bytes:
    """A row a second from a machine that stays where it is: any of `metres`, `mps`, `cadence`, `watts`, `bpm`."""
    fields = {
        "bpm": (3, UINT8, 1),
        "cadence": (4, UINT8, 1),
        "metres": (5, UINT32, 100),
        "mps": (6, UINT16, 1000),
        "watts": (7, UINT16, 1),
    }
    writer = FitWriter()
    file_id(writer)
    for second, row in enumerate(rows):
        values = [Value(fields[name][0], fields[name][1], round(row[name] * fields[name][2])) for name in row]
        writer.write(20, Value(253, UINT32, fit_time(start) + second), *values, local=1)
    session(writer, start=start, seconds=len(rows) - 1, sport=sport, sub_sport=sub_sport, metres=metres or None)
    return writer.file()


def fit_strength(
    sets: Sequence[tuple[int, int | None, float | None, float]],
    *,
    titles: Sequence[tuple[int, str]] = (),
    start: datetime = START,
) -> bytes:
    """Sets as (category, repetitions, kilograms, seconds), a rest of a minute after each."""
    writer = FitWriter()
    file_id(writer)
    for category, title in titles:
        words = title.encode() + b"\0"
        writer.write(264, Value(0, UINT16, category), Value(1, UINT16, 3), Value(2, STRING, words), local=5)
    at = start
    for category, reps, kilograms, seconds in sets:
        for kind, lasted in ((1, seconds), (0, 60.0)):
            writer.write(
                225,
                Value(254, UINT32, fit_time(at + timedelta(seconds=lasted))),
                Value(0, UINT32, round(lasted * 1000)),
                Value(3, UINT16, NOTHING_16 if reps is None or not kind else reps),
                Value(4, UINT16, NOTHING_16 if kilograms is None or not kind else round(kilograms * 16)),
                Value(5, UINT8, kind),
                Value(6, UINT32, fit_time(at)),
                Value(7, UINT16, [category, NOTHING_16]),
                Value(8, UINT16, [3, NOTHING_16]),
                local=6,
            )
            at += timedelta(seconds=lasted)
    session(writer, start=start, seconds=(at - start).total_seconds(), sport=10, sub_sport=20)
    return writer.file()
