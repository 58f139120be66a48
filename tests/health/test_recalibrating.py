"""A device is calibrated anew: alerts follow what its readings are to be read as (HE-1, HE-5)."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from contexts.health import events, rules
from contexts.health.models import Alert, Device
from tests.health.conftest import Strap
from tests.health.test_alerts import begin, broken, spo2
from tests.health.test_calibrations import calibrate

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


@pytest.fixture
def worn(strap: Callable[..., Strap]) -> Strap:
    """An oximeter that has been connected for long."""
    made = strap(kind="pulse_oximeter")
    Device.objects.filter(device_id=made.device_id).update(connected_at=begin(60 * 24 * 10))
    return made


def alerts() -> list[tuple[str, str, datetime]]:
    """Those there are."""
    return [(row.state, row.reason, row.began_at) for row in Alert.objects.order_by("began_at")]


def test_he5_a_calibration_dissolves_what_would_not_have_been_and_another_brings_it_back(worn, deliver, announced):
    since = begin(60 * 30)  # it has been going on for longer than a calibration looks back
    worn.send(spo2(*[88] * 60, since=since, step_s=1_800))
    deliver()
    assert alerts() == [("open", "", since)]
    (row,) = Alert.objects.all()
    assert calibrate(worn, [(88, 95)], since - timedelta(hours=1), "oxygen_saturation").status_code == 201
    deliver()
    assert alerts() == [("closed", "recalibrated", since)]
    calibrate(worn, [(88, 88.5)], since - timedelta(hours=1), "oxygen_saturation")
    deliver()
    assert (alerts(), Alert.objects.get().pk) == ([("open", "", since)], row.pk)
    assert len(announced(events.MedicalAlertTriggered)) == 1
    assert broken() == {}


def test_he5_a_calibration_opens_once_what_would_have_been(worn, deliver, announced):
    """Two excursions within a cool-down, one from before the curve is good, and one of two days ago: history."""
    old, before, first, second = begin(60 * 40), begin(120), begin(30), begin(20)
    for start in (old, before, first, second):
        worn.send(spo2(93, 93, 93, 99, since=start, step_s=60))
    deliver()
    assert alerts() == []
    for true in (88, 87):
        calibrate(worn, [(93, true), (99, 99)], begin(90), "oxygen_saturation")
        deliver()
        deliver()
        assert alerts() == [("closed", "cleared", first)]
    calibrate(worn, [(93, 88), (99, 99)], old - timedelta(hours=1), "oxygen_saturation")
    deliver()
    assert [began for _, _, began in alerts()] == [before, first]
    assert len(announced(events.MedicalAlertTriggered)) == 2
    assert broken() == {}


def test_he5_what_was_over_before_the_last_day_stays_as_it_was_told(worn, deliver, announced):
    """Nothing clear lies between: only silence has ended what was measured then."""
    told, old, lately = begin(60 * 45), begin(60 * 40), begin(120)
    worn.send(spo2(88, 88, 88, since=told, step_s=60))
    deliver()
    for start in (old, lately):
        worn.send(spo2(90.5, 90.5, 90.5, since=start, step_s=60))
    deliver()
    assert alerts() == [("closed", "silence", told)]
    for true, expected in ((80, [("closed", "silence", lately)]), (93, [("closed", "recalibrated", lately)])):
        calibrate(worn, [(88, 95), (90.5, true)], told - timedelta(hours=1), "oxygen_saturation")
        deliver()
        assert alerts() == [("closed", "silence", told), *expected]
    assert len(announced(events.MedicalAlertTriggered)) == 2


def test_he5_what_a_calibration_joins_to_an_episode_of_before_is_no_second_one(worn, deliver, announced):
    """The episode ended just over a day ago; what followed within its cool-down turns out to be of it."""
    before = begin(60 * 24 + 5)
    worn.send(spo2(88, 88, 88, 99, since=before, step_s=60))
    worn.send(spo2(93, 93, 93, 99, since=before + timedelta(minutes=8), step_s=60))
    deliver()
    calibrate(worn, [(88, 88), (93, 88.5), (99, 99)], before - timedelta(hours=1), "oxygen_saturation")
    deliver()
    (row,) = Alert.objects.all()
    assert (row.began_at, row.last_at, row.reason) == (before, before + timedelta(minutes=10), "cleared")
    assert len(announced(events.MedicalAlertTriggered)) == 1
    assert broken() == {}


def test_he5_a_calibration_of_another_metric_or_of_later_changes_nothing(worn, deliver, announced):
    since = begin(5)
    worn.send(spo2(88, 87, 86, since=since))
    deliver()
    before: Any = alerts()
    calibrate(worn, [(60, 99)], since - timedelta(hours=1))
    calibrate(worn, [(88, 95)], begin(0) - timedelta(seconds=1), "oxygen_saturation")
    deliver()
    assert alerts() == before == [("open", "", since)]
    assert timedelta(hours=24) == rules.CALIBRATED_ANEW
