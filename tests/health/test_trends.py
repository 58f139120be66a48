"""Days, weeks and months of a person's own time zone, and numbers that say what they were made of."""

from datetime import UTC, date, datetime, timedelta
from math import exp, isclose, log
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contexts.health.catalogue import BY_NAME
from contexts.health.models import Access, Device
from contexts.health.trends import formulas
from contexts.health.trends.buckets import begin_of, instants_of
from tests.health.conftest import HEALTH, reading, step_up

pytestmark = pytest.mark.django_db(databases=["default", "health"])

BERLIN = ZoneInfo("Europe/Berlin")
LEAP = date(2026, 10, 25)
"""A day of 25 hours in Berlin."""


@pytest.fixture
def berliner(strap, register):
    """Somebody of Berlin with two devices connected long ago, and a recent second factor."""
    person = register(time_zone="Europe/Berlin")
    worn, phone = strap(person, kind="watch"), strap(person, name="Phone", kind="phone")
    Device.objects.filter(user_id=person.user_id).update(connected_at=datetime(2026, 1, 1, tzinfo=UTC))
    return step_up(person), worn, phone


def at(day: date, hour: int, minute: int = 0, fold: int = 0) -> datetime:
    """By the clocks of Berlin."""
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=BERLIN, fold=fold).astimezone(UTC)


def trend(api, path, first, last, **more):
    """GET a trend."""
    answer = api.get(f"{HEALTH}/{path}", data={"from": first, "to": last} | more)
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_days_are_those_of_the_time_zone_over_a_change_of_clocks(berliner):
    api, worn, _ = berliner
    told = {at(LEAP, 0): 60, at(LEAP, 2, 30): 70, at(LEAP, 2, 30, fold=1): 80, at(LEAP, 23, 59): 90}
    told |= {at(LEAP - timedelta(days=1), 23, 59): 200, at(LEAP + timedelta(days=1), 0): 100}
    assert worn.send([reading(moment, value) for moment, value in told.items()]).json()["accepted"] == 6
    shown = trend(api, "metrics/heart_rate/trend", LEAP - timedelta(days=1), LEAP + timedelta(days=1))
    assert (shown["time_zone"], shown["algorithm"], shown["aggregation"]) == ("Europe/Berlin", "buckets@1", "mean")
    assert [(each["begin"], each["value"], each["median"], each["count"]) for each in shown["items"]] == [
        ("2026-10-24", 200, 200, 1),
        ("2026-10-25", 75, 75, 4),
        ("2026-10-26", 100, 100, 1),
    ]
    since, until = instants_of(LEAP, LEAP, BERLIN)
    assert until.astimezone(UTC) - since.astimezone(UTC) == timedelta(hours=25)


def test_weeks_and_months_add_up_steps_of_the_device_that_counted_most_each_day(berliner):
    api, worn, phone = berliner
    monday = date(2026, 10, 26)
    counted = [(worn, -1, 3_000), (worn, 0, 4_000), (worn, 0, 1_000), (phone, 0, 4_500), (phone, 6, 7_000)]
    for device, day, steps in counted:
        hour = 8 if steps != 1_000 else 9
        device.send([reading(at(monday + timedelta(days=day), hour), steps, stream="steps")])
    first, last = monday - timedelta(days=1), monday + timedelta(days=6)
    weeks = trend(api, "metrics/steps/trend", first, last, bucket="week")["items"]
    assert [(week["begin"], week["end"], week["value"]) for week in weeks] == [
        ("2026-10-19", "2026-10-26", 3_000),
        ("2026-10-26", "2026-11-02", 12_000),
    ]
    assert (weeks[1]["mean"], weeks[1]["min"], weeks[1]["max"], weeks[1]["count"]) == (6_000, 5_000, 7_000, 3)
    months = trend(api, "metrics/steps/trend", first, last, bucket="month")["items"]
    assert [(month["begin"], month["value"]) for month in months] == [("2026-10-01", 8_000), ("2026-11-01", 7_000)]


def test_the_last_value_of_a_week_in_another_unit(berliner):
    api, worn, _ = berliner
    for day, mass in ((2, 80), (4, 81), (3, 83)):
        worn.send([reading(at(date(2026, 11, day), 8), mass, stream="body_mass")])
    (week,) = trend(api, "metrics/body_mass/trend", date(2026, 11, 2), date(2026, 11, 8), bucket="week", unit="g")[
        "items"
    ]
    assert (week["value"], week["max"], week["median"]) == (81_000, 83_000, 81_000)


def test_resting_heart_rate_is_the_lowest_half_hour_and_says_when(berliner):
    api, worn, _ = berliner
    night = [reading(at(LEAP, 4) + timedelta(minutes=n), 48 + n % 2) for n in range(30)]
    rest = [reading(at(LEAP, 12) + timedelta(minutes=n), 70) for n in range(60)]
    short = [reading(at(LEAP, 20) + timedelta(minutes=n), 41) for n in range(10)]
    worn.send(night + rest + short)
    shown = trend(api, "trends/resting_heart_rate", LEAP, LEAP)
    assert shown["algorithm"]["algorithm"] == "resting_heart_rate@1"
    assert shown["algorithm"]["inputs"] == ["heart_rate"]
    assert shown["algorithm"]["url"].startswith("https://doi.org/")
    (day,) = shown["items"]
    assert (day["day"], round(day["value"], 1)) == ("2026-10-25", 48.5)
    assert day["inputs"] == {"minutes": 30, "begins_minute": 4 * 60}


def test_weight_is_smoothed_by_a_tenth_a_day(berliner):
    api, worn, _ = berliner
    days = [date(2026, 11, 2), date(2026, 11, 3), date(2026, 11, 5)]
    worn.send([reading(at(day, 7), mass, stream="body_mass") for day, mass in zip(days, (80, 90, 70), strict=True)])
    shown = trend(api, "trends/weight", days[1], days[2])["items"]
    assert [(each["day"], round(each["value"], 3)) for each in shown] == [("2026-11-03", 81.0), ("2026-11-05", 79.9)]
    assert shown[1]["inputs"] == {"measured": 70.0, "trend_before": 81.0}


def test_a_night_is_from_noon_to_noon(berliner):
    api, worn, phone = berliner
    worn.send(
        [
            reading(at(LEAP - timedelta(days=1), 23), 2 * 3_600, stream="sleep_duration"),
            reading(at(LEAP, 6), 4 * 3_600, stream="sleep_duration"),
            reading(at(LEAP, 13), 1_800, stream="sleep_duration"),
        ]
    )
    phone.send([reading(at(LEAP, 6), 5 * 3_600, stream="sleep_duration")])
    shown = trend(api, "trends/sleep", LEAP, LEAP + timedelta(days=1))["items"]
    assert [(night["day"], night["value"]) for night in shown] == [("2026-10-25", 6 * 3_600), ("2026-10-26", 1_800)]


def test_hrv_baseline_over_http(berliner):
    api, worn, _ = berliner
    last = date(2026, 11, 10)
    days = [last - timedelta(days=n) for n in range(40)]
    worn.send([reading(at(day, 7), 50 if n > 6 else 40, stream="hrv_rmssd") for n, day in enumerate(days)])
    (day,) = trend(api, "trends/hrv_baseline", last, last)["items"]
    assert isclose(exp(day["value"]), 40, rel_tol=1e-9)
    assert (day["standing"], day["inputs"]["usual_days"]) == ("below", 33)


def test_i5_h8_trends_take_a_second_factor_and_are_written_down(berliner, register):
    api, worn, _ = berliner
    query = {"from": LEAP, "to": LEAP}
    for path in ("metrics/heart_rate/trend", "trends/weight"):
        assert worn.owner.api.get(f"{HEALTH}/{path}", data=query).json()["code"] == "mfa_required"
    assert not Access.objects.exists()
    trend(api, "metrics/heart_rate/trend", LEAP, LEAP, purpose="coaching")
    trend(api, "trends/weight", LEAP, LEAP)
    looks = list(Access.objects.order_by("at").values_list("stream", "purpose"))
    assert looks == [("heart_rate", "coaching"), ("body_mass", "own_care")]
    assert Access.objects.get(stream="body_mass").since == at(LEAP - timedelta(days=90), 0)


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        ("metrics/heart_rate/trend", {"from": "2026-10-25", "to": "2026-10-24"}, "range_out_of_bounds"),
        ("metrics/heart_rate/trend", {"from": "2024-10-25", "to": "2026-10-24"}, "range_out_of_bounds"),
        ("metrics/heart_rate/trend", {"from": "0001-01-01", "to": "0001-01-01"}, "time_invalid"),
        ("metrics/heart_rate/trend", {"from": "9999-12-31", "to": "9999-12-31"}, "time_invalid"),
        ("metrics/heart_rate/trend", {"from": "2026-10-25", "to": "2026-10-25", "unit": "kg"}, "unknown_unit"),
        ("trends/resting_heart_rate", {"from": "2026-01-01", "to": "2026-10-24"}, "range_out_of_bounds"),
    ],
)
def test_a_trend_is_bounded(berliner, path, query, code):
    answer = berliner[0].get(f"{HEALTH}/{path}", data=query)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, code)


def test_every_derived_number_names_its_source(anonymous):
    items = anonymous.get(f"{HEALTH}/trends").json()["items"]
    assert {item["name"] for item in items} == {"resting_heart_rate", "hrv_baseline", "weight", "sleep"}
    for item in items:
        assert set(item["inputs"]) <= set(BY_NAME)
        assert item["source"]
        assert item["url"].startswith("https://")


@given(st.lists(st.integers(0, 1_439), min_size=1, max_size=80, unique=True), st.data())
def test_the_lowest_half_hour_is_the_lowest_of_all(minutes, data):
    minutes = sorted(minutes)
    means = data.draw(st.lists(st.floats(40, 200), min_size=len(minutes), max_size=len(minutes)))
    windows = [[m for at, m in zip(minutes, means, strict=True) if b <= at < b + 30] for b in minutes]
    expected = min((sum(w) / len(w) for w in windows if len(w) >= 20), default=None)
    found = formulas.lowest_half_hour(np.array(minutes), np.array(means))
    assert (found is None) == (expected is None)
    assert found is None or isclose(found[0], expected, rel_tol=1e-9)


def test_a_baseline_needs_three_days_and_a_range_fourteen():
    day = date(2026, 11, 10)
    two = {day - timedelta(days=n): log(50) for n in range(2)}
    assert formulas.hrv_baseline(two, [day]) == []
    three = two | {day - timedelta(days=5): log(50)}
    (told,) = formulas.hrv_baseline(three, [day])
    assert (told.low, told.standing) == (None, "")
    long = three | {day - timedelta(days=n): log(50) + 0.1 * (-1) ** n for n in range(7, 27)}
    (told,) = formulas.hrv_baseline(long, [day])
    assert told.low < told.value < told.high
    assert told.standing == "usual"


@given(st.dates(date(1990, 1, 1), date(2090, 1, 1)))
def test_weeks_begin_on_monday_and_months_on_the_first(day):
    assert begin_of(day, "week").weekday() == 0
    assert timedelta() <= day - begin_of(day, "week") < timedelta(days=7)
    assert begin_of(day, "month").day == 1
