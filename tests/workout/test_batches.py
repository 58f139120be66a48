"""Archives of recordings: every file has an outcome, progress shows, and nothing is lost when a worker dies."""

import gzip
import io
import json
import zipfile
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from asgiref.sync import sync_to_async
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils.timezone import now
from django.utils.translation import override

from contexts.workout import events, tasks
from contexts.workout.imports import archives, batches
from contexts.workout.models import BatchMember, Import, ImportBatch, TrainingSession
from kernel.observability import invariants
from tests.workout.conftest import IMPORTS, SESSIONS, gpx

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

BATCHES = f"{IMPORTS}/batches"
BEGIN = datetime(2026, 3, 1, 8, tzinfo=UTC)


def day(nth, **course):
    """A run of its own day."""
    return gpx(BEGIN + timedelta(days=nth), **({"points": 30} | course))


def zipped(members):
    """An archive of these files."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return made.getvalue()


def post(person, data, **options):
    file = SimpleUploadedFile("export.zip", data, content_type="application/zip")
    return person.api.post(BATCHES, data={"file": file}, **options)


def shown(person, answer):
    return person.api.get(f"{BATCHES}/{answer.json()['batch_id']}").json()


def outcomes(person, answer):
    """By path: (outcome, code)."""
    items = person.api.get(f"{BATCHES}/{answer.json()['batch_id']}/members?limit=100").json()["items"]
    return {item["path"]: (item["outcome"], item["code"]) for item in items}


@pytest.fixture
def sent(monkeypatch):
    """Wake-ups for batches that nobody has answered yet."""
    waiting = []
    for name in ("open_batch", "read_portion"):
        task = getattr(tasks, name)
        later = SimpleNamespace(delay=lambda *told, task=task: waiting.append((task, told)))
        monkeypatch.setattr(tasks, name, later)
    return waiting


@pytest.fixture
def unpack(sent):
    """Let the worker do all it was woken for, and what that leads to."""

    def run():
        while sent:
            task, told = sent.pop(0)
            task(*told)

    return run


def test_wo9_every_file_of_an_archive_has_an_outcome(register, unpack, announced):
    person = register()
    inner = zipped({"deep.gpx": day(4), "deeper.zip": zipped({"x.gpx": day(5)})})
    answer = post(
        person,
        zipped(
            {
                "a.gpx": day(0),
                "b.gpx.gz": gzip.compress(day(1)),
                "again/a.gpx": day(0),
                "broken.gpx": b"<gpx>",
                "empty.gpx": b"",
                "photo.jpg": b"jpeg",
                "../outside.gpx": day(2),
                "inner.zip": inner,
                "bad.zip": b"PK",
            }
        ),
    )
    assert (answer.status_code, answer.json()["state"]) == (202, "queued")
    unpack()
    assert outcomes(person, answer) == {
        "a.gpx": ("done", None),
        "b.gpx.gz": ("done", None),
        "again/a.gpx": ("done", None),
        "broken.gpx": ("refused", "corrupt_xml"),
        "empty.gpx": ("left_out", "empty"),
        "photo.jpg": ("left_out", "not_a_recording"),
        "../outside.gpx": ("left_out", "unsafe_path"),
        "inner.zip!/deep.gpx": ("done", None),
        "inner.zip!/deeper.zip": ("left_out", "nested_too_deep"),
        "bad.zip": ("left_out", "not_an_archive"),
    }
    done = shown(person, answer)
    assert (done["state"], done["members"], done["counts"]["done"]) == ("done", 10, 4)
    assert TrainingSession.objects.count() == 3
    (told,) = announced(events.ImportFinished)
    assert (told.is_batch, told.imported, told.refused, told.sessions) == (True, 4, 6, 3)
    assert str(told.import_id) == answer.json()["batch_id"]
    assert {each.id: each.violations() for each in invariants() if each.violations()} == {}
    folder = default_storage.listdir(batches.folder_of(person.user_id))[1]
    assert len(folder) == 1


def test_wo9_the_same_archive_again_is_the_same_batch(register, unpack, sent):
    person = register()
    data = zipped({"a.gpx": day(0)})
    first = post(person, data)
    unpack()
    again = post(person, data)
    assert (again.status_code, again.json()) == (200, shown(person, first))
    assert sent == []


@pytest.mark.parametrize(("data", "code"), [(b"no zip", "not_an_archive"), (zipped({})[:-1], "not_an_archive")])
def test_what_is_no_archive_is_refused_with_a_code(register, unpack, announced, data, code):
    person = register()
    answer = post(person, data)
    unpack()
    assert (shown(person, answer)["state"], shown(person, answer)["refusal"]["code"]) == ("refused", code)
    assert len(announced(events.ImportFinished)) == 1


def test_an_encrypted_member_is_left_out(register, unpack):
    person = register()
    data = bytearray(zipped({"secret.gpx": day(0), "open.gpx": day(1)}))
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(magic) + offset] |= 1
    answer = post(person, bytes(data))
    unpack()
    assert outcomes(person, answer) == {"secret.gpx": ("left_out", "encrypted"), "open.gpx": ("done", None)}


def test_a_bomb_goes_off_nowhere(register, unpack, monkeypatch):
    """Neither one that says how large it is, nor one that lies."""
    person = register()
    monkeypatch.setattr(archives, "MAX_FILE_BYTES", 10_000)
    honest = zipped({"bomb.gpx": b" " * 1_000_000, "run.gpx": day(0, points=3)})
    lying = bytearray(zipped({"bomb.gpx": b"\0" * 1_000_000}))
    for magic, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = lying.index(magic) + offset
        lying[at : at + 4] = (5_000).to_bytes(4, "little")
    answers = [post(person, bytes(data)) for data in (honest, lying)]
    unpack()
    assert outcomes(person, answers[0]) == {"bomb.gpx": ("left_out", "member_too_large"), "run.gpx": ("done", None)}
    assert outcomes(person, answers[1])["bomb.gpx"][0] in ("left_out", "refused")


@pytest.mark.parametrize(
    ("limit", "code"), [("MAX_MEMBERS", "too_many_members"), ("MAX_UNPACKED_BYTES", "unpacks_too_large")]
)
def test_an_archive_keeps_its_limits(register, unpack, monkeypatch, limit, code):
    monkeypatch.setattr(archives, limit, 1)
    person = register()
    answer = post(person, zipped({"a.gpx": day(0), "b.gpx": day(1)}))
    unpack()
    assert shown(person, answer)["refusal"]["code"] == code


def test_an_archive_that_unpacks_too_large_is_told_how_large_it_may_become(register, unpack):
    person = register()
    data = bytearray(zipped({f"{nth}.gpx": b" " for nth in range(5)}))
    entry = -1
    while (entry := data.find(b"PK\x01\x02", entry + 1)) >= 0:
        data[entry + 24 : entry + 28] = (0xFFFF_FFFE).to_bytes(4, "little")
    batch_id = post(person, bytes(data)).json()["batch_id"]
    unpack()
    refused = [
        person.api.get(f"{BATCHES}/{batch_id}", headers={"Accept-Language": tongue}).json()["refusal"]["detail"]
        for tongue in ("en", "ru")
    ]
    assert refused == ["Unpacked the archive is larger than 20 GB.", "После распаковки архив больше 20 ГБ."]


def test_more_than_2_gb_are_refused(register, monkeypatch):
    monkeypatch.setattr(archives, "MAX_ARCHIVE_BYTES", 1_000)
    person = register()
    for size in (1_001, 100_000):
        answer = post(person, b"x" * size)
        assert (answer.status_code, answer.json()["code"]) == (413, "archive_too_large")
    assert not ImportBatch.objects.exists()


class TestResuming:
    def test_wo9_what_a_dead_worker_left_is_read_by_the_next(self, register, sent, unpack, announced, monkeypatch):
        person = register()
        monkeypatch.setattr(batches, "PORTION", 2)
        answer = post(person, zipped({f"{nth}.gpx": day(nth) for nth in range(5)}))
        task, told = sent.pop(0)
        task(*told)
        assert len(sent) == 3
        task, told = sent.pop(1)
        task(*told)
        sent.clear()
        assert shown(person, answer)["counts"]["done"] == 2
        assert tasks.wake_unfinished_batches() == 0
        ImportBatch.objects.update(touched_at=now() - batches.LEASE - timedelta(seconds=1))
        assert tasks.wake_unfinished_batches() == 2
        unpack()
        assert shown(person, answer)["state"] == "done"
        assert TrainingSession.objects.count() == 5
        assert len(announced(events.ImportFinished)) == 1

    def test_a_portion_read_twice_changes_nothing(self, register, unpack):
        person = register()
        answer = post(person, zipped({"a.gpx": day(0), "b.gpx": day(1)}))
        unpack()
        ImportBatch.objects.update(state="reading", finished_at=None)
        BatchMember.objects.update(recording=None)
        batches.read_portion(batch_id=ImportBatch.objects.get().id, position=0, at=now())
        assert (TrainingSession.objects.count(), Import.objects.count()) == (2, 2)
        assert shown(person, answer)["state"] == "done"

    def test_an_archive_that_kills_its_workers_is_refused_at_last(self, register, sent, unpack):
        person = register()
        answer = post(person, zipped({"a.gpx": day(0)}))
        ImportBatch.objects.update(
            attempts=batches.MAX_ATTEMPTS, touched_at=now() - batches.LEASE - timedelta(seconds=1)
        )
        unpack()
        assert shown(person, answer)["refusal"]["code"] == "reader_failed"


class TestVendorExports:
    def test_wo9_a_strava_export_brings_names_gear_and_media(self, register, unpack):
        person = register()
        listed = (
            "Activity ID,Activity Date,Activity Name,Activity Type,Activity Description,Elapsed Time,Commute,"
            "Activity Gear,Filename,Perceived Exertion,Elapsed Time,Commute,Media\n"
            '1,"Mar 1, 2026",Лес,Run,"two\nlines",300,true,Old shoes,activities/1.gpx.gz,6.0,300.0,1.0,'
            "media/a.jpg|media/b.jpg\n"
            "2,,Other,Ride,,,false,,activities/2.gpx,,,,\n"
        )
        answer = post(
            person,
            zipped(
                {
                    "activities/1.gpx.gz": gzip.compress(day(0)),
                    "activities/2.gpx": day(1),
                    "media/a.jpg": b"jpeg",
                    "activities.csv": "\ufeff" + listed,
                }
            ),
        )
        unpack()
        assert shown(person, answer)["counts"]["done"] == 2
        (other, run) = person.api.get(SESSIONS).json()["items"]
        assert other["title"] == "Other"
        told = person.api.get(f"{SESSIONS}/{run['id']}").json()
        assert (told["title"], told["notes"], told["commute"], told["effort"]) == ("Лес", "two\nlines", True, 6)
        assert (told["gear"], told["media"]) == (["Old shoes"], ["media/a.jpg", "media/b.jpg"])

    def test_wo9_a_garmin_export_brings_names(self, register, unpack):
        person = register()
        summary = {"activityId": 7, "name": "Вечерний бег", "startTimeGmt": BEGIN.timestamp() * 1000 + 900.0}
        answer = post(
            person,
            zipped(
                {
                    "DI_CONNECT/DI-Connect-Fitness/me_0_summarizedActivities.json": json.dumps(
                        [{"summarizedActivitiesExport": [summary, {"name": 3}]}]
                    ),
                    "DI_CONNECT/DI-Connect-Uploaded-Files/UploadedFiles_0-_Part1.zip": zipped({"me_7.gpx": day(0)}),
                }
            ),
        )
        unpack()
        assert shown(person, answer)["counts"] == {
            "waiting": 0,
            "queued": 0,
            "working": 0,
            "done": 1,
            "refused": 0,
            "left_out": 1,
        }
        assert [item["title"] for item in person.api.get(SESSIONS).json()["items"]] == ["Вечерний бег"]


def test_a_batch_of_somebody_else_does_not_exist(register, sent):
    answer = post(register(), zipped({"a.gpx": day(0)}))
    other = register()
    for path in ("", "/members"):
        assert other.api.get(f"{BATCHES}/{answer.json()['batch_id']}{path}").status_code == 404


def test_wo9_ones_own_archives_are_listed_the_newest_first(register, unpack, sent):
    person = register()
    recorded = {"a.gpx": day(0), "again/a.gpx": day(0), "b.gpx": day(1)}
    read, refused = post(person, zipped(recorded)), post(person, b"no zip")
    unpack()
    waiting = post(person, zipped({"c.gpx": day(2)}))
    post(register(), zipped({"d.gpx": day(3)}))
    first = person.api.get(f"{BATCHES}?limit=2").json()
    items = first["items"] + person.api.get(f"{BATCHES}?limit=2&cursor={first['next']}").json()["items"]
    assert [item["batch_id"] for item in items] == [each.json()["batch_id"] for each in (waiting, refused, read)]
    assert [(item["state"], item["session_count"]) for item in items] == [("queued", 0), ("refused", 0), ("done", 2)]
    assert [item["refusal"] and item["refusal"]["code"] for item in items] == [None, "not_an_archive", None]
    assert {item["file_name"] for item in items} == {"export.zip"}
    only = person.api.get(f"{BATCHES}?state=done").json()["items"]
    assert [item["batch_id"] for item in only] == [read.json()["batch_id"]]


@pytest.mark.asyncio
async def test_wo9_progress_is_seen_over_the_socket(register, sent, unpack, socket):
    person, other = [await sync_to_async(register)() for _ in range(2)]
    answer = await sync_to_async(post)(person, zipped({f"{nth}.gpx": day(nth) for nth in range(3)}))
    path = f"/ws/v1/workout/imports/batches/{answer.json()['batch_id']}"
    async with socket(path, person.token) as ws:
        assert (await ws.next("progress"))["state"] == "queued"
        await sync_to_async(unpack)()
        seen = [await ws.next("progress")]
        while seen[-1]["state"] != "done":
            seen.append(await ws.next("progress"))
        assert seen[-1]["counts"]["done"] == 3
    async with socket(path, other.token) as ws:
        assert await ws.closed_with() == 4404


@pytest.mark.asyncio
async def test_wo9_a_refused_archive_is_told_by_its_code_whatever_the_workers_language(
    register, sent, unpack, socket
):
    person = await sync_to_async(register)()
    answer = await sync_to_async(post)(person, b"no zip")
    path = f"/ws/v1/workout/imports/batches/{answer.json()['batch_id']}"
    async with socket(path, person.token) as ws:
        assert (await ws.next("progress"))["refusal"] is None
        with override("ru"):
            await sync_to_async(unpack)()
        assert (await ws.next("progress"))["refusal"] == {"code": "not_an_archive"}
    async with socket(path, person.token) as ws:
        assert (await ws.next("progress"))["refusal"] == {"code": "not_an_archive"}
