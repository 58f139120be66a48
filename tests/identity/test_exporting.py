"""Everything about a person in one archive, for them alone and for a day (ID-10)."""

import hashlib
import io
import json
import zipfile
from datetime import timedelta
from uuid import uuid4

import pytest
from django.conf import settings
from django.core.files.storage import default_storage
from django.utils.timezone import now

from contexts.identity import events, exporting, rules
from contexts.identity.models import DataExport, Session
from kernel import personal_data
from kernel.databases import alias_of
from kernel.traces import Seeker
from tests.health.conftest import forget_devices  # noqa: F401  (a fixture)
from tests.identity.conftest import IDENTITY, in_parallel
from tests.identity.living import HOME, WORDS, life, own_media  # noqa: F401  (fixtures)

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)
EXPORTS = f"{IDENTITY}/exports"


def collected(person, deliver) -> str:
    """The id of an export that is ready."""
    answer = person.api.post(EXPORTS)
    assert answer.status_code == 202, answer.content
    deliver()
    return str(answer.json()["id"])


def archive_of(person, export_id: str) -> zipfile.ZipFile:
    """The archive, as it is downloaded."""
    answer = person.api.get(f"{EXPORTS}/{export_id}/archive", headers={"Accept": "application/zip"})
    assert answer.status_code == 200, answer.content
    assert answer["Content-Disposition"] == f'attachment; filename="stayer-{export_id}.zip"'
    assert answer["Cache-Control"] == "no-store"
    return zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content)))


@pytest.mark.slow
def test_id10_the_archive_holds_everything_and_says_how_much(life, deliver):  # noqa: F811
    archive = archive_of(life.person, collected(life.person, deliver))
    manifest = json.loads(archive.read("manifest.json"))
    assert set(manifest["rows"]) == set(settings.CONTEXTS)
    for context in settings.CONTEXTS:
        for model, owned in personal_data.owned_in(context):
            if not owned.exports:
                continue
            table, alias = model._meta.db_table, alias_of(context)
            there = personal_data.rows_of(model, owned, alias, life.person.user_id).count()
            if table == "identity_auditentry":  # the audit goes on while the rest is collected
                assert 0 < manifest["rows"][context][table] <= there
            else:
                assert manifest["rows"][context][table] == there, table
            if there:
                lines = archive.read(f"{context}/{table}.jsonl").splitlines()
                assert len(lines) == manifest["rows"][context][table]
                assert all(isinstance(json.loads(line), dict) for line in lines)
    assert manifest["rows"]["health"]["health_reading"] == 120
    assert manifest["rows"]["workout"]["files"] == 1


@pytest.mark.slow
def test_id10_every_word_of_the_person_is_in_the_archive_and_no_secret(life, deliver):  # noqa: F811
    archive = archive_of(life.person, collected(life.person, deliver))
    everything = b"\n".join(archive.read(name) for name in archive.namelist())
    assert Seeker(WORDS.values()).found_in([everything]) == set(WORDS.values())
    assert Seeker([str(HOME)]).found_in([everything]) == {str(HOME)}
    assert b"sealed_centre" not in everything
    (original,) = [name for name in archive.namelist() if name.startswith("workout/files/")]
    assert archive.read(original) == life.recording
    assert b"argon2" not in everything
    assert "sealed_secret" not in everything.decode()
    assert b"I shall." not in everything  # that is the friend's


def test_id10_the_seed_of_a_second_factor_is_not_handed_out(enrolled, deliver):
    person, app, codes = enrolled()
    archive = archive_of(person, collected(person, deliver))
    rows = [json.loads(line) for line in archive.read("identity/mfa_authenticator.jsonl").splitlines()]
    assert {(row["type"], str(row["data"])) for row in rows} == {("totp", "{}"), ("recovery_codes", "{}")}
    everything = b"\n".join(archive.read(name) for name in archive.namelist())
    assert Seeker([app.secret, "v1.", *codes]).found_in([everything]) == set()


@pytest.mark.slow
def test_id10_the_manifest_proves_every_file(life, deliver):  # noqa: F811
    archive = archive_of(life.person, collected(life.person, deliver))
    listed = {entry["name"]: entry for entry in json.loads(archive.read("manifest.json"))["files"]}
    assert set(archive.namelist()) == {*listed, "manifest.json", "README.txt"}
    for name, entry in listed.items():
        content = archive.read(name)
        assert (len(content), hashlib.sha256(content).hexdigest()) == (entry["bytes"], entry["sha256"])


@pytest.mark.parametrize(("locale", "word"), [("en", "Everything"), ("ru", "Всё")])
def test_id10_the_page_inside_speaks_the_persons_language(register, deliver, locale, word):
    person = register(locale=locale)
    assert archive_of(person, collected(person, deliver)).read("README.txt").decode().startswith(word)


def test_id10_one_sees_which_contexts_have_answered(register, deliver):
    person = register()
    begun = person.api.post(EXPORTS).json()
    assert (begun["done"], begun["waiting"]) == ([], settings.CONTEXTS)
    early = person.api.get(f"{EXPORTS}/{begun['id']}/archive")
    assert (early.status_code, early.json()["code"]) == (409, "not_ready_yet")
    exporting.note_part(export_id=begun["id"], context="health", rows={}, at=now())
    shown = person.api.get(f"{EXPORTS}/{begun['id']}").json()
    assert shown["done"] == ["health"]
    assert "health" not in shown["waiting"]
    deliver()
    ready = person.api.get(f"{EXPORTS}/{begun['id']}").json()
    assert (sorted(ready["done"]), ready["waiting"]) == (sorted(settings.CONTEXTS), [])
    assert ready["ready_at"] < ready["expires_at"]
    assert person.api.get(EXPORTS).json()["items"] == [ready]


def test_id10_one_export_is_collected_at_a_time(register):
    person = register()
    first = person.api.post(EXPORTS).json()["id"]
    second = person.api.post(EXPORTS)
    assert (second.status_code, second.json()["code"]) == (409, "export_under_way")
    assert second.json()["export_id"] == first


def test_id10_of_parallel_requests_one_begins(register, announced):
    person = register()
    answers = in_parallel(5, lambda _: person.api.post(EXPORTS).status_code)
    assert sorted(answers) == [202, 409, 409, 409, 409]
    assert len(announced(events.UserExportRequested)) == 1


def test_id10_three_exports_a_day(register, deliver):
    person = register()
    for _ in range(rules.MAX_EXPORTS):
        collected(person, deliver)
    refused = person.api.post(EXPORTS)
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_exports")
    DataExport.objects.update(requested_at=now() - timedelta(hours=25))
    assert person.api.post(EXPORTS).status_code == 202


def test_id10_one_that_got_stuck_does_not_stand_in_the_way_for_ever(register):
    person = register()
    person.api.post(EXPORTS)
    DataExport.objects.update(requested_at=now() - timedelta(hours=25))
    assert person.api.post(EXPORTS).status_code == 202


def test_id10_an_archive_is_its_persons_alone(register, deliver, anonymous):
    export_id = collected(register(), deliver)
    stranger = register().api
    for path in (f"{EXPORTS}/{export_id}", f"{EXPORTS}/{export_id}/archive"):
        assert stranger.get(path).status_code == 404
        assert anonymous.get(path).status_code == 401
    assert stranger.get(f"{EXPORTS}/{uuid4()}/archive").status_code == 404


def test_id10_asking_and_fetching_take_a_recent_sign_in(register, deliver):
    person = register()
    export_id = collected(person, deliver)
    Session.objects.update(started_at=now() - timedelta(minutes=16))
    for answer in (person.api.post(EXPORTS), person.api.get(f"{EXPORTS}/{export_id}/archive")):
        assert (answer.status_code, answer.json()["code"]) == (403, "sign_in_again")
    assert person.api.get(f"{EXPORTS}/{export_id}").status_code == 200


def test_id10_an_archive_is_there_for_a_day(register, deliver):
    person = register()
    export_id = collected(person, deliver)
    name = exporting.archive_of(export_id)
    assert exporting.forget_expired_exports(at=now() + timedelta(hours=23)) == 0
    assert default_storage.exists(name)
    DataExport.objects.update(expires_at=now())
    over = person.api.get(f"{EXPORTS}/{export_id}/archive")
    assert (over.status_code, over.json()["code"]) == (404, "export_expired")
    assert exporting.forget_expired_exports(at=now()) == 1
    assert not default_storage.exists(name)


def test_id10_only_the_archive_is_kept(register, deliver):
    export_id = collected(register(), deliver)
    assert list(personal_data.files_below(f"exports/{export_id}")) == [exporting.archive_of(export_id)]


def test_id10_an_export_interrupted_half_way_is_written_anew(life, monkeypatch):  # noqa: F811
    target, keep = f"exports/{uuid4()}/health", personal_data.keep_file
    kept = []

    def killed(name, file):
        keep(name, file)
        kept.append(name)
        raise KeyboardInterrupt

    monkeypatch.setattr(personal_data, "keep_file", killed)
    with pytest.raises(KeyboardInterrupt):
        personal_data.export("health", life.person.user_id, target)
    monkeypatch.setattr(personal_data, "keep_file", keep)
    rows = personal_data.export("health", life.person.user_id, target)
    assert len(kept) == 1
    assert sorted(personal_data.files_below(target)) == [
        f"{target}/{table}.jsonl" for table in sorted(rows) if rows[table]
    ]
