"""Units at the edge, the compact form, compressed bodies, and a server that has its hands full."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from contexts.health import rules
from contexts.health.intake import inflating
from contexts.health.intake.admission import admitted
from contexts.health.intake.decoding import decode, decode_columns
from contexts.health.intake.inflating import EncodingBroken, inflated
from contexts.health.models import Reading
from contexts.health.rules import Stream
from kernel.http import TooLarge
from tests.health.conftest import COLUMNS, beats, reading
from tests.health.test_decoding import BOUNDS, NOW, rows

pytestmark = pytest.mark.django_db(databases=["default", "health"])


def receipt(answer: Any) -> tuple[int, int, list[tuple[int, str]]]:
    """What a 200 says: accepted, duplicates, rejected."""
    assert answer.status_code == 200, answer.content
    told = answer.json()
    return told["accepted"], told["duplicates"], [(r["index"], r["code"]) for r in told["rejected"]]


def stream(name: str, values: list[Any], *, step_us: int = 1_000_000, **more: Any) -> dict[str, Any]:
    """A stream of the compact form that ended just now."""
    base = datetime.now(UTC) - timedelta(microseconds=step_us * len(values))
    return {
        "stream": name,
        "base": base.isoformat(),
        "steps_us": [0] + [step_us] * (len(values) - 1),
        "values": values,
    } | more


def stored(name: str) -> list[float]:
    """The values of a stream in order of time."""
    found = Reading.objects.filter(stream=Stream[name]).order_by("time", "sequence")
    return list(found.values_list("value", flat=True))


def test_he2_units_are_converted_at_the_edge(strap):
    worn, at = strap(), datetime.now(UTC) - timedelta(minutes=1)
    batch = [
        reading(at, 99.5, stream="body_temperature"),
        reading(at, 100, stream="blood_glucose"),
        reading(at, 5.5, stream="blood_ketones"),
        reading(at, 70, stream="body_mass"),
    ]
    told = worn.send(batch, body_temperature="[degF]", blood_glucose="mg/dL", body_mass="bushel", steps="1")
    assert receipt(told) == (3, 0, [(3, "unknown_unit")])
    assert (stored("body_temperature"), stored("blood_ketones")) == ([pytest.approx(37.5)], [5.5])
    assert stored("blood_glucose") == [pytest.approx(5.550622)]
    far = worn.send([reading(at, 9e8, stream="walking_distance")], walking_distance="km")
    assert receipt(far) == (0, 0, [(0, "value_out_of_range")])


def test_he2_the_compact_form_says_the_same_as_json(strap):
    worn = strap()
    heart = stream("heart_rate", [60, 61, 300])
    glucose = stream("blood_glucose", [90, 180], unit="mg/dL", sequences=[4, 5])
    assert receipt(worn.send_columns(heart, glucose)) == (5, 0, [])
    assert receipt(worn.send_columns(glucose, heart)) == (0, 5, [])
    base = datetime.fromisoformat(heart["base"])
    assert receipt(worn.send([reading(base + timedelta(seconds=n), 60 + n) for n in (0, 1)])) == (0, 2, [])
    assert stored("blood_glucose") == [pytest.approx(90 / 18.016), pytest.approx(180 / 18.016)]
    assert Reading.objects.filter(quarantined=True).get().value == 300


items = st.tuples(
    st.sampled_from(["heart_rate", "body_mass", "unheard_of"]),
    st.integers(-40 * 86_400_000_000, 3_600_000_000),
    st.integers(0, 2**31 - 1),
    st.one_of(st.floats(-2e6, 2e6), st.none(), st.just("72"), st.booleans()),
)


@given(st.lists(items, min_size=1, max_size=12))
def test_both_forms_have_the_same_fate(told):
    """Each reading as a stream of its own: the same are good, the same codes are told of the same places."""
    flat = [
        reading(NOW + timedelta(microseconds=us), value, stream=name, sequence=sequence)
        for name, us, sequence, value in told
    ]
    compact = [
        {"stream": name, "base": NOW.isoformat(), "steps_us": [us], "sequences": [sequence], "values": [value]}
        for name, us, sequence, value in told
    ]
    good, bad = decode(json.dumps({"readings": flat}).encode(), **BOUNDS)
    columns, rejected = decode_columns(json.dumps(compact).encode(), **BOUNDS)
    assert rows(columns) == rows(good)
    assert {r.index for r in rejected} == {r.index for r in bad}
    assert all(r in bad for r in rejected if flat[r.index]["stream"] != "unheard_of")


def test_a_fault_in_a_column_is_named_by_its_place_in_the_request(strap):
    ahead = stream("heart_rate", [70, 71], step_us=3_600_000_000)
    ahead["steps_us"] = [0, 3 * 3_600_000_000]
    heart = stream("heart_rate", [60, "61", None, 63], sequences=[0, 0, 0, -1])
    told = strap().send_columns(heart, stream("heart_tone", [1, 2]), ahead, stream("body_mass", [1], unit="stone"))
    assert receipt(told) == (
        2,
        0,
        [
            *((1, "value_invalid"), (2, "value_invalid"), (3, "sequence_invalid")),
            *((4, "unknown_stream"), (5, "unknown_stream"), (7, "in_future"), (8, "unknown_unit")),
        ],
    )


NO_COLUMNS = [
    (b"[", "bad_json"),
    (b"[]", "invalid"),
    (b'{"readings": []}', "invalid"),
    (json.dumps([stream("heart_rate", [60]) | {"values": []}]).encode(), "invalid"),
    (json.dumps([stream("heart_rate", [60, 61]) | {"sequences": [1]}]).encode(), "invalid"),
    (json.dumps([stream("heart_rate", [60]) | {"steps_us": [2**60]}]).encode(), "invalid"),
    (json.dumps([stream("heart_rate", [60]) | {"steps_us": [0.5]}]).encode(), "invalid"),
    (json.dumps([stream("heart_rate", [60]) | {"base": "2026-11-20T10:00:00"}]).encode(), "invalid"),
    (json.dumps([stream("heart_rate", [60] * 25_001)] * 2).encode(), "invalid"),
]


@pytest.mark.parametrize(("body", "code"), NO_COLUMNS)
def test_columns_that_do_not_fit_are_refused_as_a_whole(strap, body, code):
    answer = strap().post(body, content_type=COLUMNS)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert not Reading.objects.exists()


@pytest.mark.parametrize(
    ("encoding", "compress"), [("gzip", gzip.compress), ("GZIP", gzip.compress), ("zstd", zstandard.compress)]
)
def test_a_compressed_body_is_signed_as_it_travels(strap, encoding, compress):
    worn = strap()
    body = compress(json.dumps({"readings": beats(100)}).encode())
    headers = {"Content-Encoding": encoding}
    assert receipt(worn.post(body, headers=headers)) == (100, 0, [])
    assert worn.post(body[:-3], headers=headers).json()["code"] == "encoding_broken"
    assert worn.post(body + b"x", headers=headers).json()["code"] == "encoding_broken"
    bomb = worn.post(compress(b" " * (rules.MAX_INFLATED_BYTES + 1)), headers=headers)
    assert (bomb.status_code, bomb.json()["code"]) == (413, "too_large")


def test_an_encoding_nobody_knows_is_refused_by_name(strap):
    answer = strap().post(b"{}", headers={"Content-Encoding": "br"})
    assert (answer.status_code, answer.json()["code"]) == (415, "encoding_unknown")
    assert "gzip" in answer.json()["understood"]


@given(st.sampled_from(sorted(inflating.UNPACKERS)), st.binary(max_size=60))
def test_any_bytes_are_unpacked_or_refused(encoding, data):
    with pytest.raises((EncodingBroken, TooLarge)):
        inflated(data, encoding=encoding)


def test_back_pressure_refuses_with_retry_after_and_loses_nothing(strap, monkeypatch):
    worn, other = strap(), strap()
    monkeypatch.setattr(rules, "TAKEN_AT_ONCE", 1)
    with admitted(-1):
        full = worn.send(beats(3))
        assert (full.status_code, full.json()["code"]) == (429, "too_busy")
        assert int(full["Retry-After"]) >= 1
        assert not Reading.objects.exists()
    monkeypatch.setattr(rules, "REQUESTS_AT_ONCE", 2)
    monkeypatch.setattr(rules, "REQUESTS_A_SECOND", 0.01)
    batches = [beats(3), beats(3), beats(3)]
    assert [worn.send(batch).status_code for batch in batches] == [200, 200, 429]
    assert 95 <= int(worn.send(batches[2])["Retry-After"]) <= 100
    assert other.send(batches[2]).status_code == 200
