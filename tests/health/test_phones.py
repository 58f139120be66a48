"""What phones read from HealthKit and Health Connect: each sample's fate, versions, deletions in any order (HE-2)."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from contexts.health import events, services
from contexts.health.imports.measured import sequence_of
from contexts.health.models import Batch, Device, Reading
from tests.conftest import Person, agree
from tests.health.conftest import HEALTH
from tests.health.test_entries import broken

pytestmark = pytest.mark.django_db(databases=["default", "health"])

HEALTHKIT, HEALTH_CONNECT = f"{HEALTH}/phone/healthkit", f"{HEALTH}/phone/health-connect"
BEGIN = datetime(2025, 6, 1, 7, tzinfo=UTC)
"""Long before anything was connected: phones remember years."""


@pytest.fixture
def anna(register: Any) -> Person:
    """Somebody who has agreed."""
    person: Person = register()
    agree(person)
    return person


def sample(
    kind: str, value: Any, unit: str = "", *, at: datetime = BEGIN, lasts: float = 0, **more: Any
) -> dict[str, Any]:
    """A HealthKit sample."""
    return {
        "uuid": str(uuid4()).upper(),
        "type": kind if kind.startswith("HK") else f"HKQuantityTypeIdentifier{kind}",
        "startDate": at.isoformat(),
        "endDate": (at + timedelta(seconds=lasts)).isoformat(),
        "value": value,
        "unit": unit,
        "sourceRevision": {"source": {"name": "Watch", "bundleIdentifier": "com.apple.health"}},
        "metadata": {"HKWasUserEntered": False},
        **more,
    }


def record(kind: str, *, modified: datetime = BEGIN, record_id: str = "", **fields: Any) -> dict[str, Any]:
    """A Health Connect record."""
    metadata = {"id": record_id or str(uuid4()), "lastModifiedTime": modified.isoformat(), "dataOrigin": "com.fit"}
    return {"recordType": kind, "metadata": metadata, **fields}


def stored(person: Person, *streams: str) -> list[tuple[str, float]]:
    """What is to be read of them."""
    span = {"since": BEGIN - timedelta(days=1), "until": BEGIN + timedelta(days=2)}
    rows = services.get_readings(user_id=person.user_id, streams=list(streams), **span)
    return sorted((row.stream, round(row.value, 6)) for row in rows)


def test_he2_each_healthkit_sample_has_its_fate(anna, announced):
    night = "HKCategoryTypeIdentifierSleepAnalysis"
    pressures = [sample("BloodPressureSystolic", 118, "mmHg"), sample("BloodPressureDiastolic", 76, "mmHg")]
    samples = [
        sample("HeartRate", 61, "count/min"),
        sample("OxygenSaturation", 0.97, "%"),
        sample("BodyTemperature", 98.6, "degF"),
        sample("BloodGlucose", 90.08, "mg/dL"),
        sample("StepCount", 250, "count", lasts=60),
        sample("HeartRateVariabilitySDNN", 42.5, "ms"),
        sample(night, 4, lasts=600),
        sample(night, "HKCategoryValueSleepAnalysisInBed", lasts=900),
        sample("HKCorrelationTypeIdentifierBloodPressure", None, objects=pressures),
        sample("NumberOfTimesFallen", 1, "count"),
        sample("OxygenSaturation", 97, "%"),
        sample("HeartRate", 61, "furlong"),
        sample("HeartRate", None, "count/min"),
        sample("HeartRate", 61, "count/min", startDate="2025-06-01T07:00:00"),
        sample("HeartRate", 61, "count/min", at=datetime(2999, 1, 1, tzinfo=UTC)),
        sample("HeartRate", 61, "count/min", uuid=7),
        "a sample",
    ]
    told = anna.api.post(HEALTHKIT, {"samples": samples}).json()
    assert told["fates"] == ["accepted"] * 9 + ["unknown_type"] + ["rejected"] * 7
    assert told["unknown"] == {"HKQuantityTypeIdentifierNumberOfTimesFallen": 1}
    assert [(each["index"], each["code"]) for each in told["rejected"]] == [
        (10, "value_out_of_range"),
        (11, "unknown_unit"),
        (12, "value_invalid"),
        (13, "time_invalid"),
        (14, "in_future"),
        (15, "id_invalid"),
        (16, "malformed"),
    ]
    vital = ("heart_rate", "oxygen_saturation", "body_temperature", "blood_glucose", "hrv_sdnn", "steps")
    assert dict(stored(anna, *vital)) == {
        "heart_rate": 61,
        "oxygen_saturation": 97,
        "body_temperature": 37,
        "blood_glucose": 5,
        "hrv_sdnn": 42.5,
        "steps": 250,
    }
    slept = ("sleep_duration", "deep_sleep_duration", "time_in_bed")
    assert dict(stored(anna, *slept)) == {"sleep_duration": 600, "deep_sleep_duration": 600, "time_in_bed": 900}
    assert len(stored(anna, "blood_pressure_systolic", "blood_pressure_diastolic")) == 2
    again = anna.api.post(HEALTHKIT, {"samples": samples[:9]}).json()
    assert (again["duplicates"], again["accepted"]) == (9, 0)
    assert [each.count for each in announced(events.HealthMetricRecorded)] == [11]
    assert Device.objects.get(user_id=anna.user_id).kind == "apple_health"
    assert broken() == {}


def test_he2_health_connect_says_its_units_in_many_ways(anna):
    at = BEGIN.isoformat()
    span = {"startTime": "2025-06-01T10:00:00", "endTime": "2025-06-01T11:00:00"}
    zone = {"startZoneOffset": "+03:00", "endZoneOffset": {"id": "+03:00", "totalSeconds": 10_800}}
    beats = [{"time": (BEGIN + timedelta(seconds=n)).isoformat(), "beatsPerMinute": 60 + n} for n in range(3)]
    stages = [
        {"startTime": "2025-06-01T10:00:00", "endTime": "2025-06-01T10:30:00", "stage": 5},
        {"startTime": "2025-06-01T10:30:00", "endTime": "2025-06-01T10:40:00", "stage": 3},
        {"startTime": "2025-06-01T10:40:00", "endTime": "2025-06-01T11:00:00", "stage": 1},
    ]
    records = [
        record("HeartRateRecord", samples=beats, **span, **zone),
        record("androidx.health.connect.client.records.StepsRecord", count=120, **span, **zone),
        record("Weight", time=at, weight={"inPounds": 154.323584, "inKilograms": 70}),
        record("Height", time=at, height={"value": 175, "unit": "meters"}),
        record("OxygenSaturation", time=at, percentage=97),
        record("BodyFat", time=at, percentage={"value": 21.5}),
        record("BloodPressure", time=at, systolic={"inMillimetersOfMercury": 118}, diastolic=76),
        record("BloodGlucose", time=at, level={"inMillimolesPerLiter": 5.1}),
        record("HeartRateVariabilityRmssd", time=at, heartRateVariabilityMillis=38.5),
        record("SleepSession", stages=stages, **span, **zone),
        record("BasalMetabolicRate", time=at, basalMetabolicRate={"inWatts": 80, "inKilocaloriesPerDay": 1_600}),
        record("ExerciseSession", **span, **zone),
        record("Weight", time=at, weight={"inStones": 11}),
        record("HeartRate", samples=[], **span, **zone),
        record("Steps", count=120, **span),
        {"recordType": "Steps", "count": 1},
    ]
    told = anna.api.post(HEALTH_CONNECT, {"records": records}).json()
    assert told["fates"] == ["accepted"] * 11 + ["unknown_type"] + ["rejected"] * 4
    assert [each["code"] for each in told["rejected"]] == ["unknown_unit", "malformed", "time_invalid", "id_invalid"]
    assert stored(anna, "heart_rate") == [("heart_rate", 60), ("heart_rate", 61), ("heart_rate", 62)]
    values = dict(stored(anna, "body_mass", "body_height", "oxygen_saturation", "basal_metabolic_rate", "steps"))
    assert values["basal_metabolic_rate"] == round(1_600 * 4.184, 6)
    assert (values["body_mass"], values["steps"], values["oxygen_saturation"]) == (70, 120, 97)
    slept = dict(stored(anna, "deep_sleep_duration", "sleep_duration", "awake_duration", "time_in_bed"))
    assert (slept["deep_sleep_duration"], slept["awake_duration"], slept["time_in_bed"]) == (1_800, 1_200, 3_600)
    assert broken() == {}


def test_he2_what_a_phone_deletes_is_taken_back_and_does_not_return(anna, announced):
    beats = [sample("HeartRate", 60 + n, "count/min", at=BEGIN + timedelta(seconds=n)) for n in range(4)]
    weight = sample("BodyMass", 70, "kg")
    anna.api.post(HEALTHKIT, {"samples": [*beats[:3], weight]})
    gone = [{"uuid": each["uuid"].lower()} for each in (beats[0], beats[3], weight)]
    assert anna.api.post(HEALTHKIT, {"deletedObjects": gone}).json()["withdrawn"] == 2
    assert stored(anna, "heart_rate", "body_mass") == [("heart_rate", 61), ("heart_rate", 62)]
    late = anna.api.post(HEALTHKIT, {"samples": [beats[0], beats[3]], "deletedObjects": gone}).json()
    assert (late["fates"], late["withdrawn"]) == (["withdrawn", "withdrawn"], 0)
    (told,) = announced(events.HealthMetricWithdrawn)
    assert (told.count, told.streams, told.batch_id) == (2, ["body_mass", "heart_rate"], Batch.objects.get().batch_id)
    assert broken() == {}
    Reading.objects.filter(value=61).update(sequence=0)
    assert set(broken()) == {"HE-2b"}
    Reading.objects.filter(value=61).update(sequence=sequence_of(beats[1]["uuid"].lower()))
    rest = [{"uuid": each["uuid"]} for each in beats]
    assert anna.api.post(HEALTHKIT, {"deletedObjects": rest}).json()["withdrawn"] == 2
    assert not Reading.objects.exists()
    assert not Batch.objects.exists()


def test_he2_a_later_version_of_a_record_takes_the_place_of_the_one_before(anna):
    at, name = BEGIN.isoformat(), "7f3c"

    def told(kilograms: float, *, hours: int) -> dict[str, Any]:
        modified = BEGIN + timedelta(hours=hours)
        weight = record("Weight", record_id=name, modified=modified, time=at, weight={"inKilograms": kilograms})
        answer: dict[str, Any] = anna.api.post(HEALTH_CONNECT, {"records": [weight]}).json()
        return answer

    assert told(70, hours=1)["accepted"] == 1
    assert told(69, hours=3)["replaced"] == 1
    assert told(68, hours=2)["duplicates"] == 1  # an older one that was under way
    assert stored(anna, "body_mass") == [("body_mass", 69)]
    assert anna.api.post(HEALTH_CONNECT, {"deletedRecordIds": [name]}).json()["withdrawn"] == 1
    assert told(67, hours=4)["fates"] == ["withdrawn"]
    assert broken() == {}


def test_p3_a_phone_needs_consent_and_sends_for_its_own_member_only(register, anna):
    other = register()
    body = {"samples": [sample("HeartRate", 61, "count/min")]}
    assert other.api.post(HEALTHKIT, body).json()["code"] == "consent_required"
    anna.api.post(HEALTHKIT, body)
    agree(other)
    foreign = {"deletedObjects": [{"uuid": body["samples"][0]["uuid"]}]}
    assert other.api.post(HEALTHKIT, foreign).json()["withdrawn"] == 0
    assert len(stored(anna, "heart_rate")) == 1


def test_he2_a_phone_may_compress_what_it_sends(anna):
    body = gzip.compress(json.dumps({"samples": [sample("HeartRate", 61, "count/min")]}).encode())
    how: dict[str, Any] = {"data": body, "content_type": "application/json", "headers": {"Content-Encoding": "gzip"}}
    assert anna.api.request("post", HEALTHKIT, **how).json()["accepted"] == 1
