"""Calibrations: versioned curves that are applied when readings are read; what was measured stays (HE-1, HE-4)."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.db import IntegrityError, connections
from hypothesis import given
from hypothesis import strategies as st

from contexts.health import events, rules, services, tasks
from contexts.health.models import Calibration, Device, Reading
from contexts.health.worn import calibrating
from contexts.health.worn.calibrating import Curve
from tests.health.conftest import COMMITTED, HEALTH, Strap, reading, step_up

pytestmark = pytest.mark.django_db(databases=["default", "health"])

curves = st.lists(
    st.tuples(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4)), min_size=1, max_size=8, unique_by=lambda p: round(p[0], 3)
).map(lambda points: Curve(1, datetime.now(UTC), tuple(sorted(points))))


@given(curves, st.floats(-2e4, 2e4))
def test_he1_a_curve_passes_its_points_and_changes_evenly_between_them(curve, value):
    for measured, true in curve.points:
        assert curve.corrected(measured) == pytest.approx(true, rel=1e-9, abs=1e-6)
    low, high = curve.points[0], curve.points[-1]
    if value <= low[0] or value >= high[0]:
        end = low if value <= low[0] else high
        assert curve.corrected(value) == pytest.approx(value + end[1] - end[0], abs=1e-6)
    else:
        (x0, y0), (x1, y1) = next(pair for pair in pairwise(curve.points) if pair[0][0] <= value <= pair[1][0])
        assert min(y0, y1) - 1e-6 <= curve.corrected(value) <= max(y0, y1) + 1e-6
        assert (curve.corrected(value) - y0) * (x1 - x0) == pytest.approx(
            (value - x0) * (y1 - y0), rel=1e-6, abs=1e-3
        )


def calibrate(worn: Strap, points: list[tuple[float, float]], since: datetime, stream: str = "heart_rate") -> Any:
    """POST a calibration."""
    told = [{"measured": measured, "true": true} for measured, true in points]
    return worn.owner.api.post(
        f"{HEALTH}/devices/{worn.device_id}/calibrations",
        {"stream": stream, "points": told, "valid_from": since.isoformat()},
    )


def look(api: Any, start: datetime, metric: str = "heart_rate", **more: Any) -> Any:
    """GET an hour of a metric."""
    span = {"from": start.isoformat(), "to": (start + timedelta(hours=1)).isoformat()}
    answer = api.get(f"{HEALTH}/metrics/{metric}/readings", data=span | more)
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_he1_readings_are_read_by_the_calibration_of_their_time_and_name_it(strap, announced):
    worn, start = strap(), datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=30)
    worn.send([reading(start + timedelta(minutes=5 * n), 100 + 10 * n) for n in range(4)])
    assert calibrate(worn, [(100, 102), (120, 126)], start + timedelta(minutes=5)).json()["version"] == 1
    assert calibrate(worn, [(50, 49)], start + timedelta(minutes=15)).json()["version"] == 2
    api = step_up(worn.owner)
    shown = look(api, start)
    assert [(item["value"], item["calibration"]) for item in shown["items"]] == [
        *((100, None), (114, 1)),
        *((126, 1), (129, 2)),
    ]
    assert {item["device_id"] for item in shown["items"]} == {str(worn.device_id)}
    assert look(api, start, unit="Hz")["items"][0]["value"] == pytest.approx(100 / 60)
    first = look(api, start, limit=3)
    assert look(api, start, limit=3, cursor=first["next"])["items"] == shown["items"][3:]
    (batch,) = announced(events.HealthMetricRecorded)
    corrected = [100, 114, 126, 129]
    assert [each.value for each in services.get_batch(batch_id=batch.batch_id)] == corrected
    between = {"user_id": worn.owner.user_id, "since": start, "until": start + timedelta(hours=1)}
    assert [each.value for each in services.get_readings(streams=["heart_rate"], **between)] == corrected
    span = {"from": start.isoformat(), "to": (start + timedelta(hours=1)).isoformat(), "bucket": "1m"}
    points = api.get(f"{HEALTH}/metrics/heart_rate", data=span).json()["points"]
    assert [point["max"] for point in points] == corrected
    assert sorted(Reading.objects.values_list("value", flat=True)) == [100, 110, 120, 130]
    told = [(one.measured, one.calibration) for one in announced(events.DeviceCalibrated)]
    assert told == [("heart_rate", 1), ("heart_rate", 2)]
    listed = worn.owner.api.get(f"{HEALTH}/devices/{worn.device_id}/calibrations").json()["items"]
    assert [item["version"] for item in listed] == [2, 1]


@COMMITTED
def test_he1_the_database_computes_the_same_curve_and_rewrites_none(strap):
    worn, start = strap(), datetime.now(UTC) - timedelta(hours=1)
    values = [40, 55, 70, 99.5, 120, 150, 151, 200]
    worn.send([reading(start + timedelta(seconds=n), value) for n, value in enumerate(values)])
    points = [(55.0, 50.0), (70.0, 75.0), (120.0, 118.0), (150.0, 155.5)]
    calibrate(worn, points, start - timedelta(days=1))
    found = calibrating.curves_of([Device.objects.get().number])
    curve = Curve(1, start, tuple(points))
    computed = Reading.objects.annotate(read=found.expression()).order_by("time").values_list("read", flat=True)
    assert list(computed) == pytest.approx([curve.corrected(value) for value in values])
    with pytest.raises(IntegrityError, match="never rewritten"), connections["health"].cursor() as cursor:
        cursor.execute("UPDATE health_calibration SET points = '[[0, 0]]'")


@pytest.mark.parametrize(
    "change",
    [
        {"points": []},
        {"points": [{"measured": 2, "true": 1}, {"measured": 2, "true": 3}]},
        {"points": [{"measured": 2}]},
        {"stream": "heart_tone"},
        {"valid_from": "yesterday"},
    ],
)
def test_a_curve_has_one_true_value_for_each_measured_one(strap, change):
    worn = strap()
    form = {
        "stream": "heart_rate",
        "points": [{"measured": 1, "true": 1}],
        "valid_from": datetime.now(UTC).isoformat(),
    }
    answer = worn.owner.api.post(f"{HEALTH}/devices/{worn.device_id}/calibrations", form | change)
    assert answer.status_code == 400, answer.content
    assert not Calibration.objects.exists()


@pytest.mark.django_db(databases="__all__", transaction=True)
def test_he1_a_connected_device_starts_a_calibration_check_and_a_synchronisation(strap, deliver, announced):
    scale, worn = strap(kind="scale"), strap()
    deliver()
    (due,) = announced(events.CalibrationDue)
    assert (due.device_id, due.kind) == (scale.device_id, "scale")
    assert calibrate(scale, [(10, 10)], datetime.now(UTC), stream="body_mass").status_code == 201
    marker = scale.tell({"maker": "Acme", "model": "S1", "serial": "0042", "firmware": "1.2"}).json()
    at = datetime.now(UTC)
    next_due = datetime.fromisoformat(marker["calibration_due_at"])
    assert timedelta(days=364) < next_due - at <= rules.CALIBRATED_EVERY["scale"]
    sync_from = datetime.fromisoformat(marker["sync_from"])
    assert sync_from == Device.objects.get(device_id=scale.device_id).connected_at - rules.RECORDED_BEFORE
    assert worn.tell({}).json()["calibration_due_at"] is None
    scale.send([reading(at, 71.5, stream="body_mass")])
    last = scale.tell({"firmware": "1.3"}).json()["last_readings"]
    assert {name: datetime.fromisoformat(time) for name, time in last.items()} == {"body_mass": at}
    Device.objects.update(calibration_due_at=at)
    tasks.tell_due_calibrations()
    assert len(announced(events.CalibrationDue)) == 1
    Calibration.objects.all().delete()
    Device.objects.filter(device_id=scale.device_id).update(calibration_due_at=at)
    tasks.tell_due_calibrations()
    tasks.tell_due_calibrations()
    assert [one.device_id for one in announced(events.CalibrationDue)] == [scale.device_id] * 2
