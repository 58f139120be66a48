"""Recordings handed in as files: kept, read by the worker, turned into sessions once, or refused with the reason."""

import gzip
import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from asgiref.sync import sync_to_async
from django.core.files.storage import default_storage
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from contexts.workout import events, tasks
from contexts.workout.imports import importing
from contexts.workout.models import Import, TrainingSession
from contexts.workout.recording import completing
from kernel.databases import release_connections
from tests.workout.conftest import IMPORTS, SESSIONS, gpx, hand_in, import_of, progress

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

BEGIN = datetime(2026, 3, 1, 8, tzinfo=UTC)


class TestWo9AFileBecomesSessions:
    def test_wo9_a_recording_becomes_a_completed_session(self, register, work, announced):
        person = register(birth_date="1986-01-01", visibility={"workouts": "friends"}, time_zone="Asia/Tokyo")
        answer = hand_in(person, gpx(BEGIN, points=61, step_s=10, metres=30, bpm=140))
        assert (answer.status_code, answer.json()["state"]) == (202, "queued")
        assert work() == 1
        done = progress(person, answer)
        assert (done["state"], done["refusal"], len(done["sessions"])) == ("done", None, 1)
        session = person.api.get(f"{SESSIONS}/{done['sessions'][0]}").json()
        assert (session["source"], session["sport"], session["state"]) == ("import", "running", "completed")
        assert session["import_id"] == answer.json()["import_id"]
        assert session["distance_m"] == pytest.approx(1800, rel=0.001)
        assert (session["duration_s"], session["hr_avg"], session["hr_max"]) == (600, 140, 140)
        assert session["fastest_1k_s"] == pytest.approx(333.3, abs=0.5)
        (told,) = announced(events.WorkoutCompleted)
        assert (told.source, told.started_at, told.time_zone, told.visibility) == (
            "import",
            BEGIN,
            "Asia/Tokyo",
            "friends",
        )
        assert announced(events.WorkoutStarted) == []

    def test_wo6_the_streams_of_a_recording_can_be_read(self, register, work):
        person = register()
        answer = hand_in(person, gpx(BEGIN, points=5))
        work()
        (session,) = progress(person, answer)["sessions"]
        shown = person.api.get(f"{SESSIONS}/{session}/streams").json()
        streams = {stream["kind"]: stream for stream in shown["streams"]}
        assert set(streams) >= {"latitude", "longitude", "altitude", "heart_rate"}
        assert streams["heart_rate"] == {
            "kind": "heart_rate",
            "offsets_s": [0, 10, 20, 30, 40],
            "values": [140] * 5,
        }

    def test_the_original_is_kept_byte_for_byte(self, register):
        data = gpx(BEGIN) + b"<!-- \xc3\xa9 -->\r\n"
        kept = Import.objects.get(id=import_of(hand_in(register(), data)))
        with default_storage.open(kept.original) as file:
            assert file.read() == data
        assert kept.sha256 == hashlib.sha256(data).hexdigest()

    def test_an_older_recording_is_summarised_for_the_age_of_its_day(self, register, work):
        person = register(birth_date="1986-01-01")
        then = now() - timedelta(days=10 * 366)
        done = hand_in(person, gpx(then))
        work()
        (session,) = progress(person, done)["sessions"]
        age = person.api.get(f"{SESSIONS}/{session}").json()["methods"]["hr_zones_s"]["inputs"]["age"]
        assert age == (now() - datetime(1986, 1, 1, tzinfo=UTC)).days // 365 - 10


class TestTheSameFileAgain:
    def test_wo9_the_same_file_by_the_same_athlete_is_the_same_import(self, register, work, announced):
        person = register()
        first = hand_in(person, gpx(BEGIN))
        assert hand_in(person, gpx(BEGIN), name="other.gpx").json()["import_id"] == first.json()["import_id"]
        assert work() == 1
        again = hand_in(person, gpx(BEGIN))
        assert (again.status_code, again.json()) == (200, progress(person, first))
        assert work() == 0
        assert len(announced(events.WorkoutCompleted)) == 1

    def test_the_same_file_by_another_athlete_is_their_own_import(self, register, work):
        one, other = register(), register()
        answers = [hand_in(person, gpx(BEGIN)) for person in (one, other)]
        work()
        assert import_of(answers[0]) != import_of(answers[1])
        assert [len(progress(who, what)["sessions"]) for who, what in zip((one, other), answers, strict=True)] == [
            1,
            1,
        ]

    def test_wo9_of_many_equal_files_at_once_one_becomes_a_session(self, register, work, woken):
        person = register()

        def one(_):
            try:
                return hand_in(person, gpx(BEGIN))
            finally:
                release_connections()

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(one, range(8)))
        assert {answer.status_code for answer in answers} == {202}
        assert len({import_of(answer) for answer in answers}) == 1
        assert len(woken) == 1
        folder = default_storage.listdir(f"workout/imports/{person.user_id}")[1]
        assert len(folder) == 1
        work()
        assert TrainingSession.objects.count() == 1

    def test_an_idempotency_key_answers_the_same_import(self, register):
        person = register()
        answers = [hand_in(person, gpx(BEGIN), headers={"Idempotency-Key": "k"}) for _ in range(2)]
        assert answers[0].content == answers[1].content
        reused = hand_in(person, gpx(BEGIN, points=3), headers={"Idempotency-Key": "k"})
        assert (reused.status_code, reused.json()["code"]) == (422, "key_reused")


class TestRefusals:
    @pytest.mark.parametrize(
        ("data", "name", "code"),
        [
            (b"hello", "hello.txt", "unknown_format"),
            (b"\x0e\x10garbage.FIT", "ride.fit", "corrupt_header"),
            (b"<gpx><trk>", "ride.gpx", "corrupt_xml"),
            (b"<gpx></gpx>", "ride.gpx", "not_an_activity"),
            (b'<!DOCTYPE x [<!ENTITY a "b">]><gpx>&a;</gpx>', "ride.gpx", "xml_forbidden"),
        ],
    )
    def test_what_is_no_recording_is_refused_with_a_code(self, register, work, data, name, code):
        person = register()
        answer = hand_in(person, data, name)
        assert answer.status_code == 202
        work()
        done = progress(person, answer)
        assert (done["state"], done["sessions"]) == ("refused", [])
        assert done["refusal"]["code"] == code
        again = hand_in(person, data, name)
        assert (again.status_code, again.json()) == (200, done)

    def test_refusals_and_warnings_are_told_in_the_readers_language(self, register, work):
        person = register()
        timeless = gpx(BEGIN).replace(b"<time>2026-03-01T08:00:10Z</time>", b"")
        route, warned = hand_in(person, b"<gpx></gpx>"), hand_in(person, timeless)
        work()

        def told(answer, tongue):
            shown = person.api.get(f"{IMPORTS}/{import_of(answer)}", headers={"Accept-Language": tongue}).json()
            return [(one["code"], one["detail"]) for one in (shown["refusal"], *shown["warnings"]) if one]

        assert told(route, "en") == [("not_an_activity", "This GPX file holds no track.")]
        assert told(route, "ru") == [("not_an_activity", "В этом файле GPX нет трека.")]
        assert told(warned, "en") == [("points_without_time", "1 points without a time were left out.")]
        assert told(warned, "ru") == [("points_without_time", "Пропущено точек без времени: 1.")]

    def test_a_file_refused_as_too_large_is_told_how_large_one_may_be(self, register, work):
        person = register()
        answer = hand_in(person, gzip.compress(b" " * (importing.MAX_FILE_BYTES + 1)), "ride.gpx.gz")
        work()
        refused = [
            person.api.get(f"{IMPORTS}/{import_of(answer)}", headers={"Accept-Language": tongue}).json()["refusal"]
            for tongue in ("en", "ru")
        ]
        assert [one["code"] for one in refused] == ["inflates_too_large"] * 2
        assert [one["detail"] for one in refused] == [
            "The compressed file becomes larger than 25 MB.",
            "После распаковки файл больше 25 МБ.",
        ]

    def test_an_empty_file_is_refused_at_once(self, register):
        answer = hand_in(register(), b"")
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "empty")

    def test_a_form_without_a_file_is_refused(self, register):
        answer = register().api.post(IMPORTS, data={"other": "x"})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "file")

    def test_json_is_refused_where_a_form_is_wanted(self, register):
        assert register().api.post(IMPORTS, {"file": "x"}).status_code == 415

    def test_more_than_25_mb_are_refused(self, register, monkeypatch):
        monkeypatch.setattr(importing, "MAX_FILE_BYTES", 1000)
        person = register()
        for size in (1_001, 100_000):
            answer = hand_in(person, b"x" * size)
            assert (answer.status_code, answer.json()["code"]) == (413, "file_too_large")
        assert Import.objects.count() == 0

    def test_a_file_name_cannot_do_harm(self, register, work):
        person = register()
        answer = hand_in(person, gpx(BEGIN), name="../../\x00etc/\u202e" + "é" * 400 + ".gpx")
        assert answer.status_code == 202
        work()
        assert progress(person, answer)["state"] == "done"

    def test_an_import_of_somebody_else_does_not_exist(self, register):
        answer = hand_in(register(), gpx(BEGIN))
        assert register().api.get(f"{IMPORTS}/{import_of(answer)}").status_code == 404


class TestOnesOwnImports:
    def test_wo9_ones_own_imports_are_listed_the_newest_first(self, register, work):
        person, other = register(), register()
        done, refused, waiting = (
            hand_in(person, data, name)
            for data, name in ((gpx(BEGIN), "run.gpx"), (b"<gpx>", "broken.gpx"), (gpx(BEGIN, points=3), "late.gpx"))
        )
        hand_in(other, gpx(BEGIN))
        Import.objects.filter(id=import_of(waiting)).update(attempts=1, state="working", claimed_at=now())
        work()
        first = person.api.get(f"{IMPORTS}?limit=2").json()
        second = person.api.get(f"{IMPORTS}?limit=2&cursor={first['next']}").json()
        items = first["items"] + second["items"]
        assert second["next"] is None
        assert [item["import_id"] for item in items] == [str(import_of(each)) for each in (waiting, refused, done)]
        assert [(item["file_name"], item["state"], item["session_count"]) for item in items] == [
            ("late.gpx", "working", 0),
            ("broken.gpx", "refused", 0),
            ("run.gpx", "done", 1),
        ]
        assert [item["refusal"] and item["refusal"]["code"] for item in items] == [None, "corrupt_xml", None]
        only = person.api.get(f"{IMPORTS}?state=refused").json()["items"]
        assert [item["import_id"] for item in only] == [str(import_of(refused))]
        assert person.api.get(f"{IMPORTS}?state=lost").status_code == 400

    @pytest.mark.parametrize(("query", "index"), [("", "import_own"), ("?state=refused", "import_own_not_done")])
    def test_a_page_of_imports_is_read_from_an_index_in_its_order(self, register, query, index):
        person = register()
        with CaptureQueriesContext(connections["workout"]) as asked:
            assert person.api.get(IMPORTS + query).status_code == 200
        (statement,) = (one["sql"] for one in asked.captured_queries if "workout_import" in one["sql"])
        with connections["workout"].cursor() as cursor:
            cursor.execute("SET enable_seqscan = off; SET enable_sort = off")
            cursor.execute(f"EXPLAIN {statement}")
            plan = "\n".join(line for (line,) in cursor.fetchall())
            cursor.execute("RESET enable_seqscan; RESET enable_sort")
        assert f"Index Scan Backward using {index} on" in plan


@pytest.mark.asyncio
async def test_wo9_each_step_of_a_file_is_seen_over_its_socket(register, work, woken, socket):
    person, other = [await sync_to_async(register)() for _ in range(2)]
    run, broken = [await sync_to_async(hand_in)(person, data) for data in (gpx(BEGIN), b"<gpx>")]
    paths = [f"/ws/v1/workout/imports/{import_of(answer)}" for answer in (run, broken)]
    async with socket(paths[0], person.token) as good, socket(paths[1], person.token) as bad:
        assert [(await ws.next("progress"))["state"] for ws in (good, bad)] == ["queued", "queued"]
        await sync_to_async(work)()
        seen = [[await ws.next("progress") for _ in range(2)] for ws in (good, bad)]
        assert [[frame["state"] for frame in frames] for frames in seen] == [
            ["working", "done"],
            ["working", "refused"],
        ]
        shown = await sync_to_async(progress)(person, run)
        assert seen[0][1]["sessions"] == shown["sessions"] != []
        assert seen[1][1]["refusal"] == {"code": "corrupt_xml"}
        await sync_to_async(importing.read_again)(import_id=import_of(broken), at=now())
        assert (await bad.next("progress"))["state"] == "queued"
    async with socket(paths[0], person.token) as late:
        assert (await late.next("progress"))["sessions"] == shown["sessions"]
    async with socket(paths[0], other.token) as theirs:
        assert await theirs.closed_with() == 4404


class TestTheWorker:
    def test_two_workers_on_one_import_make_one_session(self, register, woken):
        person = register()
        answer = hand_in(person, gpx(BEGIN))

        def one(_):
            try:
                tasks.read_import(woken[0])
            finally:
                release_connections()

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(one, range(4)))
        assert len(progress(person, answer)["sessions"]) == 1

    def test_a_lost_wake_up_is_sent_again(self, register, woken, work):
        person = register()
        answer = hand_in(person, gpx(BEGIN))
        woken.clear()
        assert tasks.wake_unfinished_imports() == 0
        Import.objects.update(posted_at=now() - importing.PATIENCE - timedelta(seconds=1))
        assert tasks.wake_unfinished_imports() == 1
        work()
        assert progress(person, answer)["state"] == "done"

    def test_the_import_of_a_dead_worker_is_taken_over(self, register, woken, work):
        person = register()
        answer = hand_in(person, gpx(BEGIN))
        woken.clear()
        long_ago = now() - importing.LEASE - timedelta(seconds=1)
        Import.objects.update(state="working", claimed_at=now(), attempts=1)
        assert tasks.wake_unfinished_imports() == 0
        Import.objects.update(claimed_at=long_ago)
        assert tasks.wake_unfinished_imports() == 1
        work()
        assert len(progress(person, answer)["sessions"]) == 1

    def test_a_worker_thought_dead_records_nothing_any_more(self, register, monkeypatch):
        person = register()
        answer = hand_in(person, gpx(BEGIN))
        read = importing.recordings.read_many_bounded

        def slow(files, **options):
            Import.objects.update(attempts=2)
            return read(files, **options)

        monkeypatch.setattr(importing.recordings, "read_many_bounded", slow)
        importing.read_import(import_id=import_of(answer), at=now())
        assert not TrainingSession.objects.exists()

    def test_a_failing_file_spoils_no_other_that_is_stored_with_it(self, register, work, monkeypatch, announced):
        person = register()
        whole, failing, damaged = (gpx(BEGIN + timedelta(days=nth)) for nth in range(3))
        twin = gpx(BEGIN + timedelta(days=1), bpm=141)
        answers = [hand_in(person, data) for data in (whole, b"<gpx>", failing, damaged, twin)]
        original = Import.objects.get(id=import_of(answers[3])).original
        with default_storage.open(original, "wb") as file:
            file.write(b"something else")
        keep_sets = completing.parts.keep_sets

        def fail_for_one(session, sets):
            if session.recording_id == import_of(answers[2]):
                raise ValueError
            keep_sets(session, sets)

        with monkeypatch.context() as patched:
            patched.setattr(completing.parts, "keep_sets", fail_for_one)
            importing.read_imports(import_ids=[import_of(answer) for answer in answers], at=now())
        states = [progress(person, answer)["state"] for answer in answers]
        assert states == ["done", "refused", "working", "working", "done"]
        assert TrainingSession.objects.count() == len(announced(events.WorkoutCompleted)) == 2
        assert len(announced(events.ImportFinished)) == 3
        with default_storage.open(original, "wb") as file:
            file.write(damaged)
        Import.objects.update(claimed_at=now() - importing.LEASE - timedelta(seconds=1))
        assert tasks.wake_unfinished_imports() == 2
        work()
        assert [progress(person, answer)["state"] for answer in answers] == ["done", "refused", *["done"] * 3]
        assert TrainingSession.objects.count() == 4
        assert len(announced(events.WorkoutCompleted)) == 3

    def test_two_workers_share_what_waits(self, register, woken, monkeypatch, work):
        person = register()
        answers = [hand_in(person, gpx(BEGIN + timedelta(days=nth), points=5)) for nth in range(6)]
        read, taken = importing.recordings.read_many_bounded, []

        def beside_another_worker(files):
            taken.append(Import.objects.filter(state="working").count())
            if len(taken) == 1:
                tasks.read_import(woken[-1])
            return read(files)

        monkeypatch.setattr(importing.recordings, "read_many_bounded", beside_another_worker)
        tasks.read_import(woken[0])
        assert taken == [3, 3 + 2]
        work()
        assert [len(progress(person, answer)["sessions"]) for answer in answers] == [1] * 6

    def test_what_may_have_killed_its_worker_is_read_alone(self, register, woken, monkeypatch, work):
        person = register()
        answers = [hand_in(person, gpx(BEGIN + timedelta(days=nth), points=5)) for nth in range(5)]
        long_ago = now() - importing.LEASE - timedelta(seconds=1)
        tried = Import.objects.filter(id__in=[import_of(answer) for answer in answers[:3]])
        tried.update(state="working", claimed_at=long_ago, attempts=1)
        read, taken = importing.recordings.read_many_bounded, []

        def counted(files):
            taken.append(Import.objects.filter(state="working", claimed_at__gt=long_ago).count())
            return read(files)

        monkeypatch.setattr(importing.recordings, "read_many_bounded", counted)
        tasks.read_import(woken[0])
        importing.read_imports(import_ids=[import_of(answer) for answer in answers], at=now())
        assert taken == [1, 2, 1, 1]
        assert [progress(person, answer)["state"] for answer in answers] == ["done"] * 5

    def test_a_file_that_kills_its_workers_is_refused_at_last(self, register, work):
        person = register()
        answer = hand_in(person, gpx(BEGIN))
        Import.objects.update(
            state="working",
            attempts=importing.MAX_ATTEMPTS,
            claimed_at=now() - importing.LEASE - timedelta(seconds=1),
        )
        work()
        assert progress(person, answer)["refusal"]["code"] == "reader_failed"
