"""Readings come in: once each, none lost, the bad ones named."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connections

from contexts.health import events, rules, services
from contexts.health.models import Batch, Device, Reading
from kernel.observability import invariants
from tests.health.conftest import COMMITTED, Strap, beats, reading
from tests.identity.conftest import in_parallel

pytestmark = pytest.mark.django_db(databases=["default", "health"])


@pytest.fixture(autouse=True)
def invariants_hold(db: None) -> Any:
    """After each of these tests nothing in health's database contradicts anything else."""
    yield
    broken = {i.id: i.violations() for i in invariants() if i.context == "health"}
    assert not any(broken.values()), broken


def receipt(answer: Any) -> tuple[int, int, list[tuple[int, str]]]:
    """What a 200 says: accepted, duplicates, rejected."""
    assert answer.status_code == 200, answer.content
    told = answer.json()
    return told["accepted"], told["duplicates"], [(r["index"], r["code"]) for r in told["rejected"]]


def test_he2_readings_are_stored_and_announced_by_reference(strap, announced):
    worn = strap()
    assert receipt(worn.send(beats(500))) == (500, 0, [])
    (told,) = announced(events.HealthMetricRecorded)
    assert (told.user_id, told.device_id) == (worn.owner.user_id, worn.device_id)
    assert (told.streams, told.count) == (["heart_rate"], 500)
    assert not hasattr(told, "value")
    batch = services.get_batch(batch_id=told.batch_id)
    assert [r.value for r in batch] == [60 + n % 40 for n in range(500)]
    assert (batch[0].time, batch[-1].time) == (told.first_at, told.last_at)


def test_h2_a_batch_sent_again_changes_nothing(strap, announced):
    worn, batch = strap(), beats(500)
    assert receipt(worn.send(batch)) == (500, 0, [])
    assert receipt(worn.send(batch)) == (0, 500, [])
    assert Reading.objects.count() == 500
    assert len(announced(events.HealthMetricRecorded)) == 1


@pytest.mark.parametrize("known", [slice(0, 10), slice(10, 20), slice(5, 15), slice(19, 20)])
def test_h2_what_was_sent_before_is_left_out_wherever_it_stands(strap, announced, known):
    worn, batch = strap(), beats(20)
    worn.send(batch[known])
    before = len(batch[known])
    assert receipt(worn.send(batch)) == (20 - before, before, [])
    assert [told.count for told in announced(events.HealthMetricRecorded)] == [before, 20 - before]
    later = services.get_batch(batch_id=announced(events.HealthMetricRecorded)[1].batch_id)
    assert len(later) == 20 - before


def test_h2_a_reading_twice_in_one_batch_is_stored_once(strap):
    first, second = beats(2)
    assert receipt(strap().send([first, second, first])) == (2, 1, [])


def test_equal_times_are_told_apart_by_stream_and_sequence(strap):
    at = datetime.now(UTC)
    batch = [reading(at, sequence=n) for n in range(3)] + [reading(at, 812.5, stream="rr_interval")]
    assert receipt(strap().send(batch)) == (4, 0, [])


def test_readings_may_come_in_any_order(strap):
    worn, batch = strap(), beats(300)
    for part in (batch[200:][::-1], batch[:100], batch[100:200][::-1]):
        assert receipt(worn.send(part)) == (100, 0, [])
    now = datetime.now(UTC)
    stored = services.get_readings(
        user_id=worn.owner.user_id, streams=["heart_rate"], since=now - timedelta(hours=1), until=now
    )
    assert [r.value for r in stored] == [r["value"] for r in batch]


def test_two_devices_of_a_person_do_not_meet(strap):
    one = strap()
    other, batch = strap(one.owner), beats(10)
    assert receipt(one.send(batch)) == receipt(other.send(batch)) == (10, 0, [])


BAD = {
    "unknown_stream": {"stream": "heart_tone"},
    "time_invalid": {"time": "yesterday"},
    "sequence_invalid": {"sequence": -1},
    "value_invalid": {"value": "72"},
    "value_out_of_range": {"value": 65_536},
}
SO_BAD = [
    *((code, change) for code, change in BAD.items()),
    ("unknown_stream", {"stream": 1}),
    ("time_invalid", {"time": "2026-11-20T10:00:00"}),  # says no offset
    ("time_invalid", {"time": 1_790_000_000}),
    ("time_invalid", {"time": "2026-02-30T10:00:00Z"}),
    ("sequence_invalid", {"sequence": 2**31}),
    ("sequence_invalid", {"sequence": 1.5}),
    ("sequence_invalid", {"sequence": None}),
    ("value_invalid", {"value": True}),
    ("value_invalid", {"value": None}),
    ("value_invalid", {"value": [72]}),
    ("value_out_of_range", {"value": -0.5}),
    ("value_out_of_range", {"value": 1e308}),
]


@pytest.mark.parametrize(("code", "change"), SO_BAD)
def test_a_bad_reading_is_named_and_spoils_no_other(strap, code, change):
    one, bad, three = beats(3)
    assert receipt(strap().send([one, bad | change, three])) == (2, 0, [(1, code)])


def test_every_bad_reading_of_a_batch_is_named(strap):
    good = beats(1)
    batch = [reading(datetime.now(UTC)) | change for change in BAD.values()] + good + ["72", None, [], {}]
    told = [*enumerate(BAD), (6, "malformed"), (7, "malformed"), (8, "malformed"), (9, "unknown_stream")]
    assert receipt(strap().send(batch)) == (1, 0, told)


def test_only_bad_readings_are_no_batch(strap, announced):
    assert receipt(strap().send([reading("yesterday")])) == (0, 0, [(0, "time_invalid")])
    assert announced(events.HealthMetricRecorded) == []
    assert Batch.objects.count() == 0


def test_h7_readings_from_the_future_are_rejected(strap):
    now = datetime.now(UTC)
    near, far = now + rules.CLOCK_AHEAD - timedelta(minutes=1), now + rules.CLOCK_AHEAD + timedelta(minutes=1)
    assert receipt(strap().send([reading(near), reading(far)])) == (1, 0, [(1, "in_future")])


def test_h7_readings_from_long_before_the_device_are_rejected(strap):
    worn = strap()
    edge = Device.objects.get().connected_at - rules.RECORDED_BEFORE
    batch = [reading(edge), reading(edge - timedelta(seconds=1)), reading("0001-01-01T00:00:00Z")]
    assert receipt(worn.send(batch)) == (1, 0, [(1, "before_device"), (2, "before_device")])


@pytest.mark.parametrize(
    ("stream", "good", "bad"),
    [
        ("heart_rate", [40, 220], [0, 39, 221, 65_535]),
        ("rr_interval", [272, 1500], [271, 1501]),
        ("battery", [0, 100], [101]),
        ("sensor_contact", [0, 1], [2]),
    ],
)
def test_wo3_h3_implausible_values_are_kept_in_quarantine_and_shown_to_nobody(strap, stream, good, bad):
    worn, start = strap(), datetime.now(UTC) - timedelta(minutes=1)
    batch = [reading(start + timedelta(seconds=n), v, stream=stream) for n, v in enumerate(good + bad)]
    assert receipt(worn.send(batch)) == (len(batch), 0, [])
    assert sorted(Reading.objects.filter(quarantined=True).values_list("value", flat=True)) == bad
    shown = services.get_readings(user_id=worn.owner.user_id, streams=[stream], since=start, until=datetime.now(UTC))
    assert [r.value for r in shown] == good


@COMMITTED
def test_h3_the_database_itself_decides_what_is_quarantined(strap):
    strap().send(beats(1))
    with pytest.raises(DatabaseError, match="generated column"), connections["health"].cursor() as cursor:
        cursor.execute("UPDATE health_reading SET quarantined = true")


NO_BATCH = [
    (b"", "bad_json"),
    (b"{", "bad_json"),
    (b'{"readings": [}', "bad_json"),
    (b'{"readings": [{"stream": "\xff"}]}', "bad_json"),
    (b'{"x":' + b"[" * 5_000 + b"]" * 5_000 + b"}", "bad_json"),
    (b"[]", "invalid"),
    (b"{}", "invalid"),
    (b'{"readings": []}', "invalid"),
    (b'{"readings": {}}', "invalid"),
    (b'{"readings": null}', "invalid"),
    (json.dumps({"readings": [1] * 5_001}).encode(), "invalid"),
]


@pytest.mark.parametrize(("body", "code"), NO_BATCH)
def test_what_is_no_batch_is_refused_as_a_whole(strap, body, code):
    answer = strap().post(body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_batch_has_at_most_5000_readings_and_these_fit(strap):
    worn, batch = strap(), beats(rules.MAX_BATCH)
    assert receipt(worn.post(json.dumps({"readings": batch}, indent=4).encode())) == (5_000, 0, [])
    assert worn.send([*batch, reading(datetime.now(UTC))]).json()["errors"][0]["code"] == "batch_invalid"


def test_a_body_has_an_end(strap):
    answer = strap().post(b" " * (rules.MAX_BODY_BYTES + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_only_json_is_taken(strap):
    body = json.dumps({"readings": beats(1)}).encode()
    assert strap().post(body, content_type="text/plain").status_code == 415


@COMMITTED
def test_h1_h2_one_batch_from_eight_hands_at_once_is_stored_once(strap, announced):
    worn, batch = strap(), beats(500)
    receipts = [receipt(answer) for answer in in_parallel(8, lambda _: worn.send(batch))]
    assert sum(accepted for accepted, _, _ in receipts) == 500
    assert sum(duplicates for _, duplicates, _ in receipts) == 7 * 500
    assert Reading.objects.count() == 500
    assert sum(told.count for told in announced(events.HealthMetricRecorded)) == 500


@COMMITTED
def test_h1_h2_overlapping_batches_in_opposite_order_lose_nothing(strap):
    worn, batch = strap(), beats(600)

    def send(n: int) -> tuple[int, int, list[Any]]:
        part = batch[n * 100 : n * 100 + 300]
        return receipt(worn.send(part[::-1] if n % 2 else part))

    receipts = in_parallel(4, send)
    assert sum(accepted for accepted, _, _ in receipts) == Reading.objects.count() == 600


@COMMITTED
def test_h1_without_its_event_no_reading_is_stored(strap):
    worn, batch = strap(), beats(10)
    with connections["health"].cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = 'disk_full'; END $$;"
            " CREATE TRIGGER full_disk BEFORE INSERT ON kernel_outbox FOR EACH ROW EXECUTE FUNCTION full_disk()"
        )
    try:
        answer = worn.send(batch)
        assert (answer.status_code, answer.json()["code"]) == (503, "try_again")
        assert Reading.objects.count() == Batch.objects.count() == 0
    finally:
        with connections["health"].cursor() as cursor:
            cursor.execute("DROP FUNCTION full_disk() CASCADE")
    assert receipt(worn.send(batch)) == (10, 0, [])


def test_services_answer_for_many_batches_at_once(strap, announced):
    worn, batch = strap(), beats(30)
    for start in (0, 10, 20):
        worn.send(batch[start : start + 10])
    told = [event.batch_id for event in announced(events.HealthMetricRecorded)]
    unknown = worn.device_id
    found = services.get_batches(batch_ids=[*told, unknown])
    assert list(found) == told
    assert [r.value for each in told for r in found[each]] == [r["value"] for r in batch]
    assert services.get_batch(batch_id=unknown) == []


def test_services_read_up_to_a_limit_and_know_no_other_streams(strap):
    worn, now = strap(), datetime.now(UTC)
    worn.send(beats(10))
    everything = {"user_id": worn.owner.user_id, "since": now - timedelta(hours=1), "until": now}
    assert len(services.get_readings(streams=["heart_rate"], limit=4, **everything)) == 4
    assert services.get_readings(streams=["power", "battery"], **everything) == []


def test_batches_of_one_device_with_overlapping_spans_stay_apart(strap, announced):
    worn, batch = strap(), beats(40)
    worn.send(batch[::2])
    worn.send(batch[1::2])
    even, odd = (services.get_batch(batch_id=e.batch_id) for e in announced(events.HealthMetricRecorded))
    assert [r.value for r in even] == [r["value"] for r in batch[::2]]
    assert [r.value for r in odd] == [r["value"] for r in batch[1::2]]


def test_no_heart_rate_is_logged(strap: Any, caplog: pytest.LogCaptureFixture):
    worn: Strap = strap()
    with caplog.at_level("DEBUG"):
        worn.send([reading(datetime.now(UTC), 173.25), reading("bad", 173.25)])
    assert "173.25" not in caplog.text
