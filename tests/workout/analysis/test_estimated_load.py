"""The load of a heart rate of whose thresholds nothing is known, by hand."""

import pytest

from contexts.workout.analysis import Settings, heart, load


def test_what_is_not_known_is_estimated():
    """By hand: 30 min of a man of 40 at 140 are an impulse of 46.04, an hour at 158.4 of 180 one of 152.02."""
    nothing = {"resting_bpm": None, "resting_read_bpm": None, "threshold_bpm": None}
    by_age = heart.max_heart_rate(Settings(age=40))
    found = load.estimated([140], [1_800], maximum=by_age, sex="male", **nothing)
    assert found.value == pytest.approx(30.284, abs=0.0005)
    said_by = [found.inputs[name] for name in ("resting_by", "maximum_by", "threshold_by")]
    assert said_by == ["usual", "fox-1971@1", "maximum"]
    assert load.estimated([158.4], [3_600], maximum=by_age, sex="female", **nothing).value == pytest.approx(100)
    known = nothing | {"resting_read_bpm": 50, "threshold_bpm": 165}
    found = load.estimated([165], [3_600], maximum=by_age, sex="female", **known)
    assert (found.value, found.inputs["resting_by"], found.inputs["threshold_by"]) == (
        (pytest.approx(100), "devices", "athlete")
    )
    assert load.estimated([140], [60], maximum=by_age, sex="male", **nothing | {"resting_bpm": 170}) is None
