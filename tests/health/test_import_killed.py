"""HE-2 under fire: the worker that reads an Apple export is killed with SIGKILL; another one goes on (HE-2)."""

import subprocess
from typing import Any

import pytest
from django.db import transaction
from django.utils.timezone import now

from contexts.health import tasks
from contexts.health.imports import reading
from contexts.health.imports.apple_export import Records
from contexts.health.models import DataImport, ImportedFile, Reading
from tests.conftest import agree
from tests.health import apple_day
from tests.health.conftest import COMMITTED
from tests.health.test_entries import broken
from tests.health.test_imports import read, rows_of, upload
from tests.killing import await_end_of, kill_when_it_waits_for_us, until, worker

pytestmark = [COMMITTED, pytest.mark.slow]

DAYS = 4


def killed_within_a_portion(process: subprocess.Popen[bytes]) -> ImportedFile:
    """SIGKILL while a portion's readings are stored and not committed; the file as the last commit has left it."""
    until(lambda: ImportedFile.objects.filter(reached__gt=0, shape="apple_export").exists(), "a portion is stored")
    with transaction.atomic(using="health"):
        file = ImportedFile.objects.select_for_update().get(shape="apple_export")
        assert file.outcome == ImportedFile.Outcome.WAITING, "it was read to its end before anybody could kill it"
        backend = kill_when_it_waits_for_us(process, alias="health", why="the next portion waits to note its end")
    await_end_of(backend, alias="health")
    return file


@pytest.mark.parametrize("archived", [False, True])
def test_he2_a_worker_killed_within_a_portion_loses_and_doubles_nothing(
    register, monkeypatch, settings, tmp_path, archived
):
    settings.MEDIA_ROOT = tmp_path
    monkeypatch.setattr(tasks.read_import, "delay", lambda import_id: None)
    anna, other = register(), register()
    agree(anna)
    agree(other)
    xml = b"".join(apple_day.export(DAYS))
    import_id = upload(anna, apple_day.archive(xml) if archived else xml, name="export.xml")
    with worker("tests.health.importing", import_id, media=str(tmp_path)) as process:
        file = killed_within_a_portion(process)
    assert Reading.objects.count() == file.accepted > 0
    assert not reading.read_slice(import_id=DataImport.objects.get().pk, at=now())  # its worker may be alive yet

    begun_at: list[int] = []

    class Watched(Records):
        def __init__(self, file: Any, *, reached: int) -> None:
            begun_at.append(reached)
            super().__init__(file, reached=reached)

    monkeypatch.setattr(reading, "Records", Watched)
    later = now() + reading.LEASE * 2
    assert reading.unfinished(at=later) == [DataImport.objects.get().pk]
    assert not reading.read_slice(import_id=DataImport.objects.get().pk, at=later)
    assert begun_at == [file.reached]
    resumed = ImportedFile.objects.get(shape="apple_export")
    whole = DAYS * apple_day.READINGS_A_DAY
    assert (resumed.outcome, resumed.accepted, resumed.duplicates) == ("read", whole, 0)
    assert resumed.records == DAYS * apple_day.RECORDS_A_DAY + 2
    assert read(other, upload(other, xml, name="export.xml"))["accepted"] == whole
    assert rows_of(anna) == rows_of(other)
    assert broken() == {}
