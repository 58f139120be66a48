"""Exports of Fitbit, Google and Garmin: each file by its shape, each with its outcome, none spoils another (HE-2)."""

import io
import json
import zipfile
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contexts.health import services
from contexts.health.imports import archives, reading
from contexts.health.models import Device
from tests.conftest import Person
from tests.health.test_entries import broken
from tests.health.test_imports import anna, by_hand, files_of, read, rows_of, upload  # noqa: F401  (fixtures)

pytestmark = pytest.mark.django_db(databases=["default", "health"])

FITBIT, GARMIN, FIT = "Takeout/Fitbit/Global Export Data", "DI_CONNECT/DI-Connect-Wellness", "Takeout/Fit/All Data"
DAY = datetime(2026, 3, 1, tzinfo=UTC)


def zipped(files: dict[str, Any]) -> bytes:
    """An archive of JSON documents, and of files that are text or bytes already."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in files.items():
            opened.writestr(name, content if isinstance(content, str | bytes) else json.dumps(content))
    return made.getvalue()


def stored(person: Person, *streams: str) -> dict[str, list[tuple[str, float]]]:
    """By stream: when, as minutes of the day, and what."""
    span = {"since": DAY - timedelta(days=1), "until": DAY + timedelta(days=2)}
    found: dict[str, list[tuple[str, float]]] = {}
    for row in services.get_readings(user_id=person.user_id, streams=list(streams), **span):
        found.setdefault(row.stream, []).append((f"{row.time:%d %H:%M:%S}", round(row.value, 4)))
    return found


def point(kind: str, value: dict[str, Any], *, minute: int = 0, lasts: int = 0) -> dict[str, Any]:
    """A data point of Google Fit."""
    start = int((DAY + timedelta(minutes=minute)).timestamp()) * 10**9
    return {
        "fitValue": [{"value": value}],
        "originDataSourceId": "",
        "endTimeNanos": start + lasts * 10**9,
        "dataTypeName": kind,
        "startTimeNanos": start,
    }


def test_he2_a_fitbit_export_in_a_takeout_is_read_file_by_file(anna, monkeypatch):  # noqa: F811
    monkeypatch.setattr(reading, "PORTION", 2)
    me = anna.api.request("patch", "/api/v1/identity/me", {"time_zone": "Europe/Berlin"})
    assert me.status_code == 200, me.content
    beats = [{"dateTime": f"03/01/26 10:00:{n:02}", "value": {"bpm": 60 + n, "confidence": 2}} for n in range(5)]
    stages = [
        {"dateTime": "2026-03-01T01:00:00.000", "level": "deep", "seconds": 1_800},
        {"dateTime": "2026-03-01T01:30:00.000", "level": "wake", "seconds": 60},
    ]
    night = {
        "logId": 1,
        "startTime": "2026-03-01T01:00:00.000",
        "endTime": "2026-03-01T01:31:00.000",
        "efficiency": 94,
        "levels": {"data": stages},
    }
    weight = {"logId": 5, "weight": 154.3, "bmi": 22.9, "fat": 21.5, "date": "03/01/26", "time": "07:30:00"}
    resting = {"date": "03/01/26", "value": 58.2, "error": 6.8}
    archive = zipped(
        {
            f"{FITBIT}/heart_rate-2026-03-01.json": [*beats, {"dateTime": "soon", "value": {"bpm": 1}}, 7],
            f"{FITBIT}/steps-2026-03-01.json": [{"dateTime": "03/01/26 10:00:00", "value": "12"}],
            f"{FITBIT}/distance-2026-03-01.json": [{"dateTime": "03/01/26 10:00:00", "value": "850"}],
            f"{FITBIT}/resting_heart_rate-2026-03-01.json": [{"dateTime": "03/01/26 00:00:00", "value": resting}],
            f"{FITBIT}/sleep-2026-03-01.json": [night],
            f"{FITBIT}/weight-2026-03-01.json": [weight],
            f"{FITBIT}/calories-2026-03-01.json": '[{"dateTime": "03/01/26 10:00:00", "value": ',
            f"{FITBIT}/steps-2026-03-02.json": {"steps": 3},
            "Takeout/Fitbit/Oxygen Saturation (SpO2)/Minute SpO2 - 2026-03-01.csv": (
                "timestamp,value\n2026-03-01T03:21:00Z,96.4\n2026-03-01T03:22:00Z,\n"
            ),
            "Takeout/Fitbit/Heart Rate Variability/Heart Rate Variability Details - 2026-03-01.csv": "a,b\n1,2\n",
            "Takeout/Fitbit/Oxygen Saturation (SpO2)/Daily SpO2 - 2026-03-01.csv": "timestamp,average_value\n",
            "Takeout/archive_browser.html": "<html>",
        }
    )
    import_id = upload(anna, archive)
    found = read(anna, import_id, seconds=0)
    assert (found["state"], found["files"]) == ("done", {"waiting": 0, "read": 7, "refused": 3, "left_out": 2})
    assert stored(anna, "heart_rate", "steps", "walking_distance", "resting_heart_rate", "oxygen_saturation") == {
        "heart_rate": [(f"01 10:00:0{n}", 60 + n) for n in range(5)],
        "steps": [("01 10:00:00", 12)],
        "walking_distance": [("01 10:00:00", 8.5)],
        "resting_heart_rate": [("28 23:00:00", 58.2)],
        "oxygen_saturation": [("01 03:21:00", 96.4)],
    }
    assert stored(anna, "deep_sleep_duration", "awake_duration", "time_in_bed", "body_mass") == {
        "deep_sleep_duration": [("01 00:00:00", 1_800)],
        "awake_duration": [("01 00:30:00", 60)],
        "time_in_bed": [("01 00:00:00", 1_860)],
        "body_mass": [("01 06:30:00", round(154.3 * 0.45359237, 4))],
    }
    files = files_of(anna, import_id)
    assert files["heart_rate-2026-03-01.json"]["rejected"] == {"time_invalid": 1, "malformed": 1}
    assert {name: files[name]["code"] for name in files if files[name]["outcome"] != "read"} == {
        "calories-2026-03-01.json": "corrupt_json",
        "steps-2026-03-02.json": "unexpected_shape",
        "Heart Rate Variability Details - 2026-03-01.csv": "unexpected_shape",
        "Daily SpO2 - 2026-03-01.csv": "sums_up_others",
        "archive_browser.html": "not_understood",
    }
    before = rows_of(anna)
    again = read(anna, upload(anna, archive))
    assert (again["accepted"], again["duplicates"], rows_of(anna)) == (0, len(before), before)
    assert broken() == {}


def test_he2_google_fit_and_garmin_are_sources_of_their_own(anna):  # noqa: F811
    beats = [point("com.google.heart_rate.bpm", {"fpVal": 61.0}, minute=n) for n in range(3)]
    steps = [
        point("com.google.step_count.delta", {"intVal": 12}, lasts=60),
        point("com.google.strange", {"intVal": 1}),
    ]
    day = {
        "calendarDate": "2026-03-01",
        "wellnessStartTimeGmt": "2026-02-28T23:00:00.0",
        "totalSteps": 9_000,
        "restingHeartRate": 48,
        "moderateIntensityMinutes": 20,
        "vigorousIntensityMinutes": 5,
        "bmrKilocalories": 1_700.0,
    }
    night = {
        "sleepStartTimestampGMT": "2026-02-28T22:00:00.0",
        "sleepEndTimestampGMT": "2026-03-01T06:00:00.0",
        "deepSleepSeconds": 3_600,
        "lightSleepSeconds": 14_400,
        "remSleepSeconds": 7_200,
        "awakeSleepSeconds": 600,
        "averageRespiration": 14.0,
        "spo2SleepSummary": {"averageSPO2": 95.0},
    }
    scale = {
        "metaData": {"calendarDate": "2026-03-01T06:30:00.0"},
        "weight": {"weight": 70_100.0, "bodyFat": 21.5, "timestampGMT": "2026-03-01T06:30:00.0"},
    }
    source = "derived_com.google.heart_rate.bpm_com.google.android.gms_merge_heart_rate_bpm.json"
    import_id = upload(
        anna,
        zipped(
            {
                f"{FIT}/{source}": {"Data Source": source, "Data Points": beats},
                f"{FIT}/derived_com.google.step_count.delta_gms_merge_step_deltas.json": {"Data Points": steps},
                f"{FIT}/raw_com.google.heart_rate.bpm_some.app.json": {"Data Points": beats},
                "DI_CONNECT/DI-Connect-Aggregator/UDSFile_2026-01-01_2026-04-01.json": [day],
                f"{GARMIN}/2026-01-01_2026-04-01_1_sleepData.json": [night, {"sleepStartTimestampGMT": None}],
                f"{GARMIN}/1_userBioMetrics.json": [scale, {"metaData": {}, "height": 1}],
                "DI_CONNECT/DI-Connect-Fitness/a_0_summarizedActivities.json": [],
            }
        ),
    )
    assert read(anna, import_id)["files"] == {"waiting": 0, "read": 5, "refused": 0, "left_out": 2}
    files = files_of(anna, import_id)
    assert files["derived_com.google.step_count.delta_gms_merge_step_deltas.json"]["unknown"] == {
        "com.google.strange": 1
    }
    assert files["raw_com.google.heart_rate.bpm_some.app.json"]["code"] == "merged_elsewhere"
    assert files["2026-01-01_2026-04-01_1_sleepData.json"]["rejected"] == {"time_invalid": 1}
    assert stored(
        anna, "heart_rate", "steps", "exercise_duration", "resting_energy", "body_mass", "sleep_duration"
    ) == {
        "heart_rate": [("01 00:00:00", 61), ("01 00:01:00", 61), ("01 00:02:00", 61)],
        "steps": [("28 23:00:00", 9_000), ("01 00:00:00", 12)],
        "exercise_duration": [("28 23:00:00", 1_500)],
        "resting_energy": [("28 23:00:00", 1_700 * 4.184)],
        "body_mass": [("01 06:30:00", 70.1)],
        "sleep_duration": [("28 22:00:00", 25_200)],
    }
    assert set(Device.objects.values_list("kind", flat=True)) == {"google_takeout", "garmin_export"}
    assert broken() == {}


def test_he2_a_file_that_unpacks_to_more_than_it_says_is_refused_alone(anna, monkeypatch):  # noqa: F811
    step = {"dateTime": "03/01/26 10:00:00", "value": "12"}
    data = zipped({"steps-2026-03-01.json": [step] * 50, "steps-2026-03-02.json": [step]})
    monkeypatch.setattr(archives, "MAX_FILE_BYTES", 1_000)
    import_id = upload(anna, data)
    assert read(anna, import_id)["files"]["left_out"] == 1
    assert files_of(anna, import_id)["steps-2026-03-01.json"]["code"] == "file_too_large"
    monkeypatch.setattr(archives, "_left_out", lambda info: "")
    import_id = upload(anna, data)
    monkeypatch.setattr(reading.archives, "MAX_FILE_BYTES", 1_000)
    assert read(anna, import_id)["accepted"] == 0
    flipped = bytearray(zipped({"steps-2026-03-01.json": [step] * 50, "steps-2026-03-03.json": [step]}))
    flipped[70] ^= 0xFF
    import_id = upload(anna, bytes(flipped))
    read(anna, import_id)
    assert files_of(anna, import_id)["steps-2026-03-03.json"]["outcome"] == "read"
