"""The decoder against anything: it answers, and its fast way and its careful way agree."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contexts.health import rules
from contexts.health.intake.decoding import Columns, decode
from contexts.health.rules import Stream
from kernel.errors import Refused
from kernel.timescale.columns import EPOCH, MICROSECOND

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
BOUNDS = {"earliest": NOW - timedelta(days=30), "latest": NOW + timedelta(minutes=5)}

good_items = st.fixed_dictionaries(
    {
        "stream": st.sampled_from([stream.name for stream in Stream]),
        "time": st.integers(0, 30 * 86_400_000_000).map(lambda us: NOW - timedelta(microseconds=us)),
        "sequence": st.integers(0, 2**31 - 1),
        "value": st.floats(0, 65_535) | st.integers(0, 65_535),
    }
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
bad_items = json_values | st.builds(
    lambda item, field, value: item | {field: value},
    good_items,
    st.sampled_from(["stream", "time", "sequence", "value"]),
    json_values,
)


def encoded(items: list[Any]) -> bytes:
    """A body; times as RFC 3339."""
    return json.dumps({"readings": items}, default=lambda time: time.isoformat()).encode()


def rows(columns: Columns) -> list[tuple[int, int, int, float]]:
    """Columns, row by row."""
    return list(zip(columns.streams, columns.times, columns.sequences, columns.values, strict=True))


@given(st.lists(good_items, min_size=1, max_size=30))
def test_good_readings_come_out_as_they_went_in(items):
    columns, rejected = decode(encoded(items), **BOUNDS)
    assert rejected == []
    assert rows(columns) == [
        (Stream[i["stream"]], (i["time"] - EPOCH) // MICROSECOND, i["sequence"], i["value"]) for i in items
    ]


@given(st.lists(st.tuples(st.booleans(), good_items, bad_items), min_size=1, max_size=20))
def test_one_bad_reading_changes_nothing_for_the_others(mixed):
    """Each reading has the same fate in company as alone."""
    items = [good if is_good else bad for is_good, good, bad in mixed]
    columns, rejected = decode(encoded(items), **BOUNDS)
    alone = [decode(encoded([item]), **BOUNDS) for item in items]
    assert rows(columns) == [row for lonely, _ in alone for row in rows(lonely)]
    assert [(r.index, r.code) for r in rejected] == [
        (index, r.code) for index, (_, found) in enumerate(alone) for r in found
    ]


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_answered(body):
    with pytest.raises(Refused):
        decode(body, **BOUNDS)


@given(st.binary(max_size=20), st.integers(0, 10_000))
def test_a_damaged_batch_is_answered(damage, place):
    body = encoded([{"stream": "heart_rate", "time": NOW, "sequence": 0, "value": 60}] * 3)
    cut = place % len(body)
    try:
        columns, rejected = decode(body[:cut] + damage + body[cut:], **BOUNDS)
    except Refused:
        return
    assert len(columns.times) + len(rejected) == 3


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ("2026-11-20T10:00:00Z", datetime(2026, 11, 20, 10, tzinfo=UTC)),
        ("2026-11-20T12:00:00.5+02:00", datetime(2026, 11, 20, 10, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-11-20T10:00:00.000001Z", datetime(2026, 11, 20, 10, 0, 0, 1, tzinfo=UTC)),
    ],
)
def test_times_may_be_told_in_any_offset(told, meant):
    columns, _ = decode(encoded([{"stream": "battery", "time": told, "sequence": 0, "value": 1}]), **BOUNDS)
    assert EPOCH + columns.times[0] * MICROSECOND == meant


def test_wo3_a_plausible_heart_rate_lies_between_40_and_220():
    assert rules.PLAUSIBLE[Stream.heart_rate] == (40, 220)
