"""Lengths of a pool and sets of strength training in FIT files, read and written.

Messages `length`, `set` and `exercise_title`. Sets name their exercise by a category and a number in it; a title says
in words which one that is. FIT carries no perceived exertion of a set.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from . import fit_profile as profile
from .fit_writing import Base, Field, FitWriter, fit_time
from .parts import MAX_LENGTHS, MAX_POOL_M, MAX_SETS, MAX_STROKES, POOL_UNITS, Length, LiftedSet, Pool, lifted
from .recording import MAX_SPAN_S, clean_line

Message = dict[str, Any]

STROKE_NUMBERS: Final = {word: number for number, word in reversed(profile.STROKES.items())}
MOST_TITLE_BYTES: Final = 250


def pool_of(session: Message, lengths: list[Message], start: float, end: float) -> Pool | None:
    """The pool of a session; None where the device does not say how long it is."""
    length_m = session.get("pool_length_m")
    if not length_m or not 0 < length_m <= MAX_POOL_M:
        return None
    made = [_length(message, start) for message in lengths[:MAX_LENGTHS] if _is_within(message, start, end)]
    unit = POOL_UNITS[session.get("pool_unit") == profile.STATUTE]
    return Pool(length_m=length_m, unit=unit, lengths=sorted(made, key=lambda length: length.start_s))


def _began(message: Message) -> float | None:
    return None if message.get("start_time") is None else message["start_time"] + profile.FIT_EPOCH


def _is_within(message: Message, start: float, end: float) -> bool:
    began = _began(message)
    return began is not None and start <= began <= end


def _length(message: Message, start: float) -> Length:
    since = (_began(message) or start) - start
    strokes = message.get("strokes")
    return Length(
        start_s=round(since, 3),
        end_s=round(min(since + (message.get("elapsed_s") or 0.0), MAX_SPAN_S), 3),
        active=message.get("length_type") == profile.ACTIVE,
        stroke=profile.STROKES.get(message.get("stroke", -1)),
        strokes=None if strokes is None or strokes > MAX_STROKES else strokes,
    )


def sets_of(messages: list[Message], titles: list[Message], start: float) -> list[LiftedSet]:
    """What was lifted; rests are left out."""
    named = {(title.get("category"), title.get("subtype")): _text(title.get("title")) for title in titles}
    made = []
    for message in messages[:MAX_SETS]:
        done = _done(message)
        if message.get("set_type") != profile.ACTIVE or done is None or not 0 <= done - start <= MAX_SPAN_S:
            continue
        category = message.get("category")
        words = named.get((category, message.get("subtype"))) or profile.EXERCISES.get(category or 0, "")
        made.append(
            lifted(
                words or "Exercise",
                round(done - start, 3),
                reps=message.get("reps"),
                duration_s=message.get("duration_s"),
                weight_kg=message.get("weight_kg"),
            )
        )
    return [each for each in made if each is not None]


def _done(message: Message) -> float | None:
    """When a set was over: said outright, or counted on from its beginning."""
    if message.get("ended") is not None:
        return float(message["ended"] + profile.FIT_EPOCH)
    began = _began(message)
    return None if began is None else began + (message.get("duration_s") or 0.0)


def _text(raw: bytes | None) -> str:
    return clean_line((raw or b"").split(b"\0")[0].decode("utf-8", "replace"))


def session_fields(pool: Pool | None) -> list[Field]:
    """What a session says of its pool."""
    if pool is None:
        return []
    return [
        Field(44, Base.UINT16, round(pool.length_m * 100)),
        Field(46, Base.ENUM, int(pool.unit == "yd")),
    ]


def write_lengths(writer: FitWriter, pool: Pool | None, start: datetime, shift: float) -> None:
    """Lengths to the millisecond, from whole seconds on; `shift` is what the start was cut by."""
    for length in pool.lengths if pool else ():
        began = start + timedelta(seconds=int(length.start_s + shift))
        lasted = round(length.end_s - length.start_s, 3)
        stroke = None if length.stroke is None else STROKE_NUMBERS.get(length.stroke)
        writer.write(
            profile.LENGTH,
            [
                Field(profile.TIMESTAMP, Base.UINT32, fit_time(began + timedelta(seconds=int(lasted)))),
                Field(2, Base.UINT32, fit_time(began)),
                Field(3, Base.UINT32, round(lasted * 1000)),
                Field(4, Base.UINT32, round(lasted * 1000)),
                Field(5, Base.UINT16, length.strokes),
                Field(7, Base.ENUM, stroke),
                Field(12, Base.ENUM, int(length.active)),
            ],
        )


def write_sets(writer: FitWriter, sets: list[LiftedSet], start: datetime, shift: float) -> None:
    """Sets to the second, and what their exercises are called."""
    names = list(dict.fromkeys(each.exercise for each in sets))
    for number, name in enumerate(names):
        kept = name.encode()[:MOST_TITLE_BYTES].decode("utf-8", "ignore")
        category = Field(0, Base.UINT16, profile.UNKNOWN_EXERCISE)
        writer.write(profile.EXERCISE_TITLE, [category, Field(1, Base.UINT16, number), Field(2, Base.STRING, kept)])
    for each in sets:
        done = start + timedelta(seconds=int(each.at_s + shift))
        began = done - timedelta(seconds=int(round(each.duration_s or 0.0, 3)))
        writer.write(
            profile.SET,
            [
                Field(254, Base.UINT32, fit_time(done)),
                Field(0, Base.UINT32, None if each.duration_s is None else round(each.duration_s * 1000)),
                Field(3, Base.UINT16, each.reps),
                Field(4, Base.UINT16, None if each.weight_kg is None else round(each.weight_kg * 16)),
                Field(5, Base.UINT8, profile.ACTIVE),
                Field(6, Base.UINT32, fit_time(began)),
                Field(7, Base.UINT16, profile.UNKNOWN_EXERCISE),
                Field(8, Base.UINT16, names.index(each.exercise)),
            ],
        )
