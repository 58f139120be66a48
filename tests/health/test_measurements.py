"""Looking at heart rates: the owner alone, after a second factor, and never unseen."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError

from contexts.health.models import Access
from tests.health.conftest import COMMITTED, HEALTH, beats, reading, step_up

pytestmark = pytest.mark.django_db(databases=["default", "health"])

METRIC = f"{HEALTH}/metrics/heart_rate"
MONDAY = datetime(2026, 11, 16, tzinfo=UTC)


def told(moment: datetime) -> str:
    """RFC 3339."""
    return moment.isoformat().replace("+00:00", "Z")


def a_minute_ago() -> datetime:
    """The start of the minute before this one."""
    return datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=1)


def look(api: Any, since: datetime, until: datetime, **more: str) -> Any:
    """GET the metric."""
    return api.get(METRIC, data={"from": told(since), "to": told(until)} | more)


def test_i5_nobody_reads_medical_data_without_a_recent_second_factor(strap, anonymous):
    worn, at = strap(), a_minute_ago()
    worn.send(beats(10))
    answer = look(worn.owner.api, at, at + timedelta(minutes=5))
    assert (answer.status_code, answer.json()["code"]) == (403, "mfa_required")
    assert look(anonymous, at, at + timedelta(minutes=5)).status_code == 401
    assert Access.objects.count() == 0


def test_heart_rate_is_averaged_over_buckets_without_quarantined_readings(strap):
    worn, start = strap(), a_minute_ago()
    values = {0: 60, 10: 70, 59: 80, 60: 100, 61: 0, 62: 300, 75: 101}
    worn.send([reading(start + timedelta(seconds=s - 60), v) for s, v in values.items()])
    answer = look(step_up(worn.owner), start - timedelta(minutes=1), start + timedelta(minutes=1))
    assert answer.status_code == 200, answer.content
    first, second = told(start - timedelta(minutes=1)), told(start)
    assert answer.json() == {
        "bucket": "1m",
        "points": [
            {"time": first, "avg": 70.0, "min": 60.0, "max": 80.0, "count": 3},
            {"time": second, "avg": 100.5, "min": 100.0, "max": 101.0, "count": 2},
        ],
    }


def test_the_range_includes_its_beginning_and_not_its_end(strap):
    worn, start = strap(), a_minute_ago()
    worn.send([reading(start, 60), reading(start + timedelta(seconds=30), 90)])
    answer = look(step_up(worn.owner), start, start + timedelta(seconds=30), bucket="1s")
    assert [point["avg"] for point in answer.json()["points"]] == [60.0]


def test_people_see_their_own_heart_rate_only(strap, register):
    strap().send(beats(10))
    now = datetime.now(UTC)
    answer = look(step_up(register()), now - timedelta(hours=1), now)
    assert answer.json()["points"] == []


def test_readings_of_a_revoked_device_stay_readable(strap):
    worn = strap()
    worn.send(beats(10))
    worn.owner.api.delete(f"{HEALTH}/devices/{worn.device_id}")
    now = datetime.now(UTC)
    points = look(step_up(worn.owner), now - timedelta(hours=1), now, bucket="1d").json()["points"]
    assert sum(point["count"] for point in points) == 10


def test_h8_every_look_is_written_down(strap):
    worn, at = strap(), a_minute_ago()
    api = step_up(worn.owner)
    look(api, at, at + timedelta(minutes=1))
    look(api, at, at + timedelta(minutes=2))
    looks = list(Access.objects.order_by("at"))
    assert {(seen.by, seen.subject_id, seen.stream) for seen in looks} == {
        (worn.owner.user_id, worn.owner.user_id, "heart_rate")
    }
    assert [(seen.since, seen.until) for seen in looks] == [
        (at, at + timedelta(minutes=1)),
        (at, at + timedelta(minutes=2)),
    ]


@COMMITTED
def test_h8_what_is_written_about_a_look_is_never_changed(strap):
    at = a_minute_ago()
    look(step_up(strap().owner), at, at + timedelta(minutes=1))
    with pytest.raises(IntegrityError, match="never rewritten"):
        Access.objects.update(stream="battery")
    with pytest.raises(IntegrityError, match="never rewritten"):
        Access.objects.all().delete()


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"to": told(MONDAY)}, "from"),
        ({"from": told(MONDAY)}, "to"),
        ({"from": "monday", "to": told(MONDAY)}, "from"),
        ({"from": told(MONDAY), "to": told(MONDAY)}, "to"),
        ({"from": told(MONDAY), "to": told(MONDAY - timedelta(days=1))}, "to"),
        ({"from": told(MONDAY), "to": told(MONDAY + timedelta(days=1)), "bucket": "2m"}, "bucket"),
        ({"from": told(MONDAY), "to": told(MONDAY + timedelta(days=1)), "bucket": "1s"}, "bucket"),
        ({"from": "0001-01-01T00:00:00+23:59", "to": told(MONDAY), "bucket": "1d"}, "from"),
        ({"from": told(MONDAY), "to": "9999-12-31T23:59:59-23:59", "bucket": "1d"}, "to"),
    ],
)
def test_a_range_is_bounded(register, query, field):
    answer = step_up(register()).get(METRIC, data=query)
    assert answer.status_code == 400, answer.content
    assert answer.json()["errors"][0]["field"] == field
