"""What a device doubts itself is kept and goes no further: no average, no neighbour, no alert."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from contexts.health import events, services
from contexts.health.doubts import Doubt
from contexts.health.models import Reading
from kernel.observability import invariants
from tests.health.conftest import beats, reading, step_up
from tests.health.test_compact_form import receipt, stream

pytestmark = pytest.mark.django_db(databases=["default", "health"])


def doubts() -> list[tuple[float, int | None, bool]]:
    """Value, doubt and quarantine of what is stored, in order of time."""
    return list(Reading.objects.order_by("time", "sequence").values_list("value", "doubt", "quarantined"))


def send(worn, batch, **more):
    return receipt(worn.post(json.dumps({"readings": batch} | more).encode()))


def test_he3_a_doubted_reading_is_stored_in_quarantine_and_shown_to_nobody(strap, announced):
    worn, start = strap(), datetime.now(UTC) - timedelta(minutes=1)
    batch = beats(4, start=start)
    told = {"no_contact": [1], "of_a_new_kind": [1, 2]}
    assert send(worn, batch, doubts=told) == (4, 0, [])
    assert doubts() == [(60, None, False), (61, Doubt.no_contact, True), (62, Doubt.other, True), (63, None, False)]
    assert send(worn, batch, doubts=told) == (0, 4, []), "doubted or not, it is stored once"
    shown = services.get_readings(
        user_id=worn.owner.user_id, streams=["heart_rate"], since=start, until=datetime.now(UTC)
    )
    (event,) = announced(events.HealthMetricRecorded)
    assert (
        [one.value for one in shown] == [one.value for one in services.get_batch(batch_id=event.batch_id)] == [60, 63]
    )
    for one in invariants():
        assert one.context != "health" or one.violations() == [], one.id
    path = "/api/v1/health/metrics/heart_rate"
    since = {"from": (start - timedelta(minutes=1)).isoformat(), "to": datetime.now(UTC).isoformat(), "bucket": "1h"}
    points = step_up(worn.owner).get(path, data=since).json()["points"]
    assert sum(point["count"] for point in points) == 2


def test_he3_doubts_keep_to_their_readings_where_others_are_rejected(strap):
    worn, at = strap(), datetime.now(UTC) - timedelta(minutes=1)
    batch = [reading("yesterday"), reading(at, 61), reading(at, 62, sequence=1), reading(at, 1e9, sequence=2)]
    rejected = [(0, "time_invalid"), (3, "value_out_of_range")]
    assert send(worn, batch, doubts={"questionable": [0, 2]}) == (2, 0, rejected)
    assert doubts() == [(61, None, False), (62, Doubt.questionable, True)]


def test_he3_doubts_of_the_compact_form_count_through_their_stream(strap):
    worn = strap()
    told = [
        stream("heart_rate", [60, 61]),
        stream("battery", [80, 81], doubts={"device_fault": [1]}),
        stream("cadence", [90, None], doubts={"other": [0, 1]}),
    ]
    assert receipt(worn.send_columns(*told)) == (5, 0, [(5, "value_invalid")])
    assert sorted(doubts()) == [
        *((60, None, False), (61, None, False), (80, None, False)),
        *((81, Doubt.device_fault, True), (90, Doubt.other, True)),
    ]


@pytest.mark.parametrize("told", [{"other": [2]}, {"other": [-1]}, {"other": [2**40]}, {"other": 0}, ["other"]])
def test_a_doubt_about_nothing_spoils_the_request(strap, told):
    body = json.dumps({"readings": beats(2), "doubts": told}).encode()
    answer = strap().post(body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


def test_what_machines_say_is_stored(strap):
    """Metrics of fitness machines and medical devices, as the bridge names them."""
    worn, at = strap(), datetime.now(UTC) - timedelta(minutes=1)
    batch = [
        reading(at, 10_500, stream="distance"),
        reading(at, -3.5, stream="incline"),
        reading(at, 12, stream="resistance_level"),
        reading(at, 418.4, stream="counted_energy"),
        reading(at, 6.5, stream="haemoglobin_a1c"),
    ]
    assert receipt(worn.send(batch, haemoglobin_a1c="%")) == (5, 0, [])
    found = dict(Reading.objects.values_list("stream", "value"))
    assert found[58] == pytest.approx(47.53, abs=0.01)
    assert not Reading.objects.filter(quarantined=True).exists()
