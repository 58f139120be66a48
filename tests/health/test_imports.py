"""Exports of health data: uploaded part by part, read in portions, resumed, and nothing in them can hurt (HE-2)."""

import io
import zipfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.utils.timezone import now

from contexts.health import events, rules, services, tasks
from contexts.health.imports import portions, reading, uploads
from contexts.health.imports.apple_export import Records
from contexts.health.models import Batch, DataImport, Device, ImportedFile, Reading
from kernel import personal_data
from tests.conftest import Person, agree
from tests.health import apple_day
from tests.health.conftest import HEALTH
from tests.health.test_entries import broken

pytestmark = pytest.mark.django_db(databases=["default", "health"])

IMPORTS = f"{HEALTH}/imports"
SMALL = 2_000


@pytest.fixture(autouse=True)
def by_hand(monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Any) -> None:
    """No worker takes what the test is to read itself, and files are nobody else's."""
    monkeypatch.setattr(tasks.read_import, "delay", lambda import_id: None)
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def anna(register: Any) -> Person:
    """Somebody who has agreed."""
    person: Person = register()
    agree(person)
    return person


def upload(person: Person, data: bytes, *, name: str = "export.zip", part: int = 1_048_576) -> str:
    """Through the front door, in parts; returns the import."""
    begun = person.api.post(IMPORTS, {"file_name": name, "size": len(data)})
    assert begun.status_code == 201, begun.content
    import_id = begun.json()["import_id"]
    for offset in range(0, len(data), part):
        answer = send_part(person, import_id, data[offset : offset + part], offset)
        assert answer.status_code in (200, 202), answer.content
    assert (answer.status_code, answer.json()["state"]) == (202, "queued")
    return str(import_id)


def send_part(person: Person, import_id: str, data: bytes, offset: int) -> Any:
    """One part."""
    return person.api.request(
        "patch",
        f"{IMPORTS}/{import_id}/content",
        data=data,
        content_type="application/octet-stream",
        headers={"Upload-Offset": str(offset)},
    )


def read(person: Person, import_id: str, **how: Any) -> dict[str, Any]:
    """Let a worker read it to its end."""
    while reading.read_slice(import_id=DataImport.objects.get(pk=import_id).pk, at=now(), **how):
        pass
    found: dict[str, Any] = person.api.get(f"{IMPORTS}/{import_id}").json()
    return found


def files_of(person: Person, import_id: str) -> dict[str, dict[str, Any]]:
    """By the last part of their names."""
    items = person.api.get(f"{IMPORTS}/{import_id}/files").json()["items"]
    return {item["path"].rpartition("/")[2]: item for item in items}


def rows_of(person: Person) -> list[tuple[Any, ...]]:
    """A person's readings, whatever device row and batch they belong to."""
    numbers = Device.objects.filter(user_id=person.user_id).values("number")
    rows = Reading.objects.filter(device_number__in=numbers)
    return sorted(rows.values_list("stream", "time", "sequence", "value"))


def a_day(every_s: int = 60) -> bytes:
    """A small day."""
    return b"".join(apple_day.export(every_s=every_s))


def test_he2_a_day_of_apple_health_becomes_readings(anna, announced, django_capture_on_commit_callbacks):
    import_id = upload(anna, apple_day.archive(b"".join(apple_day.export())))
    with django_capture_on_commit_callbacks(using="health", execute=True):
        found = read(anna, import_id)
    assert (found["state"], found["accepted"], found["duplicates"]) == ("done", apple_day.READINGS_A_DAY, 0)
    assert found["records"] == apple_day.RECORDS_A_DAY + 2  # who it is of, and when it was made
    assert found["bytes_read"] == found["bytes_to_read"]
    assert found["files"] == {"waiting": 0, "read": 1, "refused": 0, "left_out": 2}
    files = files_of(anna, import_id)
    assert files["export.xml"]["unknown"] == {
        "HKQuantityTypeIdentifierEnvironmentalAudioExposure": 48,
        "HKWorkoutActivityTypeRunning": 1,
    }
    assert files["export.xml"]["rejected"] == {}
    assert (files["export_cda.xml"]["code"], files["route_2026-03-01.gpx"]["code"]) == (
        "not_understood",
        "belongs_to_workouts",
    )
    begin = apple_day.utc(apple_day.BEGIN)
    day = {"user_id": anna.user_id, "since": begin, "until": begin + timedelta(days=1)}
    one = {
        name: services.get_readings(streams=[name], **day)[0]
        for name in ("oxygen_saturation", "body_mass", "body_temperature", "blood_glucose", "deep_sleep_duration")
    }
    values = {name: round(row.value, 6) for name, row in one.items()}
    assert values == {
        "oxygen_saturation": 94,
        "body_mass": round(140.5 * 0.45359237, 6),
        "body_temperature": 37,
        "blood_glucose": 5.1,
        "deep_sleep_duration": 1_500,
    }
    assert one["body_mass"].time == begin + timedelta(hours=7)
    assert sum(row.value for row in services.get_readings(streams=["sleep_duration"], **day)) == 16 * 1_500
    told = announced(events.HealthMetricRecorded)
    assert sum(each.count for each in told) == apple_day.READINGS_A_DAY
    assert broken() == {}
    assert list(personal_data.files_below(uploads.folder_of(anna.user_id))) == []  # once it is read it is not kept
    assert anna.api.get(f"{HEALTH}/devices").json()["items"] == []  # a source is no device that one wears


@pytest.mark.parametrize("killed_at", [1, 3])
def test_he2_an_import_killed_half_way_goes_on_and_ends_the_same(anna, register, monkeypatch, killed_at):
    monkeypatch.setattr(reading, "PORTION", SMALL)
    xml = a_day(every_s=30)
    data = xml if killed_at == 1 else apple_day.archive(xml)
    import_id, whole, calls = upload(anna, data), portions._commit, Counter()

    def killed(**what: Any) -> Any:
        calls["commit"] += 1
        done = whole(**what) if calls["commit"] < killed_at else None
        if done is None:
            raise KeyboardInterrupt
        return done

    monkeypatch.setattr(portions, "_commit", killed)
    with pytest.raises(KeyboardInterrupt):
        read(anna, import_id)
    monkeypatch.setattr(portions, "_commit", whole)
    assert not reading.read_slice(import_id=DataImport.objects.get().pk, at=now())  # somebody may be at it still
    assert DataImport.objects.get().pk not in reading.unfinished(at=now())
    later = now() + reading.LEASE * 2
    assert reading.unfinished(at=later) == [DataImport.objects.get().pk]
    reading.read_slice(import_id=DataImport.objects.get().pk, at=later)
    other = register()
    agree(other)
    at_once = read(other, upload(other, xml, name="export.xml"))
    resumed = anna.api.get(f"{IMPORTS}/{import_id}").json()
    same = ("state", "records", "accepted", "duplicates")
    assert [resumed[name] for name in same] == [at_once[name] for name in same]
    assert rows_of(anna) == rows_of(other)
    one, two = ImportedFile.objects.filter(shape="apple_export").order_by("source__begun_at")
    assert (one.unknown, one.rejected) == (two.unknown, two.rejected)
    assert broken() == {}


def test_he2_slices_let_others_have_their_turn_and_repeats_are_duplicates(anna, monkeypatch):
    monkeypatch.setattr(reading, "PORTION", SMALL)
    import_id = upload(anna, a_day(), name="export.xml")
    own = DataImport.objects.get()
    assert reading.read_slice(import_id=own.pk, at=now(), seconds=0)
    part = anna.api.get(f"{IMPORTS}/{import_id}").json()
    assert 0 < part["bytes_read"] < part["bytes_to_read"]
    first = read(anna, import_id, seconds=0)
    assert first["accepted"] == len(rows_of(anna))
    again = read(anna, upload(anna, apple_day.archive(a_day()), name="again.zip"))
    assert (again["accepted"], again["duplicates"]) == (0, first["accepted"])


def test_he2_a_file_without_end_is_cut_off(anna, monkeypatch):
    monkeypatch.setattr(reading, "PORTION", SMALL)
    monkeypatch.setattr(rules, "MAX_FILE_RECORDS", SMALL * 2)
    import_id = upload(anna, a_day(), name="export.xml")
    assert SMALL * 2 < read(anna, import_id)["records"] < SMALL * 4
    file = files_of(anna, import_id)["export.xml"]
    assert (file["outcome"], file["code"]) == ("read", "too_many_records")


def test_he2_an_import_whose_workers_all_die_is_refused(anna, monkeypatch):
    import_id = upload(anna, a_day(), name="export.xml")
    monkeypatch.setattr(reading.Work, "go_on", lambda self: exec("raise KeyboardInterrupt"))
    at = now()
    for _ in range(reading.MAX_ATTEMPTS):
        with pytest.raises(KeyboardInterrupt):
            reading.read_slice(import_id=DataImport.objects.get().pk, at=at)
        at += reading.LEASE * 2
    assert not reading.read_slice(import_id=DataImport.objects.get().pk, at=at)
    assert anna.api.get(f"{IMPORTS}/{import_id}").json()["refusal_code"] == "reader_failed"


ENTITIES = b'<!DOCTYPE HealthData [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><HealthData>&b;</HealthData>'
EXTERNAL = b'<!DOCTYPE HealthData SYSTEM "file:///etc/passwd"><HealthData/>'
DEFAULTS = b'<!DOCTYPE HealthData [<!ATTLIST Record value CDATA "60">]><HealthData><Record/></HealthData>'
LONG = b"<HealthData><Record type='" + b"x" * 2_000_000 + b"'/></HealthData>"
DEEP = b"<HealthData><Record><a>" + b"<a>" * 50 + b"</a>" * 51 + b"</Record></HealthData>"


@pytest.mark.parametrize(
    ("xml", "code"),
    [
        (ENTITIES, "entities_forbidden"),
        (EXTERNAL, "entities_forbidden"),
        (DEFAULTS, "defaults_forbidden"),
        (LONG, "element_too_long"),
        (DEEP, "too_deep"),
        (b"<HealthData", "corrupt_xml"),
        (b"<gpx><HealthData/></gpx>", "not_an_export"),
    ],
)
def test_he2_a_document_that_could_hurt_is_refused(anna, xml, code):
    import_id = upload(anna, xml, name="export.xml")
    assert read(anna, import_id)["files"]["refused"] == 1
    assert files_of(anna, import_id)["export.xml"]["code"] == code


def test_he2_what_stands_before_damage_is_kept_and_bad_records_are_counted(anna):
    begin, kind = apple_day.BEGIN, apple_day.QUANTITY
    records = (
        apple_day.record(f"{kind}HeartRate", 60, begin, unit="count/min"),
        apple_day.record(f"{kind}HeartRate", 260, begin + timedelta(seconds=1), unit="count/min"),  # in quarantine
        apple_day.record(f"{kind}HeartRate", "fast", begin, unit="count/min"),
        apple_day.record(f"{kind}HeartRate", 60, begin, unit="furlong"),
        apple_day.record(f"{kind}HeartRate", 60, datetime(2999, 1, 1, tzinfo=UTC), unit="count/min"),
        apple_day.record(f"{kind}HeartRate", 60, datetime(1899, 1, 1, tzinfo=UTC), unit="count/min"),
        apple_day.record(f"{kind}OxygenSaturation", 97, begin, unit="%"),
        apple_day.record(apple_day.SLEEP, "Dozing", begin),
        apple_day.record(apple_day.SLEEP, "HKCategoryValueSleepAnalysisAwake", begin, lasts=-60),
        b'<Record type="HKQuantityTypeIdentifierHeartRate" unit="count/min" startDate="soon" value="1"/>',
    )
    import_id = upload(anna, apple_day.HEAD + b"".join(records) + b"<Record type=", name="export.xml")
    read(anna, import_id)
    file = files_of(anna, import_id)["export.xml"]
    assert (file["outcome"], file["code"], file["accepted"]) == ("read", "corrupt_xml", 2)
    assert file["rejected"] == {
        "value_invalid": 2,
        "value_out_of_range": 1,
        "unknown_unit": 1,
        "in_future": 1,
        "too_long_ago": 1,
        "interval_invalid": 1,
        "time_invalid": 1,
    }
    assert Reading.objects.filter(quarantined=True).count() == 1


def test_an_upload_goes_on_where_it_was_broken_off(anna, register, monkeypatch):
    monkeypatch.setattr(rules, "PART_BYTES", (4, 8))
    import_id = anna.api.post(IMPORTS, {"file_name": "export.xml", "size": 20}).json()["import_id"]
    assert send_part(anna, import_id, b"12345678", 0).json()["received"] == 8
    lost = send_part(anna, import_id, b"12345678", 0)
    assert (lost.status_code, lost.json()["code"], lost.json()["received"]) == (409, "offset_mismatch", 8)
    assert send_part(anna, import_id, b"123456789", 8).status_code == 413
    assert send_part(anna, import_id, b"123", 8).json()["errors"][0]["code"] == "part_size"
    other = register()
    assert send_part(other, import_id, b"12345678", 8).status_code == 404
    paths = (import_id, f"{import_id}/files")
    assert {other.api.get(f"{IMPORTS}/{path}").status_code for path in paths} == {404}
    assert other.api.delete(f"{IMPORTS}/{import_id}").status_code == 404
    assert send_part(anna, import_id, b"12345678", 8).status_code == 200
    assert send_part(anna, import_id, b"1234", 16).status_code == 202
    assert send_part(anna, import_id, b"1234", 20).json()["code"] == "upload_complete"
    with uploads.opened(DataImport.objects.get()) as whole:
        assert whole.read() == b"12345678" * 2 + b"1234"
        whole.seek(6)
        assert whole.read(4) == b"7812"
    assert [item["state"] for item in anna.api.get(IMPORTS).json()["items"]] == ["queued"]


def test_imports_are_few_at_a_time_can_be_cancelled_and_are_forgotten(anna):
    form = {"file_name": "export.zip", "size": 5}
    made = [anna.api.post(IMPORTS, form).json()["import_id"] for _ in range(rules.MAX_OPEN_IMPORTS)]
    assert anna.api.post(IMPORTS, form).json()["code"] == "too_many_imports"
    send_part(anna, made[0], b"12345", 0)
    assert anna.api.delete(f"{IMPORTS}/{made[0]}").status_code == 204
    assert len(list(personal_data.files_below(uploads.folder_of(anna.user_id)))) == 1  # it died before it did this
    for left in uploads.undeleted(at=now() + rules.UPLOAD_DELETED_WITHIN * 2):
        uploads.delete_upload(import_id=left)
    assert list(personal_data.files_below(uploads.folder_of(anna.user_id))) == []
    assert anna.api.delete(f"{IMPORTS}/{made[0]}").json()["code"] == "import_finished"
    assert uploads.forget_abandoned(at=now() + rules.UPLOAD_WAITS * 2) == 2
    assert anna.api.get(f"{IMPORTS}/{made[1]}").json()["refusal_code"] == "upload_abandoned"


def test_p3_nothing_is_imported_without_consent(register):
    person = register()
    form = {"file_name": "export.xml", "size": 5}
    assert person.api.post(IMPORTS, form).json()["code"] == "consent_required"
    agree(person)
    import_id = upload(person, a_day(), name="export.xml")
    agree(person, given=False)
    assert read(person, import_id)["refusal_code"] == "consent_required"
    assert not Reading.objects.exists()


def test_id10_an_erasure_takes_imports_uploads_and_their_readings(anna):
    read(anna, upload(anna, a_day(), name="export.xml"))
    import_id = upload(anna, a_day(), name="export.xml")
    folder = uploads.folder_of(anna.user_id)
    assert len(list(personal_data.files_below(folder))) > 0
    claimed = reading._claim(import_id=DataImport.objects.get(pk=import_id).pk, at=now())
    personal_data.erase("health", anna.user_id)
    with pytest.raises(portions.TakenOver):
        portions.own_claim(claimed)
    assert not any(model.objects.exists() for model in (DataImport, ImportedFile, Reading, Batch, Device))
    assert not default_storage.exists(folder) or list(personal_data.files_below(folder)) == []


def test_he2_an_archive_that_could_hurt_is_refused(anna, monkeypatch):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as opened:
        for n in range(5):
            opened.writestr(f"{n}/steps-2026-03-01.json", "[]")
        opened.writestr("../steps-2026-03-01.json", "[]")
        opened.writestr("inner.zip", "PK")
    data = made.getvalue()
    import_id = upload(anna, data)
    assert read(anna, import_id)["files"] == {"waiting": 0, "read": 5, "refused": 0, "left_out": 2}
    assert files_of(anna, import_id)["inner.zip"]["code"] == "nested_archive"
    flipped = bytearray(apple_day.archive(a_day()))
    flipped[len(flipped) // 2] ^= 0xFF
    import_id = upload(anna, bytes(flipped))
    read(anna, import_id)
    assert files_of(anna, import_id)["export.xml"]["code"] in ("corrupt_file", "corrupt_xml")
    broken_off = read(anna, upload(anna, data[:-10]))
    assert (broken_off["state"], broken_off["refusal_code"]) == ("refused", "not_an_archive")
    monkeypatch.setattr(reading.archives, "MAX_MEMBERS", 4)
    assert read(anna, upload(anna, data))["refusal_code"] == "too_many_files"


def resident() -> int:
    """Bytes of memory that this process holds."""
    with open("/proc/self/statm") as told:
        return int(told.read().split()[1]) * 4_096


@pytest.mark.slow
def test_he2_an_export_of_any_size_is_read_in_constant_memory(tmp_path):
    """A hundred megabytes, the database left out: a portion is given up for the next one."""
    day = b"".join(apple_day.day_of_records(0))
    path = tmp_path / "export.xml"
    with path.open("wb") as made:
        made.write(apple_day.HEAD)
        for _ in range(100_000_000 // len(day) + 1):
            made.write(day)
        made.write(apple_day.TAIL)
    source, held, read_now = SimpleNamespace(earliest=rules.EARLIEST_ENTRY), [], 0
    with path.open("rb") as file:
        records, goes_on = Records(file, reached=0), True
        while goes_on:
            goes_on = records.next_portion(reading.PORTION)
            portion = portions.Portion.of_records(records)
            read_now += portion.records
            assert len(portion.columns(source, at=now())) <= reading.PORTION * 2
            held.append(resident())
    assert read_now == (100_000_000 // len(day) + 1) * apple_day.RECORDS_A_DAY + 2
    assert max(held[3:]) - held[3] < 8_000_000
