"""Norms by age and sex, each with its source; a verdict names the version it was given by (HE-4)."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import DatabaseError, connections

from contexts.health.catalogue import BY_NAME
from contexts.health.judging import reviewing
from contexts.health.judging.norm_data import NORMS
from contexts.health.judging.norms import Band, Norm, Watch, norm_for
from contexts.health.looking import measurements
from contexts.health.models import Access, NormVersion
from contexts.health.rules import Stream
from tests.conftest import agree
from tests.health.conftest import COMMITTED, HEALTH, reading, step_up

pytestmark = pytest.mark.django_db(databases=["default", "health"])


def judged(metric: str, value: float, *, age: int = 35, sex: str = "female", condition: str = "") -> str:
    """`band status`."""
    norm = norm_for(NORMS, metric=metric, condition=condition, age=age, sex=sex)
    band = norm.band_of(value) if norm else Band("none", "normal")
    return f"{band.name} {band.status}"


@pytest.mark.parametrize(
    ("metric", "value", "expected"),
    [
        ("blood_pressure_systolic", 119, "optimal normal"),
        ("blood_pressure_systolic", 129, "normal normal"),
        ("blood_pressure_systolic", 139, "high_normal attention"),
        ("blood_pressure_systolic", 140, "grade_1 attention"),
        ("blood_pressure_systolic", 179, "grade_2 attention"),
        ("blood_pressure_systolic", 180, "grade_3 critical"),
        ("blood_pressure_systolic", 90, "very_low critical"),
        ("blood_pressure_diastolic", 84, "normal normal"),
        ("blood_pressure_diastolic", 110, "grade_3 critical"),
        ("oxygen_saturation", 95, "normal normal"),
        ("oxygen_saturation", 94, "low attention"),
        ("oxygen_saturation", 89.9, "very_low critical"),
        ("resting_heart_rate", 60, "normal normal"),
        ("resting_heart_rate", 40, "very_low critical"),
        ("resting_heart_rate", 131, "very_high critical"),
        ("respiratory_rate", 8, "very_low critical"),
        ("respiratory_rate", 20, "normal normal"),
        ("respiratory_rate", 25, "very_high critical"),
        ("body_temperature", 35.0, "very_low critical"),
        ("body_temperature", 38.0, "normal normal"),
        ("body_temperature", 39.1, "high attention"),
        ("interstitial_glucose", 2.9, "very_low critical"),
        ("body_mass_index", 24.9, "normal normal"),
        ("body_mass_index", 30, "obesity_1 attention"),
        ("haemoglobin_a1c", 48, "diabetic_range attention"),
        ("hrv_rmssd", 42, "normal normal"),
    ],
)
def test_he4_a_value_falls_where_its_source_says(metric, value, expected):
    assert judged(metric, value) == expected


def test_he4_norms_differ_by_age_sex_and_condition():
    assert judged("respiratory_rate", 30, age=3) == "normal normal"
    assert judged("respiratory_rate", 30, age=12) == "normal normal"
    assert judged("respiratory_rate", 30, age=40) == "very_high critical"
    assert judged("resting_heart_rate", 130, age=5) == "normal normal"
    assert judged("waist_circumference", 0.9, sex="female") == "high_risk attention"
    assert judged("waist_circumference", 0.9, sex="male") == "normal normal"
    assert judged("waist_circumference", 0.9, sex="unspecified") == "none normal"
    assert judged("blood_glucose", 6.5, condition="fasting") == "impaired attention"
    assert judged("blood_glucose", 6.5, condition="random") == "normal normal"


def test_he4_every_norm_of_the_code_can_be_in_force_and_names_its_source():
    assert [(norm.key, faults) for norm in NORMS if (faults := norm.faults())] == []
    assert len({norm.key for norm in NORMS}) == len(NORMS)
    for norm in NORMS:
        assert re.search(r"\d{4}|Association", norm.source), norm.key
        low, high = BY_NAME[norm.metric].plausible
        assert all(low < (band.begin or high) <= high for band in norm.bands), norm.key


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"metric": "aura"}, "unknown_metric"),
        ({"bands": (Band("normal", "normal"),)}, "too_few_bands"),
        ({"bands": (Band("normal", "normal", 3), Band("high", "attention", 5))}, "bands_do_not_rise"),
        ({"bands": (Band("a", "normal"), Band("b", "normal", 5), Band("c", "normal", 5))}, "bands_do_not_rise"),
        ({"bands": (Band("a", "normal"), Band("b", "attention"))}, "band_without_begin"),
        ({"bands": (Band("a", "attention"), Band("b", "attention", 5))}, "nothing_is_normal"),
        ({"bands": (Band("a", "normal"), Band("b", "critical", 5), Band("c", "normal", 6))}, "critical_between"),
        ({"age_from": 20, "age_below": 20}, "ages_empty"),
        ({"source": " "}, "no_source"),
        ({"url": "http://example.org"}, "no_source"),
        ({"watch": Watch(hysteresis=-1, lasts_s=0, silence_s=60, cool_down_s=0)}, "watch_invalid"),
    ],
)
def test_he4_a_norm_that_makes_no_sense_is_not_put_in_force(change, code):
    good = {
        "key": "oxygen_saturation",
        "metric": "oxygen_saturation",
        "bands": (Band("low", "attention"), Band("normal", "normal", 95)),
        "source": "Somebody, 2020",
        "url": "https://example.org",
        "age_from": 18,
    }
    assert Norm(**good).faults() == []
    assert code in Norm(**good | change).faults()


def test_i5_a_verdict_takes_a_second_factor_leaves_a_row_and_explains_itself(register):
    born = datetime.now(UTC) - timedelta(days=365 * 40)
    person = register(birth_date=born.date().isoformat(), sex="male")
    path = f"{HEALTH}/metrics/body_temperature/verdict"
    assert person.api.post(path, {"value": 37}).json()["code"] == "mfa_required"
    api = step_up(person)
    told = api.post(path, {"value": 104, "unit": "[degF]"}).json()
    assert (told["band"], told["status"], told["unit"], told["value"]) == ("high", "attention", "[degF]", 104)
    assert (told["age"], told["sex"], told["measured_at"]) == (39, "male", None)
    assert told["norm"]["norm"] == "body_temperature.adult@1"
    assert "NEWS" in told["norm"]["source"]
    russian = api.request("post", path, {"value": 37}, headers={"Accept-Language": "ru"}).json()
    assert russian["explanation"] == "Значение в пределах нормы для вашего возраста и пола."
    assert api.post(path, {}).json()["code"] == "nothing_measured"
    assert api.post(path, {"value": 1, "unit": "bushel"}).status_code == 400
    agree(person)
    at = datetime.now(UTC) - timedelta(days=2)
    person.api.post(f"{HEALTH}/entries", {"stream": "body_temperature", "value": 36.6, "time": at.isoformat()})
    latest = api.post(path, {}).json()
    assert (latest["value"], latest["band"], latest["measured_at"][:10]) == (36.6, "normal", at.isoformat()[:10])
    assert api.post(f"{HEALTH}/metrics/steps/verdict", {"value": 1}).json()["code"] == "no_norm"
    assert api.post(f"{HEALTH}/metrics/aura/verdict", {"value": 1}).status_code == 404
    assert Access.objects.filter(subject_id=person.user_id, stream="body_temperature").count() == 4


def test_i5_anomalies_take_a_second_factor_and_say_by_which_rule(register, strap):
    person = register()
    agree(person)
    path = f"{HEALTH}/metrics/heart_rate/anomalies"
    since = datetime.now(UTC) - timedelta(hours=1)
    span = {"from": since.isoformat(), "to": datetime.now(UTC).isoformat()}
    assert person.api.get(path, data=span).json()["code"] == "mfa_required"
    worn, api = strap(person), step_up(person)
    beats = [reading(since + timedelta(seconds=n), 60 + n % 3) for n in range(60)]
    beats[30]["value"] = 150
    beats[59]["time"] = (since + timedelta(minutes=5)).isoformat()
    assert worn.send(beats).json()["accepted"] == 60
    told = api.get(path, data=span).json()
    assert (told["readings"], [item["rule"] for item in told["items"]]) == (60, ["rolling_mad@1", "dropout@1"])
    assert told["items"][0]["inputs"]["value"] == 150
    assert Access.objects.filter(subject_id=person.user_id, stream="heart_rate").count() == 1
    year = {"from": (since - timedelta(days=365)).isoformat(), "to": since.isoformat()}
    assert api.get(path, data=year).json()["errors"][0]["code"] == "range_too_long"
    assert api.get(f"{HEALTH}/metrics/aura/anomalies", data=span).status_code == 404


@pytest.mark.django_db(databases="__all__", transaction=True)
def test_he4_a_medical_reviewer_publishes_a_version_and_verdicts_name_it(staff_client, register, anonymous):
    reviewer, page = staff_client("medical_reviewer"), f"/{settings.ADMIN_PATH}health/normversion/add/"
    moderator = staff_client("moderator")
    assert moderator.get(page).status_code == 403
    assert "critical" in reviewer.get(page, {"key": "oxygen_saturation"}).content.decode()
    document = reviewing.document_of("oxygen_saturation")
    document["bands"][2]["begin"] = 94.0
    bad = reviewer.post(page, {"document": json.dumps(document | {"source": ""}), "note": "no source"})
    assert bad.status_code == 200
    assert reviewer.post(page, {"document": "{", "note": "not JSON"}).status_code == 200
    assert not NormVersion.objects.exists()
    good = reviewer.post(page, {"document": json.dumps(document), "note": "as the committee decided"})
    assert good.status_code == 302, good.content
    listed = anonymous.get(f"{HEALTH}/norms").json()["items"]
    assert [item["norm"] for item in listed if item["metric"] == "oxygen_saturation"] == ["oxygen_saturation@2"]
    told = step_up(register()).post(f"{HEALTH}/metrics/oxygen_saturation/verdict", {"value": 94.5}).json()
    assert (told["band"], told["norm"]["norm"]) == ("normal", "oxygen_saturation@2")
    reviewer.post(page, {"document": json.dumps(document | {"withdrawn": True}), "note": "not any more"})
    listed = anonymous.get(f"{HEALTH}/norms").json()["items"]
    assert "oxygen_saturation" not in {item["metric"] for item in listed}


@pytest.mark.django_db(databases="__all__", transaction=True)
def test_he4_norms_of_doubtful_source_are_shown_to_medical_reviewers_until_one_settles_them(staff_client):
    reviewer, page = staff_client("medical_reviewer"), f"/{settings.ADMIN_PATH}health/normversion/"
    assert {norm.key for norm in NORMS} >= set(reviewing.NEEDS_REVIEW)
    shown = reviewer.get(page).content.decode()
    assert all(f"add/?key={key}" in shown for key in reviewing.NEEDS_REVIEW)
    assert "add/?key=haemoglobin_a1c" not in shown
    looked_at = reviewing.document_of("hrv_rmssd.adult")
    reviewer.post(f"{page}add/", {"document": json.dumps(looked_at), "note": "the source holds"})
    later = reviewer.get(page).content.decode()
    assert "add/?key=hrv_rmssd.adult" not in later
    assert "add/?key=body_mass_index.adult" in later


@COMMITTED
def test_he4_a_version_of_a_norm_is_never_rewritten(register):
    reviewing.publish_norm(
        document=reviewing.document_of("haemoglobin_a1c"), note="", by=register().user_id, at=datetime.now(UTC)
    )
    with pytest.raises(DatabaseError, match="never rewritten"), connections["health"].cursor() as cursor:
        cursor.execute("UPDATE health_normversion SET note = 'x'")


def test_he3_what_two_sources_have_both_counted_is_judged_once(strap):
    """A phone and a watch count the same steps: the watch's are judged, and the other way round once she says so."""
    watch = strap(kind="watch")
    phone, api = strap(watch.owner, kind="phone"), step_up(watch.owner)
    since = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=3)

    def steps(of: int, *, at_s: int = 0) -> list[dict[str, Any]]:
        return [reading(since + timedelta(seconds=300 * n + at_s), of, stream="steps") for n in range(20)]

    assert watch.send(steps(400)).json()["accepted"] == phone.send(steps(390, at_s=30)).json()["accepted"] == 20
    span = {"from": since.isoformat(), "to": datetime.now(UTC).isoformat()}

    def judged() -> tuple[int, list[str], float]:
        told = api.get(f"{HEALTH}/metrics/steps/anomalies", data=span).json()
        latest = measurements.latest_of(
            user_id=watch.owner.user_id, stream=Stream.steps, since=since, until=datetime.now(UTC)
        )
        assert latest is not None
        return told["readings"], [item["rule"] for item in told["items"]], latest.value

    assert judged() == (20, ["flat_line@1"], 400)
    order = {"kind": "activity", "device_ids": [str(phone.device_id)]}
    assert api.request("put", f"{HEALTH}/integrations/source-orders", order).status_code == 200
    assert judged() == (20, ["flat_line@1"], 390)
